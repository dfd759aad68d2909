/**
 * The conditions of one query level put together, and constants carried along its equalities of columns.
 *
 * **Equalities that hold for all that is seen** (of WHERE, and of the ON of inner joins with nothing but inner joins above them):
 * `a.x = b.y` and what is known of `a.x` say the same of `b.y`, since both are consequences of one condition.
 *
 * **Equalities of another join**, whose condition says `t.x = s.y`, where everything that is seen has `s.y` among some values. Either t
 * and s are on different sides of the join, or both on a side whose rows do not appear unless joined. A row of t with another value
 * meets only rows of s with that other value. What the join gives differently because of the row has that s.y, or NULL in
 * its place where the row of s or its whole side is missing, and keeps it through all joins above: none of it is seen. One step only:
 * what is learned in this way holds for rows of t, not for all that is seen.
 *
 * **Equalities with a column of a query around this one** (EXISTS, scalar sub-queries, LATERAL): this level is computed for a row of the outer query, and where
 * `t.y = outer.x` is its condition, rows of t with another value do not enter. Whatever it gives for outer rows that are not seen changes nothing, by the
 * argument of joins. So what is known of `outer.x` in all that the outer query shows is said of `t.y`.
 *
 * **Membership** (`x IN (SELECT t.y …)` as a condition of all that is seen) is such an equality, too: a row of t with a value that no x seen has is
 * never the one that lets a row in.
 */
import { type Alternatives, both, everyRow, narrowingOf, saidOf } from './alternatives.ts';
import type { ColumnEquality } from './constraints.ts';
import type { ConstrainedColumn, Finding } from './findings.ts';
import type { FromItem, TableReference } from './scope.ts';

/** A column of this level is equal to one of an item of a level around it. */
export interface Correlation {
  readonly column: ConstrainedColumn;
  readonly outer: ConstrainedColumn;
  readonly item: FromItem;
}

/** What a condition makes equal. */
export interface Equalities {
  /** Columns of this level. */
  readonly columns: readonly ColumnEquality[];
  readonly correlations: readonly Correlation[];
  /** A column of this level, and one that a sub-query shows. */
  readonly memberships: readonly ColumnEquality[];
}

/** The sides of a join and what its condition does to them. */
export interface JoinSides {
  readonly left: readonly FromItem[];
  readonly right: readonly FromItem[];
  /** Tables whose rows do not appear unless the condition is true for them. */
  readonly constrained: readonly FromItem[];
  /** Tables that may have NULLs in their place in what the join gives. */
  readonly nullable: readonly FromItem[];
  /** An inner join with only inner joins above it. */
  readonly isAlways: boolean;
}

export class LevelConstraints {
  /** What holds for all that is seen. */
  readonly #always = new Map<TableReference, Alternatives>();
  readonly #equalities: ColumnEquality[] = [];
  readonly #joinEqualities: ColumnEquality[] = [];
  readonly #correlations: Correlation[] = [];
  /** Of conditions that are true only for rows that are joined. */
  readonly #joinCorrelations: Correlation[] = [];
  readonly #nullable = new Set<TableReference>();

  /** Tables that may have NULLs in their place, after the joins told so far. */
  get nullable(): ReadonlySet<TableReference> {
    return this.#nullable;
  }

  where(finding: Finding, { columns, correlations, memberships }: Equalities): void {
    for (const [table, alternatives] of finding) {
      this.#always.set(table, both(this.#always.get(table) ?? everyRow, alternatives));
    }
    this.#equalities.push(...columns);
    this.#correlations.push(...correlations);
    this.#joinEqualities.push(...memberships);
  }

  /** Joins are told innermost first. */
  on(sides: JoinSides, finding: Finding, equalities: Equalities): void {
    for (const { table, inside } of sides.nullable) {
      if (table !== null) this.#nullable.add(table);
      for (const each of inside ?? []) this.#nullable.add(each);
    }
    if (sides.isAlways) {
      this.where(finding, equalities);
      return;
    }
    const { left, right, constrained } = sides;
    for (const [table, alternatives] of finding) {
      if (!has(constrained, table)) continue;
      table.alternatives = both(table.alternatives, alternatives);
    }
    this.#joinCorrelations.push(...equalities.correlations.filter(({ column }) => has(constrained, column.table)));
    for (const equality of equalities.columns) {
      const [a, b] = equality;
      const across = (has(left, a.table) && has(right, b.table)) || (has(left, b.table) && has(right, a.table));
      if (across || (has(constrained, a.table) && has(constrained, b.table))) this.#joinEqualities.push(equality);
    }
  }

  /** Adds what has been found to the tables. Levels around this one must have been settled before. */
  settle(levelOf: (item: FromItem) => LevelConstraints | undefined): void {
    for (const { column, outer, item } of this.#correlations) {
      const known = this.#always.get(column.table) ?? everyRow;
      this.#always.set(column.table, both(known, levelOf(item)?.saidOf(outer, column) ?? everyRow));
    }
    for (const { column, outer, item } of this.#joinCorrelations) {
      const said = levelOf(item)?.saidOf(outer, column) ?? everyRow;
      column.table.alternatives = both(column.table.alternatives, said);
    }
    const carried = new Set<string>();
    for (let size = -1; size < carried.size; ) {
      size = carried.size;
      for (const [a, b] of this.#equalities) {
        this.#carry(a, b, carried);
        this.#carry(b, a, carried);
      }
    }
    for (const [a, b] of this.#joinEqualities) {
      this.#join(a, b);
      this.#join(b, a);
    }
    for (const [table, alternatives] of this.#always) table.alternatives = both(table.alternatives, alternatives);
  }

  /** Between columns that are equal in all that is seen, unless the second is as narrow by itself. */
  #carry(from: ConstrainedColumn, to: ConstrainedColumn, carried: Set<string>): void {
    const narrowing = narrowingOf(this.#always.get(from.table) ?? everyRow, from.name);
    const known = this.#always.get(to.table) ?? everyRow;
    const own = narrowingOf(known, to.name);
    if (narrowing === null || (own !== null && ('values' in own || !('values' in narrowing)))) return;
    const column = `${to.table.number} ${to.name} ${'values' in narrowing}`;
    if (carried.has(column)) return;
    carried.add(column);
    this.#always.set(to.table, both(known, saidOf(narrowing, to.name, to.type.canonical)));
  }

  #join(from: ConstrainedColumn, to: ConstrainedColumn): void {
    to.table.alternatives = both(to.table.alternatives, this.saidOf(from, to));
  }

  /** What holds of the first column in all that is seen, said of the second. */
  saidOf(from: ConstrainedColumn, to: ConstrainedColumn): Alternatives {
    const narrowing = narrowingOf(this.#always.get(from.table) ?? everyRow, from.name);
    return narrowing === null ? everyRow : saidOf(narrowing, to.name, to.type.canonical);
  }
}

function has(items: readonly FromItem[], table: TableReference): boolean {
  return items.some((item) => item.table === table || item.inside?.includes(table) === true);
}
