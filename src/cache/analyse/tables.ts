/** Whether answers about a relation can be cached at all, and which tables must be on the stream for it. */

import { type Catalog, hasUsableIdentity, isBuiltIn, type Relation, withDescendants } from '../catalog.ts';
import { Uncacheable } from './verdict.ts';

/** A name in the way SQL writes it. */
function quoteName(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

export function tableName(relation: Pick<Relation, 'schema' | 'name'>): string {
  return `${quoteName(relation.schema)}.${quoteName(relation.name)}`;
}

/**
 * The tables that hold the rows of a relation: itself, and its partitions and heirs unless ONLY it is meant. None for a materialized view,
 * whose rows are those of its last REFRESH, and that is in the fingerprint.
 * @param onProblem told of tables whose changes are not to be had
 * @throws Uncacheable for what is no table.
 */
export function tablesBehind(
  catalog: Catalog,
  relation: Relation,
  only: boolean,
  onProblem: (problem: Uncacheable) => void,
): readonly number[] {
  const name = tableName(relation);
  if (isBuiltIn(relation.oid)) throw new Uncacheable('uncacheable.systemCatalog', name);
  if (relation.kind === 'm') return [];
  if (relation.kind !== 'r' && relation.kind !== 'p') throw new Uncacheable('uncacheable.relationKind', name);
  const members = only ? [relation.oid] : [...withDescendants(catalog, relation.oid)];
  return members.filter((oid) => {
    const member = catalog.relations.get(oid);
    if (member === undefined) throw new Uncacheable('uncacheable.inheritance', `a part of ${name}`);
    if (member.kind === 'p') return false;
    const problem = streamProblem(member);
    if (problem !== null) onProblem(problem);
    return true;
  });
}

/** Why changes of a table that holds rows are not to be had, or null. */
export function streamProblem(table: Relation): Uncacheable | null {
  const name = tableName(table);
  if (table.kind !== 'r') return new Uncacheable('uncacheable.relationKind', name);
  if (table.persistence !== 'p') {
    return new Uncacheable('uncacheable.notPermanent', name, `ALTER TABLE ${name} SET LOGGED`);
  }
  if (hasUsableIdentity(table)) return null;
  const remedy =
    table.primaryKey.length > 0
      ? `ALTER TABLE ${name} REPLICA IDENTITY DEFAULT`
      : `add a primary key, or ALTER TABLE ${name} REPLICA IDENTITY FULL`;
  return new Uncacheable('uncacheable.replicaIdentity', name, remedy);
}
