/** Which tables a write may change, triggers, rules and foreign keys included; 'unknown' where user code decides. */
import type { RangeVar } from 'libpg-query';
import { familyOf, type Relation } from '../catalog.ts';
import type { Names } from './names.ts';
import { type Effects, harmless, unknownEffects } from './verdict.ts';

/** `update` stands for everything that may change or remove a row that others refer to. */
export type Mutation = 'insert' | 'update' | 'truncate';

/** More tables than this in one write are fenced as one: everything. */
const tablesMax = 256;

export function writesOf(names: Names, range: RangeVar, mutation: Mutation): Effects {
  const temporary = names.temporary(range.schemaname);
  if (temporary === 'other') return unknownEffects;
  const target = names.relation(range);
  // Nobody else sees a temporary table. One that stands in front of another is covered by fencing the other, too.
  if (target === undefined) return temporary === 'plain' ? { ...harmless, readOnly: false } : unknownEffects;
  const written = new Set<number>();
  const pending = [target.oid];
  while (pending.length > 0) {
    for (const oid of familyOf(names.catalog, pending.pop()!)) {
      if (written.has(oid)) continue;
      const relation = names.catalog.relations.get(oid);
      if (relation === undefined || runsUserCode(relation)) return unknownEffects;
      written.add(oid);
      if (mutation === 'update') pending.push(...relation.cascadesTo);
    }
    if (written.size > tablesMax) return unknownEffects;
  }
  return { ...harmless, readOnly: false, writes: [...written] };
}

/** Triggers, rules, and expressions with user-defined functions: they may write anywhere and change settings. */
function runsUserCode(relation: Relation): boolean {
  const isTable = relation.kind === 'r' || relation.kind === 'p';
  return !isTable || relation.hasTriggers || relation.hasRules || relation.writesCallUser;
}
