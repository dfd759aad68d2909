/**
 * Segregated fit over units of 64 bytes, in the way of TLSF (Masmano et al., ECRTS 2004): a free list per class of
 * sizes, a bit per list, immediate coalescing. Take and release are O(1).
 *
 *   first                                         tail                end
 *   │ used │ free │ used │ used │ free │ used │   never or no longer   │
 *                                               │        used          │
 *
 * No memory belongs to a size for good (the slab problem): neighbours that become free become one. Sizes up to 64 units
 * have a list each, larger ones eight lists per doubling. What is behind `tail` is handed out only when no list fits, so
 * that a store which is never filled never touches its pages.
 *
 * A free run keeps its size and links in its own first unit and its size again in its last word; nobody else reads free
 * memory (epochs.ts). Outside are one bit per unit, "begins or ends a free run", and the heads of the lists.
 */
import { BLOCK_UNIT_BYTES } from '../shared/memory/layout.ts';

const UNIT_WORDS = BLOCK_UNIT_BYTES / 4;
const EXACT_CLASSES = 64;
const CLASSES = 240;
/** Runs of the right class that are looked at before memory is taken for full: their sizes differ by up to an eighth. */
const CLASS_SCAN_MAX = 16;

/** Words of a free run's first unit; its last word is its size again. */
const Free = { SIZE: 0, NEXT: 1, PREVIOUS: 2, SIZE_AT_END: UNIT_WORDS - 1 } as const;

/** The class that a run of this size is listed in. */
function classOf(units: number): number {
  if (units <= EXACT_CLASSES) return units - 1;
  const log = 31 - Math.clz32(units);
  return EXACT_CLASSES + (log - 6) * 8 + ((units >>> (log - 3)) & 7);
}

/** The lowest class of which every run has at least this size. */
function fittingClass(units: number): number {
  if (units <= EXACT_CLASSES) return units - 1;
  const step = 1 << (31 - Math.clz32(units) - 3);
  return classOf(units + step - 1 - ((units + step - 1) % step));
}

export class SegregatedFit {
  readonly first: number;
  readonly end: number;
  readonly #words: Int32Array;
  /** First run of each class; 0 = none. */
  readonly #heads = new Int32Array(CLASSES);
  readonly #nonEmpty = new Int32Array(Math.ceil(CLASSES / 32));
  readonly #edges: Int32Array;
  #tail: number;
  #listedUnits = 0;

  /** @param words all of the memory; units are numbered from its start, unit 0 is not ours */
  constructor(words: Int32Array, first: number, end: number) {
    this.first = first;
    this.end = end;
    this.#words = words;
    this.#tail = first;
    this.#edges = new Int32Array(Math.ceil((end - first + 1) / 32));
  }

  get totalUnits(): number {
    return this.end - this.first;
  }

  get freeUnits(): number {
    return this.#listedUnits + this.end - this.#tail;
  }

  /** Where the memory begins that is in nobody's use and in no list. */
  get tail(): number {
    return this.#tail;
  }

  /** First unit of `units` contiguous ones, or 0. */
  take(units: number): number {
    const unit = this.#takeListed(units);
    if (unit !== 0) return unit;
    if (units > this.end - this.#tail) return 0;
    const at = this.#tail;
    this.#tail += units;
    return at;
  }

  /** Gives back what `take(units)` returned. */
  release(unit: number, units: number): void {
    let start = unit;
    let size = units;
    if (unit > this.first && this.#isEdge(unit - 1)) {
      const before = this.#words[(unit - 1) * UNIT_WORDS + Free.SIZE_AT_END]!;
      start -= before;
      size += before;
      this.#unlist(start, before);
    }
    const next = unit + units;
    if (next < this.#tail && this.#isEdge(next)) {
      const after = this.#words[next * UNIT_WORDS + Free.SIZE]!;
      size += after;
      this.#unlist(next, after);
    }
    if (start + size === this.#tail) this.#tail = start;
    else this.#list(start, size);
  }

  /** Size of the free run that begins here, or 0. Only for units below `tail` at which a run or a block begins. */
  freeRun(unit: number): number {
    return this.#isEdge(unit) ? this.#words[unit * UNIT_WORDS + Free.SIZE]! : 0;
  }

  /** Calls `visit` with every listed run. @throws Error when lists, bits and sizes disagree. */
  check(visit: (unit: number, units: number) => void): void {
    let listed = 0;
    for (let klass = 0; klass < CLASSES; klass++) {
      const marked = (this.#nonEmpty[klass >>> 5]! & (1 << (klass & 31))) !== 0;
      if (marked !== (this.#heads[klass] !== 0)) throw new Error(`class ${klass}: bit and head differ`);
      let previous = 0;
      for (let unit = this.#heads[klass]!; unit !== 0; unit = this.#words[unit * UNIT_WORDS + Free.NEXT]!) {
        const units = this.#words[unit * UNIT_WORDS + Free.SIZE]!;
        const last = unit + units - 1;
        const sound =
          units > 0 &&
          classOf(units) === klass &&
          this.#words[last * UNIT_WORDS + Free.SIZE_AT_END] === units &&
          this.#words[unit * UNIT_WORDS + Free.PREVIOUS] === previous &&
          this.#isEdge(unit) &&
          this.#isEdge(last);
        if (!sound) throw new Error(`free run ${unit} of ${units} units is unsound in class ${klass}`);
        listed += units;
        if (listed > this.totalUnits) throw new Error(`class ${klass} has a cycle`);
        visit(unit, units);
        previous = unit;
      }
    }
    if (listed !== this.#listedUnits) throw new Error(`${listed} units listed, ${this.#listedUnits} counted`);
  }

  #takeListed(units: number): number {
    let run = this.#firstFrom(fittingClass(units));
    if (run === 0 && units > EXACT_CLASSES) run = this.#scanClass(units);
    if (run === 0) return 0;
    const size = this.#words[run * UNIT_WORDS + Free.SIZE]!;
    this.#unlist(run, size);
    if (size > units) this.#list(run + units, size - units);
    return run;
  }

  /** The first run in this class or a higher one. */
  #firstFrom(klass: number): number {
    if (klass >= CLASSES) return 0;
    let word = klass >>> 5;
    let bits = this.#nonEmpty[word]! & (-1 << (klass & 31));
    while (bits === 0) {
      word++;
      if (word === this.#nonEmpty.length) return 0;
      bits = this.#nonEmpty[word]!;
    }
    return this.#heads[word * 32 + 31 - Math.clz32(bits & -bits)]!;
  }

  /** A run that is large enough among the first of the class in which some are and some are not. */
  #scanClass(units: number): number {
    let run = this.#heads[classOf(units)]!;
    for (let i = 0; run !== 0 && i < CLASS_SCAN_MAX; i++) {
      if (this.#words[run * UNIT_WORDS + Free.SIZE]! >= units) return run;
      run = this.#words[run * UNIT_WORDS + Free.NEXT]!;
    }
    return 0;
  }

  #list(unit: number, units: number): void {
    const klass = classOf(units);
    const next = this.#heads[klass]!;
    const at = unit * UNIT_WORDS;
    this.#words[at + Free.SIZE] = units;
    this.#words[at + Free.NEXT] = next;
    this.#words[at + Free.PREVIOUS] = 0;
    this.#words[(unit + units - 1) * UNIT_WORDS + Free.SIZE_AT_END] = units;
    if (next !== 0) this.#words[next * UNIT_WORDS + Free.PREVIOUS] = unit;
    this.#heads[klass] = unit;
    this.#nonEmpty[klass >>> 5]! |= 1 << (klass & 31);
    this.#setEdge(unit);
    this.#setEdge(unit + units - 1);
    this.#listedUnits += units;
  }

  #unlist(unit: number, units: number): void {
    const klass = classOf(units);
    const next = this.#words[unit * UNIT_WORDS + Free.NEXT]!;
    const previous = this.#words[unit * UNIT_WORDS + Free.PREVIOUS]!;
    if (next !== 0) this.#words[next * UNIT_WORDS + Free.PREVIOUS] = previous;
    if (previous !== 0) this.#words[previous * UNIT_WORDS + Free.NEXT] = next;
    else {
      this.#heads[klass] = next;
      if (next === 0) this.#nonEmpty[klass >>> 5]! &= ~(1 << (klass & 31));
    }
    this.#clearEdge(unit);
    this.#clearEdge(unit + units - 1);
    this.#listedUnits -= units;
  }

  #isEdge(unit: number): boolean {
    const i = unit - this.first;
    return (this.#edges[i >>> 5]! & (1 << (i & 31))) !== 0;
  }

  #setEdge(unit: number): void {
    const i = unit - this.first;
    this.#edges[i >>> 5]! |= 1 << (i & 31);
  }

  #clearEdge(unit: number): void {
    const i = unit - this.first;
    this.#edges[i >>> 5]! &= ~(1 << (i & 31));
  }
}
