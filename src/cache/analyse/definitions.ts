/**
 * Definitions of views, policies and SQL functions as trees: parsed when first met, kept as long as the catalog that they are from.
 * What PostgreSQL prints of them is qualified wherever pg_catalog alone would not find it, since the connection that loads the
 * catalog has no other search_path.
 */
import type { Node, SelectStmt } from 'libpg-query';
import type { Catalog } from '../catalog.ts';
import type { SqlFunction } from '../catalog-objects.ts';
import type { Parser } from './parser.ts';

/** The body of a function: its statements in order, and the defaults of its last arguments. */
export interface Body {
  readonly statements: readonly SelectStmt[];
  readonly defaults: readonly Node[];
}

/** Alias under which the arguments of a function are found by number; no name of PostgreSQL has such a letter. */
export const ARGUMENTS = '\u0001';

export class Definitions {
  readonly #catalog: Catalog;
  readonly #parser: Parser;
  readonly #views = new Map<number, SelectStmt>();
  readonly #policies = new Map<number, readonly Node[]>();
  readonly #bodies = new Map<number, Body>();

  constructor(catalog: Catalog, parser: Parser) {
    this.#catalog = catalog;
    this.#parser = parser;
  }

  /** Null where the parser cannot read it (a construct of a later version, or too long). */
  view(oid: number): SelectStmt | null {
    return remembered(this.#views, oid, () => this.#select(this.#catalog.views.get(oid) ?? ''));
  }

  /** Conditions, of which each row that a read sees satisfies some; empty: no row is seen. */
  policies(relation: number): readonly Node[] | null {
    return remembered(this.#policies, relation, () => {
      const texts = this.#catalog.policies.get(relation) ?? [];
      const nodes = texts.map((text) => this.#targets(text)?.[0]);
      return nodes.every((node) => node !== undefined) ? nodes : null;
    });
  }

  /** Arguments are columns of the row `ARGUMENTS`, named by their numbers. Null where it holds anything but SELECT. */
  body(routine: SqlFunction): Body | null {
    return remembered(this.#bodies, routine.oid, () => {
      const parsed = this.#parser.parse(statementsOf(routine));
      const defaults = routine.defaults === null ? [] : this.#targets(routine.defaults);
      if (parsed.kind === 'failed' || parsed.statements.length === 0 || defaults === null) return null;
      const statements: SelectStmt[] = [];
      for (const node of parsed.statements) {
        const select = selectOf(node);
        if (select === null) return null;
        nameArguments(select);
        statements.push(select);
      }
      return { statements, defaults };
    });
  }

  #select(text: string): SelectStmt | null {
    const parsed = this.#parser.parse(text);
    const [node] = parsed.kind === 'failed' ? [] : parsed.statements;
    return node === undefined ? null : selectOf(node);
  }

  /** Expressions with commas between. */
  #targets(text: string): readonly Node[] | null {
    const targets = this.#select(`SELECT ${text}`)?.targetList ?? [];
    const nodes = targets.map((target) => ('ResTarget' in target ? target.ResTarget.val : undefined));
    return nodes.length > 0 && nodes.every((node) => node !== undefined) ? nodes : null;
  }
}

/** Failures are not remembered: the parser may have been under repair. */
function remembered<T>(known: Map<number, T>, key: number, make: () => T | null): T | null {
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make();
  if (made !== null) known.set(key, made);
  return made;
}

function selectOf(node: Node): SelectStmt | null {
  return 'SelectStmt' in node ? node.SelectStmt : null;
}

/** `BEGIN ATOMIC a; b; END` as `a; b;`, and `RETURN a` as `SELECT a`. */
function statementsOf({ atomic, body }: SqlFunction): string {
  if (!atomic) return body;
  const inner = /^\s*BEGIN ATOMIC\b([\s\S]*)\bEND\s*$/.exec(body);
  return inner === null ? body.replace(/^\s*RETURN\b/, 'SELECT') : inner[1]!;
}

/** Turns `$1` into a column. */
function nameArguments(root: object): void {
  const pending: unknown[] = [root];
  while (pending.length > 0) {
    const value = pending.pop();
    if (typeof value !== 'object' || value === null) continue;
    if ('ParamRef' in value) {
      const { number = 0 } = value.ParamRef as { number?: number };
      const fields = [ARGUMENTS, `$${number}`].map((sval) => ({ String: { sval } }));
      delete (value as { ParamRef?: unknown }).ParamRef;
      Object.assign(value, { ColumnRef: { fields } });
    } else pending.push(...Object.values(value));
  }
}
