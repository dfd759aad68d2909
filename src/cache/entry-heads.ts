/**
 * The first member of each entry in the dependency pool, found by the entry's block: open addressing with linear probing, a word a cell, at most
 * three quarters of them taken. A member knows its block, so the cells need not.
 */
import { mix } from './tuple-hash.ts';

const NONE = 0;
const CELLS_MIN = 64;

export class EntryHeads {
  readonly #blockOf: (member: number) => number;
  #cells = new Int32Array(CELLS_MIN);
  #size = 0;

  constructor(blockOf: (member: number) => number) {
    this.#blockOf = blockOf;
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#cells.byteLength;
  }

  /** The member, or 0. */
  find(block: number): number {
    return this.#cells[this.#cellOf(block)]!;
  }

  /** @param member not 0, of a block that has none here. */
  add(member: number): void {
    if (4 * (this.#size + 1) > 3 * this.#cells.length) this.#grow();
    this.#cells[this.#cellOf(this.#blockOf(member))] = member;
    this.#size++;
  }

  /** Members behind it move up, so that every probe still ends at a free cell. All of them must still know their blocks, and this one be here. */
  remove(block: number): void {
    const mask = this.#cells.length - 1;
    let hole = this.#cellOf(block);
    this.#size--;
    for (let at = (hole + 1) & mask; this.#cells[at] !== NONE; at = (at + 1) & mask) {
      const home = mix(this.#blockOf(this.#cells[at]!)) & mask;
      // It may go into the hole unless it would come before its home.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.#cells[hole] = this.#cells[at]!;
      hole = at;
    }
    this.#cells[hole] = NONE;
  }

  forEach(visit: (member: number) => void): void {
    for (const member of this.#cells) if (member !== NONE) visit(member);
  }

  /** Where the block's member is, or would be. */
  #cellOf(block: number): number {
    const mask = this.#cells.length - 1;
    let at = mix(block) & mask;
    while (this.#cells[at] !== NONE && this.#blockOf(this.#cells[at]!) !== block) at = (at + 1) & mask;
    return at;
  }

  #grow(): void {
    const before = this.#cells;
    this.#cells = new Int32Array(2 * before.length);
    for (const member of before) {
      if (member !== NONE) this.#cells[this.#cellOf(this.#blockOf(member))] = member;
    }
  }
}
