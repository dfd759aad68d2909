/** Which tables a write may change, triggers, rules and foreign keys included; 'unknown' where user code decides. */
import type { RangeVar } from 'libpg-query';
import type { RowKey } from '../../shared/messages.ts';
import { type Catalog, familyOf, isBuiltIn, type Relation } from '../catalog.ts';
import { Names } from './names.ts';
import { type Effects, harmless, mergeEffects, unknownEffects } from './verdict.ts';
import type { ViewEffects } from './view-effects.ts';

/** `update` stands for everything that may change or remove a row that others refer to. */
export type Mutation = 'insert' | 'update' | 'truncate';

/** More tables than this in one write are fenced as one: everything. */
const tablesMax = 256;

/** @param pointsIn the keys of the rows of the table that a statement changes itself; null where it may be any row */
export function writesOf(
  { names, views }: { readonly names: Names; readonly views: ViewEffects },
  range: RangeVar,
  mutation: Mutation,
  pointsIn: (target: Relation) => readonly RowKey[] | null = () => null,
): Effects {
  const temporary = names.temporary(range.schemaname);
  if (temporary === 'other') return unknownEffects;
  const target = names.relation(range);
  // Nobody else sees a temporary table. One that stands in front of another is covered by fencing the other, too.
  if (target === undefined) return temporary === 'plain' ? { ...harmless, readOnly: false } : unknownEffects;
  return target.kind === 'v'
    ? throughView(target, mutation, names, views)
    : ofTable(target, mutation, names.catalog, pointsIn);
}

/**
 * What can be updated through a view without a trigger or a rule is what its one table holds. Manual: CREATE VIEW, Updatable Views.
 * What else the view may do is done as well, in its conditions.
 */
function throughView(view: Relation, mutation: Mutation, names: Names, views: ViewEffects): Effects {
  if (isBuiltIn(view.oid) || view.hasTriggers || view.hasRules) return unknownEffects;
  const from = views.definitions.view(view.oid)?.fromClause;
  const base = from?.length === 1 ? from[0] : undefined;
  if (base === undefined || !('RangeVar' in base)) return unknownEffects;
  const qualified = new Names(names.catalog, ['pg_catalog']);
  return mergeEffects(writesOf({ names: qualified, views }, base.RangeVar, mutation), views.of(view.oid));
}

function ofTable(
  target: Relation,
  mutation: Mutation,
  catalog: Catalog,
  pointsIn: (target: Relation) => readonly RowKey[] | null,
): Effects {
  const written = new Set<number>();
  const pending = [target.oid];
  let isReached = false;
  while (pending.length > 0) {
    for (const oid of familyOf(catalog, pending.pop()!)) {
      if (written.has(oid)) continue;
      const relation = catalog.relations.get(oid);
      if (relation === undefined || runsUserCode(relation)) return unknownEffects;
      written.add(oid);
      if (mutation !== 'update') continue;
      pending.push(...relation.cascadesTo);
      isReached ||= relation.cascadesTo.includes(target.oid);
    }
    if (written.size > tablesMax) return unknownEffects;
  }
  // Rows of relatives are its own rows too; a foreign key that leads back to it changes rows that no text names.
  const isAlone = target.parents.length === 0 && target.children.length === 0 && !isReached;
  const points = isAlone ? pointsIn(target) : null;
  const tables = [...written].map((relation) => ({ relation, points: relation === target.oid ? points : null }));
  return { ...harmless, readOnly: false, writes: tables };
}

/** Triggers, rules, and expressions with user-defined functions: they may write anywhere and change settings. */
function runsUserCode(relation: Relation): boolean {
  const isTable = relation.kind === 'r' || relation.kind === 'p';
  return !isTable || relation.hasTriggers || relation.hasRules || relation.writesCallUser;
}
