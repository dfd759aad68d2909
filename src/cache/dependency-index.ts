/**
 * Which entries does a row change make wrong?
 *
 * Entries of a relation are filed by **signature**, the sorted set of columns that their constraint compares, and under it by
 * the tuple of values compared. A row probes each signature of its relation once, with its own values for those columns: the
 * cost grows with the number of query shapes, never with the number of entries. An entry without comparisons is in the signature of no
 * columns, whose only tuple every row has.
 *
 * An entry that compares one column with an interval of ranks (rank.ts), and nothing with a value, is in the signature of that column's
 * intervals, which a row searches (range-index.ts). With other comparisons the interval is left out here: fewer rows get that far.
 *
 * A signature also says which columns the statements of its entries use: an update that changes none of them does not probe it.
 *
 * What the row does not tell (C22): the old row of an update or delete under a key identity knows the key only. A signature that
 * compares key and other columns is therefore filed a second time by its key columns alone (its *projection*); a row that
 * knows those probes the projection, a row that knows less matches the whole signature and is counted as a *fall-back*.
 *
 * Entries that know the keys of their rows are filed by these in the place of the projection, under a signature of their own: an old row
 * of another key was not among their rows. Of a new row the keys say nothing.
 *
 * `IN` lists and alternatives (several dependencies on one relation) file one entry under several tuples, at most
 * `tuplesPerEntryMax` a relation: beyond its share of them the longest list is dropped from a constraint, which then matches more rows. A relation has at most `signaturesPerRelationMax` signatures; entries of
 * further shapes depend on every row. Bounds that cost precision, never correctness.
 */
import { Limits } from '../shared/limits.ts';
import { Books } from './books.ts';
import type { Dependency, EqualityTerm, RangeTerm } from './dependency.ts';
import { DependencyPool, NONE } from './dependency-pool.ts';
import { INTERVAL_BYTES, RangeIndex } from './range-index.ts';
import { rankOf } from './rank.ts';
import type { RowView } from './row-view.ts';
import { boundedTerms, everyRow, type Signature, type SignatureShape, signatureKey, usefulKeys } from './signature.ts';
import { TupleHash } from './tuple-hash.ts';

interface Relation {
  readonly signatures: Map<string, Signature>;
}

/** Changes of a table that matched entries because the stream did not tell their old rows whole. */
export interface FallBacks {
  readonly rows: number;
  /** Entries matched by them. */
  readonly entries: number;
}

/** Columns of a relation's replica identity when old rows carry only these; null when old rows are whole or unknown. */
export type IdentityOf = (relation: number) => readonly string[] | null;

export class DependencyIndex {
  #pool = new DependencyPool();
  readonly #relations = new Map<number, Relation>();
  readonly #signatures = new Map<number, Signature>();
  readonly #identityOf: IdentityOf;
  readonly #books: Books;
  /** What of the books' bytes is this index's. */
  #booked = 0;
  readonly #tuple = new TupleHash();
  readonly #fallBacks = new Map<number, { rows: number; entries: number }>();
  #signatureFree: number[] = [];
  #signatureTop = 0;
  /** Entries matched for lack of knowledge, ever. */
  #unknown = 0;
  /** In all range indexes. */
  #intervals = 0;

  constructor(identityOf: IdentityOf, books = new Books()) {
    this.#identityOf = identityOf;
    this.#books = books;
  }

  /** Entries filed: all but those that depend on nothing. */
  get entries(): number {
    return this.#pool.entries;
  }

  get bytes(): number {
    let bytes = this.#pool.bytes;
    for (const { ranges } of this.#signatures.values()) bytes += ranges?.bytes ?? 0;
    return bytes;
  }

  /** By relation; tables without any are missing. */
  get fallBacks(): ReadonlyMap<number, FallBacks> {
    return this.#fallBacks;
  }

  /** Signatures over all relations. */
  get shapes(): number {
    return this.#signatures.size;
  }

  /** Files an entry; a block that is there already must have been removed first. */
  add(block: number, dependencies: readonly Dependency[]): void {
    if (this.#pool.has(block)) throw new Error(`block ${block} is in the dependency index already`);
    for (const dependency of dependencies) {
      const sharing = dependencies.reduce((n, { relation }) => (relation === dependency.relation ? n + 1 : n), 0);
      this.#file(block, dependency, Math.max(1, Math.floor(Limits.tuplesPerEntryMax / sharing)));
    }
    this.#book();
  }

  /** Forgets an entry; unknown blocks (entries that depend on nothing) are nothing to do. */
  remove(block: number): void {
    this.#pool.drop(block, (id, emptied) => this.#left(id, emptied));
    this.#book();
  }

  /** Forgets all entries at once, whatever their number. */
  clear(): void {
    this.#pool = new DependencyPool();
    this.#relations.clear();
    this.#signatures.clear();
    this.#signatureFree = [];
    this.#signatureTop = 0;
    this.#intervals = 0;
    this.#book();
  }

  #book(): void {
    const bytes = this.#pool.cost + this.#intervals * INTERVAL_BYTES;
    this.#books.bytes += bytes - this.#booked;
    this.#booked = bytes;
  }

  /**
   * Adds entries whose constraint the row may satisfy to `into`, as long as that holds fewer than `max`. False: there may be more, which
   * `matchMore` finds when these have been removed.
   */
  match(relation: number, row: RowView, into: Set<number>, max = Number.POSITIVE_INFINITY): boolean {
    return this.#match(relation, row, into, max, 1);
  }

  /** As `match`, of a row that was matched before. */
  matchMore(relation: number, row: RowView, into: Set<number>, max: number): boolean {
    return this.#match(relation, row, into, max, 0);
  }

  #match(relation: number, row: RowView, into: Set<number>, max: number, rows: 0 | 1): boolean {
    const known = this.#relations.get(relation);
    if (known === undefined) return true;
    const before = this.#unknown;
    let isAll = true;
    for (const signature of known.signatures.values()) isAll = this.#probe(signature, row, into, max) && isAll;
    if (this.#unknown > before) this.#countFallBack(relation, rows, this.#unknown - before);
    return isAll;
  }

  #countFallBack(relation: number, rows: number, entries: number): void {
    const counted = this.#fallBacks.get(relation);
    if (counted === undefined) {
      if (this.#fallBacks.size < Limits.tablesCountedMax) this.#fallBacks.set(relation, { rows, entries });
      return;
    }
    counted.rows += rows;
    counted.entries += entries;
  }

  /** Adds every entry that depends on the relation at all (TRUNCATE), as `match` does. */
  matchAll(relation: number, into: Set<number>, max = Number.POSITIVE_INFINITY): boolean {
    const known = this.#relations.get(relation);
    if (known === undefined) return true;
    let isAll = true;
    for (const { id } of known.signatures.values()) isAll = this.#pool.collectSignature(id, into, max) && isAll;
    return isAll;
  }

  /** Whether any entry depends on the relation: rows of others need not be looked at. */
  has(relation: number): boolean {
    return this.#relations.has(relation);
  }

  #probe(signature: Signature, row: RowView, into: Set<number>, max: number): boolean {
    if (signature.uses !== null && !row.touches(signature.uses)) return true;
    if (signature.ranges !== null) return this.#probeRanges(signature, signature.ranges, row, into, max);
    let unknown = false;
    this.#tuple.begin(signature.id);
    for (const column of signature.columns) {
      const value = row.value(column);
      if (value === undefined) unknown = true;
      else this.#tuple.add(value);
    }
    return unknown ? this.#probeProjection(signature, row, into, max) : this.#collectTuple(signature.id, into, max);
  }

  /** A value that is unknown, or has no rank, may be in any interval. */
  #probeRanges(signature: Signature, ranges: RangeIndex, row: RowView, into: Set<number>, max: number): boolean {
    const text = row.value(signature.columns[0]!);
    if (text === null) return true;
    if (text === undefined) return this.#probeProjection(signature, row, into, max);
    const rank = rankOf(signature.rankedAs, text);
    if (rank === null) return this.#pool.collectSignature(signature.id, into, max);
    return ranges.search(rank, (group) => this.#pool.collect(group, into, max));
  }

  #probeProjection(signature: Signature, row: RowView, into: Set<number>, max: number): boolean {
    let known = signature.projected.length > 0 && (!signature.keyed || row.isOld);
    this.#tuple.begin(signature.projectionId);
    for (const column of signature.projected) {
      const value = row.value(column);
      if (value === undefined) known = false;
      else this.#tuple.add(value);
    }
    if (known) return this.#collectTuple(signature.projectionId, into, max);
    const before = into.size;
    const isAll = this.#pool.collectSignature(signature.id, into, max);
    this.#unknown += into.size - before;
    return isAll;
  }

  #collectTuple(id: number, into: Set<number>, max: number): boolean {
    return this.#pool.collect(this.#pool.find(id, this.#tuple.hash, this.#tuple.check), into, max);
  }

  #file(block: number, dependency: Dependency, tuplesMax: number): void {
    const { relation, range } = dependency;
    const terms = boundedTerms(dependency.terms, tuplesMax);
    const isRange = terms.length === 0 && range !== undefined;
    const columns = isRange ? [range.column] : terms.map(({ column }) => column);
    const known = usefulKeys(dependency.known, columns, tuplesMax);
    const rankedAs = isRange ? range.type : null;
    const signature = this.#signatureOf(relation, {
      columns,
      rankedAs,
      keyColumns: known?.columns ?? null,
      uses: dependency.uses ?? null,
    });
    if (signature.columns.length === 0) this.#fileTuples(block, signature, signature.id, []);
    else if (signature.ranges !== null) this.#fileRange(block, signature, signature.ranges, range!);
    else this.#fileTuples(block, signature, signature.id, terms);
    if (signature.keyed) for (const key of known!.keys) this.#fileTuple(block, signature, signature.projectionId, key);
    else if (signature.projected.length > 0) {
      const projected = terms.filter((term) => signature.projected.includes(term.column));
      this.#fileTuples(block, signature, signature.projectionId, projected);
    }
  }

  #fileRange(block: number, signature: Signature, ranges: RangeIndex, range: RangeTerm): void {
    const group = this.#fileTuple(block, signature, signature.id, [String(range.low), String(range.high)]);
    const before = ranges.size;
    ranges.add(group, range);
    this.#intervals += ranges.size - before;
  }

  #fileTuple(block: number, signature: Signature, id: number, values: readonly (string | null)[]): number {
    this.#tuple.begin(id);
    for (const value of values) this.#tuple.add(value);
    const group = this.#pool.obtain(id, this.#tuple.hash, this.#tuple.check);
    this.#pool.join(block, group);
    signature.members++;
    return group;
  }

  /** One member per tuple of the cartesian product, counted like an odometer. */
  #fileTuples(block: number, signature: Signature, id: number, terms: readonly EqualityTerm[]): void {
    const wheel = new Array<number>(terms.length).fill(0);
    for (;;) {
      const values = terms.map((term, i) => term.values[wheel[i]!] ?? null);
      this.#fileTuple(block, signature, id, values);
      let i = terms.length - 1;
      while (i >= 0 && ++wheel[i]! === terms[i]!.values.length) wheel[i--] = 0;
      if (i < 0) return;
    }
  }

  #signatureOf(relation: number, shape: SignatureShape): Signature {
    let known = this.#relations.get(relation);
    if (known === undefined) this.#relations.set(relation, (known = { signatures: new Map() }));
    const key = signatureKey(shape);
    const found = known.signatures.get(key);
    if (found !== undefined) return found;
    const { columns, rankedAs, keyColumns, uses } = shape;
    if (shape !== everyRow && known.signatures.size >= Limits.signaturesPerRelationMax)
      return this.#signatureOf(relation, everyRow);
    const identity = this.#identityOf(relation) ?? columns;
    const projected = columns.filter((column) => identity.includes(column));
    const partial = projected.length > 0 && projected.length < columns.length;
    const hasProjection = partial || keyColumns !== null;
    const signature: Signature = {
      id: this.#takeSignature(),
      relation,
      columns,
      projected: keyColumns ?? (partial ? projected : []),
      keyed: keyColumns !== null,
      projectionId: hasProjection ? this.#takeSignature() : -1,
      ranges: rankedAs !== null ? new RangeIndex() : null,
      rankedAs: rankedAs ?? 'none',
      uses,
      members: 0,
    };
    known.signatures.set(key, signature);
    this.#signatures.set(signature.id, signature);
    if (hasProjection) this.#signatures.set(signature.projectionId, signature);
    return signature;
  }

  #takeSignature(): number {
    return this.#signatureFree.pop() ?? this.#signatureTop++;
  }

  /** An entry left one tuple of a signature; a signature without entries is probed no longer. */
  #left(id: number, emptied: number): void {
    const signature = this.#signatures.get(id)!;
    if (emptied !== NONE && id === signature.id && signature.ranges !== null) {
      signature.ranges.remove(emptied);
      this.#intervals--;
    }
    if (--signature.members > 0) return;
    this.#signatures.delete(signature.id);
    this.#signatureFree.push(signature.id);
    if (signature.projectionId !== -1) {
      this.#signatures.delete(signature.projectionId);
      this.#signatureFree.push(signature.projectionId);
    }
    const known = this.#relations.get(signature.relation)!;
    const { columns, ranges, keyed, projected, uses } = signature;
    const rankedAs = ranges === null ? null : signature.rankedAs;
    known.signatures.delete(signatureKey({ columns, rankedAs, keyColumns: keyed ? projected : null, uses }));
    if (known.signatures.size === 0) this.#relations.delete(signature.relation);
  }

  /** @throws Error naming the first broken invariant. */
  check(): void {
    this.#pool.check();
    let members = 0;
    for (const [id, signature] of this.#signatures) if (id === signature.id) members += signature.members;
    if (members !== this.#pool.members)
      throw new Error(`members: ${members} by signature, ${this.#pool.members} in lists`);
    for (const [relation, { signatures }] of this.#relations) {
      if (signatures.size === 0) throw new Error(`relation ${relation}: no signature left`);
      for (const signature of signatures.values()) {
        if (this.#signatures.get(signature.id) !== signature) throw new Error(`signature ${signature.id}: not listed`);
        this.#checkRanges(signature);
      }
    }
  }

  #checkRanges({ id, ranges }: Signature): void {
    if (ranges === null) return;
    ranges.check();
    if (ranges.size !== this.#pool.groupsOf(id)) throw new Error(`signature ${id}: intervals and groups differ`);
  }
}
