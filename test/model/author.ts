/** Random statements over three small tables, random changes of their rows, and now and then of the tables themselves. */
import type { Random } from './random.ts';

export const authorTables = ['a', 'b', 'c'] as const;
export const authorSchemaSql = authorTables
  .map(
    (name) => `
      CREATE TABLE ${name} (id int PRIMARY KEY, k int, t text, f bool,
        d date, m timestamp, z timestamptz(0), n numeric, c text COLLATE "C", v varchar(8), u uuid);
      INSERT INTO ${name} SELECT n, nullif(n % 4, 3), nullif(chr(97 + n % 3), 'c'), nullif(n % 3, 2)::bool,
          nullif(date '2024-02-26' + n, '2024-03-01'), nullif(timestamp '2024-02-28 23:00' + n * interval '20 min', '2024-02-29 01:00'),
          timestamptz '2024-02-28 23:00+00' + n * interval '20 min', n % 3 / 2.0, chr(96 + n) || 'é', repeat('ab', n % 4), null
        FROM generate_series(1, 6) n;`,
  )
  .concat(
    'CREATE VIEW shown AS SELECT a.* FROM a JOIN b ON a.k = b.id WHERE b.id <> 5;',
    'CREATE VIEW shown_outer AS SELECT b.* FROM a LEFT JOIN b ON a.k = b.id WHERE a.id > 1;',
  )
  .join('');

export const authorColumns = ['id', 'k', 't', 'f', 'd', 'm', 'z', 'n', 'c', 'v', 'u'] as const;

/** Writes statements at random. */
export class Author {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#random.below(choices.length)]!;
  }

  /** Gets its number when it is known which clauses are in the statement. */
  #parameter(value: string): string {
    return `«${value}»`;
  }

  #order(): string {
    return this.#pick(['<', '<=', '>', '>=']);
  }

  /** A text that is an array of small integers, seldom empty or NULL within. */
  #array(): string {
    const items = Array.from({ length: this.#random.below(4) }, () => this.#pick(['0', '1', ' 2', '"3"', '4', 'NULL']));
    return `{${items.join(',')}}`;
  }

  /** A condition about aliases: an atom, or several put together. */
  #condition(aliases: readonly string[], depth = 2): string {
    if (depth === 0 || this.#random.below(3) > 0) return this.#atom(aliases);
    const [a, b] = [this.#condition(aliases, depth - 1), this.#condition(aliases, depth - 1)];
    const x = this.#pick(aliases);
    return this.#pick([
      () => `(${a} OR ${b})`,
      () => `(${a} OR ${b})`,
      () => `NOT (${a} AND NOT ${b})`,
      () => `((${a} AND ${b}) OR ${x}.id = ${1 + this.#random.below(6)})`,
      () => `(${a} AND ${b}) IS TRUE`,
      () => `(${a} OR ${x}.f) IS FALSE`,
      () => `((${x}.id = 1 AND ${a}) OR (${x}.id = 2 AND ${x}.k = 1) OR (${b} AND ${x}.id = 3))`,
    ])();
  }

  /** A comparison in one alias, or between two. */
  #atom(aliases: readonly string[]): string {
    const x = this.#pick(aliases);
    const y = this.#pick(aliases);
    return this.#pick([
      () => `${x}.id = ${1 + this.#random.below(6)}`,
      () => `${this.#random.below(3)} = ${x}.k`,
      () => `${x}.k = '0${this.#random.below(3)}'`,
      () => `${x}.t = '${this.#pick(['a', 'b'])}'`,
      () => `${x}.id IN (${1 + this.#random.below(6)}, ${1 + this.#random.below(6)})`,
      () => `${x}.k = ANY (ARRAY[${this.#random.below(3)}, 5])`,
      () => `${x}.f`,
      () => `NOT ${x}.f`,
      () => `${x}.f IS ${this.#pick(['TRUE', 'FALSE', 'NOT TRUE', 'NULL'])}`,
      () => `${x}.k = ANY ('${this.#array()}')`,
      () => `${x}.id = ANY (${this.#parameter(this.#array())})`,
      () => `${x}.id = ${this.#parameter(String(1 + this.#random.below(6)))}`,
      () => `${x}.t = ANY (${this.#parameter('{a,"b",NULL}')}::text[])`,
      () => `${x}.k = ${y}.k`,
      () => `${x}.t = ${y}.t`,
      () => `${x}.id = ${y}.k`,
      () => `${x}.id = ${y}.k AND ${y}.k IN (1, 2)`,
      () => `${x}.k ${this.#order()} ${this.#random.below(3)}`,
      () => `${this.#random.below(6)} ${this.#order()} ${x}.id`,
      () => `${x}.id BETWEEN ${this.#random.below(6)} AND ${this.#parameter(String(this.#random.below(7)))}`,
      () => `${x}.k ${this.#order()} ${this.#parameter(String(this.#random.below(3)))} AND ${x}.k ${this.#order()} 1`,
      () => this.#typed(x),
      () => this.#typed(x),
      () => this.#typed(x),
      () => `${x}.${this.#pick(authorColumns)} IS ${this.#pick(['', 'NOT '])}NULL`,
      () => `${x}.${this.#pick(['k', 'd', 't'])} IS NULL OR ${this.#typed(x)}`,
      () => `NOT ${x}.k ${this.#order()} 1`,
      () => `${x}.f IS ${this.#pick(['', 'NOT '])}${this.#pick(['TRUE', 'FALSE', 'UNKNOWN'])}`,
      () => `NOT (${x}.f IS ${this.#pick(['', 'NOT '])}${this.#pick(['TRUE', 'FALSE'])})`,
      () => `coalesce(${x}.k, 1) = 1`,
      () => `(${x}.k = 1 OR ${y}.id = 2)`,
    ])();
  }

  /** Comparisons of types other than integers, in the forms in which drivers write them. */
  #typed(x: string): string {
    const day = `2024-0${this.#pick(['2-28', '2-29', '3-01', '3-1'])}`;
    const time = `${day} ${this.#pick(['00:00', '23:20:00', '23:40', '00:20:00.000', '00:39:59.9999999'])}`;
    const zone = this.#pick(['+00', '+01:00', '-0530', 'Z', '']);
    const number = this.#pick(['0.5', '.50', '1', '1.00', '-2', '0.0000001', '1e0']);
    const text = this.#pick(['a', 'b', 'bé', 'cé', 'ab', 'abab', 'c', 'éa', '']);
    const uuid = `00000000-0000-${this.#pick(['4', '8'])}000-8000-${this.#pick(['000000000000', 'ABC000000000'])}`;
    const value = (plain: string): string => this.#pick([`'${plain}'`, this.#parameter(plain)]);
    const order = (): string => this.#pick(['=', '<', '<=', '>', '>=']);
    return this.#pick([
      () => `${x}.d ${order()} ${value(day)}`,
      () => `${x}.d ${order()} '${day}'::date`,
      () => `${x}.d BETWEEN '${day}' AND ${this.#parameter('2024-02-29')}`,
      () => `${x}.d = ANY (${this.#parameter(`{${day},2024-02-27}`)}::date[])`,
      () => `${x}.m ${order()} ${value(time)}`,
      () => `${x}.m ${order()} ${value(day)}`,
      () => `${x}.m >= '${day}' AND ${x}.m < '${time}${zone}'`,
      () => `${x}.z ${order()} ${value(time + zone)}`,
      () => `${x}.z ${order()} ${value(day)}`,
      () => `${x}.n ${order()} ${value(number)}`,
      () => `${x}.n ${order()} ${number}`,
      () => `${x}.n IN (${number}, 1)`,
      () => `${x}.n = ANY (${this.#parameter(`{${number},0.5}`)})`,
      () => `${x}.k ${order()} ${number}`,
      () => `${x}.c ${order()} ${value(text)}`,
      () => `${x}.t ${order()} ${value(text)}`,
      () => `${x}.v ${order()} ${value(text)}`,
      () => `${x}.${this.#pick(['c', 't', 'v'])} LIKE ${value(`${text}${this.#pick(['%', '_', '', '%b', '\\_'])}`)}`,
      () => `${x}.c ILIKE '${text}%'`,
      () => `${x}.u ${order()} ${value(uuid)}`,
    ])();
  }

  #conjunction(aliases: readonly string[], atomsMax: number): string {
    const count = 1 + this.#random.below(atomsMax);
    return Array.from({ length: count }, () => this.#condition(aliases)).join(' AND ');
  }

  /** A table, or a query that shows the columns of one: conditions outside say something of the table inside, or they must not. */
  #leaf(): string {
    const table = (): string => this.#pick(authorTables);
    if (this.#random.below(3) > 0) return table();
    const where = this.#condition(['i'], 1);
    const kind = this.#pick(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN']);
    const shown = this.#pick(['i', 'j']);
    const joined = `${table()} i ${kind} ${table()} j ON i.k = j.id`;
    return this.#pick([
      `(SELECT * FROM ${table()} i)`,
      `(SELECT * FROM ${table()} i WHERE ${where})`,
      `(SELECT i.* FROM (SELECT * FROM ${table()} h WHERE h.k > 0) i WHERE ${where})`,
      `(SELECT ${shown}.* FROM ${joined})`,
      `(SELECT ${shown}.* FROM ${joined} WHERE ${where})`,
      `(SELECT i.*, j.k AS other FROM ${table()} i, ${table()} j WHERE i.id = j.k AND ${where})`,
      `(SELECT * FROM ${table()} i ORDER BY k, id LIMIT 3)`,
      `(SELECT DISTINCT ON (k) * FROM ${table()} i ORDER BY k, id)`,
      `(SELECT *, rank() OVER (ORDER BY k) AS r FROM ${table()} i WHERE ${where})`,
      `(SELECT * FROM ${table()} UNION ALL SELECT * FROM ${table()} i WHERE ${where})`,
      `(WITH w AS (SELECT * FROM ${table()}) SELECT i.* FROM w i LEFT JOIN w j ON i.id = j.k WHERE ${where})`,
      'shown',
      'shown_outer',
    ]);
  }

  /** A tree of joins and the aliases in it. */
  #joins(prefix: string, leaves: number): { sql: string; aliases: string[] } {
    if (leaves === 1) {
      const alias = `${prefix}${this.#random.below(1_000_000)}`;
      return { sql: `${this.#leaf()} ${alias}`, aliases: [alias] };
    }
    const left = this.#joins(prefix, leaves - 1 > 1 ? 1 + this.#random.below(leaves - 1) : 1);
    const right = this.#joins(prefix, leaves - left.aliases.length);
    const aliases = [...left.aliases, ...right.aliases];
    const kind = this.#pick(['JOIN', 'LEFT JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN']);
    const equality = `${this.#pick(left.aliases)}.k = ${this.#pick(right.aliases)}.id`;
    const more = this.#random.below(2) === 0 ? equality : `${equality} AND ${this.#conjunction(aliases, 1)}`;
    const on = kind === 'FULL JOIN' ? equality : this.#pick([more, this.#conjunction(aliases, 2)]);
    return { sql: `(${left.sql} ${kind} ${right.sql} ON ${on})`, aliases };
  }

  #subcondition(aliases: readonly string[]): string {
    const inner = this.#joins('s', 1 + this.#random.below(2));
    const where = this.#conjunction([...inner.aliases, ...inner.aliases, ...aliases], 3);
    const column = `${this.#pick(inner.aliases)}.k`;
    return this.#pick([
      `EXISTS (SELECT FROM ${inner.sql} WHERE ${where})`,
      `NOT EXISTS (SELECT FROM ${inner.sql} WHERE ${where})`,
      `${this.#pick(aliases)}.k IN (SELECT ${column} FROM ${inner.sql} WHERE ${where})`,
      `${this.#pick(aliases)}.k NOT IN (SELECT ${column} FROM ${inner.sql} WHERE ${where})`,
      `(SELECT count(*) FROM ${inner.sql} WHERE ${where}) > 1`,
    ]);
  }

  #simple(): string {
    const from = this.#joins('x', 1 + this.#random.below(3));
    const where = [this.#conjunction(from.aliases, 2)];
    if (this.#random.below(3) === 0) where.push(this.#subcondition(from.aliases));
    const x = this.#pick(from.aliases);
    const y = this.#pick(from.aliases);
    const clause = this.#random.below(5) === 0 ? '' : ` WHERE ${where.join(' AND ')}`;
    return this.#pick([
      `SELECT ${x}.k, ${y}.id FROM ${from.sql}${clause}`,
      `SELECT count(*), sum(${x}.k) FROM ${from.sql}${clause}`,
      `SELECT ${x}.t, max(${y}.id) FROM ${from.sql}${clause} GROUP BY ${x}.t HAVING count(*) > 1`,
      `SELECT DISTINCT ${x}.id, ${y}.f FROM ${from.sql}${clause}`,
      `SELECT ${x}.k, rank() OVER (ORDER BY ${y}.id) FROM ${from.sql}${clause}`,
    ]);
  }

  /** Joins that merge columns of one name, and a condition on what they merged. */
  #merging(): string {
    const kind = (): string => this.#pick(['', 'LEFT ', 'RIGHT ', 'FULL ']);
    const names = (): string => this.#pick(['id', 'id', 'id, k', 'id, t']);
    const where = this.#pick([
      () => `id = ${1 + this.#random.below(6)}`,
      () => `(id = ${1 + this.#random.below(6)} OR id = 2 AND p.f)`,
      () => `id = ANY (${this.#parameter(this.#array())}) AND q.k = 1`,
      () => `(id = 1 AND p.k = 1 OR id = 2 AND q.k = 0)`,
      () => `p.id = ${1 + this.#random.below(6)}`,
      () => `id ${this.#order()} 3 AND q.k ${this.#order()} 1`,
      () => `q.id IN (1, 2) AND ${this.#atom(['p', 'q'])}`,
    ])();
    return this.#pick([
      () => `SELECT p.k, q.k, id FROM a p ${kind()}JOIN b q USING (${names()}) WHERE ${where}`,
      () => `SELECT * FROM a p ${kind()}JOIN b q USING (id) ${kind()}JOIN c r USING (id) WHERE ${where}`,
      () => `SELECT * FROM c r ${kind()}JOIN (a p ${kind()}JOIN b q USING (id)) USING (id) WHERE ${where}`,
      () => `SELECT p.f, q.f FROM a p NATURAL ${kind()}JOIN b q WHERE ${where}`,
      () => `SELECT count(*) FROM (SELECT id AS other, k AS j FROM c) r ${kind()}JOIN
        (a p ${kind()}JOIN b q USING (id)) ON r.j = p.k WHERE ${where}`,
    ])();
  }

  /** Columns made equal in one join, and one of them compared with a constant where all is seen. */
  #chained(): string {
    const column = (alias: string): string => `${alias}.${this.#pick(['k', 'id'])}`;
    const equal = (x: string, y: string): string => `${column(x)} = ${column(y)}`;
    const [left, kind] = [this.#pick(['', 'LEFT ', 'RIGHT ']), this.#pick(['', 'LEFT ', 'RIGHT ', 'FULL '])];
    const across = equal(this.#pick(['p', 'q']), 'r');
    const anywhere = this.#pick([across, equal('p', 'q'), `${equal('p', 'q')} AND ${across}`, `${across} AND r.f`]);
    const on = kind === 'FULL ' ? across : anywhere;
    const pair = `a p ${left}JOIN b q ON ${this.#pick([equal('p', 'q'), 'p.f = q.f', 'true'])}`;
    const from = this.#pick([`${pair} ${kind}JOIN c r ON ${on}`, `c r ${kind}JOIN (${pair}) ON ${on}`]);
    const constant = this.#pick(['= 1', '= 2', 'IN (0, 1)', `= ${this.#parameter('1')}`, `= ANY ('${this.#array()}')`]);
    const where = this.#pick(['', `AND ${equal(this.#pick(['p', 'q', 'r']), this.#pick(['p', 'q', 'r']))}`]);
    const select = this.#pick(['count(*)', 'p.*, q.k, r.id']);
    return `SELECT ${select} FROM ${from} WHERE ${column(this.#pick(['p', 'q', 'r']))} ${constant} ${where}`;
  }

  /** Sub-queries that compare their columns with one of the query around them, which is compared with a constant where all is seen. */
  #correlated(): string {
    const column = (alias: string): string => `${alias}.${this.#pick(['k', 'k', 'id'])}`;
    const table = (): string => this.#pick(authorTables);
    const kind = (): string => this.#pick(['', 'LEFT ', 'RIGHT ', 'FULL ']);
    const from = this.#pick([`${table()} p`, `${table()} p ${kind()}JOIN ${table()} q ON p.k = q.id`]);
    const outer = from.includes(' q ') ? this.#pick(['p', 'q']) : 'p';
    const inner = this.#pick([
      `${table()} s`,
      `${this.#leaf()} s`,
      `${table()} s ${kind()}JOIN ${table()} w ON ${this.#pick(['s.k = w.id', `s.id = ${column(outer)} AND w.id = s.k`])}`,
    ]);
    const more = this.#pick([
      '',
      'AND s.f',
      `AND EXISTS (SELECT FROM ${table()} n WHERE ${column('n')} = ${column('s')})`,
    ]);
    const where = `${column('s')} = ${column(outer)} ${more}`;
    const condition = this.#pick([
      `EXISTS (SELECT FROM ${inner} WHERE ${where})`,
      `NOT EXISTS (SELECT FROM ${inner} WHERE ${where})`,
      `(EXISTS (SELECT FROM (SELECT s.* FROM ${inner} WHERE ${where}) e) OR p.f)`,
      `${column(outer)} IN (SELECT ${column('s')} FROM ${inner})`,
      `${column(outer)} = ANY (SELECT ${column('s')} FROM ${inner} WHERE s.f)`,
      `(${column(outer)}, ${column('p')}) IN (SELECT s.k, s.id FROM ${inner})`,
      `${column(outer)} NOT IN (SELECT ${column('s')} FROM ${inner} WHERE ${where})`,
      `(${column(outer)} IN (SELECT ${column('s')} FROM ${inner})) IS NOT TRUE`,
      `(SELECT max(s.id) FROM ${inner} WHERE ${where}) > 2`,
      `(WITH v AS (SELECT s.* FROM ${inner} WHERE ${where}) SELECT count(*) FROM v) > 0`,
    ]);
    const constant = this.#pick(['= 1', '= 2', 'IN (0, 1)', `= ${this.#parameter('1')}`, '> 1', 'BETWEEN 1 AND 2']);
    const known = `${column(outer)} ${constant}`;
    const scalar = `(SELECT count(*) FROM ${inner} WHERE ${where})`;
    const lateral = `LATERAL (SELECT s.id, s.k FROM ${inner} WHERE ${where} ${this.#pick(['', 'ORDER BY 1 LIMIT 1'])}) l`;
    return this.#pick([
      `SELECT p.k, p.id FROM ${from} WHERE ${known} AND ${condition}`,
      `SELECT count(*) FROM ${from} WHERE ${condition} AND ${known}`,
      `SELECT p.id, ${scalar} FROM ${from} WHERE ${known}`,
      `SELECT p.id, l.k FROM ${from} ${this.#pick([`, ${lateral}`, `LEFT JOIN ${lateral} ON true`, `JOIN ${lateral} ON l.id = p.k`])} WHERE ${known}`,
      `SELECT p.id, r.id FROM ${table()} r ${kind().replace('FULL ', 'LEFT ')}JOIN ${from.includes(' q ') ? `(${from})` : from} ON ${condition} WHERE ${known}`,
      `SELECT p.id FROM ${from} WHERE ${condition} OR ${known}`,
    ]);
  }

  statement(): { readonly sql: string; readonly values: readonly string[] } {
    const values: string[] = [];
    const kind = this.#random.below(8);
    const [merging, chained, correlated] = [kind === 0, kind < 3, kind < 5];
    const written = merging
      ? this.#merging()
      : chained
        ? this.#chained()
        : correlated
          ? this.#correlated()
          : this.#other();
    const sql = written.replace(/«(.*?)»/g, (_, value: string) => `$${values.push(value)}`);
    return { sql, values };
  }

  #other(): string {
    const one = this.#simple();
    return this.#pick([
      one,
      one,
      `WITH w AS (${one}) SELECT * FROM w, a WHERE a.id = ${1 + this.#random.below(6)}`,
      `SELECT * FROM (${one}) s LEFT JOIN b ON b.id = 2 AND b.f`,
      `SELECT id, k FROM a WHERE k = 1 UNION ALL SELECT id, k FROM b WHERE f EXCEPT SELECT id, k FROM c WHERE id = 3`,
    ]);
  }

  /** A change of one row: its SQL, the row before and the row after. */
  change(): { readonly table: (typeof authorTables)[number]; readonly id: number; readonly sql: string } {
    const table = this.#pick(authorTables);
    const id = 1 + this.#random.below(8);
    const k = this.#pick(['NULL', '0', '1', '2', '5']);
    const t = this.#pick(['NULL', "'a'", "'b'"]);
    const f = this.#pick(['NULL', 'true', 'false']);
    const others = {
      d: this.#pick(['NULL', "'2024-02-28'", "'2024-02-29'", "'2024-03-01'", "'infinity'", "'0044-03-15 BC'"]),
      m: this.#pick(['NULL', "'2024-02-28 23:40'", "'2024-02-29'", "'2024-02-29 00:39:59.999999'", "'-infinity'"]),
      z: this.#pick(['NULL', "'2024-02-28 23:40+00'", "'2024-02-29'", "'2024-02-29 00:39:59.7+01'", "'infinity'"]),
      n: this.#pick(['NULL', '0.50', '1', '-2', "'NaN'", '1e15', '0.0000002', "'-Infinity'"]),
      c: this.#pick(['NULL', "'b'", "'bé'", "'c'", "'éa'", "''"]),
      v: this.#pick(['NULL', "'ab'", "'abab'", "'a_'", "''"]),
      u: this.#pick(['NULL', "'00000000-0000-4000-8000-000000000000'", "'00000000-0000-4000-8000-abc000000000'"]),
    };
    const values = { k, t, f, ...others };
    const some = Object.entries(values).filter(() => this.#random.below(2) === 0);
    const sql = this.#pick([
      `DELETE FROM ${table} WHERE id = ${id}`,
      `INSERT INTO ${table} (id, k, t, f, d, m, z, n, c, v, u) VALUES (${id}, ${Object.values(values).join(', ')})
        ON CONFLICT (id) DO UPDATE SET k = ${k}${some
          .map(([name, value]) => `, ${name} = ${value}`)
          .join('')
          .replace(`, k = ${k}`, '')}`,
    ]);
    return { table, id, sql };
  }

  /** Something that changes what tables are, and leaves every statement of this author meaningful. */
  ddl(): string {
    const table = this.#pick(authorTables);
    return this.#pick([
      `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS extra int DEFAULT ${this.#random.below(100)}`,
      `ALTER TABLE ${table} DROP COLUMN IF EXISTS extra`,
      `CREATE INDEX IF NOT EXISTS ${table}_k ON ${table} (k)`,
      `DROP INDEX IF EXISTS ${table}_k`,
      `ALTER TABLE ${table} REPLICA IDENTITY ${this.#pick(['FULL', 'DEFAULT'])}`,
      `TRUNCATE ${table}`,
      `TRUNCATE ${authorTables.join(', ')} CASCADE`,
      `ALTER TABLE ${table} RENAME TO renamed; ALTER TABLE renamed RENAME TO ${table}`,
      `ALTER TABLE ${table} ALTER COLUMN t SET STORAGE ${this.#pick(['MAIN', 'EXTENDED'])}`,
    ]);
  }
}
