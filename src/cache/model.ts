/** What is known about the origin under one catalog version. Replaced as a whole when the catalog changed (C6). */

import { Limits } from '../shared/limits.ts';
import type { CacheStatus } from '../shared/messages.ts';
import { streamProblem } from './analyse/tables.ts';
import type { Analysis } from './analyse/verdict.ts';
import { Analyses } from './analyses.ts';
import { ancestorsOf, type Catalog, withDescendants } from './catalog.ts';
import { USER_OID_MIN } from './catalog-query.ts';
import { ContextRegistry, type SessionContext } from './context.ts';

type UncacheableTable = CacheStatus['uncacheableTables'][number];

export interface StatementAnalyser {
  analyse(statement: {
    readonly text: string;
    readonly context: SessionContext;
    readonly parameterTypes: readonly number[];
    readonly protocol: 'simple' | 'extended';
  }): Analysis;
}

export interface ModelOptions {
  readonly catalog: Catalog;
  readonly catalogVersion: number;
  readonly analyser: StatementAnalyser;
  readonly nextContextId: () => number;
  readonly nextVerdictId: () => number;
}

export class CatalogModel {
  readonly catalog: Catalog;
  readonly catalogVersion: number;
  readonly contexts: ContextRegistry;
  readonly analyses: Analyses<Analysis>;
  #uncacheableTables: readonly UncacheableTable[] | null = null;
  readonly #ancestors = new Map<number, readonly number[]>();
  readonly #descendants = new Map<number, readonly number[]>();

  constructor(options: ModelOptions) {
    this.catalog = options.catalog;
    this.catalogVersion = options.catalogVersion;
    this.contexts = new ContextRegistry(options.catalog, options.catalogVersion, options.nextContextId);
    this.analyses = new Analyses({
      analyse: (statement, context) => options.analyser.analyse({ ...statement, context }),
      scopeOf: (analysis) => analysis.scope,
      nextVerdictId: options.nextVerdictId,
      analysesMax: Limits.analysesMax,
      textMax: Limits.analysesTextMax,
    });
  }

  /** Tables that no statement can be cached on as they are, with what would change that; of very many the first. */
  get uncacheableTables(): readonly UncacheableTable[] {
    this.#uncacheableTables ??= [...this.#findUncacheable()];
    return this.#uncacheableTables;
  }

  *#findUncacheable(): Generator<UncacheableTable> {
    let found = 0;
    for (const relation of this.catalog.relations.values()) {
      const problem = relation.oid >= USER_OID_MIN && relation.kind === 'r' ? streamProblem(relation) : null;
      if (problem === null || problem.remedy === null) continue;
      if (++found > Limits.uncacheableTablesMax) return;
      yield { table: problem.message, reason: problem.reason, remedy: problem.remedy };
    }
  }

  /** Relations that show the rows of a table besides itself: parents, and roots of partitions. */
  ancestors(oid: number): readonly number[] {
    return relativesOf(this.#ancestors, oid, () => ancestorsOf(this.catalog, oid));
  }

  /** Partitions and heirs. */
  descendants(oid: number): readonly number[] {
    return relativesOf(this.#descendants, oid, () => withDescendants(this.catalog, oid));
  }

  /** `schema.name`, or the oid of a table that is gone. */
  nameOf(oid: number): string {
    const relation = this.catalog.relations.get(oid);
    return relation === undefined ? String(oid) : `${relation.schema}.${relation.name}`;
  }

  /** Columns of the primary key in the order of the table; empty without one. */
  primaryKey(oid: number): readonly string[] {
    return this.catalog.relations.get(oid)?.primaryKey ?? [];
  }

  /** Columns of old rows on the stream where these are a key; null when old rows are whole, or the table is not known. */
  keyColumns(oid: number): readonly string[] | null {
    const relation = this.catalog.relations.get(oid);
    return relation === undefined || relation.replicaIdentity === 'f' ? null : relation.identityColumns;
  }
}

function relativesOf(
  known: Map<number, readonly number[]>,
  oid: number,
  find: () => ReadonlySet<number>,
): readonly number[] {
  let found = known.get(oid);
  if (found === undefined) known.set(oid, (found = [...find()].filter((relative) => relative !== oid)));
  return found;
}
