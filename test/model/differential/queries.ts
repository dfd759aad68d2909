/**
 * PostgreSQL's own kind of SQL over a small shop: single tables, joins, sub-queries, CTEs, set operations, windows, grouping, JSON, arrays, text
 * search, views, partitions, policies-free heirs and functions. Every statement has an order that leaves nothing open.
 */
export const shopSchema = `
  CREATE TABLE c (id int PRIMARY KEY, name text, city text, vip bool, born date, joined timestamptz, score numeric(6, 2), tags text[], doc jsonb, boss int);
  CREATE TABLE o (id bigint PRIMARY KEY, c int REFERENCES c, day date, total numeric(8, 2), state varchar(10), note text);
  CREATE TABLE l (o bigint REFERENCES o, n int, sku text, qty smallint, price float8, PRIMARY KEY (o, n));
  CREATE TABLE p (sku text PRIMARY KEY, kind char(3), weight real, made int4range, words tsvector);
  CREATE TABLE e (id int, day date, what text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE e_1 PARTITION OF e FOR VALUES FROM ('2020-01-01') TO ('2020-07-01');
  CREATE TABLE e_2 PARTITION OF e FOR VALUES FROM ('2020-07-01') TO ('2021-01-01');
  CREATE TABLE a (id int PRIMARY KEY, name text);
  CREATE TABLE b (size int, PRIMARY KEY (id)) INHERITS (a);
  INSERT INTO c SELECT i, 'Name ' || i, (ARRAY['Rome', 'Oslo', 'Bern', NULL])[1 + i % 4], i % 3 = 0, date '1980-01-01' + i * 100,
    timestamptz '2020-01-01 00:00Z' + i * interval '1 day', CASE WHEN i % 7 > 0 THEN i * 1.5 END, ARRAY['t' || i % 3, 'x'],
    jsonb_build_object('n', i, 'list', jsonb_build_array(i, i + 1), 'sub', jsonb_build_object('k', 'v' || i % 2)), NULLIF(i / 3, 0)
    FROM generate_series(1, 24) i;
  INSERT INTO o SELECT i, 1 + i % 20, date '2020-01-01' + i, i * 3.25, (ARRAY['new', 'paid', 'sent'])[1 + i % 3], NULLIF('note ' || i % 5, 'note 0')
    FROM generate_series(1, 60) i;
  INSERT INTO l SELECT 1 + i % 60, i / 60, 's' || i % 9, i % 11, i * 0.5 FROM generate_series(0, 149) i;
  INSERT INTO p SELECT 's' || i, 'k' || i % 2, i * 1.1, int4range(i, i + 4), to_tsvector('english', 'the running fox number ' || i) FROM generate_series(0, 9) i;
  INSERT INTO e SELECT i, date '2020-01-15' + i * 20, 'event ' || i % 4 FROM generate_series(1, 16) i;
  INSERT INTO a SELECT i, 'a' || i FROM generate_series(1, 4) i; INSERT INTO b SELECT i, 'b' || i, i * 2 FROM generate_series(5, 8) i;
  CREATE VIEW rich AS SELECT c.id, c.name, sum(o.total) AS spent, count(*) AS n FROM c JOIN o ON o.c = c.id GROUP BY c.id;
  CREATE VIEW open_o(number, customer, worth) AS SELECT id, c, total FROM o WHERE state <> 'sent';
  CREATE VIEW top AS SELECT r.name, o.worth FROM rich r JOIN open_o o ON o.customer = r.id WHERE r.n > 2;
  CREATE FUNCTION spent(int) RETURNS numeric STABLE LANGUAGE sql AS 'SELECT sum(total) FROM o WHERE c = $1';
  CREATE FUNCTION orders_of(who int) RETURNS SETOF o STABLE BEGIN ATOMIC SELECT * FROM o WHERE o.c = who; END;
  CREATE MATERIALIZED VIEW kinds AS SELECT kind, count(*) AS n FROM p GROUP BY kind;
  ANALYZE;`;

const columns: readonly string[] = [
  'id, name',
  '*',
  'id, upper(name), length(city)',
  "id, coalesce(city, 'none') AS place, nullif(vip, false)",
  "id, to_char(born, 'YYYY/MM'), extract(year FROM born), born + 7, date_trunc('month', joined)",
  "id, joined, joined AT TIME ZONE 'Europe/Rome', joined::date",
  'id, score * 2, round(score, 1), score::int, -score, score IS NULL',
  "id, tags[1], array_length(tags, 1), tags || ARRAY['y'], 't1' = ANY (tags)",
  "id, doc->'n', doc->>'sub', doc #>> '{sub,k}', doc @> '{\"n\": 3}', jsonb_array_length(doc->'list')",
  "id, CASE WHEN vip THEN 'v' WHEN score > 10 THEN 's' ELSE '-' END, CASE city WHEN 'Rome' THEN 1 END",
  'id, greatest(id, boss), least(id, boss), id % 5, id / 2, 2 ^ id',
  "id, format('%s-%s', name, id), concat_ws(',', name, city), replace(name, 'a', 'o'), md5(name)",
];
const conditions: readonly string[] = [
  'true',
  'id = 7',
  'id IN (1, 3, 5, 40)',
  'id BETWEEN 5 AND 9',
  "city = 'Rome' OR vip",
  "city IS NULL AND name LIKE 'Name 1%'",
  "born >= '1983-01-01' AND NOT vip",
  "joined < '2020-01-15 00:00+00' AND score > 5",
  "name ~ '[13]$' OR id > 20",
  "doc->>'n' = '9' OR tags @> '{t2}'",
  '(id, vip) = (3, true) OR (id, name) > (22, $$N$$)',
  'boss IS NOT DISTINCT FROM 2 OR score IS NULL',
];
const single = columns.flatMap((list, i) =>
  conditions
    .filter((_, j) => (i + j) % 2 === 0 || i < 6)
    .map((where) => `SELECT ${list} FROM c WHERE ${where} ORDER BY id`),
);

const joinKinds = ['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'];
const joined = joinKinds.flatMap((join) => [
  `SELECT c.id, o.id, total FROM c ${join} o ON o.c = c.id ORDER BY 1, 2`,
  `SELECT c.id, o.id FROM c ${join} o ON o.c = c.id AND o.state = 'paid' WHERE c.id < 9 OR c.id IS NULL ORDER BY 1, 2`,
  `SELECT o.id, l.n, l.sku FROM o ${join} l ON l.o = o.id AND l.qty > 4 WHERE o.id = 12 ORDER BY 1, 2`,
  `SELECT x.id, y.id FROM c x ${join} c y ON x.boss = y.id ORDER BY 1, 2`,
  `SELECT sku, count(l.o), max(kind) FROM p ${join} l USING (sku) GROUP BY sku ORDER BY sku`,
  `SELECT j.state, count(*) FROM (o ${join} l ON l.o = o.id) AS j GROUP BY j.state ORDER BY 1`,
  `SELECT c.name, s.spent FROM c ${join} (SELECT o.c, sum(total) AS spent FROM o GROUP BY o.c) s ON s.c = c.id ORDER BY 1, 2`,
]);

const subqueries = ['EXISTS', 'NOT EXISTS'].flatMap((exists) =>
  ["o.state = 'new'", 'o.total > 100', "o.day < '2020-01-20'"].map(
    (condition) => `SELECT id FROM c WHERE ${exists} (SELECT FROM o WHERE o.c = c.id AND ${condition}) ORDER BY id`,
  ),
);
const more: readonly string[] = [
  'SELECT id FROM c WHERE id IN (SELECT c FROM o WHERE total > 150) ORDER BY id',
  'SELECT id FROM c WHERE id NOT IN (SELECT c FROM o WHERE total > 50) ORDER BY id',
  'SELECT id, (SELECT max(total) FROM o WHERE o.c = c.id) FROM c ORDER BY id',
  'SELECT id FROM o WHERE total > ALL (SELECT price FROM l WHERE o = 3) ORDER BY id',
  'SELECT id FROM o WHERE (c, state) IN (SELECT c, state FROM o WHERE id < 5) ORDER BY id',
  'SELECT id, ARRAY(SELECT n FROM l WHERE l.o = o.id ORDER BY n) FROM o WHERE id < 6 ORDER BY id',
  'SELECT * FROM (SELECT id, total FROM o ORDER BY total DESC, id LIMIT 5) s ORDER BY id',
  'SELECT c.id, t.* FROM c, LATERAL (SELECT id AS oid, total FROM o WHERE o.c = c.id ORDER BY total DESC LIMIT 2) t ORDER BY 1, 2',
  'SELECT c.id, x.s FROM c LEFT JOIN LATERAL (SELECT sum(total) AS s FROM o WHERE o.c = c.id) x ON true ORDER BY 1',
  'SELECT id, g FROM c, generate_series(1, 3) g WHERE id < 3 ORDER BY 1, 2',
  'SELECT id, t, n FROM c, unnest(tags) WITH ORDINALITY AS u(t, n) WHERE id < 6 ORDER BY 1, 3',
  'SELECT id, key, value FROM c, jsonb_each_text(doc) WHERE id IN (2, 3) ORDER BY 1, 2',
  'SELECT c.id, r.n FROM c, jsonb_to_record(doc) AS r(n int) WHERE r.n > 20 ORDER BY 1',
  'SELECT v.x, c.name FROM (VALUES (1, $$a$$), (2, $$b$$)) v(x, y) JOIN c ON c.id = v.x ORDER BY 1',
  'SELECT * FROM o NATURAL JOIN (SELECT 5::bigint AS id) k ORDER BY id',
  'SELECT e.id, a.name FROM e CROSS JOIN a WHERE e.id = a.id ORDER BY 1',
  'SELECT DISTINCT state FROM o ORDER BY state',
  'SELECT DISTINCT ON (c) c, id, total FROM o ORDER BY c, total DESC, id',
  'SELECT id, total FROM o ORDER BY total DESC, id FETCH FIRST 3 ROWS ONLY',
  'SELECT state, id % 4 FROM o ORDER BY state FETCH FIRST 2 ROWS WITH TIES',
  'SELECT id FROM o ORDER BY id OFFSET 5 LIMIT 7',
  'TABLE kinds ORDER BY kind',
  'SELECT kind, n * 2 FROM kinds WHERE n > 1 ORDER BY 1',
  'SELECT o.*, kinds.n FROM o, kinds WHERE o.id = 3 ORDER BY kinds.kind',
  'VALUES ((SELECT count(*) FROM c)), (2) ORDER BY 1',
  'SELECT id FROM c GROUP BY id HAVING count(*) = 1 ORDER BY id LIMIT 4',
  "SELECT kind, string_agg(sku, '+' ORDER BY sku DESC), bool_and(weight > 2) FROM p GROUP BY kind ORDER BY kind",
  'SELECT city, array_agg(id ORDER BY id), json_agg(name ORDER BY id) FROM c GROUP BY city ORDER BY city',
  'SELECT sku, made, upper(made), made @> 5, made && int4range(3, 6) FROM p ORDER BY sku',
  "SELECT sku FROM p WHERE words @@ to_tsquery('english', 'run & fox') ORDER BY sku",
  "SELECT sku, ts_headline('english', 'a running fox', to_tsquery('english', 'run')) FROM p WHERE sku < 's3' ORDER BY 1",
  'SELECT jsonb_object_agg(id, name) FROM c WHERE id < 5',
  "SELECT jsonb_path_query_array(doc, '$.list[*] ? (@ > 3)') FROM c WHERE id < 6 ORDER BY id",
  'SELECT row_to_json(c) FROM c WHERE id < 3 ORDER BY id',
  'SELECT c FROM c WHERE id < 3 ORDER BY id',
  'SELECT o FROM o WHERE id < 3 ORDER BY id',
];

const aggregates = [
  'count(*)',
  'sum(total)',
  'avg(total)',
  'max(day)',
  'count(DISTINCT c)',
  'count(*) FILTER (WHERE note IS NULL)',
];
const groupings = [
  'state',
  'c, state',
  'ROLLUP (state, c % 3)',
  'CUBE (state, c % 2)',
  'GROUPING SETS ((state), (c % 4), ())',
  "date_trunc('month', day)",
];
const grouped = groupings.flatMap((grouping, i) =>
  aggregates.map((aggregate) => {
    const keys = ['state', 'c, state', 'state, c % 3', 'state, c % 2', 'state, c % 4', "date_trunc('month', day)"][i]!;
    return `SELECT ${keys}, ${aggregate} FROM o GROUP BY ${grouping} HAVING count(*) > 1 ORDER BY 1, 2, 3`.replace(
      'ORDER BY 1, 2, 3',
      keys.includes(', c') || keys.startsWith('c,') ? 'ORDER BY 1, 2, 3' : 'ORDER BY 1, 2',
    );
  }),
);

const frames = [
  '',
  'ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING',
  'RANGE UNBOUNDED PRECEDING',
  'GROUPS CURRENT ROW',
  'ROWS 2 PRECEDING EXCLUDE CURRENT ROW',
];
const functions = [
  'sum(total)',
  'row_number()',
  'rank()',
  'lag(total, 1, 0)',
  'first_value(id)',
  'ntile(3)',
  'percent_rank()',
  'count(note)',
];
const windowed = functions.flatMap((call, i) => [
  `SELECT id, ${call} OVER (PARTITION BY state ORDER BY id ${frames[i % frames.length]}) FROM o ORDER BY id`,
  `SELECT id, ${call} OVER w FROM o WHERE c < 6 WINDOW w AS (ORDER BY day, id) ORDER BY id`,
  `SELECT * FROM (SELECT id, ${call} OVER (PARTITION BY c ORDER BY total DESC, id) AS x FROM o) s WHERE id < 9 ORDER BY id`,
]);

const operations = ['UNION', 'UNION ALL', 'INTERSECT', 'INTERSECT ALL', 'EXCEPT', 'EXCEPT ALL'];
const combined = operations.flatMap((operation) => [
  `SELECT id FROM c ${operation} SELECT c FROM o WHERE total > 60 ORDER BY 1`,
  `(SELECT city, vip FROM c WHERE id < 12) ${operation} (SELECT city, vip FROM c WHERE id > 8) ORDER BY 1, 2`,
  `SELECT s.x FROM (SELECT id AS x FROM o WHERE state = 'new' ${operation} SELECT o FROM l WHERE qty > 5) s ORDER BY 1`,
  `WITH u AS (SELECT id FROM a ${operation} SELECT id FROM b) SELECT count(*) FROM u`,
]);

const ctes: readonly string[] = [
  'WITH x AS (SELECT * FROM c WHERE vip) SELECT id, name FROM x ORDER BY id',
  'WITH x AS MATERIALIZED (SELECT c, sum(total) AS t FROM o GROUP BY c), y AS (SELECT * FROM x WHERE t > 60) SELECT c, t FROM y ORDER BY c',
  'WITH x(n) AS NOT MATERIALIZED (SELECT id FROM c) SELECT a.n, b.n FROM x a JOIN x b ON a.n = b.n + 1 ORDER BY 1',
  'WITH RECURSIVE r AS (SELECT id, boss, 0 AS d FROM c WHERE boss IS NULL UNION ALL SELECT c.id, c.boss, d + 1 FROM c JOIN r ON c.boss = r.id) SELECT * FROM r ORDER BY id',
  'WITH RECURSIVE n(i) AS (VALUES (1) UNION SELECT i + 1 FROM n WHERE i < (SELECT count(*) FROM a)) SELECT i FROM n ORDER BY i',
  'WITH RECURSIVE r(id) AS (SELECT id FROM c WHERE id = 2 UNION ALL SELECT c.id FROM c JOIN r ON c.boss = r.id) SEARCH BREADTH FIRST BY id SET s CYCLE id SET cyc USING path SELECT id, cyc FROM r ORDER BY s',
  'WITH o AS (SELECT 1 AS id) SELECT o.id, c.name FROM o JOIN c USING (id) ORDER BY 1',
  'SELECT id FROM c WHERE id IN (WITH x AS (SELECT c FROM o WHERE total > 170) SELECT c FROM x) ORDER BY id',
];

const objects = ['true', 'id = 6', 'id > 5', "name LIKE 'b%'"].flatMap((where) => [
  `SELECT id, name FROM a WHERE ${where} ORDER BY id`,
  `SELECT id, name FROM ONLY a WHERE ${where} ORDER BY id`,
  `SELECT * FROM b WHERE ${where} ORDER BY id`,
]);
const partitions = ['true', 'id = 3', "day = '2020-03-15'", "day > '2020-06-01'", "what = 'event 1'"].flatMap(
  (where) => [
    `SELECT * FROM e WHERE ${where} ORDER BY id`,
    `SELECT count(*), max(day) FROM e_1 WHERE ${where}`,
    `SELECT what, count(*) FROM e WHERE ${where} GROUP BY what ORDER BY what`,
  ],
);
const views: readonly string[] = [
  'SELECT * FROM rich ORDER BY id',
  'SELECT name FROM rich WHERE spent > 100 ORDER BY name',
  'SELECT * FROM open_o WHERE customer = 4 ORDER BY number',
  'SELECT sum(worth) FROM open_o',
  'SELECT * FROM top ORDER BY name, worth',
  'SELECT count(*) FROM top t JOIN rich r USING (name)',
  'SELECT id FROM c WHERE id IN (SELECT customer FROM open_o WHERE worth > 100) ORDER BY id',
  'SELECT spent(4), spent(id) FROM c WHERE id < 4 ORDER BY id',
  'SELECT id, spent(id) FROM c WHERE spent(id) > 80 ORDER BY id',
  'SELECT * FROM orders_of(3) ORDER BY id',
  "SELECT id FROM orders_of(5) WHERE state = 'new' ORDER BY id",
  'SELECT c.id, f.total FROM c, orders_of(c.id) f WHERE c.id < 4 ORDER BY 1, 2',
];

export const queries: readonly string[] = [
  ...new Set([
    ...single,
    ...joined,
    ...subqueries,
    ...more,
    ...grouped,
    ...windowed,
    ...combined,
    ...ctes,
    ...objects,
    ...partitions,
    ...views,
  ]),
];

/** Each round changes every table. */
export const rounds: readonly (readonly string[])[] = [
  [
    "UPDATE c SET score = score + 1, city = 'Rome' WHERE id % 5 = 0",
    'DELETE FROM l WHERE o % 11 = (SELECT count(*) FROM o) % 11',
    "INSERT INTO o SELECT 1 + max(id), 3, '2020-02-02', 500, 'new', NULL FROM o",
    "UPDATE e SET day = CASE WHEN day < '2020-07-01' THEN date '2020-08-08' ELSE '2020-01-09' END WHERE id = 3",
    "UPDATE b SET name = name || '.'",
  ],
  [
    "INSERT INTO c SELECT 1 + max(id), 'Name 25', 'Bern', true, '1990-01-01', '2020-03-01 00:00Z', 7, '{t2}', '{\"n\": 25, \"list\": []}', 2 FROM c",
    "UPDATE o SET total = total * 2, state = 'paid' WHERE id BETWEEN 10 AND 20",
    "UPDATE p SET kind = 'zz', made = int4range(5, 9) WHERE sku IN ('s1', 's4')",
    "INSERT INTO e SELECT 1 + max(id), '2020-12-24', 'event 9' FROM e",
    "INSERT INTO a SELECT 1 + max(id), 'new' FROM a",
    'REFRESH MATERIALIZED VIEW kinds',
  ],
];
