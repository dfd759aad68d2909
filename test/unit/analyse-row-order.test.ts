// Answers in which the order of stored rows can show, and those in which it can not.
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Bench } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';

const schema = `
  CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  CREATE TABLE t (id int PRIMARY KEY, grp int, price numeric(8, 2), any_scale numeric, ratio float8, note text, loose text COLLATE loose);
  CREATE TABLE lines (t int, n int, price numeric(8, 2), PRIMARY KEY (t, n));
  CREATE TABLE other (k int PRIMARY KEY, grp float8);
  CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (base);
  CREATE TABLE own (id int PRIMARY KEY, v int); ALTER TABLE own ENABLE ROW LEVEL SECURITY;
  CREATE VIEW first AS SELECT * FROM t LIMIT 1;
`;

const corpus: readonly (readonly [sql: string, order: string])[] = [
  ['SELECT note FROM t WHERE id = 1', 'fixed'],
  ['SELECT note FROM t WHERE $1 = id AND grp > 2', 'fixed'],
  ['SELECT note FROM t WHERE id = 1 OR grp = 2', 'ofOneRow'],
  ['SELECT note FROM t WHERE id = grp', 'ofOneRow'],
  ['SELECT note FROM t', 'ofOneRow'],
  ['SELECT note FROM t ORDER BY note', 'ofOneRow'],
  ['SELECT note FROM t ORDER BY id', 'fixed'],
  ['SELECT note FROM t ORDER BY note DESC, t.id', 'fixed'],
  ['SELECT note FROM t ORDER BY 1', 'ofOneRow'],
  ['SELECT note FROM t ORDER BY -id', 'ofOneRow'],
  ['SELECT -id % 3 AS id FROM t ORDER BY id', 'ofOneRow'],
  ['SELECT id AS id FROM t ORDER BY id', 'fixed'],
  ['SELECT note FROM t LIMIT 1', 'open'],
  ['SELECT note FROM t ORDER BY note LIMIT 1', 'open'],
  ['SELECT note FROM t ORDER BY note, id LIMIT 5 OFFSET 5', 'fixed'],
  ['SELECT price FROM lines ORDER BY n', 'ofOneRow'],
  ['SELECT price FROM lines ORDER BY n, t', 'fixed'],
  ['SELECT price FROM lines WHERE t = $1 ORDER BY n', 'fixed'],
  ['SELECT l.n, t.note FROM t JOIN lines l ON l.t = t.id WHERE t.id = 4 ORDER BY l.n, l.t', 'fixed'],
  ['SELECT l.n, t.note FROM t LEFT JOIN lines l ON l.t = t.id ORDER BY l.n, l.t', 'ofOneRow'],
  ['SELECT l.n, t.note FROM t LEFT JOIN lines l ON l.t = t.id ORDER BY t.id, l.n, l.t', 'fixed'],
  ['SELECT a.note FROM t a JOIN t b ON a.grp = b.id ORDER BY a.id', 'ofOneRow'],
  ['SELECT count(*), sum(price), max(id) FROM t WHERE grp = 1', 'ofOneRow'],
  ['SELECT grp, count(*) FROM t GROUP BY grp ORDER BY grp', 'fixed'],
  ['SELECT grp, count(*) FROM t GROUP BY grp ORDER BY 2', 'ofOneRow'],
  ['SELECT count(*) FROM t GROUP BY loose ORDER BY loose', 'ofOneRow'],
  ['SELECT count(*) FROM t a JOIN t b ON a.grp = b.id GROUP BY a.note, b.note ORDER BY a.note', 'ofOneRow'],
  ['SELECT avg(price), avg(id) FROM t WHERE grp = 1', 'ofOneRow'],
  ['SELECT avg(ratio) FROM t', 'open'],
  ['SELECT avg(any_scale) FROM t', 'open'],
  ['SELECT sum(ratio) FROM t', 'open'],
  ['SELECT max(any_scale) FROM t', 'open'],
  ['SELECT max(loose) FROM t', 'open'],
  ['SELECT sum(price::float8) FROM t', 'open'],
  ['SELECT (SELECT sum(grp) FROM other) FROM t WHERE id = 1', 'open'],
  ['SELECT string_agg(note, $1) FROM t', 'open'],
  ['SELECT array_agg(id) FROM t', 'open'],
  ['SELECT ARRAY(SELECT id FROM lines) FROM t WHERE id = 1', 'open'],
  ['SELECT note FROM t WHERE id = (SELECT t FROM lines LIMIT 1)', 'open'],
  ['SELECT note FROM t WHERE id = 1 AND EXISTS (SELECT FROM lines WHERE t = id)', 'fixed'],
  ['SELECT row_number() OVER (ORDER BY grp) FROM t ORDER BY id', 'open'],
  ['SELECT DISTINCT ON (grp) note FROM t ORDER BY grp', 'open'],
  ['SELECT note FROM t UNION SELECT note FROM t', 'open'],
  ['WITH w AS (SELECT note FROM t LIMIT 1) SELECT * FROM w', 'open'],
  ['SELECT * FROM first', 'open'],
  ['SELECT id FROM base ORDER BY id', 'open'],
  ['SELECT v FROM own WHERE id = 1', 'open'],
];

describe('which answers depend on where rows are stored', () => {
  let bench: Bench;
  let database: Awaited<ReturnType<typeof createDatabase>>;
  beforeAll(async () => {
    database = await createDatabase(inject('pg18'), schema);
    bench = await Bench.open(database.url);
  });
  afterAll(() => database.drop());

  it.each(corpus)('%s', (sql, order) => {
    const { cacheable, rowOrder, reason } = bench.analyse(sql);
    expect({ reason: cacheable ? null : reason, rowOrder }).toEqual({ reason: null, rowOrder: order });
  });
});
