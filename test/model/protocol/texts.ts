/** Statements of the protocol model. Rows come in a stated order, and nothing in them depends on time, process or oid. */
import type { Random } from '../random.ts';
import { FIXED_ROWS, KEYS } from './schema.ts';

export interface Text {
  readonly sql: string;
  /** Types of its parameters, of which values are made. */
  readonly parameters: readonly ('int' | 'text' | 'int8' | 'bool')[];
}

export function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[random.below(choices.length)]!;
}

const text = (sql: string, ...parameters: Text['parameters']): Text => ({ sql, parameters });

/** Reads that may be cached. */
export function readTexts(lane: number): readonly Text[] {
  const t = `t${lane}`;
  return [
    text(`SELECT v FROM ${t} WHERE id = $1`, 'int'),
    text(`SELECT v FROM ${t} WHERE id = $1`, 'int'),
    text(`SELECT id, v, n, b, d FROM ${t} WHERE id = $1`, 'int'),
    text(`SELECT id, v FROM ${t} ORDER BY id`),
    text(`SELECT id, d, n FROM ${t} WHERE id > $1 ORDER BY id`, 'int'),
    text(`SELECT count(*), sum(n) FROM ${t} WHERE b = $1`, 'bool'),
    text(`SELECT id FROM ${t} WHERE v = $1 AND n >= $2 ORDER BY id`, 'text', 'int8'),
    text(`SELECT v /* of ${t} */ FROM ${t} -- a comment\n WHERE id = $1`, 'int'),
    text(`SELECT a.v, f.v FROM ${t} a JOIN fixed f ON f.id = a.id WHERE a.id = $1`, 'int'),
    text('SELECT * FROM fixed WHERE id = $1', 'int'),
    text('SELECT id, v, x FROM fixed ORDER BY id LIMIT 5'),
    text('SELECT v FROM fixed WHERE v = $1', 'text'),
    text(`SELECT id, v FROM ${t} WHERE false`),
  ];
}

/** Reads that are only passed through. */
export function plainTexts(lane: number): readonly Text[] {
  return [
    text('SELECT 1'),
    text('SELECT $1::int + 1', 'int'),
    text('SELECT $1::text, $2::int8', 'text', 'int8'),
    text('VALUES (1, NULL), (2, $1::text)', 'text'),
    text('SELECT'),
    text(`SELECT nextval('s${lane}')`),
    text(`SELECT v FROM t${lane} WHERE id = $1 FOR UPDATE`, 'int'),
    text(`SELECT f${lane}($1::int)`, 'int'),
    text('SELECT i FROM generate_series(1, 7) i'),
    text("SELECT current_setting('search_path'), current_setting('timezone')"),
    text('SELECT name, statement, from_sql FROM pg_prepared_statements ORDER BY name'),
    text('SELECT name FROM pg_cursors WHERE name <> $1 ORDER BY name', 'text'),
    text('SHOW datestyle'),
    text(`COPY (SELECT id, v FROM t${lane} ORDER BY id) TO STDOUT`),
  ];
}

export function writeTexts(lane: number): readonly Text[] {
  const t = `t${lane}`;
  return [
    text(`UPDATE ${t} SET v = $2 WHERE id = $1`, 'int', 'text'),
    text(`UPDATE ${t} SET n = n + 1, b = NOT b WHERE id = $1 RETURNING id, n`, 'int'),
    text(`INSERT INTO ${t} VALUES ($1, $2, 1, true, '2021-01-01')`, 'int', 'text'),
    text(`INSERT INTO ${t} VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET v = excluded.v, n = 0`, 'int', 'text'),
    text(`DELETE FROM ${t} WHERE id = $1`, 'int'),
    text(
      `WITH w AS (UPDATE ${t} SET v = v || '!' WHERE id = $1 AND length(v) < 20 RETURNING v) SELECT v FROM w`,
      'int',
    ),
    text(`DELETE FROM c${lane}`),
  ];
}

/** Each can be undone by another. Some fail, as the table is. */
export function ddlTexts(lane: number): readonly string[] {
  const t = `t${lane}`;
  return [
    `ALTER TABLE ${t} ADD COLUMN w int DEFAULT 7`,
    `ALTER TABLE ${t} DROP COLUMN w`,
    `ALTER TABLE ${t} ALTER COLUMN n TYPE numeric`,
    `ALTER TABLE ${t} ALTER COLUMN n TYPE int8`,
    `ALTER TABLE ${t} ALTER COLUMN v TYPE varchar(50)`,
    `ALTER TABLE ${t} ALTER COLUMN v TYPE text`,
    `ALTER TABLE ${t} RENAME COLUMN d TO day`,
    `ALTER TABLE ${t} RENAME COLUMN day TO d`,
    `ALTER TABLE ${t} RENAME TO away${lane}`,
    `ALTER TABLE away${lane} RENAME TO ${t}`,
    `CREATE INDEX IF NOT EXISTS i${lane} ON ${t} (v)`,
    `DROP INDEX IF EXISTS i${lane}`,
    `ALTER TABLE ${t} ADD CONSTRAINT k${lane} CHECK (id > 0)`,
    `ALTER TABLE ${t} DROP CONSTRAINT k${lane}`,
    `TRUNCATE ${t}`,
    `INSERT INTO ${t} SELECT i, 'new' FROM generate_series(1, 5) AS i ON CONFLICT DO NOTHING`,
    `COMMENT ON TABLE ${t} IS 'model'`,
    `CREATE VIEW v${lane} AS SELECT 1 AS one`,
    `DROP VIEW v${lane}`,
  ];
}

/** What a migration finds when it looks. */
export const starTexts = (lane: number): readonly Text[] => [
  text(`SELECT * FROM t${lane} WHERE id = $1`, 'int'),
  text(`SELECT * FROM t${lane} ORDER BY id`),
  text(`TABLE v${lane}`),
];

export const errorTexts = (lane: number): readonly Text[] => [
  text('SELEC 1'),
  text('SELECT 1/0'),
  text('SELECT missing FROM fixed'),
  text('SELECT * FROM missing WHERE id = $1', 'int'),
  text("SELECT 'x'::int"),
  text(`INSERT INTO t${lane} SELECT id FROM t${lane} ORDER BY id`),
  text(`SELECT v FROM t${lane} WHERE id = 1/($1::int - $1::int)`, 'int'),
  text('SELECT id, 10/(id - 3) FROM fixed ORDER BY id LIMIT 8'),
];

export const controlTexts: readonly string[] = [
  ...['BEGIN', 'BEGIN', 'BEGIN', 'START TRANSACTION READ ONLY', 'COMMIT', 'COMMIT', 'ROLLBACK', 'END'],
  ...['SAVEPOINT a', 'ROLLBACK TO a', 'RELEASE a', 'BEGIN ISOLATION LEVEL SERIALIZABLE', 'COMMIT AND CHAIN'],
];

/** With those that only a failed block remembers: what a session was set to is undone by ROLLBACK. */
export const settingTexts: readonly string[] = [
  "SET TimeZone = 'Asia/Tokyo'",
  "SET TimeZone = 'UTC'",
  'RESET TimeZone',
  "SET DateStyle = 'German'",
  'SET extra_float_digits = -5',
  "SET bytea_output = 'escape'",
  "SET client_encoding = 'LATIN1'",
  "SET client_encoding = 'UTF8'",
  'SET search_path = other, public',
  'SET LOCAL search_path = other',
  "SELECT set_config('search_path', 'other, public', false)",
  'RESET ALL',
  'SET ROLE pg_read_all_data',
  'RESET ROLE',
  'SET standard_conforming_strings = off',
  "SET nonsense = 'x'",
  'DISCARD ALL',
  'DEALLOCATE ALL',
  "SET application_name = 'model'",
];

export function keyOf(random: Random): number {
  return 1 + random.skewed(KEYS);
}

export function fixedKeyOf(random: Random): number {
  return 1 + random.skewed(FIXED_ROWS);
}

const escaped = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** A text with its parameters written out. */
export function literal(random: Random, { sql, parameters }: Text): string {
  const values = parameters.map((type) => {
    const value = textValue(random, type);
    return type === 'text' || random.next() < 0.1 ? escaped(value) : value;
  });
  return sql.replace(/\$(\d)/g, (_, n: string) => values[Number(n) - 1]!);
}

/** A value in text format. */
export function textValue(random: Random, type: Text['parameters'][number]): string {
  switch (type) {
    case 'int':
      return String(keyOf(random));
    case 'int8':
      return String(keyOf(random) * 1000000000000);
    case 'bool':
      return pick(random, ['true', 'false']);
    case 'text':
      return pick(random, ['v1', 'v2', 'é3', '', "it's", 'a\\b']);
  }
}

export const statementNames = ['', '', 's1', 's2', 's3'] as const;
export const portalNames = ['', '', '', 'p1', 'p2'] as const;
/** Types that a Parse may declare for a parameter, the right one first. */
export const oids = { int: [23, 20, 25], text: [25, 1043], int8: [20], bool: [16] } as const;
