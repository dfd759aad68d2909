/**
 * Statements with the verdict that they must get on every version of PostgreSQL.
 *
 * A row: the statement; then either the reason for which it is not cached, or what its answer depends on, a table with its
 * terms for each reference (`orders(id=1) items`); then what it may do, `read` (nothing) when left out:
 *
 *   own       writes no table, but is not proven to do nothing        settings  changes the session's context
 *   any       may write anything and change the context               any!      and begin or end a transaction as well
 *   control   begins, ends or marks a transaction                     > a b     writes the tables a and b
 */
export const schema = `
  CREATE TYPE mood AS ENUM ('low', 'high');
  CREATE DOMAIN percent AS int CHECK (value BETWEEN 0 AND 100);
  CREATE TYPE pair AS (a int, b int);
  CREATE TABLE customers (id int PRIMARY KEY, name text, email varchar(80), code char(4), vip bool, ref uuid,
    mood mood, share percent, born date, seen timestamptz, balance numeric, doc jsonb, tags text[], big bigint,
    small smallint, number oid, score float8, twice int GENERATED ALWAYS AS (id * 2) STORED);
  CREATE TABLE orders (id bigint PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE, total numeric, note text,
    placed timestamptz DEFAULT now(), open bool);
  CREATE TABLE lines ("order" bigint REFERENCES orders ON DELETE CASCADE, "Line" int, item text, PRIMARY KEY ("order", "Line"));
  CREATE TABLE pairs (id int PRIMARY KEY, at pair);
  CREATE TABLE nokey (a int, b text);
  CREATE TABLE whole (a int, b text);
  ALTER TABLE whole REPLICA IDENTITY FULL;
  CREATE TABLE indexed (a int NOT NULL UNIQUE, b text);
  ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_a_key;
  CREATE TABLE nothing (a int PRIMARY KEY);
  ALTER TABLE nothing REPLICA IDENTITY NOTHING;
  CREATE TABLE deferred (a int PRIMARY KEY DEFERRABLE);
  CREATE UNLOGGED TABLE unlogged (a int PRIMARY KEY);
  CREATE TABLE secret (id int PRIMARY KEY, owner text);
  ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
  CREATE TABLE parts (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
  CREATE TABLE base (id int PRIMARY KEY);
  CREATE TABLE derived (extra int) INHERITS (base);
  CREATE TABLE "Odd Name" ("Key" int PRIMARY KEY, "select" text);
  CREATE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'select $1';
  CREATE FUNCTION g(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'begin return 1; end';
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
  CREATE TABLE triggered (id int PRIMARY KEY);
  CREATE TRIGGER t BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION touch();
  CREATE TABLE ruled (id int PRIMARY KEY);
  CREATE RULE r AS ON INSERT TO ruled DO ALSO INSERT INTO base VALUES (1);
  CREATE TABLE computed (id int PRIMARY KEY, v int DEFAULT f(1));
  CREATE FUNCTION total(orders) RETURNS numeric LANGUAGE sql STABLE AS 'select $1.total';
  CREATE VIEW open_orders AS SELECT * FROM orders WHERE open;
  CREATE VIEW counting AS SELECT nextval('s1') AS n, 1 AS id;
  CREATE VIEW calling AS SELECT g(id) FROM customers;
  CREATE MATERIALIZED VIEW summary AS SELECT count(*) FROM orders;
  CREATE SCHEMA shadow;
  CREATE TABLE shadow.things (id int PRIMARY KEY);
  CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  CREATE TABLE words (id int PRIMARY KEY, plain text, loose text COLLATE loose);
  CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq);
  CREATE FUNCTION lower(int) RETURNS text LANGUAGE sql AS 'select $1::text';
`.replace('CREATE TYPE mood', 'CREATE SEQUENCE s1; CREATE TYPE mood');

export type Row = readonly [sql: string, verdict: string, effects?: string];

/** Reads that can be cached, and what they depend on. */
export const cacheable: readonly Row[] = [
  ['SELECT * FROM customers', 'customers'],
  ['TABLE base_', 'uncacheable.unknownRelation'],
  ['TABLE orders', 'orders'],
  ['SELECT * FROM public.customers', 'customers'],
  ['SELECT name FROM customers WHERE id = 1', 'customers(id=1)'],
  ['SELECT name FROM customers WHERE 1 = id', 'customers(id=1)'],
  ["SELECT name FROM customers WHERE id = ' 042 '", 'customers(id=42)'],
  ['SELECT name FROM customers WHERE id = -5', 'customers(id=-5)'],
  ['SELECT name FROM customers WHERE id = $1', 'customers(id=$1)'],
  ['SELECT name FROM customers WHERE id = $1::int8', 'customers(id=$1)'],
  ["SELECT name FROM customers WHERE id = '7'::integer", 'customers(id=7)'],
  ['SELECT name FROM customers WHERE id = CAST($1 AS bigint)', 'customers(id=$1)'],
  ['SELECT name FROM customers WHERE id IN (1, 2, 2)', 'customers(id=1|2)'],
  ['SELECT name FROM customers WHERE id IN ($1, 5)', 'customers(id=$1|5)'],
  ['SELECT name FROM customers WHERE id = ANY (ARRAY[1, 2])', 'customers(id=1|2)'],
  ["SELECT name FROM customers WHERE id = ANY ('{1,2}')", 'customers(id=1|2)'],
  ['SELECT name FROM customers WHERE id = SOME (\' { 1 , "02",NULL} \'::int[])', 'customers(id=1|2)'],
  ["SELECT name FROM customers WHERE id = ANY ('{{1},{2}}')", 'customers'],
  ["SELECT name FROM customers WHERE id = ANY ('[0:1]={1,2}')", 'customers'],
  ['SELECT name FROM customers WHERE name = ANY (\'{a b, "x,\\"y" ,NULL}\'::text[])', 'customers(name=a b|x,"y|NULL)'],
  ['SELECT name FROM customers WHERE id = ANY ($1)', 'customers(id=$1[])'],
  ['SELECT name FROM customers WHERE id = ANY ($1::bigint[])', 'customers(id=$1[])'],
  ['SELECT name FROM customers WHERE email = ANY ($1::varchar(3)[])', 'customers'],
  ['SELECT name FROM customers WHERE code = ANY ($1)', 'customers'],
  ['SELECT name FROM customers WHERE id = ANY (ARRAY[$1, 7]::int[])', 'customers(id=$1|7)'],
  ['SELECT name FROM customers WHERE id = ALL ($1)', 'customers'],
  ['SELECT name FROM customers WHERE id <> ANY ($1)', 'customers'],
  ['SELECT name FROM customers WHERE $1 = ANY (tags)', 'customers'],
  ['SELECT name FROM customers WHERE id = ANY (ARRAY(SELECT customer FROM orders))', 'customers orders'],
  ['SELECT name FROM customers WHERE id NOT IN (1, 2)', 'customers'],
  ['SELECT name FROM customers WHERE id <> 1', 'customers'],
  ['SELECT name FROM customers WHERE id > 1', 'customers(id>=2)'],
  ['SELECT name FROM customers WHERE id BETWEEN 1 AND 2', 'customers(id>=1 id<=2)'],
  ['SELECT name FROM customers WHERE id BETWEEN SYMMETRIC 1 AND 2', 'customers'],
  ['SELECT name FROM customers WHERE id NOT BETWEEN 1 AND 2', 'customers'],
  ['SELECT name FROM customers WHERE 7 > id AND id >= $1 AND vip', 'customers(vip=t id>=$1 id<=6)'],
  ['SELECT name FROM customers WHERE big < $1 AND big > $2::int', 'customers(big>$2 big<$1)'],
  ['SELECT name FROM customers WHERE id > $1 AND score > $1', 'customers'],
  ["SELECT name FROM customers WHERE small >= '-3'", 'customers(small>=-3)'],
  ['SELECT name FROM customers WHERE id > 1.5 AND number > 3 AND name > $1', 'customers(number>=4)'],
  ['SELECT name FROM customers WHERE id > 1 AND big BETWEEN 3 AND 5', 'customers(big>=3 big<=5)'],
  ['SELECT name FROM customers WHERE id > 10 OR id < 5', 'customers(id>=11) customers(id<=4)'],
  ['SELECT name FROM customers WHERE NOT id > 10', 'customers(id<=10)'],
  ['SELECT name FROM customers WHERE id > 99999999999999999999', 'customers'],
  ['SELECT name FROM customers WHERE twice > 4', 'customers'],
  ['SELECT 1 FROM orders o LEFT JOIN customers c ON c.id > 3 AND o.id > 4', 'orders customers(id>=4)'],
  ['SELECT name FROM customers WHERE id = 1 OR id = 2', 'customers(id=1|2)'],
  ['SELECT name FROM customers WHERE (id = $1 OR id IN (2, 3)) AND vip', 'customers(id=$1|2|3 vip=t)'],
  [
    'SELECT name FROM customers WHERE (id = 1 AND big = 2) OR (id = 3 AND big = 4)',
    'customers(big=2 id=1) customers(big=4 id=3)',
  ],
  ['SELECT name FROM customers WHERE id = 1 OR big = 2', 'customers(id=1) customers(big=2)'],
  ['SELECT name FROM customers WHERE id = 1 OR big > 2', 'customers(id=1) customers(big>=3)'],
  [
    'SELECT name FROM customers WHERE (id = 1 AND big = $1) OR (id = 3 AND score = $1)',
    'customers(id=1) customers(id=3)',
  ],
  ['SELECT name FROM customers WHERE NOT (vip OR NOT vip IS TRUE)', 'customers(vip=f)'],
  ['SELECT name FROM customers WHERE (id = 1 OR big = 2) IS TRUE', 'customers(id=1) customers(big=2)'],
  [
    'SELECT 1 FROM customers c, orders o WHERE (c.id = 1 AND o.id = 2) OR (c.id = 3 AND o.total > 0)',
    'customers(id=1|3) orders(id=2) orders(total>0)',
  ],
  ['SELECT name FROM customers WHERE NOT id = 1', 'customers'],
  ['SELECT name FROM customers WHERE id = 1.0', 'customers'],
  ['SELECT name FROM customers WHERE id = 99999999999999999999', 'customers'],
  ['SELECT name FROM customers WHERE id = NULL', 'customers'],
  ['SELECT name FROM customers WHERE id = 1 + 1', 'customers'],
  ['SELECT name FROM customers WHERE id + 0 = 1', 'customers'],
  ['SELECT name FROM customers WHERE id = 1 AND id = 2', 'customers(id=1)'],
  ["SELECT name FROM customers WHERE id = 1 AND name = 'a' AND total_ = 1", 'uncacheable.unknownColumn'],
  ["SELECT id FROM customers WHERE name = 'O''Hara'", "customers(name=O'Hara)"],
  ["SELECT id FROM customers WHERE name = 'a'::text", 'customers(name=a)'],
  ["SELECT id FROM customers WHERE email = 'a@b.c'", 'customers(email=a@b.c)'],
  ["SELECT id FROM customers WHERE email = 'abc'::varchar(2)", 'customers'],
  ["SELECT id FROM customers WHERE code = 'ab'", 'customers'],
  ['SELECT id FROM customers WHERE name = \'a\' COLLATE "C"', 'customers'],
  ["SELECT id FROM customers WHERE name LIKE 'a%'", 'customers(name~a%)'],
  ["SELECT id FROM customers WHERE name ~ '^a' AND name ILIKE 'a' AND name SIMILAR TO 'a'", 'customers'],
  ['SELECT id FROM customers WHERE vip', 'customers(vip=t)'],
  ['SELECT id FROM customers WHERE NOT vip', 'customers(vip=f)'],
  ['SELECT id FROM customers WHERE vip IS TRUE', 'customers(vip=t)'],
  ['SELECT id FROM customers WHERE vip IS NOT TRUE', 'customers(vip=f|NULL)'],
  ['SELECT id FROM customers WHERE vip = true', 'customers(vip=t)'],
  ["SELECT id FROM customers WHERE vip = 'Yes'", 'customers(vip=t)'],
  [
    "SELECT id FROM customers WHERE ref = '{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}'",
    'customers(ref=a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11)',
  ],
  ['SELECT id FROM customers WHERE ref = $1::uuid', 'customers(ref=$1)'],
  ["SELECT id FROM customers WHERE mood = 'low'", 'customers'],
  ["SELECT id FROM customers WHERE mood = 'low'::mood", 'customers'],
  ['SELECT id FROM customers WHERE share = 5', 'customers'],
  ["SELECT id FROM customers WHERE born = '2020-01-01'", 'customers(born=2020-01-01)'],
  ["SELECT id FROM customers WHERE born > '2020-01-01'::date", 'customers(born>2020-01-01)'],
  ["SELECT id FROM customers WHERE seen < timestamptz '2020-01-01 00:00+02'", 'customers(seen<2019-12-31 22:00:00+00)'],
  ['SELECT id FROM customers WHERE balance = 1', 'customers(balance>=1 balance<=1)'],
  [
    'SELECT id FROM customers WHERE balance IN (1, 2.50)',
    'customers(balance>=1 balance<=1) customers(balance>=2.5 balance<=2.5)',
  ],
  ['SELECT id FROM customers WHERE born IS NULL', 'customers(born=NULL)'],
  ['SELECT id FROM customers WHERE NOT born IS NULL AND doc IS NOT NULL', 'customers(born!)'],
  ['SELECT id FROM customers WHERE id IS NOT NULL', 'customers'],
  ['SELECT id FROM customers WHERE score IS NULL OR big = 3', 'customers(score=NULL) customers(big=3)'],
  // NULL in the place of a row that is missing is not a row's own.
  [
    'SELECT c.id FROM customers c LEFT JOIN orders o ON o.customer = c.id WHERE o.note IS NULL AND c.big IS NULL',
    'customers(big=NULL) orders',
  ],
  [
    'SELECT c.id FROM customers c LEFT JOIN orders o ON o.customer = c.id AND o.note IS NULL AND c.big IS NULL',
    'customers orders(note=NULL)',
  ],
  ['SELECT c.id FROM customers c FULL JOIN orders o ON o.customer = c.id WHERE c.big IS NULL', 'customers orders'],
  // A range goes along equal columns as a value does.
  [
    'SELECT c.id FROM customers c JOIN orders o ON o.customer = c.id WHERE c.id BETWEEN 3 AND 5',
    'customers(id>=3 id<=5) orders(customer>=3 customer<=5)',
  ],
  // What is read in the session's time zone is not compared.
  ["SELECT id FROM customers WHERE seen > '2020-01-01'", 'customers'],
  // Order is the collation's, but what a pattern begins with is not.
  ["SELECT id FROM customers WHERE name > 'a' AND email LIKE 'a\\_b%'", 'customers(email~a\\_b%)'],
  ['SELECT id FROM customers WHERE score = 1', 'customers'],
  ['SELECT id FROM customers WHERE big = 1 AND small = 2 AND number = 3', 'customers(big=1 number=3 small=2)'],
  ['SELECT id FROM customers WHERE number = -1', 'customers'],
  ['SELECT id FROM customers WHERE twice = 4', 'customers'],
  ["SELECT doc->>'a', doc->'b'->0, tags[1] FROM customers WHERE doc @> '{\"x\": 1}' AND 'a' = ANY (tags)", 'customers'],
  ["SELECT id FROM customers WHERE name = 'now'", 'customers(name=now)'],
  ["SELECT id FROM customers WHERE name IN ('today', 'x')", 'customers(name=today|x)'],
  ["SELECT id FROM customers WHERE name LIKE '%now%'", 'customers(name~%now%)'],
  ["SELECT plain FROM words WHERE plain = 'a' AND loose = 'a'", 'words(plain=a)'],
  ['SELECT c.name AS n FROM customers c WHERE c.id = 3', 'customers(id=3)'],
  ['SELECT public.customers.name FROM public.customers WHERE customers.id = 3', 'customers(id=3)'],
  ['SELECT x FROM customers AS c(x, y) WHERE x = 3 AND y = $1', 'customers(id=3 name=$1)'],
  ['SELECT "Key" FROM "Odd Name" WHERE "Key" = 1 AND "select" = \'x\'', 'Odd Name(Key=1 select=x)'],
  ['SELECT * FROM whole WHERE a = 1', 'whole(a=1)'],
  ['SELECT * FROM ONLY customers WHERE id = 1', 'customers(id=1)'],
  ['SELECT * FROM indexed WHERE b = $1', 'indexed(b=$1)'],
  [
    'SELECT count(*), max(total), string_agg(note, $1 ORDER BY id) FROM orders WHERE customer = 5',
    'orders(customer=5)',
  ],
  ['SELECT customer, sum(total) FILTER (WHERE open) FROM orders GROUP BY customer HAVING count(*) > 1', 'orders'],
  ['SELECT customer, grouping(customer) FROM orders GROUP BY ROLLUP (customer)', 'orders'],
  [
    'SELECT row_number() OVER (PARTITION BY customer ORDER BY id), lag(total) OVER w FROM orders WINDOW w AS ()',
    'orders',
  ],
  ['SELECT DISTINCT ON (customer) * FROM orders ORDER BY customer, id DESC LIMIT 5 OFFSET $1', 'orders'],
  ['SELECT id AS n FROM orders ORDER BY n FETCH FIRST 3 ROWS WITH TIES', 'orders'],
  [
    'SELECT lower(name), coalesce(name, email), nullif(name, $1), greatest(id, 2) FROM customers',
    'uncacheable.userFunction',
    'any',
  ],
  ['SELECT upper(name), coalesce(name, email), nullif(name, $1), greatest(id, 2) FROM customers', 'customers'],
  ['SELECT CASE WHEN vip THEN 1 ELSE 2 END, CASE mood WHEN $1 THEN 1 END FROM customers', 'customers'],
  [
    "SELECT to_char(seen, 'YYYY'), date_trunc('day', seen), extract(year FROM seen), seen AT TIME ZONE 'UTC' FROM customers",
    'customers',
  ],
  [
    "SELECT seen + interval '1 day', born - 7, seen::date, date_trunc('day', seen)::date, born::text FROM customers",
    'customers',
  ],
  ['SELECT row_to_json(c), to_jsonb(c.*) FROM customers c', 'customers'],
  ['SELECT row_to_json(o) FROM orders o', 'orders'],
  ["SELECT json_build_object('a', id), concat(name, '-', email), format('%s', name) FROM customers", 'customers'],
  ['SELECT date(seen), date(born) FROM customers', 'customers'],
  ['SELECT date(name) FROM customers', 'uncacheable.volatileFunction'],
  ['SELECT * FROM ruled WHERE id = 1', 'ruled(id=1)'],
  ['SELECT balance::int, id::text, name::varchar(3), balance::numeric(10, 2) FROM customers', 'customers'],
  ['SELECT o.id FROM orders o, customers c WHERE o.customer = c.id AND c.id = 7', 'orders(customer=7) customers(id=7)'],
  [
    'SELECT o.id FROM orders o JOIN customers c ON o.customer = c.id AND c.vip WHERE o.id = $1',
    'orders(id=$1) customers(vip=t)',
  ],
  [
    'SELECT 1 FROM orders o LEFT JOIN customers c ON c.id = o.customer AND c.id = 3 AND o.open',
    'orders customers(id=3)',
  ],
  [
    'SELECT 1 FROM orders o LEFT JOIN customers c ON c.id = o.customer WHERE c.id = 3',
    'orders(customer=3) customers(id=3)',
  ],
  [
    'SELECT 1 FROM customers c LEFT JOIN orders o ON o.customer = c.id WHERE c.id = $1',
    'customers(id=$1) orders(customer=$1)',
  ],
  ['SELECT 1 FROM customers c LEFT JOIN orders o ON o.customer = c.id AND c.id = 3', 'customers orders'],
  [
    'SELECT 1 FROM customers c LEFT JOIN orders o ON c.big = c.id AND o.id = 2 WHERE c.big = 3',
    'customers(big=3) orders(id=2)',
  ],
  [
    'SELECT 1 FROM customers c FULL JOIN orders o ON o.customer = c.id WHERE c.id IN (3, 4)',
    'customers(id=3|4) orders(customer=3|4)',
  ],
  [
    'SELECT 1 FROM customers c JOIN orders o ON o.customer = c.id JOIN lines l ON l."order" = o.id WHERE l."order" = 9',
    'customers orders(id=9) lines(order=9)',
  ],
  [
    'SELECT 1 FROM customers a, customers b, orders c WHERE a.id = b.big AND b.big = c.customer AND c.customer = ANY ($1)',
    'customers(id=$1[]) customers(big=$1[]) orders(customer=$1[])',
  ],
  ['SELECT 1 FROM customers c, orders o WHERE o.customer = c.id OR c.id = 3', 'customers orders'],
  [
    'SELECT 1 FROM customers c, orders o WHERE o.customer = c.balance AND o.customer = 3',
    'customers orders(customer=3)',
  ],
  ['SELECT 1 FROM orders o RIGHT JOIN customers c ON o.id = 4 AND c.id = 3', 'orders(id=4) customers'],
  ['SELECT 1 FROM orders o FULL JOIN customers c ON o.customer = c.id WHERE o.id = 4', 'orders(id=4) customers'],
  ['SELECT 1 FROM customers a CROSS JOIN customers b WHERE a.id = 1 AND b.id = 2', 'customers(id=1) customers(id=2)'],
  ['SELECT 1 FROM orders NATURAL JOIN whole', 'orders whole'],
  ['SELECT 1 FROM base_ NATURAL JOIN whole', 'uncacheable.unknownRelation'],
  ['SELECT 1 FROM customers a JOIN orders b USING (id) WHERE id = 3', 'customers(id=3) orders(id=3)'],
  ['SELECT 1 FROM customers a LEFT JOIN orders b USING (id) WHERE a.id = 3', 'customers(id=3) orders(id=3)'],
  [
    'SELECT 1 FROM customers a FULL JOIN orders b USING (id) WHERE id = 3 OR id = $1',
    'customers(id=3|$1) orders(id=3|$1)',
  ],
  ['SELECT 1 FROM (SELECT a AS id FROM whole) w JOIN orders b USING (id) WHERE id = 3', 'whole(a=3) orders(id=3)'],
  [
    'SELECT 1 FROM customers WHERE id = 1 AND EXISTS (SELECT FROM orders WHERE customer = customers.id)',
    'customers(id=1) orders(customer=1)',
  ],
  [
    'SELECT 1 FROM customers c WHERE EXISTS (SELECT FROM orders WHERE c.id = 1 AND orders.id = 2)',
    'customers orders(id=2)',
  ],
  ['SELECT 1 FROM customers WHERE EXISTS (SELECT FROM orders WHERE vip)', 'customers orders'],
  // Values carried into sub-queries: by an equality with a column outside, or by IN where it is a condition of all that is seen.
  [
    'SELECT 1 FROM customers c WHERE c.id = $1 AND NOT EXISTS (SELECT FROM orders WHERE c.id = customer AND open)',
    'customers(id=$1) orders(customer=$1 open=t)',
  ],
  [
    'SELECT 1 FROM customers c WHERE c.id IN (1, 2) AND (vip OR EXISTS (SELECT FROM orders WHERE customer = c.id))',
    'customers(id=1|2) orders(customer=1|2)',
  ],
  [
    'SELECT 1 FROM customers c WHERE c.id = 1 AND EXISTS (SELECT FROM orders WHERE customer = c.id OR open)',
    'customers(id=1) orders',
  ],
  ['SELECT 1 FROM customers c WHERE c.id = 1 OR EXISTS (SELECT FROM orders WHERE customer = c.id)', 'customers orders'],
  [
    'SELECT (SELECT count(*) FROM orders o WHERE o.customer = c.id) FROM customers c WHERE id = 4 ORDER BY name',
    'customers(id=4) orders(customer=4)',
  ],
  [
    'SELECT 1 FROM customers c WHERE id = 4 AND EXISTS (SELECT FROM (SELECT * FROM orders WHERE customer = c.id LIMIT 9) o)',
    'customers(id=4) orders(customer=4)',
  ],
  [
    'SELECT * FROM customers c, LATERAL (SELECT * FROM orders WHERE customer = c.id LIMIT 1) o WHERE c.id = 7',
    'customers(id=7) orders(customer=7)',
  ],
  [
    'SELECT * FROM customers c LEFT JOIN LATERAL (SELECT max(id) FROM orders WHERE customer = c.id) o ON true WHERE c.id = 7',
    'customers(id=7) orders(customer=7)',
  ],
  [
    'SELECT 1 FROM customers WHERE id = 5 AND id IN (SELECT customer FROM orders)',
    'customers(id=5) orders(customer=5)',
  ],
  [
    'SELECT 1 FROM customers WHERE id = 5 AND id = ANY (SELECT customer FROM orders)',
    'customers(id=5) orders(customer=5)',
  ],
  ['SELECT 1 FROM customers WHERE id = 5 AND id NOT IN (SELECT customer FROM orders)', 'customers(id=5) orders'],
  ['SELECT 1 FROM customers WHERE id = 5 AND (vip OR id IN (SELECT customer FROM orders))', 'customers(id=5) orders'],
  ['SELECT 1 FROM customers WHERE id = 5 AND id > ANY (SELECT customer FROM orders)', 'customers(id=5) orders'],
  [
    'SELECT 1 FROM customers WHERE id = 5 AND id IN (SELECT customer FROM orders ORDER BY id LIMIT 3)',
    'customers(id=5) orders',
  ],
  [
    'SELECT 1 FROM customers WHERE id = 5 AND id IN (SELECT customer FROM orders GROUP BY customer HAVING count(*) > 1)',
    'customers(id=5) orders',
  ],
  [
    'SELECT 1 FROM customers c WHERE id = 5 AND EXISTS (SELECT FROM orders, generate_series(1, 2) AS g(x) WHERE customer = c.id)',
    'customers(id=5) orders(customer=5)',
  ],
  [
    'SELECT (SELECT max(total) FROM orders WHERE customer = 4) FROM customers WHERE id = 4',
    'customers(id=4) orders(customer=4)',
  ],
  ['SELECT 1 FROM customers WHERE id IN (SELECT customer FROM orders WHERE open)', 'customers orders(open=t)'],
  ['SELECT 1 FROM customers WHERE (id, name) IN (SELECT customer, note FROM orders)', 'customers orders'],
  ['SELECT ARRAY(SELECT id FROM orders WHERE customer = c.id) FROM customers c', 'customers orders'],
  ['SELECT s.n FROM (SELECT id AS n FROM orders WHERE customer = 2) s WHERE s.n = 1', 'orders(customer=2 id=1)'],
  ['SELECT * FROM customers c, LATERAL (SELECT * FROM orders WHERE customer = c.id LIMIT 1) o', 'customers orders'],
  ['SELECT * FROM (VALUES (1), (2)) v(x) JOIN customers ON id = x', 'customers'],
  ['SELECT * FROM customers, generate_series(1, 3) g WHERE g = id', 'customers'],
  ['SELECT tag FROM customers, unnest(tags) WITH ORDINALITY AS u(tag, n) WHERE customers.id = 1', 'customers(id=1)'],
  ['SELECT key, value FROM customers, jsonb_each(doc)', 'customers'],
  ['WITH c AS (SELECT * FROM customers WHERE id = 1) SELECT c.name FROM c', 'customers(id=1)'],
  ['WITH orders AS (SELECT * FROM orders WHERE id = 1) SELECT * FROM orders WHERE customer = 2', 'orders(id=1)'],
  ['WITH x(n) AS MATERIALIZED (SELECT id FROM base2) SELECT n FROM x', 'uncacheable.unknownRelation'],
  [
    'WITH RECURSIVE r(n) AS (SELECT id FROM customers WHERE id = 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r',
    'customers(id=1)',
  ],
  [
    'SELECT id FROM customers WHERE id = 1 UNION SELECT id FROM orders WHERE id = 2 ORDER BY id',
    'customers(id=1) orders(id=2)',
  ],
  ['SELECT id FROM customers INTERSECT (SELECT id FROM orders EXCEPT SELECT a FROM whole)', 'customers orders whole'],
  ['/* trace */ SELECT name FROM customers -- who\n WHERE id = 1', 'customers(id=1)'],
  ['SELECT id FROM customers WHERE id = $1 AND big = $1', 'customers(big=$1 id=$1)'],
  ['SELECT id FROM customers WHERE id = $1 AND score = $1', 'customers'],
  ['SELECT $1::int FROM customers WHERE id = $1', 'customers'],
];

/** Reads that are passed through, and why (lessons 4, 5, 15, 16). */
export const uncacheable: readonly Row[] = [
  ['', 'uncacheable.noTable'],
  ['-- nothing', 'uncacheable.noTable'],
  ['SELECT 1', 'uncacheable.noTable'],
  ['VALUES (1), (2)', 'uncacheable.noTable'],
  ['SELECT now()', 'uncacheable.volatileFunction'],
  ['SELECT random(), id FROM customers', 'uncacheable.volatileFunction'],
  ['SELECT version()', 'uncacheable.volatileFunction'],
  ['SELECT current_user', 'uncacheable.noTable'],
  ['SELECT id FROM orders WHERE placed > CURRENT_TIMESTAMP', 'uncacheable.volatileFunction'],
  ['SELECT id FROM orders ORDER BY random()', 'uncacheable.volatileFunction'],
  ['SELECT customer FROM orders GROUP BY customer HAVING max(placed) > now()', 'uncacheable.volatileFunction'],
  ['SELECT id FROM customers WHERE age(born) > $1', 'uncacheable.volatileFunction'],
  ["SELECT id FROM customers WHERE name = current_setting('x.y')", 'uncacheable.volatileFunction'],
  ["SELECT to_tsvector('english', name) FROM customers", 'customers'],
  ["SELECT * FROM ts_stat('SELECT to_tsvector(name) FROM customers')", 'uncacheable.volatileFunction', 'any'],
  ["SELECT ts_rewrite('a'::tsquery, 'SELECT x, y FROM z') FROM customers", 'uncacheable.volatileFunction', 'any'],
  ["SELECT id FROM customers WHERE born = 'today'", 'uncacheable.volatileFunction'],
  ["SELECT id FROM customers WHERE born = ' ToDay '", 'uncacheable.volatileFunction'],
  ["SELECT id FROM customers WHERE born > 'now'::timestamp", 'uncacheable.volatileFunction'],
  ["SELECT id FROM customers WHERE born > date 'yesterday'", 'uncacheable.volatileFunction'],
  ["SELECT id FROM customers WHERE born = ANY ('{2020-01-01,tomorrow}')", 'uncacheable.volatileFunction'],
  ["SELECT id FROM customers WHERE born > date('now')", 'uncacheable.volatileFunction'],
  ['SELECT name::date FROM customers', 'uncacheable.volatileFunction'],
  ["SELECT (doc->>'day')::timestamptz FROM customers", 'uncacheable.volatileFunction'],
  ["SELECT ('no' || 'w')::timestamptz FROM customers", 'uncacheable.volatileFunction'],
  ["SELECT nextval('s1')", 'uncacheable.volatileFunction', 'own'],
  ["SELECT setval('s1', 5)", 'uncacheable.volatileFunction', 'own'],
  ['SELECT pg_advisory_lock(1)', 'uncacheable.volatileFunction', 'own'],
  ['SELECT pg_try_advisory_xact_lock(1) FROM customers', 'uncacheable.volatileFunction', 'own'],
  ["SELECT pg_notify('a', 'b')", 'uncacheable.volatileFunction', 'own'],
  ['SELECT lo_unlink(5)', 'uncacheable.volatileFunction', 'own'],
  ["SELECT set_config('search_path', 'shadow', false)", 'uncacheable.volatileFunction', 'settings'],
  ["SELECT query_to_xml('delete from base', true, true, '')", 'uncacheable.volatileFunction', 'any'],
  ['SELECT pg_sleep(0)', 'uncacheable.volatileFunction'],
  ['SELECT f(id) FROM customers', 'customers'],
  ['SELECT g(id) FROM customers', 'uncacheable.userFunction', 'any'],
  ['SELECT public.f(id) FROM customers', 'customers'],
  ['SELECT public.g(id) FROM customers', 'uncacheable.userFunction', 'any'],
  ['SELECT id FROM customers ORDER BY f(id)', 'customers'],
  ['SELECT id FROM customers ORDER BY g(id)', 'uncacheable.userFunction', 'any'],
  ['SELECT * FROM f(1)', 'uncacheable.noTable', 'any'],
  ['SELECT * FROM g(1)', 'uncacheable.userFunction', 'any'],
  ['SELECT nosuch(1)', 'uncacheable.userFunction', 'any'],
  ['SELECT 1 FROM customers WHERE EXISTS (SELECT f(1))', 'customers'],
  ['SELECT 1 FROM customers WHERE EXISTS (SELECT g(1))', 'uncacheable.userFunction', 'any'],
  ['SELECT o.total FROM orders o', 'orders'],
  ['SELECT o.total_ FROM orders o', 'uncacheable.unknownColumn'],
  ['SELECT (o).total FROM orders o', 'uncacheable.construct', 'any'],
  ['SELECT (at).a FROM pairs', 'uncacheable.userType'],
  ['SELECT at FROM pairs', 'uncacheable.userType'],
  ['SELECT id FROM pairs WHERE id = 1', 'pairs(id=1)'],
  ['SELECT p FROM pairs p', 'uncacheable.userType'],
  ['SELECT * FROM pairs', 'uncacheable.userType'],
  ['SELECT id FROM customers WHERE id === 1', 'uncacheable.userType'],
  ['SELECT id FROM customers WHERE id OPERATOR(public.===) 1', 'uncacheable.userType'],
  ['SELECT 5::percent FROM customers', 'uncacheable.userType', 'any'],
  ['SELECT name COLLATE loose FROM customers', 'uncacheable.userType'],
  ["SELECT 'customers'::regclass, id FROM customers", 'uncacheable.systemCatalog'],
  ['SELECT * FROM pg_class', 'uncacheable.systemCatalog'],
  ['SELECT * FROM pg_catalog.pg_stat_activity', 'uncacheable.systemCatalog'],
  ['SELECT * FROM information_schema.tables', 'uncacheable.systemCatalog'],
  ['SELECT ctid FROM customers', 'uncacheable.systemColumn'],
  ['SELECT c.xmin FROM customers c', 'uncacheable.systemColumn'],
  ['SELECT tableoid, * FROM customers', 'uncacheable.systemColumn'],
  ['SELECT * FROM customers FOR UPDATE', 'uncacheable.lockingClause', 'own'],
  ['SELECT * FROM (SELECT * FROM customers FOR SHARE) s', 'uncacheable.lockingClause', 'own'],
  ['SELECT * INTO copied FROM customers', 'statement.write', 'any'],
  ['SELECT * FROM customers TABLESAMPLE system (10)', 'uncacheable.tableSample'],
  ['SELECT * FROM open_orders', 'orders(open=t)'],
  ['SELECT * FROM customers JOIN open_orders o ON o.customer = customers.id', 'customers orders(open=t)'],
  ['SELECT * FROM counting', 'uncacheable.systemCatalog', 'own'],
  ['SELECT * FROM calling', 'uncacheable.userFunction', 'any'],
  ['SELECT * FROM summary', 'summary'],
  ['SELECT * FROM s1', 'uncacheable.relationKind'],
  ['SELECT * FROM nokey', 'uncacheable.replicaIdentity'],
  ['SELECT * FROM nothing', 'uncacheable.replicaIdentity'],
  ['SELECT * FROM deferred', 'uncacheable.replicaIdentity'],
  ['SELECT * FROM unlogged', 'uncacheable.notPermanent'],
  ['SELECT * FROM secret', 'secret'],
  ['SELECT * FROM parts', 'parts'],
  ['SELECT * FROM parts_1', 'parts_1'],
  ['SELECT * FROM base', 'uncacheable.replicaIdentity'],
  ['SELECT * FROM ONLY base', 'base'],
  ['SELECT * FROM derived', 'uncacheable.replicaIdentity'],
  ['SELECT * FROM things', 'uncacheable.unknownRelation'],
  ['SELECT * FROM shadow.things', 'things'],
  ['SELECT * FROM elsewhere.public.customers', 'uncacheable.unknownRelation'],
  ['SELECT * FROM customers c JOIN orders o ON true AS', 'statement.unparseable', 'any!'],
  ['SELECT FROM WHERE', 'statement.unparseable', 'any!'],
  ['SELECT 1; SELECT 2', 'statement.multiple', 'control'],
  ['SELECT 1; DROP TABLE customers', 'statement.multiple', 'any!'],
  ["SELECT * FROM customers, XMLTABLE('/a' PASSING '<a/>' COLUMNS b int)", 'uncacheable.construct'],
  ['SELECT xmlelement(name a) FROM customers', 'uncacheable.construct'],
  ['SELECT * FROM (customers JOIN orders ON true) AS j', 'customers orders'],
  ["SELECT * FROM jsonb_to_record('{}') AS x(a date)", 'uncacheable.volatileFunction'],
  ['WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a', 'uncacheable.construct'],
  ['SELECT nosuch FROM customers', 'uncacheable.unknownColumn'],
  ['SELECT 1 FROM customers WHERE orders.id = 1', 'uncacheable.unknownColumn'],
];

/** Everything else. */
export const statements: readonly Row[] = [
  ['INSERT INTO customers (id) VALUES (1)', 'statement.write', '> customers'],
  ['INSERT INTO orders SELECT * FROM orders RETURNING id', 'statement.write', '> orders'],
  ['INSERT INTO customers (id) VALUES (f(1))', 'statement.write', 'any'],
  ['INSERT INTO customers (id) VALUES (1) ON CONFLICT DO NOTHING', 'statement.write', '> customers'],
  [
    'INSERT INTO customers (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET vip = true',
    'statement.write',
    '> customers lines orders',
  ],
  ['INSERT INTO triggered VALUES (1)', 'statement.write', 'any'],
  ['INSERT INTO ruled VALUES (1)', 'statement.write', 'any'],
  ['INSERT INTO computed (id) VALUES (1)', 'statement.write', 'any'],
  ['INSERT INTO open_orders (id) VALUES (1)', 'statement.write', '> orders'],
  ['INSERT INTO nosuch VALUES (1)', 'statement.write', 'any'],
  ['INSERT INTO parts VALUES (1, $1)', 'statement.write', '> parts parts_1'],
  ['INSERT INTO parts_1 VALUES (1, $1)', 'statement.write', '> parts parts_1'],
  ['UPDATE base SET id = 2', 'statement.write', '> base derived'],
  ['UPDATE whole SET a = 2 WHERE b = (SELECT f(1)::text)', 'statement.write', 'any'],
  ['UPDATE lines SET item = $1 WHERE "order" = 4', 'statement.write', '> lines'],
  ['DELETE FROM customers WHERE id = 1', 'statement.write', '> customers lines orders'],
  ['DELETE FROM lines USING orders WHERE orders.id = lines."order"', 'statement.write', '> lines'],
  ['MERGE INTO whole USING base ON base.id = a WHEN MATCHED THEN UPDATE SET a = 1', 'statement.write', '> whole'],
  ['WITH d AS (DELETE FROM lines RETURNING *) SELECT * FROM d', 'statement.write', '> lines'],
  [
    'WITH i AS (INSERT INTO whole VALUES (1) RETURNING a) INSERT INTO nokey SELECT a FROM i',
    'statement.write',
    '> nokey whole',
  ],
  [
    'SELECT * FROM customers WHERE id IN (WITH u AS (UPDATE lines SET item = 1 RETURNING 1) SELECT 1)',
    'statement.write',
    '> lines',
  ],
  ['TRUNCATE lines', 'statement.write', '> lines'],
  ['TRUNCATE customers CASCADE', 'statement.write', 'any'],
  ['TRUNCATE lines, orders RESTART IDENTITY', 'statement.write', '> lines orders'],
  ['COPY customers TO STDOUT', 'statement.copy'],
  ['COPY (SELECT * FROM customers) TO STDOUT', 'statement.copy'],
  ['COPY (DELETE FROM lines RETURNING *) TO STDOUT', 'statement.copy', '> lines'],
  ['COPY (SELECT f(1)) TO STDOUT', 'statement.copy', 'any'],
  ['COPY lines FROM STDIN', 'statement.copy', '> lines'],
  ["COPY lines FROM PROGRAM 'x'", 'statement.copy', 'any'],
  ["COPY lines TO PROGRAM 'x'", 'statement.copy', 'any'],
  ['EXPLAIN SELECT * FROM customers', 'statement.utility'],
  ['EXPLAIN DELETE FROM lines', 'statement.utility'],
  ['EXPLAIN (ANALYZE false) DELETE FROM lines', 'statement.utility'],
  ['EXPLAIN ANALYZE DELETE FROM lines', 'statement.utility', '> lines'],
  ['EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM customers', 'statement.utility'],
  ['EXPLAIN SELECT f(1)', 'statement.utility', 'any'],
  ['EXPLAIN EXECUTE p', 'statement.utility', 'any'],
  ['DECLARE c CURSOR FOR SELECT * FROM customers', 'statement.cursor'],
  ['DECLARE c CURSOR WITH HOLD FOR SELECT f(1)', 'statement.cursor', 'any'],
  ['FETCH ALL FROM c', 'statement.cursor', 'any'],
  ['CLOSE c', 'statement.cursor'],
  ['PREPARE p AS SELECT 1', 'statement.utility', 'read'],
  ['EXECUTE p', 'statement.execute', 'any'],
  ['DEALLOCATE ALL', 'statement.utility', 'read'],
  ['BEGIN', 'statement.transactionControl', 'control'],
  ['START TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'statement.transactionControl', 'control'],
  ['COMMIT AND CHAIN', 'statement.transactionControl', 'control'],
  ['ROLLBACK', 'statement.transactionControl', 'control'],
  ['SAVEPOINT a', 'statement.transactionControl', 'control'],
  ["PREPARE TRANSACTION 'x'", 'statement.transactionControl', 'control'],
  ["COMMIT PREPARED 'x'", 'statement.transactionControl', 'control >?'],
  ['SET search_path = shadow', 'statement.settings', 'settings'],
  ["SET LOCAL timezone = 'UTC'", 'statement.settings', 'settings'],
  ['SET ROLE nobody', 'statement.settings', 'settings'],
  ['SET SESSION AUTHORIZATION DEFAULT', 'statement.settings', 'settings'],
  ['RESET ALL', 'statement.settings', 'settings'],
  ['SET TRANSACTION READ ONLY', 'statement.settings', 'settings control'],
  ['SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'statement.settings', 'settings control'],
  ['SHOW search_path', 'statement.settings'],
  ['DISCARD ALL', 'statement.settings', 'settings own'],
  ['LISTEN a', 'statement.utility', 'own'],
  ['NOTIFY a', 'statement.utility', 'own'],
  ['LOCK TABLE customers', 'statement.utility', 'own'],
  ['DO $$ BEGIN NULL; END $$', 'statement.utility', 'any!'],
  ['CALL p()', 'statement.utility', 'any!'],
  ["LOAD 'x'", 'statement.utility', 'any'],
  ['CREATE TEMP TABLE customers (id int)', 'statement.utility', 'any'],
  ['CREATE TABLE t AS SELECT 1', 'statement.write', 'any'],
  ['REFRESH MATERIALIZED VIEW summary', 'statement.write', 'any'],
  ['ALTER TABLE customers ADD x int', 'statement.utility', 'any'],
  ['DROP TABLE customers', 'statement.utility', 'any'],
  ['GRANT SELECT ON customers TO public', 'statement.utility', 'any'],
  ['VACUUM customers', 'statement.utility', 'any'],
];
