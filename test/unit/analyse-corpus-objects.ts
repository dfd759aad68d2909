/** Statements over what stands behind names: views, partitions, heirs, policies, functions. Rows as in analyse-corpus.ts. */
import type { Row } from './analyse-corpus.ts';

export const objectsSchema = `
  CREATE TYPE pair AS (a int, b int);
  CREATE TABLE item (id int PRIMARY KEY, tenant text, owner name, price int, made timestamptz, day date, doc jsonb, tags text[], body tsvector,
    span int4range, open bool);
  CREATE TABLE stock (item int REFERENCES item ON DELETE CASCADE, place text, n int, PRIMARY KEY (item, place));
  CREATE TABLE log (id bigint PRIMARY KEY, what text);
  CREATE TABLE keyless (a int, b text);
  CREATE TABLE odd (id int PRIMARY KEY, at pair);
  CREATE UNLOGGED TABLE quick (id int PRIMARY KEY);
  CREATE SEQUENCE seq;
  CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER away FOREIGN DATA WRAPPER nowhere;
  CREATE FOREIGN TABLE far (id int) SERVER away;

  CREATE FUNCTION opaque(int) RETURNS int STABLE LANGUAGE plpgsql AS 'begin return 1; end';
  CREATE FUNCTION trigger_of() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';

  CREATE VIEW plain AS SELECT id, price FROM item;
  CREATE VIEW one AS SELECT * FROM item WHERE id = 1;
  CREATE VIEW renamed(number, cost) AS SELECT id, price FROM item WHERE open;
  CREATE VIEW nested AS SELECT number FROM renamed WHERE cost > 5;
  CREATE VIEW joined AS SELECT i.id, s.place, s.n FROM item i LEFT JOIN stock s ON s.item = i.id WHERE i.tenant = 'x';
  CREATE VIEW grouped AS SELECT tenant, count(*) AS n, max(price) AS top FROM item GROUP BY tenant HAVING count(*) > 1;
  CREATE VIEW united AS SELECT id FROM item UNION ALL SELECT item FROM stock;
  CREATE VIEW with_cte AS WITH RECURSIVE r(n) AS (SELECT min(id) FROM item UNION ALL SELECT n + 1 FROM r WHERE n < 9) SELECT n FROM r;
  CREATE VIEW windowed AS SELECT id, row_number() OVER (PARTITION BY tenant ORDER BY price) AS rank FROM item;
  CREATE VIEW invoker WITH (security_invoker = on, security_barrier = on) AS SELECT id FROM item WHERE tenant = CURRENT_USER;
  CREATE VIEW shadowed AS SELECT count(*) AS lower FROM item;
  CREATE VIEW timed AS SELECT id FROM item WHERE made > now() - interval '1 day';
  CREATE VIEW random_row AS SELECT id FROM item ORDER BY random() LIMIT 1;
  CREATE VIEW catalogs AS SELECT relname FROM pg_class;
  CREATE VIEW of_keyless AS SELECT a FROM keyless;
  CREATE VIEW calls_opaque AS SELECT opaque(id) AS x FROM item;
  CREATE VIEW calls_price AS SELECT id FROM item WHERE id = 3;
  CREATE VIEW by_setting AS SELECT id FROM item WHERE tenant = current_setting('app.tenant', true);
  CREATE VIEW with_oid AS SELECT ctid, id FROM item;
  CREATE VIEW of_odd AS SELECT id, at FROM odd;
  CREATE VIEW locked AS SELECT id FROM item FOR UPDATE;
  CREATE VIEW constant AS SELECT 1 AS one;
  CREATE VIEW doubled_0 AS SELECT 1 AS a; ${Array.from({ length: 12 }, (_, i) => `CREATE VIEW doubled_${i + 1} AS SELECT x.a FROM doubled_${i} x, doubled_${i} y;`).join(' ')}
  CREATE VIEW dated AS SELECT day, made::date AS d, date_trunc('month', made) AS m FROM item WHERE day BETWEEN '2020-01-01' AND '2020-12-31';
  CREATE VIEW with_trigger AS SELECT id, price FROM item;
  CREATE TRIGGER t INSTEAD OF INSERT ON with_trigger FOR EACH ROW EXECUTE FUNCTION trigger_of();
  CREATE VIEW with_rule AS SELECT id, price FROM item;
  CREATE RULE r AS ON UPDATE TO with_rule DO INSTEAD DELETE FROM log;
  CREATE VIEW checked AS SELECT id, tenant FROM item WHERE tenant = 'x' WITH CHECK OPTION;
  CREATE VIEW through_opaque AS SELECT id, price FROM item WHERE opaque(id) = 1;

  CREATE TABLE part (id int, day date, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') PARTITION BY LIST (id);
  CREATE TABLE part_1a PARTITION OF part_1 FOR VALUES IN (1, 2);
  CREATE TABLE part_2 PARTITION OF part DEFAULT;
  CREATE TABLE empty (id int PRIMARY KEY) PARTITION BY HASH (id);
  CREATE TABLE mixed (id int, a int) PARTITION BY LIST (a);
  CREATE TABLE mixed_1 PARTITION OF mixed (PRIMARY KEY (id)) FOR VALUES IN (1);
  CREATE TABLE mixed_2 PARTITION OF mixed FOR VALUES IN (2);
  CREATE TABLE half (id int, a int) PARTITION BY LIST (a);
  CREATE FOREIGN TABLE half_far PARTITION OF half FOR VALUES IN (1) SERVER away;
  CREATE TABLE animal (id int PRIMARY KEY, name text);
  CREATE TABLE dog (tail int, PRIMARY KEY (id)) INHERITS (animal);
  CREATE TABLE puppy (age int, PRIMARY KEY (id)) INHERITS (dog);
  CREATE TABLE plant (id int PRIMARY KEY); CREATE TABLE tree () INHERITS (plant);

  CREATE MATERIALIZED VIEW sums AS SELECT tenant, sum(price) AS s FROM item GROUP BY tenant;
  CREATE MATERIALIZED VIEW rows_of_opaque AS SELECT opaque(1) AS x;

  CREATE TABLE mine (id int PRIMARY KEY, owner name); ALTER TABLE mine ENABLE ROW LEVEL SECURITY;
  CREATE POLICY p ON mine USING (owner = CURRENT_USER);
  CREATE POLICY w ON mine FOR INSERT WITH CHECK (opaque(id) = 1);
  CREATE TABLE theirs (id int PRIMARY KEY, tenant text); ALTER TABLE theirs ENABLE ROW LEVEL SECURITY; ALTER TABLE theirs FORCE ROW LEVEL SECURITY;
  CREATE POLICY p ON theirs FOR SELECT USING (tenant = current_setting('app.tenant') AND current_setting('app.on'::text, true) IS NOT NULL);
  CREATE TABLE shared (id int PRIMARY KEY, team int); ALTER TABLE shared ENABLE ROW LEVEL SECURITY;
  CREATE TABLE member (team int, who name, PRIMARY KEY (team, who));
  CREATE POLICY p ON shared USING (team IN (SELECT m.team FROM member m WHERE m.who = SESSION_USER));
  CREATE POLICY q ON shared AS RESTRICTIVE USING (pg_has_role(CURRENT_USER, 'pg_monitor', 'member') OR id > 0);
  CREATE TABLE chained (id int PRIMARY KEY); ALTER TABLE chained ENABLE ROW LEVEL SECURITY;
  CREATE POLICY p ON chained USING (EXISTS (SELECT FROM shared s WHERE s.id = chained.id));
  CREATE TABLE hourly (id int PRIMARY KEY, at timestamptz); ALTER TABLE hourly ENABLE ROW LEVEL SECURITY;
  CREATE POLICY p ON hourly USING (at < now());
  CREATE TABLE guarded (id int PRIMARY KEY); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
  CREATE POLICY p ON guarded USING (opaque(id) = 1);
  CREATE TABLE by_name (id int PRIMARY KEY, k text); ALTER TABLE by_name ENABLE ROW LEVEL SECURITY;
  CREATE POLICY p ON by_name USING (current_setting(k, true) = 'x');
  CREATE TABLE closed (id int PRIMARY KEY); ALTER TABLE closed ENABLE ROW LEVEL SECURITY;
  CREATE VIEW of_mine AS SELECT id FROM mine;

  CREATE FUNCTION price_of(int) RETURNS int STABLE LANGUAGE sql AS 'SELECT price FROM item WHERE id = $1';
  CREATE FUNCTION named(who text, least_price int DEFAULT 3) RETURNS bigint STABLE LANGUAGE sql
    AS 'SELECT count(*) FROM item WHERE tenant = who AND price >= named.least_price';
  CREATE FUNCTION rows_of(who text) RETURNS SETOF item STABLE BEGIN ATOMIC SELECT * FROM item WHERE tenant = who; END;
  CREATE FUNCTION table_of(int) RETURNS TABLE (x int, y text) STABLE LANGUAGE sql AS 'SELECT id, tenant FROM item WHERE id > $1';
  CREATE FUNCTION add(int, int) RETURNS int IMMUTABLE RETURN $1 + $2;
  CREATE FUNCTION twice(x int) RETURNS int IMMUTABLE STRICT LANGUAGE sql AS 'SELECT add(x, x)';
  CREATE FUNCTION lies() RETURNS bigint IMMUTABLE LANGUAGE sql AS 'SELECT count(*) FROM item';
  CREATE FUNCTION lies_too(timestamptz) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT to_char($1, ''YYYY'')';
  CREATE FUNCTION lies_more(timestamptz) RETURNS date IMMUTABLE LANGUAGE sql AS 'SELECT $1::date';
  CREATE FUNCTION rolling() RETURNS int VOLATILE LANGUAGE sql AS 'SELECT 1 FROM item';
  CREATE FUNCTION definer(int) RETURNS int STABLE SECURITY DEFINER RETURN (SELECT price FROM item WHERE id = $1);
  CREATE FUNCTION definer_text(int) RETURNS int STABLE SECURITY DEFINER LANGUAGE sql AS 'SELECT price FROM item WHERE id = $1';
  CREATE FUNCTION set_path() RETURNS int STABLE SET search_path = '' LANGUAGE sql AS 'SELECT 1 FROM public.item';
  CREATE FUNCTION writes() RETURNS int STABLE LANGUAGE sql AS 'SELECT nextval(''seq'')::int';
  CREATE FUNCTION nested(int) RETURNS int STABLE LANGUAGE sql AS 'SELECT price_of($1) + twice(1)';
  CREATE FUNCTION nests_opaque(int) RETURNS int STABLE LANGUAGE sql AS 'SELECT opaque($1)';
  CREATE FUNCTION later(text) RETURNS bool STABLE LANGUAGE sql AS 'SELECT made > $1::timestamptz FROM item';
  CREATE FUNCTION moment() RETURNS bool STABLE LANGUAGE sql AS 'SELECT made > ''now'' FROM item';
  CREATE FUNCTION any_of(anyelement) RETURNS anyelement STABLE LANGUAGE sql AS 'SELECT $1 FROM stock';
  CREATE FUNCTION of_row(item) RETURNS int STABLE LANGUAGE sql AS 'SELECT $1.price';
  CREATE FUNCTION of_pair() RETURNS pair STABLE LANGUAGE sql AS 'SELECT ROW(1, 2)::pair FROM item';
  CREATE FUNCTION two() RETURNS int STABLE LANGUAGE sql AS 'SELECT 1 FROM log; SELECT 2 FROM item';
  CREATE FUNCTION with_default(a int, d timestamptz DEFAULT now()) RETURNS int STABLE LANGUAGE sql AS 'SELECT 1 FROM item';
  CREATE FUNCTION infinite(int) RETURNS int STABLE LANGUAGE sql AS 'SELECT 1';
  CREATE OR REPLACE FUNCTION infinite(int) RETURNS int STABLE LANGUAGE sql AS 'SELECT infinite($1)';
  CREATE FUNCTION lower(int) RETURNS text STABLE LANGUAGE sql AS 'SELECT what FROM log WHERE id = $1';
  CREATE FUNCTION settings_of() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT count(*) FROM item WHERE tenant = current_setting(''app.other'')';
`;

const setting = "current_setting('app.tenant')";

export const objectReads: readonly Row[] = [
  // views
  ['SELECT * FROM plain', 'item'],
  ['SELECT v.price FROM plain AS v', 'item'],
  ['SELECT p.x FROM plain AS p(x, y) ORDER BY y', 'item'],
  ['SELECT public.plain.id FROM public.plain', 'item'],
  ['SELECT count(*) FROM one', 'item(id=1)'],
  ['SELECT number, cost FROM renamed', 'item(open=t)'],
  ['SELECT id FROM renamed', 'uncacheable.unknownColumn'],
  ['SELECT * FROM nested', 'item(open=t price>=6)'],
  ['SELECT * FROM plain WHERE id = 4 AND price > $1', 'item(id=4 price>$1)'],
  ['SELECT * FROM windowed WHERE id = 4', 'item'],
  ['SELECT * FROM grouped WHERE tenant = $1', 'item'],
  ['SELECT n FROM joined WHERE id = 4 AND n = 1', 'item(id=4 tenant=x) stock'],
  ['SELECT * FROM log LEFT JOIN plain ON plain.id = 3 WHERE log.id = 2', 'log(id=2) item(id=3)'],
  ['SELECT * FROM plain LEFT JOIN log ON plain.id = 3 WHERE log.id = 2', 'item log(id=2)'],
  ['SELECT n FROM joined', 'item(tenant=x) stock'],
  ['SELECT * FROM grouped WHERE n > 2', 'item'],
  ['SELECT * FROM united', 'item stock'],
  ['SELECT * FROM with_cte', 'item'],
  ['SELECT * FROM windowed WHERE rank = 1', 'item'],
  ['SELECT * FROM invoker', 'item'],
  ['SELECT lower FROM shadowed', 'item'],
  ['SELECT * FROM dated', 'item(day>=2020-01-01 day<=2020-12-31)'],
  ['SELECT * FROM by_setting', 'item'],
  ['SELECT a.id FROM one a, plain b WHERE a.id = b.id', 'item(id=1) item'],
  ['SELECT * FROM item WHERE id IN (SELECT number FROM nested)', 'item item(open=t price>=6)'],
  ['WITH plain AS (SELECT 1 AS x FROM log) SELECT x FROM plain', 'log'],
  ['WITH w AS (SELECT * FROM plain) SELECT id FROM w', 'item'],
  ['TABLE plain', 'item'],
  ['SELECT row_to_json(p) FROM plain p', 'item'],
  ['SELECT * FROM ONLY plain', 'item'],
  ['SELECT * FROM constant', 'uncacheable.noTable'],
  ['SELECT * FROM timed', 'uncacheable.volatileFunction'],
  ['SELECT * FROM random_row', 'uncacheable.volatileFunction'],
  ['SELECT * FROM catalogs', 'uncacheable.systemCatalog'],
  ['SELECT * FROM of_keyless', 'uncacheable.replicaIdentity'],
  ['SELECT * FROM calls_opaque', 'uncacheable.userFunction', 'any'],
  ['SELECT * FROM with_oid', 'uncacheable.systemColumn'],
  ['SELECT * FROM of_odd', 'uncacheable.userType'],
  ['SELECT * FROM locked', 'uncacheable.lockingClause', 'own'],
  ['SELECT * FROM plain FOR UPDATE', 'uncacheable.lockingClause', 'own'],
  ['SELECT * FROM doubled_3, item', 'item'],
  ['SELECT * FROM doubled_12, item', 'uncacheable.construct'],
  ['SELECT ctid FROM plain', 'uncacheable.systemColumn'],
  // partitions and heirs
  ['SELECT * FROM part', 'part'],
  ["SELECT note FROM part WHERE id = 1 AND day = '2020-02-02'", 'part(day=2020-02-02 id=1)'],
  ['SELECT * FROM part_1', 'part_1'],
  ['SELECT * FROM part_1a WHERE id = 1', 'part_1a(id=1)'],
  ['SELECT * FROM part p JOIN part_2 q USING (id)', 'part part_2'],
  ['SELECT * FROM ONLY part', 'part'],
  ['SELECT * FROM empty', 'empty'],
  ['SELECT * FROM mixed', 'uncacheable.replicaIdentity'],
  ['SELECT * FROM mixed_1', 'mixed_1'],
  ['SELECT * FROM mixed_2', 'uncacheable.replicaIdentity'],
  ['SELECT * FROM half', 'uncacheable.relationKind', 'any'],
  ['SELECT * FROM animal WHERE id = 4', 'animal(id=4)'],
  ['SELECT * FROM dog', 'dog'],
  ['SELECT * FROM ONLY dog', 'dog'],
  ['SELECT * FROM animal*', 'animal'],
  ['SELECT * FROM plant', 'uncacheable.replicaIdentity'],
  ['SELECT * FROM ONLY plant', 'plant'],
  ['SELECT tableoid, * FROM part', 'uncacheable.systemColumn'],
  // materialized views and other relations
  ['SELECT * FROM sums', 'sums'],
  ['SELECT s FROM sums WHERE tenant = $1', 'sums(tenant=$1)'],
  ['SELECT s, i.id FROM sums JOIN item i USING (tenant)', 'sums item'],
  ['SELECT * FROM rows_of_opaque', 'rows_of_opaque'],
  ['SELECT * FROM far', 'uncacheable.relationKind', 'any'],
  ['SELECT last_value FROM seq', 'uncacheable.relationKind'],
  ['SELECT * FROM quick', 'uncacheable.notPermanent'],
  // row level security
  ['SELECT * FROM mine', 'mine'],
  ['SELECT * FROM mine WHERE id = 2', 'mine(id=2)'],
  ['SELECT * FROM theirs', 'theirs'],
  ['SELECT * FROM shared', 'shared member'],
  ['SELECT * FROM shared a, shared b', 'shared member shared'],
  ['SELECT * FROM chained', 'chained shared member'],
  ['SELECT * FROM of_mine', 'mine'],
  ['SELECT * FROM closed', 'closed'],
  ['SELECT * FROM hourly', 'uncacheable.rowSecurity'],
  ['SELECT * FROM guarded', 'uncacheable.rowSecurity', 'any'],
  ['SELECT * FROM by_name', 'uncacheable.rowSecurity'],
  // who asks, and settings in the key
  ['SELECT id FROM item WHERE owner = current_user', 'item'],
  ['SELECT session_user, current_role, user, current_catalog, current_schema, id FROM item', 'item'],
  ['SELECT current_database(), current_schemas(true), id FROM item', 'item'],
  ["SELECT pg_has_role('pg_monitor', 'usage'), id FROM item", 'item'],
  [`SELECT ${setting}, id FROM item`, 'item'],
  ["SELECT id FROM item WHERE tenant = current_setting('APP.Tenant', true)", 'item'],
  ["SELECT current_setting('TimeZone'), id FROM item", 'item'],
  ["SELECT current_setting('search_path'), id FROM item", 'item'],
  ["SELECT current_setting('app.unknown'), id FROM item", 'uncacheable.volatileFunction'],
  ["SELECT current_setting('work_mem'), id FROM item", 'uncacheable.volatileFunction'],
  ['SELECT current_setting($1), id FROM item', 'uncacheable.volatileFunction'],
  ['SELECT current_setting(tenant) FROM item', 'uncacheable.volatileFunction'],
  ['SELECT current_time, id FROM item', 'uncacheable.volatileFunction'],
  ['SELECT localtimestamp, id FROM item', 'uncacheable.volatileFunction'],
  ['SELECT inet_client_addr(), id FROM item', 'uncacheable.volatileFunction'],
  ['SELECT pg_backend_pid(), id FROM item', 'uncacheable.volatileFunction'],
  // functions of users
  ['SELECT price_of(4)', 'item'],
  ['SELECT price_of(id) FROM log', 'log item'],
  ['SELECT public.price_of(4)', 'item'],
  ['SELECT named($1)', 'item'],
  ["SELECT named('a', 4)", 'item'],
  ["SELECT named(least_price => 4, who => 'a')", 'item'],
  ["SELECT * FROM rows_of('a') WHERE price > 3", 'item'],
  ["SELECT r.tenant FROM rows_of('a') AS r", 'item'],
  ["SELECT nosuch FROM rows_of('a') AS r", 'uncacheable.unknownColumn', 'any'],
  ["SELECT (rows_of('a')).*", 'item'],
  ["SELECT (rows_of('a')).price", 'item'],
  ['SELECT y FROM table_of(3)', 'item'],
  ['SELECT * FROM table_of(3) WITH ORDINALITY AS t(a, b, c) WHERE c = 1', 'item'],
  ['SELECT twice(id) FROM item WHERE add(id, 1) = 2', 'item'],
  ['SELECT nested(1)', 'item'],
  ['SELECT definer(3)', 'item'],
  ['SELECT any_of(1)', 'stock'],
  ['SELECT two()', 'log item'],
  ['SELECT lower(id) FROM item', 'item log'],
  ["SELECT lower('A') FROM item", 'item log'],
  ['SELECT with_default(1, made) FROM item', 'item item'],
  ['SELECT settings_of()', 'item'],
  ['SELECT id FROM item ORDER BY price_of(id)', 'item item'],
  ['SELECT with_default(1)', 'uncacheable.volatileFunction', 'any'],
  ['SELECT lies()', 'uncacheable.userFunction', 'any'],
  ['SELECT lies_too(made) FROM item', 'uncacheable.volatileFunction', 'any'],
  ['SELECT lies_more(made) FROM item', 'uncacheable.userFunction', 'any'],
  ['SELECT rolling()', 'uncacheable.userFunction', 'any'],
  ['SELECT definer_text(3)', 'uncacheable.userFunction', 'any'],
  ['SELECT set_path()', 'uncacheable.userFunction', 'any'],
  ['SELECT writes()', 'uncacheable.volatileFunction', 'any'],
  ['SELECT opaque(1) FROM item', 'uncacheable.userFunction', 'any'],
  ['SELECT nests_opaque(1)', 'uncacheable.userFunction', 'any'],
  ["SELECT later('now')", 'uncacheable.volatileFunction', 'any'],
  ['SELECT later($1)', 'uncacheable.volatileFunction', 'any'],
  ['SELECT moment()', 'uncacheable.volatileFunction', 'any'],
  ['SELECT of_row(item) FROM item', 'uncacheable.userFunction', 'any'],
  ['SELECT of_pair()', 'uncacheable.userType', 'any'],
  ['SELECT infinite(1)', 'uncacheable.construct', 'any'],
  ['SELECT add(1, 2)', 'uncacheable.noTable', 'any'],
  // constructs
  ['SELECT * FROM (item JOIN stock ON item = id) AS j WHERE n = 3', 'item stock'],
  ['SELECT j.place FROM (item i JOIN stock s ON s.item = i.id) AS j', 'item stock'],
  ['SELECT i.id FROM (item i JOIN stock s ON s.item = i.id) AS j', 'uncacheable.unknownColumn'],
  ['SELECT u.id, place FROM item JOIN (SELECT item AS id, place FROM stock) s USING (id) AS u', 'item stock'],
  [
    'SELECT u.place FROM item JOIN (SELECT item AS id, place FROM stock) s USING (id) AS u',
    'uncacheable.unknownColumn',
  ],
  ['SELECT x, y FROM (SELECT * FROM item a JOIN log b USING (id)) AS s(x, y)', 'item log'],
  [
    "SELECT 1 FROM (SELECT * FROM log a NATURAL JOIN item b) AS s(x, y) WHERE y = 'now'",
    'uncacheable.volatileFunction',
  ],
  [
    'WITH RECURSIVE t(n) AS (SELECT id FROM item UNION ALL SELECT n + 1 FROM t) SEARCH DEPTH FIRST BY n SET o CYCLE n SET c USING p SELECT n, o, c, p FROM t',
    'item',
  ],
  ["SELECT * FROM item, jsonb_to_record(doc) AS r(a int, b text[]) WHERE b = '{x}'", 'item'],
  ['SELECT r.b FROM item, jsonb_to_recordset(doc) AS r(a int, b text)', 'item'],
  ['SELECT * FROM item, jsonb_to_record(doc) AS r(a date)', 'uncacheable.volatileFunction'],
  ['SELECT * FROM item, jsonb_to_record(doc) AS r(a pair)', 'uncacheable.userType', 'any'],
  ['SELECT * FROM item, ROWS FROM (jsonb_to_record(doc) AS (a int), generate_series(1, 2)) AS r(a, b)', 'item'],
  ["SELECT JSON_OBJECT('a': id, 'b' VALUE tenant RETURNING jsonb) FROM item", 'item'],
  ['SELECT JSON_ARRAY(id, price), JSON_ARRAYAGG(id ORDER BY price) FILTER (WHERE open) FROM item GROUP BY 1', 'item'],
  ['SELECT JSON_OBJECTAGG(id: price WITH UNIQUE KEYS) OVER (PARTITION BY tenant) FROM item', 'item'],
  ['SELECT JSON_ARRAY(SELECT n FROM stock) FROM item', 'item stock'],
  ["SELECT JSON_VALUE(doc, '$.a' RETURNING int DEFAULT 0 ON EMPTY), JSON_EXISTS(doc, '$.b') FROM item", 'item'],
  ["SELECT JSON_QUERY(doc, '$.a' PASSING id AS x WITH WRAPPER) FROM item WHERE doc IS JSON OBJECT", 'item'],
  ["SELECT JSON_VALUE(doc, '$.a' RETURNING timestamptz) FROM item", 'uncacheable.volatileFunction'],
  ["SELECT JSON_VALUE(doc, '$.a' RETURNING pair) FROM item", 'uncacheable.userType', 'any'],
  ["SELECT JSON_SERIALIZE(doc), JSON_SCALAR(id), JSON('{}') FROM item", 'item'],
  ['SELECT JSON_ARRAY(now()) FROM item', 'uncacheable.volatileFunction'],
  [
    "SELECT t.* FROM item, JSON_TABLE(doc, '$[*]' COLUMNS (a int PATH '$.a', n FOR ORDINALITY, NESTED PATH '$.b[*]' COLUMNS (c text))) AS t",
    'item',
  ],
  ["SELECT a FROM item, JSON_TABLE(doc, '$' COLUMNS (a date PATH '$')) AS t", 'uncacheable.volatileFunction'],
  ["SELECT id FROM item WHERE body @@ to_tsquery('english', 'a & b') ORDER BY ts_rank(body, to_tsquery('a'))", 'item'],
  ["SELECT ts_headline('simple', tenant, websearch_to_tsquery($1)) FROM item", 'item'],
  ['SELECT id FROM item WHERE span && int4range(1, 5) AND upper(span) > 3', 'item'],
  ['SELECT id FROM item WHERE span @> 3 AND NOT isempty(span)', 'item'],
  ['SELECT tags[1:2], array_agg(id ORDER BY id DESC), tags || $1 FROM item GROUP BY tags, CUBE (tags, open)', 'item'],
  ['SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY price), mode() WITHIN GROUP (ORDER BY id) FROM item', 'item'],
  ['SELECT id FROM item GROUP BY GROUPING SETS ((id), ()) HAVING grouping(id) = 0', 'item'],
  ['SELECT sum(price) OVER (ORDER BY id RANGE BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM item', 'item'],
  ['SELECT (doc).a FROM item', 'item'],
  ['SELECT (made).age FROM item', 'uncacheable.construct'],
  ['SELECT * FROM XMLTABLE($$/a$$ PASSING $$<a/>$$ COLUMNS b int), item', 'uncacheable.construct'],
  ['SELECT * FROM item TABLESAMPLE bernoulli (50)', 'uncacheable.tableSample'],
];

/** Writes through views (only updatable without user code are known), and to relatives. */
export const objectWrites: readonly Row[] = [
  ['INSERT INTO plain VALUES (1, 2)', 'statement.write', '> item'],
  ['UPDATE renamed SET cost = 3 WHERE number = 1', 'statement.write', '> item stock'],
  ['DELETE FROM nested', 'statement.write', '> item stock'],
  ['DELETE FROM checked WHERE id = 3', 'statement.write', '> item stock'],
  ['UPDATE plain SET price = (SELECT max(n) FROM stock)', 'statement.write', '> item stock'],
  ['INSERT INTO with_trigger VALUES (1, 2)', 'statement.write', 'any'],
  ['UPDATE with_rule SET price = 2', 'statement.write', 'any'],
  ['DELETE FROM joined', 'statement.write', 'any'],
  ['UPDATE through_opaque SET price = 3', 'statement.write', 'any'],
  ['COPY plain FROM STDIN', 'statement.copy', '> item'],
  ['COPY (SELECT * FROM calls_opaque) TO STDOUT', 'statement.copy', 'any'],
  ['INSERT INTO part VALUES (1, $1)', 'statement.write', '> part part_1 part_1a part_2'],
  ['DELETE FROM part_1a', 'statement.write', '> part part_1 part_1a part_2'],
  ['UPDATE puppy SET age = 1', 'statement.write', '> animal dog puppy'],
  ['TRUNCATE part_2', 'statement.write', '> part part_1 part_1a part_2'],
  ['MERGE INTO plain p USING stock s ON s.item = p.id WHEN MATCHED THEN DELETE', 'statement.write', '> item stock'],
  ['WITH x AS (UPDATE plain SET price = 1 RETURNING id) SELECT * FROM x', 'statement.write', '> item stock'],
  ['INSERT INTO mine VALUES (1, current_user)', 'statement.write', 'any'],
  ['INSERT INTO theirs VALUES (1, $1)', 'statement.write', '> theirs'],
  ['REFRESH MATERIALIZED VIEW sums', 'statement.write', 'any'],
  ['SELECT price_of(3) INTO copied', 'statement.write', 'any'],
  ['EXECUTE prepared(1)', 'statement.execute', 'any'],
  ['SELECT setseed(0.5), id FROM item', 'uncacheable.volatileFunction', 'own'],
  ['EXPLAIN SELECT * FROM plain', 'statement.utility'],
  ['EXPLAIN ANALYZE DELETE FROM plain', 'statement.utility', '> item stock'],
];
