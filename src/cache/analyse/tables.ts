/** Whether answers about a table can be cached at all. */

import { hasUsableIdentity, isBuiltIn, type Relation } from '../catalog.ts';
import { Uncacheable } from './verdict.ts';

/** A name in the way SQL writes it. */
function quoteName(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function tableName(relation: Pick<Relation, 'schema' | 'name'>): string {
  return `${quoteName(relation.schema)}.${quoteName(relation.name)}`;
}

/** The first thing that rules the table out, or null. Also what tells the publication which tables may be in it. */
export function tableProblem(relation: Relation): Uncacheable | null {
  const name = tableName(relation);
  if (isBuiltIn(relation.oid)) return new Uncacheable('uncacheable.systemCatalog', name);
  if (relation.kind === 'v') return new Uncacheable('uncacheable.view', name);
  if (relation.kind === 'p') return new Uncacheable('uncacheable.inheritance', name);
  if (relation.kind !== 'r') return new Uncacheable('uncacheable.relationKind', name);
  if (relation.persistence !== 'p') {
    return new Uncacheable('uncacheable.notPermanent', name, `ALTER TABLE ${name} SET LOGGED`);
  }
  if (relation.rowSecurity) return new Uncacheable('uncacheable.rowSecurity', name);
  if (relation.parents.length > 0 || relation.children.length > 0) {
    return new Uncacheable('uncacheable.inheritance', name);
  }
  if (!hasUsableIdentity(relation)) {
    const remedy =
      relation.primaryKey.length > 0
        ? `ALTER TABLE ${name} REPLICA IDENTITY DEFAULT`
        : `add a primary key, or ALTER TABLE ${name} REPLICA IDENTITY FULL`;
    return new Uncacheable('uncacheable.replicaIdentity', name, remedy);
  }
  return null;
}
