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
 * What the row does not tell (C22): the old row of an update or delete under a key identity knows the key only. A signature that
 * compares key and other columns is therefore filed a second time by its key columns alone (its *projection*); a row that
 * knows those probes the projection, a row that knows less matches the whole signature.
 *
 * `IN` lists and alternatives (several dependencies on one relation) file one entry under several tuples, at most
 * `tuplesPerEntryMax` a relation: beyond its share of them the longest list is dropped from a constraint, which then matches more rows. A relation has at most `signaturesPerRelationMax` signatures; entries of
 * further shapes depend on every row. Bounds that cost precision, never correctness.
 */
import { Limits } from '../shared/limits.ts';
import type { Dependency, EqualityTerm, RangeTerm } from './dependency.ts';
import { DependencyPool, ENTRY, NONE } from './dependency-pool.ts';
import { RangeIndex } from './range-index.ts';
import { type RankedType, rankOf } from './rank.ts';
import type { RowView } from './row-view.ts';
import { TupleHash } from './tuple-hash.ts';

interface Signature {
  readonly id: number;
  readonly relation: number;
  readonly columns: readonly string[];
  /** Columns of the replica identity among `columns`, where these are some but not all; filed under `projectionId`. */
  readonly projected: readonly string[];
  readonly projectionId: number;
  /** The only column is compared with intervals; null: columns are compared with values. */
  readonly ranges: RangeIndex | null;
  /** How the column's values are ranked for `ranges`. */
  readonly rankedAs: RankedType;
  members: number;
}

interface Relation {
  readonly signatures: Map<string, Signature>;
}

/** Columns of a relation's replica identity when old rows carry only these; null when old rows are whole or unknown. */
export type IdentityOf = (relation: number) => readonly string[] | null;

export class DependencyIndex {
  readonly #pool = new DependencyPool();
  readonly #relations = new Map<number, Relation>();
  readonly #signatures = new Map<number, Signature>();
  readonly #identityOf: IdentityOf;
  readonly #tuple = new TupleHash();
  #signatureFree: number[] = [];
  #signatureTop = ENTRY + 1;
  #entries = 0;

  constructor(identityOf: IdentityOf) {
    this.#identityOf = identityOf;
  }

  get entries(): number {
    return this.#entries;
  }

  get bytes(): number {
    let bytes = this.#pool.bytes;
    for (const { ranges } of this.#signatures.values()) bytes += ranges?.bytes ?? 0;
    return bytes;
  }

  /** Signatures over all relations. */
  get shapes(): number {
    return this.#signatures.size;
  }

  /** Files an entry; a block that is there already must have been removed first. */
  add(block: number, dependencies: readonly Dependency[]): void {
    if (this.#pool.findEntry(block) !== NONE) throw new Error(`block ${block} is in the dependency index already`);
    const entry = this.#pool.obtainEntry(block);
    this.#entries++;
    for (const dependency of dependencies) {
      const sharing = dependencies.reduce((n, { relation }) => (relation === dependency.relation ? n + 1 : n), 0);
      this.#file(entry, dependency, Math.max(1, Math.floor(Limits.tuplesPerEntryMax / sharing)));
    }
  }

  /** Forgets an entry; unknown blocks (entries that depend on nothing) are nothing to do. */
  remove(block: number): void {
    const entry = this.#pool.findEntry(block);
    if (entry === NONE) return;
    this.#entries--;
    this.#pool.dropEntry(entry, (id, emptied) => this.#left(id, emptied));
  }

  /** Adds to `into` every entry whose constraint the row may satisfy. */
  match(relation: number, row: RowView, into: Set<number>): void {
    const known = this.#relations.get(relation);
    if (known === undefined) return;
    for (const signature of known.signatures.values()) this.#probe(signature, row, into);
  }

  /** Adds every entry that depends on the relation at all (TRUNCATE). */
  matchAll(relation: number, into: Set<number>): void {
    const known = this.#relations.get(relation);
    if (known === undefined) return;
    for (const signature of known.signatures.values()) this.#pool.collectSignature(signature.id, into);
  }

  /** Whether any entry depends on the relation: rows of others need not be looked at. */
  has(relation: number): boolean {
    return this.#relations.has(relation);
  }

  #probe(signature: Signature, row: RowView, into: Set<number>): void {
    if (signature.ranges !== null) {
      this.#probeRanges(signature, signature.ranges, row(signature.columns[0]!), into);
      return;
    }
    let unknown = false;
    this.#tuple.begin(signature.id);
    for (const column of signature.columns) {
      const value = row(column);
      if (value === undefined) unknown = true;
      else this.#tuple.add(value);
    }
    if (unknown) this.#probeProjection(signature, row, into);
    else this.#collectTuple(signature.id, into);
  }

  /** A value that is unknown, or has no rank, may be in any interval. */
  #probeRanges(
    { id, rankedAs }: Signature,
    ranges: RangeIndex,
    text: string | null | undefined,
    into: Set<number>,
  ): void {
    if (text === null) return;
    const value = text === undefined ? null : rankOf(rankedAs, text);
    if (value === null) this.#pool.collectSignature(id, into);
    else ranges.search(value, (group) => this.#pool.collect(group, into));
  }

  #probeProjection(signature: Signature, row: RowView, into: Set<number>): void {
    let known = signature.projected.length > 0;
    this.#tuple.begin(signature.projectionId);
    for (const column of signature.projected) {
      const value = row(column);
      if (value === undefined) known = false;
      else this.#tuple.add(value);
    }
    if (known) this.#collectTuple(signature.projectionId, into);
    else this.#pool.collectSignature(signature.id, into);
  }

  #collectTuple(id: number, into: Set<number>): void {
    this.#pool.collect(this.#pool.find(id, this.#tuple.hash, this.#tuple.check), into);
  }

  #file(entry: number, dependency: Dependency, tuplesMax: number): void {
    const { range } = dependency;
    const terms = boundedTerms(dependency.terms, tuplesMax);
    if (terms.length === 0 && range !== undefined) {
      this.#fileRange(entry, dependency.relation, range);
      return;
    }
    const columns = terms.map(({ column }) => column);
    const signature = this.#signatureOf(dependency.relation, columns, null);
    const filed = signature.columns.length === 0 ? [] : terms;
    this.#fileTuples(entry, signature.id, filed);
    signature.members += tupleCount(filed);
    if (signature.projected.length === 0) return;
    const projected = filed.filter((term) => signature.projected.includes(term.column));
    this.#fileTuples(entry, signature.projectionId, projected);
    signature.members += tupleCount(projected);
  }

  #fileRange(entry: number, relation: number, range: RangeTerm): void {
    const signature = this.#signatureOf(relation, [range.column], range.type);
    signature.members++;
    // Beyond the bound on signatures: every row.
    if (signature.ranges === null) {
      this.#fileTuples(entry, signature.id, []);
      return;
    }
    this.#tuple.begin(signature.id);
    this.#tuple.add(String(range.low));
    this.#tuple.add(String(range.high));
    const group = this.#pool.obtain(signature.id, this.#tuple.hash, this.#tuple.check);
    this.#pool.join(entry, group);
    signature.ranges.add(group, range);
  }

  /** One member per tuple of the cartesian product, counted like an odometer. */
  #fileTuples(entry: number, id: number, terms: readonly EqualityTerm[]): void {
    const wheel = new Array<number>(terms.length).fill(0);
    for (;;) {
      this.#tuple.begin(id);
      for (let i = 0; i < terms.length; i++) this.#tuple.add(terms[i]!.values[wheel[i]!]!);
      this.#pool.join(entry, this.#pool.obtain(id, this.#tuple.hash, this.#tuple.check));
      let i = terms.length - 1;
      while (i >= 0 && ++wheel[i]! === terms[i]!.values.length) wheel[i--] = 0;
      if (i < 0) return;
    }
  }

  #signatureOf(relation: number, columns: readonly string[], rankedAs: RankedType | null): Signature {
    let known = this.#relations.get(relation);
    if (known === undefined) this.#relations.set(relation, (known = { signatures: new Map() }));
    const key = signatureKey(columns, rankedAs !== null);
    const found = known.signatures.get(key);
    if (found !== undefined) return found;
    if (columns.length > 0 && known.signatures.size >= Limits.signaturesPerRelationMax)
      return this.#signatureOf(relation, [], null);
    const identity = this.#identityOf(relation) ?? columns;
    const projected = columns.filter((column) => identity.includes(column));
    const partial = projected.length > 0 && projected.length < columns.length;
    const signature: Signature = {
      id: this.#takeSignature(),
      relation,
      columns,
      projected: partial ? projected : [],
      projectionId: partial ? this.#takeSignature() : -1,
      ranges: rankedAs !== null ? new RangeIndex() : null,
      rankedAs: rankedAs ?? 'none',
      members: 0,
    };
    known.signatures.set(key, signature);
    this.#signatures.set(signature.id, signature);
    if (partial) this.#signatures.set(signature.projectionId, signature);
    return signature;
  }

  #takeSignature(): number {
    return this.#signatureFree.pop() ?? this.#signatureTop++;
  }

  /** An entry left one tuple of a signature; a signature without entries is probed no longer. */
  #left(id: number, emptied: number): void {
    const signature = this.#signatures.get(id)!;
    if (emptied !== NONE) signature.ranges?.remove(emptied);
    if (--signature.members > 0) return;
    this.#signatures.delete(signature.id);
    this.#signatureFree.push(signature.id);
    if (signature.projectionId !== -1) {
      this.#signatures.delete(signature.projectionId);
      this.#signatureFree.push(signature.projectionId);
    }
    const known = this.#relations.get(signature.relation)!;
    known.signatures.delete(signatureKey(signature.columns, signature.ranges !== null));
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

/** No name of a column is empty or has a NUL in it. */
function signatureKey(columns: readonly string[], isRange: boolean): string {
  return isRange ? `\0\0${columns[0]}` : columns.join('\0');
}

function tupleCount(terms: readonly EqualityTerm[]): number {
  return terms.reduce((product, term) => product * term.values.length, 1);
}

/** Drops the longest lists until the product of all is within the bound: a weaker constraint, so a superset of rows. */
export function boundedTerms(terms: readonly EqualityTerm[], tuplesMax: number): readonly EqualityTerm[] {
  let kept = terms;
  while (tupleCount(kept) > tuplesMax) {
    const longest = Math.max(...kept.map((term) => term.values.length));
    const at = kept.findIndex((term) => term.values.length === longest);
    kept = kept.filter((_, i) => i !== at);
  }
  return kept;
}
