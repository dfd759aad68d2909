/** Lists that a column is compared with: `IN (…)`, and arrays of all forms after `= ANY`. */
import type { A_Expr, Node, TypeName } from 'libpg-query';
import { canonicalTypeOf, type Family } from '../../shared/canonical.ts';
import { Limits } from '../../shared/limits.ts';
import { valuesPerTermMax } from './alternatives.ts';
import { elementsOfText, familyOfArray } from './arrays.ts';
import { type Constant, constantOf, type LiftedAt } from './constant.ts';
import type { Names } from './names.ts';

/** Constants one by one, or a parameter (1-based number) that is an array of them, cast to an array of the family or to nothing. */
export type ConstantList =
  | { readonly kind: 'constants'; readonly constants: readonly Constant[] }
  | { readonly kind: 'array'; readonly parameter: number; readonly cast: Family | null };

/** Null where the values are not certain, or too many. */
export function constantListOf(
  kind: A_Expr['kind'],
  node: Node | undefined,
  names: Names,
  liftedAt: LiftedAt,
): ConstantList | null {
  if (node === undefined) return null;
  if (kind === 'AEXPR_IN') return 'List' in node ? each(node.List.items ?? [], names, liftedAt) : null;
  if (kind !== 'AEXPR_OP_ANY') return null;
  if (!('TypeCast' in node)) return arrayOf(node, names, liftedAt);
  const { arg, typeName } = node.TypeCast;
  const family = familyOfElements(typeName, names);
  const list = arg === undefined || family === null ? null : arrayOf(arg, names, liftedAt);
  if (list === null || list.kind === 'array') return list === null ? null : { ...list, cast: family };
  if (list.constants.some(({ cast }) => cast !== null)) return null;
  return { kind: 'constants', constants: list.constants.map((constant) => ({ ...constant, cast: family })) };
}

/** Whether the array's elements are compared as values of the family. @param declared type oid of the parameter, 0 when left open */
export function fitsElements(family: Family, cast: Family | null, declared: number): boolean {
  return (cast === null || cast === family) && (declared === 0 || familyOfArray(declared) === family);
}

function arrayOf(node: Node, names: Names, liftedAt: LiftedAt): ConstantList | null {
  if ('A_ArrayExpr' in node) return each(node.A_ArrayExpr.elements ?? [], names, liftedAt);
  if ('ParamRef' in node) {
    const parameter = node.ParamRef.number ?? 0;
    return parameter < 1 ? null : { kind: 'array', parameter, cast: null };
  }
  const text = 'A_Const' in node ? node.A_Const.sval?.sval : undefined;
  // A lifted text is another one in the next statement of the shape.
  if (text === undefined || constantOf(node, names, liftedAt)?.source.kind !== 'literal') return null;
  const elements = elementsOfText(text, Limits.tuplesPerEntryMax);
  if (elements === null) return null;
  const constants = elements.map((element): Constant => {
    return { source: { kind: 'literal', text: element }, form: 'string', cast: null, parameter: 0 };
  });
  return { kind: 'constants', constants };
}

/** The family of `type[]`. */
function familyOfElements(typeName: TypeName | undefined, names: Names): Family | null {
  // A modifier (varchar(3)[]) would cut the values.
  if (typeName === undefined || typeName.typmods !== undefined || typeName.arrayBounds?.length !== 1) return null;
  const type = names.type(typeName);
  return type === undefined ? null : (canonicalTypeOf(type.oid)?.family ?? null);
}

function each(nodes: readonly Node[], names: Names, liftedAt: LiftedAt): ConstantList | null {
  if (nodes.length > valuesPerTermMax) return null;
  const constants = nodes.map((node) => constantOf(node, names, liftedAt));
  return constants.every((constant) => constant !== null) ? { kind: 'constants', constants } : null;
}
