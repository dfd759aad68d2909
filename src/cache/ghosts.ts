/**
 * Names of entries evicted lately: a direct-mapped table of one word a cell, so forgetting costs nothing. It doubles while it has fewer
 * than four cells for each name that is asked for: each is then found in either half, and its memory follows the number of entries, not the most there
 * can be. A cell holds 16 bits of the hash and 16 bits of the time, counted in evictions; a younger name replaces an older
 * one. Both kinds of mistake (a name lost, a stranger taken for a known one) cost a hit now and then, nothing else.
 */
const CELLS_MIN = 4_096;
const CELLS_PER_NAME = 4;

export class Ghosts {
  readonly #cellsMax: number;
  #cells: Int32Array;
  /** Evictions per tick: the times of the largest table span sixteen times its cells before they wrap. */
  readonly #tickShift: number;
  #evictions = 0;

  /** @param cellsMax a power of two */
  constructor(cellsMax: number) {
    this.#cellsMax = cellsMax;
    this.#cells = new Int32Array(Math.min(cellsMax, CELLS_MIN));
    this.#tickShift = Math.max(0, 31 - Math.clz32(cellsMax) - 12);
  }

  remember(hash: number): void {
    this.#evictions++;
    this.#cells[hash & (this.#cells.length - 1)] = (hash & 0xffff0000) | this.#tick();
  }

  /** Whether this hash is among about the last `evictions` that were remembered. */
  remembers(hash: number, evictions: number): boolean {
    if (CELLS_PER_NAME * evictions > this.#cells.length && this.#cells.length < this.#cellsMax) this.#double();
    const cell = this.#cells[hash & (this.#cells.length - 1)]!;
    if (cell === 0 || (cell ^ hash) >>> 16 !== 0) return false;
    const age = (this.#tick() - cell) & 0xffff;
    return age <= evictions >>> this.#tickShift;
  }

  #double(): void {
    const before = this.#cells;
    this.#cells = new Int32Array(2 * before.length);
    this.#cells.set(before);
    this.#cells.set(before, before.length);
  }

  #tick(): number {
    return (this.#evictions >>> this.#tickShift) & 0xffff;
  }
}
