/**
 * Numbers of the entries, for what their writer keeps of each in typed arrays. The number given back last is taken next, so there are never more in
 * use than there have been entries at a time: an array that is numbered by them, however long, is touched no further than that.
 */
export class EntryNumbers {
  /** By number: the block; of one that is free, the next one that is, + 1. */
  readonly #blocks: Int32Array;
  #free = 0;
  #top = 0;

  constructor(entriesMax: number) {
    this.#blocks = new Int32Array(entriesMax);
  }

  /** @throws RangeError when all are taken. */
  take(block: number): number {
    const number = this.#free === 0 ? this.#top++ : this.#free - 1;
    if (number >= this.#blocks.length) throw new RangeError(`no number is left of ${this.#blocks.length}`);
    if (this.#free !== 0) this.#free = this.#blocks[number]!;
    this.#blocks[number] = block;
    return number;
  }

  /** The entry has another block from now on. */
  rebind(number: number, block: number): void {
    this.#blocks[number] = block;
  }

  release(number: number): void {
    this.#blocks[number] = this.#free;
    this.#free = number + 1;
  }

  blockOf(number: number): number {
    return this.#blocks[number]!;
  }
}
