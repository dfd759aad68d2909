/**
 * Names of entries evicted lately: a direct-mapped table of one word a cell, so its size is fixed and forgetting costs
 * nothing. A cell holds 16 bits of the hash and 16 bits of the time, counted in evictions; a younger name replaces an older
 * one. Both kinds of mistake (a name lost, a stranger taken for a known one) cost a hit now and then, nothing else.
 */
export class Ghosts {
  readonly #cells: Int32Array;
  readonly #mask: number;
  /** Evictions per tick: the times of the table span sixteen times its cells before they wrap. */
  readonly #tickShift: number;
  #evictions = 0;

  /** @param cells a power of two */
  constructor(cells: number) {
    this.#cells = new Int32Array(cells);
    this.#mask = cells - 1;
    this.#tickShift = Math.max(0, 31 - Math.clz32(cells) - 12);
  }

  remember(hash: number): void {
    this.#evictions++;
    this.#cells[hash & this.#mask] = (hash & 0xffff0000) | this.#tick();
  }

  /** Whether this hash is among about the last `evictions` that were remembered. */
  remembers(hash: number, evictions: number): boolean {
    const cell = this.#cells[hash & this.#mask]!;
    if (cell === 0 || (cell ^ hash) >>> 16 !== 0) return false;
    const age = (this.#tick() - cell) & 0xffff;
    return age <= evictions >>> this.#tickShift;
  }

  #tick(): number {
    return (this.#evictions >>> this.#tickShift) & 0xffff;
  }
}
