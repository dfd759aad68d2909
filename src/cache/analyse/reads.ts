/** What the walk over a SELECT collects: tables and their constraints, and how parameters are used. */

import { createHash } from 'node:crypto';
import { type Family, familyOfType } from '../../shared/canonical.ts';
import { Limits } from '../../shared/limits.ts';
import type { Column, Relation } from '../catalog.ts';
import type { BoundTemplate, DependencyTemplate, RangeTemplate, TermSource, TermTemplate } from '../dependency.ts';
import { type Conjunction, everyRow } from './alternatives.ts';
import type { TableReference } from './scope.ts';
import { Uncacheable } from './verdict.ts';

/** References to tables one answer may depend on; beyond it a statement is not worth indexing. */
const referencesMax = 4 * Limits.relationsPerEntryMax;

const UNKNOWN_PSEUDO_TYPE = 705;

type ComparedAs = Family | `${Family}[]`;

interface ParameterUse {
  total: number;
  /** Uses as the constant of an equality or order with a column of the family, or as an array of such constants. */
  readonly comparisons: Map<ComparedAs, number>;
}

export class Reads {
  readonly references: TableReference[] = [];
  readonly relations = new Set<number>();
  /** Tables whose rows these relations show: all of their changes must be on the stream. */
  readonly streamed = new Set<number>();
  /** The first table whose changes are not to be had: that may change, and the statement still means the same (C7). */
  problem: Uncacheable | null = null;
  /** 1-based numbers of parameters that may be read as date or time. */
  readonly momentParameters = new Set<number>();
  readonly #objects: number[] = [];
  /** What names were resolved to, in the order of the walk. */
  readonly #facts: string[] = [];
  /** Names of columns that are read, by relation. */
  readonly #columns = new Map<number, Set<string>>();
  readonly #uses = new Map<number, ParameterUse>();
  readonly #parameterTypes: readonly number[];

  constructor(parameterTypes: readonly number[]) {
    this.#parameterTypes = parameterTypes;
  }

  /** The highest parameter number met. */
  get parameterCount(): number {
    return Math.max(0, ...this.#uses.keys());
  }

  /** Declared type oid of $number; 0 when the client left it open (also by declaring it `unknown`). */
  declaredType(number: number): number {
    const type = this.#parameterTypes[number - 1] ?? 0;
    return type === UNKNOWN_PSEUDO_TYPE ? 0 : type;
  }

  /** The walk goes on. */
  postpone(problem: Uncacheable): void {
    this.problem ??= problem;
  }

  /** @param streamed the tables that hold its rows. */
  addTable(relation: Relation, streamed: readonly number[]): TableReference {
    const reference: TableReference = { relation, number: this.references.length, alternatives: everyRow };
    this.references.push(reference);
    this.relations.add(relation.oid);
    if (this.relations.size > Limits.relationsPerEntryMax || this.references.length > referencesMax) {
      throw new Uncacheable('uncacheable.tooManyRelations', `more than ${Limits.relationsPerEntryMax}`);
    }
    for (const oid of streamed) this.streamed.add(oid);
    if (this.streamed.size > Limits.streamedTablesPerEntryMax) {
      throw new Uncacheable('uncacheable.tooManyRelations', `more than ${Limits.streamedTablesPerEntryMax} partitions`);
    }
    return reference;
  }

  /** The statement means this column, or type, by a name of it. */
  restOnColumn(relation: number, { number, name, type, typeModifier, collation }: Column): void {
    this.#facts.push([relation, number, name, type, typeModifier, collation].join(' '));
    const columns = this.#columns.get(relation);
    if (columns === undefined) this.#columns.set(relation, new Set([name]));
    else columns.add(name);
  }

  /** A view or function whose definition is walked. */
  restOnObject(oid: number): void {
    this.#objects.push(oid);
  }

  /** A text that decides something. */
  restOn(definition: string): void {
    this.#facts.push(definition);
  }

  restOnType(oid: number): void {
    this.#facts.push(`type ${oid}`);
  }

  /**
   * Two hashes, of the tables, views and functions, and of all else that resolution found. With the text and the session's settings it decides the meaning of the statement and the
   * columns of its answer: functions and operators are PostgreSQL's own in whatever is cacheable.
   */
  signature(): string {
    const hash = (facts: readonly unknown[]): string => {
      const text = JSON.stringify(facts);
      return createHash('sha256').update(text).digest('base64');
    };
    const objects = [...this.references.map(({ relation }) => relation.oid), ...this.#objects];
    return `${hash(objects)} ${hash(this.#facts)}`;
  }

  useParameter(number: number, readsMoment: boolean): void {
    this.#use(number).total++;
    if (readsMoment) this.momentParameters.add(number);
  }

  useInComparison(number: number, family: ComparedAs): void {
    const { comparisons } = this.#use(number);
    comparisons.set(family, (comparisons.get(family) ?? 0) + 1);
  }

  #use(number: number): ParameterUse {
    let use = this.#uses.get(number);
    if (use === undefined) this.#uses.set(number, (use = { total: 0, comparisons: new Map() }));
    return use;
  }

  /**
   * The type of an undeclared parameter is decided by its first use, and decides how its value compares everywhere: a
   * term may use it only if every use is a comparison of the term's family.
   */
  #isCertain(source: TermSource, family: Family): boolean {
    if (source.kind !== 'parameter' && source.kind !== 'elements') return true;
    if (this.declaredType(source.index + 1) !== 0) return true;
    const use = this.#use(source.index + 1);
    return use.total === use.comparisons.get(source.kind === 'elements' ? `${family}[]` : family);
  }

  dependencies(): DependencyTemplate[] {
    return this.references.flatMap(({ relation, alternatives }) => {
      const found = alternatives.map((conjunction) => this.#certain(relation, conjunction));
      return found.find(({ terms, range }) => terms.length === 0 && range === undefined) ?? found;
    });
  }

  #certain({ oid, column }: Relation, conjunction: Conjunction): DependencyTemplate {
    const terms: TermTemplate[] = [];
    const ranges: RangeTemplate[] = [];
    for (const term of conjunction.values()) {
      if ('values' in term) {
        const family = familyOfType(term.type);
        if (term.values.every((source) => this.#isCertain(source, family))) terms.push(term);
        continue;
      }
      const range = { ...term, low: this.#bound(term, term.low), high: this.#bound(term, term.high) };
      // Without bounds it says that the column is not NULL.
      const isBounded = range.low !== null || range.high !== null;
      if (isBounded || column.get(term.column)?.notNull !== true) ranges.push(range);
    }
    terms.sort((a, b) => (a.column < b.column ? -1 : 1));
    // One is kept: the narrower kind.
    const bounds = ({ low, high }: RangeTemplate): number => (low === null ? 0 : 1) + (high === null ? 0 : 1);
    const range = ranges.toSorted((a, b) => bounds(b) - bounds(a))[0];
    const uses = this.#usesOf(oid, column.size);
    return { relation: oid, terms, ...(range !== undefined && { range }), ...(uses !== null && { uses }) };
  }

  /** Null: all of them. */
  #usesOf(relation: number, count: number): readonly string[] | null {
    const columns = this.#columns.get(relation);
    return columns?.size === count ? null : [...(columns ?? [])].sort();
  }

  #bound({ type }: RangeTemplate, bound: BoundTemplate | null): BoundTemplate | null {
    if (bound === null || type === 'none') return null;
    return this.#isCertain(bound.source, familyOfType(type)) ? bound : null;
  }
}
