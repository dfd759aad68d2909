// Lesson 12: unchanged TOAST values, generated columns, REPLICA IDENTITY INDEX and FULL with NULLs, DELETE with only the key, updates that
// change the key, rows that leave an answer by a column whose old value is unknown.
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';

const big = "(SELECT string_agg(md5(i::text || random()::text), '') FROM generate_series(1, 400) AS i)";
const proxy = useProxy(`
  CREATE TABLE plain (id int PRIMARY KEY, grp int, v text, doubled int GENERATED ALWAYS AS (grp * 2) STORED, toast text);
  CREATE TABLE complete (id int, grp int, v text, toast text); ALTER TABLE complete REPLICA IDENTITY FULL;
  CREATE TABLE indexed (id int NOT NULL, grp int, v text, toast text); CREATE UNIQUE INDEX indexed_id ON indexed (id);
  ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_id;
  ALTER TABLE plain ALTER toast SET STORAGE EXTERNAL; ALTER TABLE complete ALTER toast SET STORAGE EXTERNAL;
  INSERT INTO plain (id, grp, v, toast) SELECT i, i % 3, 'v' || i, ${big} FROM generate_series(1, 9) AS i;
  INSERT INTO complete SELECT id, CASE id WHEN 4 THEN NULL ELSE grp END, v, toast FROM plain;
  INSERT INTO indexed SELECT id, grp, v, toast FROM plain;`);

const changes = [
  "UPDATE T SET v = v || '!' WHERE id = 1",
  'UPDATE T SET grp = 2 WHERE id = 1',
  'UPDATE T SET grp = NULL WHERE id = 2',
  'UPDATE T SET grp = 1 WHERE id = 2',
  'UPDATE T SET id = 100 WHERE id = 3',
  "UPDATE T SET toast = toast || 'x' WHERE id = 5",
  "UPDATE T SET v = 'w' WHERE toast IS NOT NULL AND id = 6",
  'DELETE FROM T WHERE id = 7',
  "INSERT INTO T (id, grp, v) VALUES (7, 0, 'back')",
  'DELETE FROM T WHERE grp = 1',
];
const reads = [
  'SELECT id, v FROM T WHERE grp = 0 ORDER BY id',
  'SELECT id, v FROM T WHERE grp = 1 ORDER BY id',
  'SELECT id, v FROM T WHERE grp = 2 ORDER BY id',
  'SELECT v, length(toast) FROM T WHERE id = 5',
  'SELECT v FROM T WHERE id = 3',
  'SELECT v FROM T WHERE id = 100',
  'SELECT count(*) FROM T WHERE grp IS NULL',
];

it.each(['plain', 'complete', 'indexed'])(
  'table %s: each change is seen by each kind of answer',
  async (table) => {
    const named = reads.map((sql) => sql.replace(/\bT\b/, table));
    if (table === 'plain') named.push('SELECT id FROM plain WHERE doubled = 4 ORDER BY id');
    const [through, direct] = [await proxy.session(), await proxy.session(proxy.originUrl)];
    const before = await proxy.hits();
    for (const change of changes.map((sql) => sql.replace(/\bT\b/, table))) {
      for (const sql of named) await proxy.warm(() => ask(through, sql), `a hit of ${sql}`);
      await through.query(change);
      for (const sql of named) {
        const expected = await ask(direct, sql);
        for (let i = 0; i < 3; i++)
          expect({ change, sql, rows: await ask(through, sql) }).toEqual({ change, sql, rows: expected });
      }
    }
    expect((await proxy.hits()) - before).toBeGreaterThan(changes.length * named.length);
  },
  180_000,
);
