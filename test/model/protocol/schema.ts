/** The tables of the protocol model: a lane (two sessions that take turns) has its own, so that lanes may run side by side. */

/** Keys are few, so that reads repeat and writes meet them. */
export const KEYS = 6;
export const FIXED_ROWS = 40;

const laneTable = (lane: number): string =>
  `CREATE TABLE t${lane} (id int PRIMARY KEY, v text, n int8, b bool, d date);`;

const laneTables = (lane: number): string => `
  ${laneTable(lane)}
  CREATE TABLE c${lane} (id int PRIMARY KEY, v text CHECK (v <> 'forbidden'));
  CREATE SEQUENCE s${lane};
  CREATE FUNCTION f${lane}(k int) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN UPDATE t${lane} SET n = n + 1 WHERE id = k; RETURN k; END $$;
  ${laneRows(lane)}`;

/** Puts a lane's rows back where they began. */
export const laneRows = (lane: number): string => `
  TRUNCATE t${lane}, c${lane}; SELECT setval('s${lane}', 1);
  INSERT INTO t${lane} SELECT i, 'v' || i, i * 1000000000000, i % 2 = 0, date '2020-01-31' + i FROM generate_series(1, ${KEYS - 1}) i;`;

export const schemaSql = (lanes: number): string => `
  CREATE TABLE fixed (id int PRIMARY KEY, v text, x float8, z bytea, ts timestamptz);
  INSERT INTO fixed SELECT i, 'é' || i, i / 3.0, decode(lpad(to_hex(i), 4, '0'), 'hex'), timestamptz '2020-02-03 04:05:06Z' + i * interval '1 day'
    FROM generate_series(1, ${FIXED_ROWS}) i;
  CREATE SCHEMA other;
  CREATE TABLE other.fixed (id int PRIMARY KEY, v text);
  INSERT INTO other.fixed SELECT i, 'other' || i FROM generate_series(1, ${FIXED_ROWS}) i;
  ${Array.from({ length: lanes }, (_, lane) => laneTables(lane)).join('')}`;

/** The same, whatever was altered. */
export const laneAnew = (lane: number): string => `
  DROP TABLE IF EXISTS t${lane}, away${lane} CASCADE; DROP VIEW IF EXISTS v${lane}; ${laneTable(lane)} ${laneRows(lane)}`;
