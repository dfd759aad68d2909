/**
 * Which tables may be published. Publishing one without a usable replica identity makes the origin refuse the application's
 * UPDATE and DELETE, so the rule is checked before, inside and (C23) long after the ALTER PUBLICATION.
 * Manual: Logical Replication, Publication; ALTER TABLE, REPLICA IDENTITY.
 */
import { escapeIdentifier } from 'pg';
import type { Reason } from '../shared/reasons.ts';
import { identitySql } from '../shared/replica-identity.ts';
import type { SqlPort } from './control-connection.ts';

/** Why a table is not in the publication, and what a person can do about it. */
export interface Refusal {
  readonly oid: number;
  /** `schema.name`, quoted; empty when the table is gone. */
  readonly table: string;
  readonly reason: Reason;
  readonly remedy: string;
  /** The same attempt may succeed later without anybody's doing. */
  readonly retry: boolean;
}

export interface TableFacts {
  readonly oid: number;
  /** `schema.name`, quoted. */
  readonly table: string;
  readonly relkind: string;
  readonly persistence: string;
  readonly hasIdentity: boolean;
  /** 'd' default, 'n' nothing, 'f' full, 'i' index. */
  readonly replicaIdentity: string;
  readonly owned: boolean;
  readonly owner: string;
}

/** Oids as the array literal that a parameter or a statement takes. */
export const oidArray = (oids: Iterable<number>): string => `{${[...oids].join(',')}}`;

/**
 * Condition on `pg_class c`. Tables that hold rows are published one by one, each with ONLY: a partition or heir for itself, never the root of
 * partitions, so that a relative without identity is not touched.
 */
export const publishableSql = `(c.relkind = 'r' AND c.relpersistence = 'p' AND c.oid >= 16384 AND ${identitySql})`;

export async function readFacts(sql: SqlPort, oids: Iterable<number>): Promise<Map<number, TableFacts>> {
  const rows = await sql.query(
    `SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, ${identitySql}, c.relreplident,
        pg_catalog.pg_has_role(c.relowner, 'USAGE'), pg_catalog.pg_get_userbyid(c.relowner)
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1::oid[])`,
    [oidArray(oids)],
  );
  const facts = new Map<number, TableFacts>();
  for (const row of rows) {
    const [oid, schema, name, relkind, persistence, hasIdentity, replicaIdentity, owned, owner] = row as string[];
    facts.set(Number(oid), {
      oid: Number(oid),
      table: `${escapeIdentifier(schema!)}.${escapeIdentifier(name!)}`,
      relkind: relkind!,
      persistence: persistence!,
      hasIdentity: hasIdentity === 't',
      replicaIdentity: replicaIdentity!,
      owned: owned === 't',
      owner: owner!,
    });
  }
  return facts;
}

/** Null when the table may be published. `user` is the role of the connection, for the remedy. */
export function refusalOf(oid: number, facts: TableFacts | undefined, user: string): Refusal | null {
  if (facts === undefined || oid < 16384) {
    return { oid, table: facts?.table ?? '', reason: 'uncacheable.unknownRelation', remedy: '', retry: false };
  }
  const refuse = (reason: Reason, remedy: string): Refusal => ({
    oid,
    table: facts.table,
    reason,
    remedy,
    retry: false,
  });
  if (facts.persistence !== 'p') {
    const remedy = facts.persistence === 'u' ? `ALTER TABLE ${facts.table} SET LOGGED` : '';
    return refuse('uncacheable.notPermanent', remedy);
  }
  if (facts.relkind !== 'r') return refuse('uncacheable.relationKind', '');
  if (!facts.hasIdentity) return refuse('uncacheable.replicaIdentity', identityRemedy(facts));
  if (!facts.owned) {
    const remedy = `GRANT ${escapeIdentifier(facts.owner)} TO ${escapeIdentifier(user)} (only its owner may publish a table)`;
    return refuse('uncacheable.notPublished', remedy);
  }
  return null;
}

function identityRemedy(facts: TableFacts): string {
  if (facts.replicaIdentity === 'n') return `ALTER TABLE ${facts.table} REPLICA IDENTITY DEFAULT (or FULL)`;
  return `give it a primary key that is not deferrable, or ALTER TABLE ${facts.table} REPLICA IDENTITY FULL`;
}
