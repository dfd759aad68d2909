/** Constants that a column is compared with, or set to: literals, parameters, and casts of them that keep the value. */
import type { Node, TypeName } from 'libpg-query';
import { canonicalTypeOf, type Family } from '../../shared/canonical.ts';
import type { ValueSource } from '../../shared/constants.ts';
import type { Names } from './names.ts';

/** Finds the lifted constant that begins at a byte of the statement's text, if there is one. */
export type LiftedAt = (location: number) => number | undefined;

export interface Constant {
  readonly source: ValueSource;
  /** What it is before it meets the column: digits, digits with a point, a string that takes any type, true/false. */
  readonly form: 'integer' | 'decimal' | 'string' | 'boolean' | 'parameter';
  /** Family of the type it is cast to; null without a cast. */
  readonly cast: Family | null;
  /** 1-based number of the parameter; 0 otherwise. */
  readonly parameter: number;
}

const UNKNOWN_PSEUDO_TYPE = 705;

/** Declared type oid of $number; 0 when the client left it open (also by declaring it `unknown`). */
export function declaredType(types: readonly number[], number: number): number {
  const type = types[number - 1] ?? 0;
  return type === UNKNOWN_PSEUDO_TYPE ? 0 : type;
}

/** Null where the node is something else, or its value is not certain to be the text's. */
export function constantOf(node: Node | undefined, names: Names, liftedAt: LiftedAt): Constant | null {
  if (node === undefined) return null;
  if ('TypeCast' in node) return castOf(node.TypeCast.arg, node.TypeCast.typeName, names, liftedAt);
  if ('ParamRef' in node) {
    const parameter = node.ParamRef.number ?? 0;
    if (parameter < 1) return null;
    return { source: { kind: 'parameter', index: parameter - 1 }, form: 'parameter', cast: null, parameter };
  }
  if (!('A_Const' in node)) return null;
  const { ival, fval, sval, boolval, location } = node.A_Const;
  if (ival !== undefined) return literal(String(ival.ival ?? 0), 'integer', liftedAt(location ?? 0));
  if (fval !== undefined) {
    const digits = fval.fval ?? '';
    return literal(digits, /^-?\d+$/.test(digits) ? 'integer' : 'decimal', liftedAt(location ?? 0));
  }
  if (boolval !== undefined) return literal(boolval.boolval === true ? 't' : 'f', 'boolean', undefined);
  return sval === undefined ? null : literal(sval.sval ?? '', 'string', liftedAt(location ?? 0));
}

function literal(text: string, form: Constant['form'], lifted: number | undefined): Constant {
  const source: ValueSource = lifted === undefined ? { kind: 'literal', text } : { kind: 'lifted', index: lifted };
  return { source, form, cast: null, parameter: 0 };
}

function castOf(
  arg: Node | undefined,
  typeName: TypeName | undefined,
  names: Names,
  liftedAt: LiftedAt,
): Constant | null {
  if (arg === undefined || typeName === undefined || 'TypeCast' in arg) return null;
  // A modifier (varchar(3)) would cut the value.
  if (typeName.typmods !== undefined || typeName.arrayBounds !== undefined) return null;
  const type = names.type(typeName);
  const family = type === undefined ? undefined : canonicalTypeOf(type.oid)?.family;
  const constant = constantOf(arg, names, liftedAt);
  return family === undefined || constant === null ? null : { ...constant, cast: family };
}

/**
 * Whether a column of the family meets the constant as one of its own type: compared by the type's own equality, stored as it is.
 * @param declared type oid of the parameter, 0 when the client left it open
 */
export function fitsFamily(family: Family, { form, cast }: Constant, declared: number): boolean {
  if (cast !== null && cast !== family) return false;
  switch (form) {
    case 'integer':
      return family === 'integer' || family === 'numeric' || (family === 'oid' && cast === null);
    case 'decimal':
      return family === 'numeric';
    case 'boolean':
      return family === 'boolean';
    case 'string':
      return true;
    case 'parameter':
      return declared === 0 || canonicalTypeOf(declared)?.family === family;
  }
}
