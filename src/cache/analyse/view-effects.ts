/** What reading a view may do: what its definition may do, that of the views in it included. */
import type { Catalog } from '../catalog.ts';
import type { Definitions } from './definitions.ts';
import { effectsOf } from './effects.ts';
import { Names } from './names.ts';
import { type Effects, unknownEffects } from './verdict.ts';

export class ViewEffects {
  readonly definitions: Definitions;
  readonly #catalog: Catalog;
  readonly #known = new Map<number, Effects>();

  constructor(catalog: Catalog, definitions: Definitions) {
    this.#catalog = catalog;
    this.definitions = definitions;
  }

  of(view: number): Effects {
    let effects = this.#known.get(view);
    if (effects === undefined) {
      // A view cannot contain itself; should it seem so, nothing is known of it.
      this.#known.set(view, unknownEffects);
      effects = this.#find(view);
      this.#known.set(view, effects);
    }
    return effects;
  }

  #find(view: number): Effects {
    const definition = this.definitions.view(view);
    if (definition === null) return unknownEffects;
    // They name columns only as columns; a call of a function with a row is written as a call.
    const names = new Names(this.#catalog, ['pg_catalog']);
    return effectsOf(definition, { names, views: this, points: null, targetsWritten: true, fieldsMayCall: false });
  }
}
