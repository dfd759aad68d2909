/**
 * What running a statement may do: found by looking at every node of its tree, of whatever kind. "Nothing" has to be
 * proven; a function, operator or type of a user may do anything (lesson 15).
 */
import type { FuncCall, Node, RangeVar, TypeName } from 'libpg-query';
import { isBuiltIn, type Relation, withDescendants } from '../catalog.ts';
import { argumentsOf, type Names, nameParts } from './names.ts';
import { type PointContext, pointsOf } from './points.ts';
import { callLeaves, setsSetting, viewLeaves } from './session-traces.ts';
import { type Effects, harmless, mergeEffects, unknownEffects } from './verdict.ts';
import type { ViewEffects } from './view-effects.ts';
import { changesOnlySession, harmlessVolatile, runsStatements } from './volatility.ts';
import { type Mutation, writesOf } from './writes.ts';

/** Neither proven to write nothing, nor able to change what a cached answer shows. */
const ownSessionOnly: Effects = { ...harmless, readOnly: false };

/** Statement kinds inside a tree that write rows, and what of a table they touch. */
const mutations: Readonly<Record<string, Mutation>> = {
  InsertStmt: 'insert',
  UpdateStmt: 'update',
  DeleteStmt: 'update',
  MergeStmt: 'update',
};

export interface EffectsContext {
  readonly names: Names;
  readonly views: ViewEffects;
  /** Where point writes find their constants; null: no write is one. */
  readonly points: PointContext | null;
  /** False when the statement is only planned (EXPLAIN): functions may run all the same. */
  readonly targetsWritten: boolean;
  /** `row.name` may stand for a call of function `name`. */
  readonly fieldsMayCall: boolean;
}

/** The effects of everything inside `root`. */
export function effectsOf(root: unknown, context: EffectsContext): Effects {
  const { types } = context.names.catalog;
  let effects: Effects = types.hostileCasts || types.writingCasts ? unknownEffects : harmless;
  const pending: unknown[] = [root];
  // Inside another statement the types of parameters may have been decided elsewhere.
  const inside = { ...context, points: null };
  while (pending.length > 0) {
    const node = pending.pop();
    if (Array.isArray(node)) pending.push(...node);
    else if (typeof node === 'object' && node !== null) {
      for (const [key, value] of Object.entries(node)) {
        const effect = effectOf(key, value, node === root ? context : inside);
        if (effect !== null) effects = mergeEffects(effects, effect);
        if (typeof value === 'object') pending.push(value);
      }
    }
  }
  return effects;
}

/** What the node itself does, without its parts; null for nothing. Keys are node types or names of fields. */
function effectOf(key: string, value: unknown, context: EffectsContext): Effects | null {
  const { names, points } = context;
  switch (key) {
    case 'FuncCall':
    case 'funccall': {
      const call = value as FuncCall;
      return callEffects(nameParts(call.funcname), argumentsOf(call), names);
    }
    case 'typeName':
      return isHarmlessType(value as TypeName, names) ? null : unknownEffects;
    case 'name':
    case 'operName':
    case 'useOp':
      return Array.isArray(value) ? operatorEffects(nameParts(value as Node[]), names) : null;
    case 'ColumnRef':
      return fieldEffects((value as { fields?: Node[] }).fields, 2, context);
    case 'indirection':
      return fieldEffects(value as Node[], 1, context);
    case 'RangeVar':
      return readEffects(value as RangeVar, context);
    case 'lockingClause':
      return ownSessionOnly;
    case 'intoClause':
      return unknownEffects;
    default: {
      const mutation = mutations[key];
      if (mutation === undefined || !context.targetsWritten) return null;
      const { relation, onConflictClause } = value as { relation?: RangeVar; onConflictClause?: { action?: string } };
      const upsert = onConflictClause?.action === 'ONCONFLICT_UPDATE';
      if (relation === undefined) return unknownEffects;
      const pointsIn = (target: Relation) => (points === null ? null : pointsOf(key, value, target, names, points));
      return writesOf(context, relation, upsert ? 'update' : mutation, pointsIn);
    }
  }
}

/** What calling a function of that name may do. */
function callEffects(parts: readonly string[], given: readonly (Node | undefined)[], names: Names): Effects | null {
  const argumentCount = given.length;
  const name = parts.at(-1) ?? '';
  const { routines } = names.catalog;
  if (parts.length === 2 && parts[0] === 'information_schema') return null;
  if (parts.length > 2 || (parts.length === 2 && parts[0] !== 'pg_catalog')) return unknownEffects;
  const open = Array.from({ length: argumentCount }, () => true);
  if (routines.mayCallUser(name, names.schemas, open)) return unknownEffects;
  const overloads = routines.builtIn(name, argumentCount);
  if (overloads.length === 0 || runsStatements.test(name)) return unknownEffects;
  const pin = callLeaves(name);
  if (overloads.every(({ volatility }) => volatility !== 'v') || harmlessVolatile.has(name)) {
    return pin === null ? null : { ...harmless, pin };
  }
  if (name === 'set_config') return setsSetting(given);
  return changesOnlySession(name) ? { ...ownSessionOnly, pin } : unknownEffects;
}

/** Input functions of base types are C code that only a superuser can add; a domain's checks may call anything. */
function isHarmlessType(typeName: TypeName, names: Names): boolean {
  const parts = nameParts(typeName.names);
  if (names.temporary(parts.length > 1 ? parts[0] : undefined) === 'other') return false;
  const type = names.type(typeName);
  return type !== undefined && (isBuiltIn(type.oid) || type.kind === 'e' || type.kind === 'b');
}

function operatorEffects(parts: readonly string[], names: Names): Effects | null {
  const name = parts.at(-1);
  if (name === undefined) return null;
  const schemas = parts.length > 1 ? parts.slice(0, 1) : names.schemas;
  return names.catalog.routines.operatorMayWrite(name, schemas) ? unknownEffects : null;
}

/** `row.name` calls function `name` when the row has no such column. */
function fieldEffects(nodes: readonly Node[] | undefined, partsMin: number, context: EffectsContext): Effects | null {
  const fields = (nodes ?? []).flatMap((node) => ('String' in node ? [node.String.sval ?? ''] : []));
  if (fields.length < partsMin || !context.fieldsMayCall) return null;
  return context.names.catalog.routines.mayBeField(fields.at(-1)!) ? unknownEffects : null;
}

function readEffects(range: RangeVar, { names, views }: EffectsContext): Effects | null {
  if (names.temporary(range.schemaname) === 'other') return unknownEffects;
  const relation = names.relation(range);
  if (relation === undefined || isBuiltIn(relation.oid)) {
    const pin = viewLeaves(range.relname);
    return pin === null ? null : { ...harmless, pin };
  }
  if (relation.kind === 'v') return views.of(relation.oid);
  // A foreign server may do anything with a query; policies run in reads.
  const { relations } = names.catalog;
  const members = [...withDescendants(names.catalog, relation.oid)];
  const isForeign = members.some((oid) => relations.get(oid)?.kind === 'f');
  return isForeign || relation.policiesCallUser ? unknownEffects : null;
}
