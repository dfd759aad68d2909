/**
 * The model of now and the one before it. A question that was asked under the former is answered under that: what a statement
 * meant when it was parsed decides whether it means the same now (C7), and a verdict that never came would leave that open for ever.
 */
import type { CatalogModel } from './model.ts';

export class Models {
  #current: CatalogModel | null = null;
  /** The last that was current: `#current`, or the one that is being replaced. */
  #last: CatalogModel | null = null;
  #former: CatalogModel | null = null;
  #waiters: ((model: CatalogModel) => void)[] = [];

  /** Null while the catalog is being loaded. */
  get current(): CatalogModel | null {
    return this.#current;
  }

  /** Names tables while a new catalog is being loaded. */
  get last(): CatalogModel | null {
    return this.#last;
  }

  /** The model of now, as soon as there is one. */
  whenCurrent(): Promise<CatalogModel> {
    if (this.#current !== null) return Promise.resolve(this.#current);
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** The model that gave a context its number; null where it is neither of the two. */
  knowing(contextId: number): CatalogModel | null {
    const knows = (model: CatalogModel | null) => model?.contexts.get(contextId) !== undefined;
    if (knows(this.#last)) return this.#last;
    return knows(this.#former) ? this.#former : null;
  }

  replace(model: CatalogModel): void {
    this.#former = this.#last;
    this.#last = this.#current = model;
    for (const resolve of this.#waiters.splice(0)) resolve(model);
  }

  /** Until it is replaced there is none of now. */
  void(): void {
    this.#current = null;
  }
}
