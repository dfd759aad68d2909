/** Which views can be read without anything being written: those whose definition proves it, views in it included. */
import type { Catalog } from '../catalog.ts';
import { effectsOf } from './effects.ts';
import { Names } from './names.ts';
import type { Parser } from './parser.ts';

export class Purity {
  readonly #catalog: Catalog;
  readonly #parser: Parser;
  readonly #known = new Map<number, boolean>();

  constructor(catalog: Catalog, parser: Parser) {
    this.#catalog = catalog;
    this.#parser = parser;
  }

  isPure(view: number): boolean {
    let pure = this.#known.get(view);
    if (pure === undefined) {
      // A view cannot contain itself; should it seem so, it is not pure.
      this.#known.set(view, false);
      pure = this.#prove(view);
      this.#known.set(view, pure);
    }
    return pure;
  }

  #prove(view: number): boolean {
    const definition = this.#catalog.views.get(view);
    if (definition === undefined) return false;
    const parsed = this.#parser.parse(definition);
    if (parsed.kind === 'failed') return false;
    // Definitions are loaded fully qualified; what is not qualified is PostgreSQL's own.
    const { readOnly, changesContext } = effectsOf(parsed.statements, new Names(this.#catalog, ['pg_catalog']), this);
    return readOnly && !changesContext;
  }
}
