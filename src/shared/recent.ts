/**
 * A map of texts that forgets what was not used lately, within a number of entries and of characters. Two generations:
 *
 *   set, and get of an old one ──▶ young ──full: becomes old──▶ old ──young is full again──▶ forgotten, all at once
 *
 * So what is used at least once while half the bound is filled with others stays, whatever scan goes by. An order of last use in one map would cost a
 * deletion for each use, and a search from the front through what was deleted (V8 keeps holes until it rehashes) for each new entry.
 */
export class Recent<V> {
  readonly #entriesMax: number;
  readonly #textMax: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();
  #youngText = 0;

  /** @param entriesMax at least 2. @param textMax UTF-16 units of all keys; one longer key alone is kept nevertheless */
  constructor(entriesMax: number, textMax: number) {
    this.#entriesMax = Math.floor(entriesMax / 2);
    this.#textMax = Math.floor(textMax / 2);
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** A use. */
  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old === undefined) return undefined;
    this.#old.delete(key);
    this.#insert(key, old);
    return old;
  }

  set(key: string, value: V): void {
    this.delete(key);
    this.#insert(key, value);
  }

  delete(key: string): void {
    if (this.#young.delete(key)) this.#youngText -= key.length;
    else this.#old.delete(key);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
    this.#youngText = 0;
  }

  #insert(key: string, value: V): void {
    if (this.#young.size >= this.#entriesMax || this.#youngText + key.length > this.#textMax) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngText = 0;
    }
    this.#young.set(key, value);
    this.#youngText += key.length;
  }
}
