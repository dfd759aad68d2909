/** What reading a view may do: what its definition may do, that of the views in it included. */
import type { Catalog } from '../catalog.ts';
import { effectsOf } from './effects.ts';
import { Names } from './names.ts';
import type { Parser } from './parser.ts';
import { type Effects, unknownEffects } from './verdict.ts';

export class ViewEffects {
  readonly #catalog: Catalog;
  readonly #parser: Parser;
  readonly #known = new Map<number, Effects>();

  constructor(catalog: Catalog, parser: Parser) {
    this.#catalog = catalog;
    this.#parser = parser;
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
    const definition = this.#catalog.views.get(view);
    if (definition === undefined) return unknownEffects;
    const parsed = this.#parser.parse(definition);
    if (parsed.kind === 'failed') return unknownEffects;
    // Definitions are loaded fully qualified: what is not qualified is PostgreSQL's own. They name columns only as
    // columns; a call of a function with a row is written as a call.
    const names = new Names(this.#catalog, ['pg_catalog']);
    return effectsOf(parsed.statements, {
      names,
      views: this,
      points: null,
      targetsWritten: true,
      fieldsMayCall: false,
    });
  }
}
