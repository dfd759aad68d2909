/** Names and types of a select list, as PostgreSQL gives them (FigureColname in parse_target.c). */
import type { Node } from 'libpg-query';
import { type Names, nameParts } from './names.ts';
import { type OutputColumn, resolveItem, type Scope, UNKNOWN_TYPE } from './scope.ts';
import { inferType } from './types.ts';

export function outputsOf(targets: readonly Node[], scope: Scope, names: Names): readonly OutputColumn[] {
  const outputs: OutputColumn[] = [];
  for (const target of targets) {
    if (!('ResTarget' in target)) continue;
    const { name, val } = target.ResTarget;
    const star = starQualifier(val);
    if (star === null) {
      outputs.push({ name: name ?? figureName(val)?.name ?? '?column?', type: inferType(names, scope, val) });
      continue;
    }
    if (star.length === 0) outputs.push(...everyColumn(scope));
    else {
      const { columns } = resolveItem(scope, star, names.catalog.database);
      outputs.push(...columns.map(({ name, type }) => ({ name, type })));
    }
  }
  return outputs;
}

/**
 * The columns of `*`. Merged ones come once and before the others of their join; where they are and which type they then have
 * is left open.
 */
export function everyColumn({ items, merged }: Pick<Scope, 'items' | 'merged'>): readonly OutputColumn[] {
  const shown = items.flatMap((item) => (item.isHidden ? [] : item.columns));
  if (merged === undefined || merged.size === 0) return shown.map(({ name, type }) => ({ name, type }));
  const others = shown.map(({ name }) => name).filter((name) => !merged.has(name));
  return [...merged, ...others].map((name) => ({ name, type: UNKNOWN_TYPE }));
}

/** The names before `.*`, or null when the node is no star. */
export function starQualifier(node: Node | undefined): readonly string[] | null {
  if (node === undefined || !('ColumnRef' in node)) return null;
  const fields = node.ColumnRef.fields ?? [];
  const last = fields[fields.length - 1];
  return last !== undefined && 'A_Star' in last ? nameParts(fields.slice(0, -1)) : null;
}

interface Figured {
  readonly name: string;
  /** A weak name gives way to the type's name in a cast. */
  readonly weak: boolean;
}

const strong = (name: string | undefined): Figured | null => (name === undefined ? null : { name, weak: false });

function figureName(node: Node | undefined): Figured | null {
  if (node === undefined) return null;
  if ('ColumnRef' in node) return strong(nameParts(node.ColumnRef.fields).at(-1));
  if ('FuncCall' in node) return strong(nameParts(node.FuncCall.funcname).at(-1));
  if ('A_Indirection' in node) return figureName(node.A_Indirection.arg);
  if ('CollateClause' in node) return figureName(node.CollateClause.arg);
  if ('TypeCast' in node) {
    const inner = figureName(node.TypeCast.arg);
    const type = nameParts(node.TypeCast.typeName?.names).at(-1);
    return inner !== null && !inner.weak ? inner : type === undefined ? inner : { name: type, weak: true };
  }
  if ('CaseExpr' in node) {
    const inner = figureName(node.CaseExpr.defresult);
    return inner !== null && !inner.weak ? inner : { name: 'case', weak: true };
  }
  if ('A_Expr' in node) return node.A_Expr.kind === 'AEXPR_NULLIF' ? strong('nullif') : null;
  if ('A_ArrayExpr' in node) return strong('array');
  if ('RowExpr' in node) return strong('row');
  if ('CoalesceExpr' in node) return strong('coalesce');
  if ('GroupingFunc' in node) return strong('grouping');
  if ('MinMaxExpr' in node) return strong(node.MinMaxExpr.op === 'IS_LEAST' ? 'least' : 'greatest');
  if ('SubLink' in node) return sublinkName(node.SubLink.subLinkType, node.SubLink.subselect);
  return null;
}

function sublinkName(type: string | undefined, subselect: Node | undefined): Figured | null {
  if (type === 'EXISTS_SUBLINK') return strong('exists');
  if (type === 'ARRAY_SUBLINK') return strong('array');
  if (type !== 'EXPR_SUBLINK' || subselect === undefined || !('SelectStmt' in subselect)) return null;
  const target = subselect.SelectStmt.targetList?.[0];
  if (target === undefined || !('ResTarget' in target)) return null;
  return target.ResTarget.name === undefined ? figureName(target.ResTarget.val) : strong(target.ResTarget.name);
}
