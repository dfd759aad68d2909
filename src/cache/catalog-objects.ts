/**
 * Types, functions and operators of a catalog snapshot, and the one question asked about them: can a name in a statement
 * mean anything but what PostgreSQL ships? A user-defined overload matters only if the arguments of the statement could
 * select it, so extensions that overload `=` for types of their own do no harm to statements that do not touch these.
 */
import { USER_OID_MIN } from './catalog-query.ts';

export type RawRelation = readonly [
  oid: number,
  schema: string,
  name: string,
  kind: string,
  persistence: string,
  identity: string,
  rowSecurity: boolean,
  hasRules: boolean,
  owner: number,
  parents: readonly number[] | null,
  hasTriggers: boolean,
];
export type RawColumn = readonly [
  relation: number,
  number: number,
  name: string,
  type: number,
  deterministic: boolean,
  notNull: boolean,
  generated: string,
  typeModifier: number,
  collation: number,
  byteOrdered: boolean,
];
type RawRoutine = readonly [
  schema: string | null,
  name: string,
  volatility: string,
  argumentCount: number,
  defaultCount: number,
  variadic: boolean,
  argumentTypes: readonly number[] | null,
  native: boolean,
  oid: number,
];
type RawOperator = readonly [
  schema: string | null,
  name: string,
  left: number,
  right: number,
  volatility: string,
  native: boolean,
];
type RawType = readonly [
  oid: number,
  schema: string,
  name: string,
  kind: string,
  base: number,
  element: number,
  range: number,
];
type RawCast = readonly [source: number, target: number, context: string, method: string, native: boolean];

/** A function of a user in language SQL (pg_proc). */
export interface SqlFunction {
  readonly oid: number;
  readonly name: string;
  /** i immutable, s stable, v volatile. */
  readonly volatility: string;
  /** SECURITY DEFINER. */
  readonly definer: boolean;
  /** It has SET clauses. */
  readonly settings: boolean;
  /** Type oid; of the rows for a function that returns a set. */
  readonly returns: number;
  /** The relation whose rows these are, of a composite type; else 0. */
  readonly returnsRelation: number;
  /** Of input arguments. */
  readonly types: readonly number[] | null;
  /** Of all arguments, with modes (i, o, b, v, t) and names; null where there are only input arguments, or no names. */
  readonly allTypes: readonly number[] | null;
  readonly modes: readonly string[] | null;
  readonly names: readonly string[] | null;
  readonly variadic: boolean;
  /** Expressions for the last arguments, with commas between. */
  readonly defaults: string | null;
  /** The body is BEGIN ATOMIC … END or RETURN …, with names resolved; else it is a text whose names are resolved when it runs. */
  readonly atomic: boolean;
  readonly body: string;
}

/** What the catalog query returns; null where there is no row. */
export interface RawCatalog {
  readonly fingerprint: string;
  readonly snapshot: string;
  readonly serverVersion: number;
  readonly database: string;
  readonly databaseOid: string;
  readonly encoding: string;
  readonly postmasterStart: string;
  readonly systemIdentifier: string | null;
  readonly relations: readonly RawRelation[] | null;
  readonly columns: readonly RawColumn[] | null;
  readonly identities: readonly (readonly [number, boolean, boolean, readonly string[] | null])[] | null;
  readonly cascades: readonly (readonly [number, number])[] | null;
  readonly expressions: readonly (readonly [number, 'w' | 'p'])[] | null;
  readonly routines: readonly RawRoutine[] | null;
  readonly operators: readonly RawOperator[] | null;
  readonly types: readonly RawType[] | null;
  readonly casts: readonly RawCast[] | null;
  readonly collations: readonly (readonly [string, string])[] | null;
  readonly roles: readonly (readonly [number, string])[] | null;
  readonly views: readonly (readonly [number, string | null])[] | null;
  readonly policies: readonly (readonly [number, string | null])[] | null;
  readonly sqlFunctions: readonly SqlFunction[] | null;
}

/**
 * What reading a value of the type from text depends on: `plain` nothing but settings that are part of every key,
 * `moment` possibly the clock ('now'), `catalog` names looked up, `untrusted` user-defined code.
 */
export type InputClass = 'plain' | 'moment' | 'catalog' | 'untrusted';

export interface Type {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  readonly element: number;
  readonly input: InputClass;
  /** Input, output and comparison are PostgreSQL's own code: built-in types, enums, domains and arrays of these. */
  readonly trusted: boolean;
}

/** date, time, timestamp, timestamptz, timetz: their input functions know 'now'. */
const momentTypes = new Set([1082, 1083, 1114, 1184, 1266]);
/** regproc, regprocedure, regoper, regoperator, regclass, regcollation, regtype, regrole, regnamespace, regconfig,
 * regdictionary, aclitem: their input functions look names up. */
const catalogTypes = new Set([24, 2202, 2203, 2204, 2205, 4191, 2206, 4096, 4089, 3734, 3769, 1033]);

export class Types {
  readonly #byOid = new Map<number, Type>();
  readonly #byName = new Map<string, Map<string, Type>>();
  /** Types that no value of a trusted type turns into by itself. */
  readonly #isolated = new Set<number>();
  /** A cast between trusted types runs a user's function: then nothing is as it seems. */
  readonly hostileCasts: boolean;
  /** A cast anywhere runs a function in a language in which it could write. */
  readonly writingCasts: boolean;

  constructor(raw: readonly RawType[], casts: readonly RawCast[]) {
    const rows = new Map(raw.map((row) => [row[0], row]));
    for (const row of raw) {
      const [oid, schema, name, kind, , element] = row;
      const input = inputClass(rows, oid, 0);
      const type: Type = { oid, schema, name, kind, element, input, trusted: isTrusted(rows, oid, 0) };
      this.#byOid.set(oid, type);
      let names = this.#byName.get(schema);
      if (names === undefined) this.#byName.set(schema, (names = new Map()));
      names.set(name, type);
    }
    const implicitTargets = new Set<number>();
    for (const [source, target, context] of casts) {
      if (context === 'i' && this.isTrusted(source)) implicitTargets.add(target);
    }
    for (const type of this.#byOid.values()) {
      if (!type.trusted && !implicitTargets.has(type.oid)) this.#isolated.add(type.oid);
    }
    this.hostileCasts = casts.some(
      ([source, target, , method]) => method === 'f' && this.isTrusted(source) && this.isTrusted(target),
    );
    this.writingCasts = casts.some(([, , , , native]) => !native);
  }

  get(oid: number): Type | undefined {
    return this.#byOid.get(oid);
  }

  /** False for types unknown to the snapshot. */
  isTrusted(oid: number): boolean {
    return this.#byOid.get(oid)?.trusted ?? false;
  }

  isIsolated(oid: number): boolean {
    return this.#isolated.has(oid) || (oid >= USER_OID_MIN && !this.#byOid.has(oid));
  }

  find(schema: string, name: string): Type | undefined {
    return this.#byName.get(schema)?.get(name);
  }
}

const nestingMax = 32;

function isTrusted(rows: ReadonlyMap<number, RawType>, oid: number, depth: number): boolean {
  if (oid > 0 && oid < USER_OID_MIN) return true;
  const row = rows.get(oid);
  if (row === undefined || depth > nestingMax) return false;
  const [, , , kind, base, element] = row;
  if (kind === 'e') return true;
  if (kind === 'd') return isTrusted(rows, base, depth + 1);
  return element !== 0 && isTrusted(rows, element, depth + 1);
}

function inputClass(rows: ReadonlyMap<number, RawType>, oid: number, depth: number): InputClass {
  const row = rows.get(oid);
  if (row === undefined || depth > nestingMax) return 'untrusted';
  const [, , , kind, , element, range] = row;
  if (momentTypes.has(oid)) return 'moment';
  if (catalogTypes.has(oid)) return 'catalog';
  if (element !== 0) return inputClass(rows, element, depth + 1);
  if (oid < USER_OID_MIN && range !== 0) return inputClass(rows, range, depth + 1);
  if (kind === 'b' && oid < USER_OID_MIN) return 'plain';
  return kind === 'e' ? 'plain' : 'untrusted';
}

export interface BuiltInRoutine {
  readonly volatility: string;
  readonly argumentCount: number;
  readonly defaultCount: number;
  readonly variadic: boolean;
}

export interface UserCallable {
  /** Of a function; 0 for operators. */
  readonly oid: number;
  readonly schema: string;
  readonly argumentTypes: readonly number[];
  readonly argumentCount: number;
  readonly defaultCount: number;
  readonly variadic: boolean;
  readonly native: boolean;
}

/** For each argument, whether its type is still open (an untyped literal or parameter), so that any overload fits. */
export type OpenArguments = readonly boolean[];

function accepts(routine: Omit<BuiltInRoutine, 'volatility'>, count: number): boolean {
  if (routine.variadic && count >= routine.argumentCount - 1) return true;
  return count <= routine.argumentCount && count >= routine.argumentCount - routine.defaultCount;
}

export class Routines {
  readonly #builtIn = new Map<string, BuiltInRoutine[]>();
  readonly #user = new Map<string, UserCallable[]>();
  readonly #builtInOperators = new Set<string>();
  readonly #userOperators = new Map<string, UserCallable[]>();
  readonly #types: Types;

  constructor(routines: readonly RawRoutine[], operators: readonly RawOperator[], types: Types) {
    this.#types = types;
    for (const row of routines) {
      const [schema, name, volatility, argumentCount, defaultCount, variadic, argumentTypes, native, oid] = row;
      const facts = { argumentCount, defaultCount, variadic };
      if (schema === null) add(this.#builtIn, name, { ...facts, volatility });
      else add(this.#user, name, { ...facts, oid, schema, argumentTypes: argumentTypes ?? [], native });
    }
    for (const [schema, name, left, right, volatility, native] of operators) {
      const argumentTypes = [left, right].filter((oid) => oid !== 0);
      const facts = { argumentCount: argumentTypes.length, defaultCount: 0, variadic: false };
      if (schema === null) {
        if (volatility !== 'v') this.#builtInOperators.add(name);
      } else add(this.#userOperators, name, { ...facts, oid: 0, schema, argumentTypes, native });
    }
  }

  /** Built-in functions of that name that take so many arguments. */
  builtIn(name: string, argumentCount: number): readonly BuiltInRoutine[] {
    return (this.#builtIn.get(name) ?? []).filter((routine) => accepts(routine, argumentCount));
  }

  isBuiltInName(name: string): boolean {
    return this.#builtIn.has(name);
  }

  isBuiltInOperator(name: string): boolean {
    return this.#builtInOperators.has(name);
  }

  /** Whether a call with these arguments could select a user's function in one of the schemas. */
  mayCallUser(name: string, schemas: readonly string[], open: OpenArguments): boolean {
    return this.userFunctions(name, schemas, open).length > 0;
  }

  /** Users' functions in the schemas that a call with these arguments could select. */
  userFunctions(name: string, schemas: readonly string[], open: OpenArguments): readonly UserCallable[] {
    return this.#mayMean(this.#user.get(name), schemas, open);
  }

  mayUseUserOperator(name: string, schemas: readonly string[], open: OpenArguments): boolean {
    return this.#mayMean(this.#userOperators.get(name), schemas, open).length > 0;
  }

  /** Whether an operator of that name in one of the schemas runs code in a language in which it could write. */
  operatorMayWrite(name: string, schemas: readonly string[]): boolean {
    return (this.#userOperators.get(name) ?? []).some((op) => !op.native && schemas.includes(op.schema));
  }

  /** Whether `value.name` could call a user's function: one that takes a single row, record or anything. */
  mayBeField(name: string): boolean {
    return (this.#user.get(name) ?? []).some((routine) => {
      const type = this.#types.get(routine.argumentTypes[0] ?? 0);
      return accepts(routine, 1) && (type === undefined || !type.trusted || type.kind === 'p');
    });
  }

  #mayMean(
    candidates: readonly UserCallable[] | undefined,
    schemas: readonly string[],
    open: OpenArguments,
  ): readonly UserCallable[] {
    return (candidates ?? []).filter(
      (candidate) =>
        schemas.includes(candidate.schema) && accepts(candidate, open.length) && !this.#isOutOfReach(candidate, open),
    );
  }

  /** One argument that is of an isolated type, where the statement has a value of a known (trusted) type, is enough. */
  #isOutOfReach(candidate: UserCallable, open: OpenArguments): boolean {
    return candidate.argumentTypes.some((type, i) => this.#types.isIsolated(type) && open[i] === false);
  }
}

function add<T>(map: Map<string, T[]>, name: string, value: T): void {
  const list = map.get(name);
  if (list === undefined) map.set(name, [value]);
  else list.push(value);
}
