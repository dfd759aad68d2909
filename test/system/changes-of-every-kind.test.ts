// Issue 5, the stream: every way in which a committed transaction can change what was cached, made past the proxy. Each answer is right once max_staleness has
// passed, and what was rolled back shows nowhere.
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';

const maxStalenessMs = 250;
const setup = `
  CREATE TABLE parent (id int PRIMARY KEY, v int);
  CREATE TABLE child (id int PRIMARY KEY, parent_id int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, v int);
  CREATE TABLE cold (id int, day int, v int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE cold_1 PARTITION OF cold FOR VALUES FROM (0) TO (10);
  CREATE TABLE cold_2 PARTITION OF cold FOR VALUES FROM (10) TO (20);
  CREATE TABLE long (id int PRIMARY KEY, v int, body text); ALTER TABLE long ALTER body SET STORAGE EXTERNAL;
  INSERT INTO parent SELECT i, 0 FROM generate_series(1, 10) i;
  INSERT INTO child SELECT i, 1 + i % 10, 0 FROM generate_series(1, 30) i;
  INSERT INTO cold SELECT i, i % 20, 0 FROM generate_series(1, 40) i;
  INSERT INTO long SELECT i, 0, repeat('x', 9000) FROM generate_series(1, 3) i;`;

const reads = [
  'SELECT id, v FROM parent WHERE id = 1',
  'SELECT id, v FROM parent WHERE id = 100',
  'SELECT count(*), sum(v) FROM parent',
  'SELECT c.id, c.v, p.v FROM child c JOIN parent p ON p.id = c.parent_id WHERE p.id = 2 ORDER BY c.id',
  'SELECT count(*) FROM child',
  'SELECT id, day, v FROM cold WHERE id = 5 ORDER BY day',
  'SELECT id, v FROM cold_1 WHERE id = 5',
  'SELECT id, v FROM cold_2 WHERE id = 5',
  'SELECT count(*), sum(v) FROM cold',
  'SELECT v, length(body) FROM long WHERE id = 1',
  'SELECT id FROM long WHERE v > 0 ORDER BY id',
];

const changes: readonly (readonly [what: string, ...statements: string[]])[] = [
  ['a row', 'UPDATE parent SET v = 1 WHERE id = 1'],
  ['its key, which cascades', 'UPDATE parent SET id = 100 WHERE id = 2'],
  [
    'subtransactions, one of them rolled back',
    'BEGIN',
    'UPDATE parent SET v = 2 WHERE id = 1',
    'SAVEPOINT a',
    'DELETE FROM child',
    'ROLLBACK TO a',
    'SAVEPOINT b',
    'UPDATE child SET v = 3 WHERE parent_id = 100',
    'RELEASE b',
    'COMMIT',
  ],
  ['nothing: rolled back', 'BEGIN', 'DELETE FROM long', 'UPDATE parent SET v = 99', 'ROLLBACK'],
  [
    'a prepared transaction',
    'BEGIN',
    'UPDATE parent SET v = 4 WHERE id = 1',
    "PREPARE TRANSACTION 'kind'",
    "COMMIT PREPARED 'kind'",
  ],
  [
    'nothing: a prepared transaction rolled back',
    'BEGIN',
    'DELETE FROM child',
    "PREPARE TRANSACTION 'kind'",
    "ROLLBACK PREPARED 'kind'",
  ],
  ['a move to another partition', 'UPDATE cold SET day = 15 WHERE id = 5'],
  ['a row with an unchanged value out of line', 'UPDATE long SET v = 5 WHERE id = 1'],
  ['a value out of line', "UPDATE long SET body = repeat('y', 9500) WHERE id = 1"],
  ['a delete that cascades', 'DELETE FROM parent WHERE id = 100'],
  ['many rows', 'INSERT INTO parent SELECT i, 7 FROM generate_series(1000, 40000) i'],
  ['a partition emptied', 'TRUNCATE cold_2'],
  ['a partition taken away', 'ALTER TABLE cold DETACH PARTITION cold_1'],
  ['TRUNCATE CASCADE', 'TRUNCATE parent CASCADE'],
];

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const proxy = useProxy(setup, { origin, args: ['--cache-max-staleness', `${maxStalenessMs}ms`] });
  let [reader, direct]: (pg.Client | undefined)[] = [];
  beforeAll(async () => {
    [reader, direct] = [await proxy.session(), await proxy.session(proxy.originUrl)];
  });

  it.each(changes)('%s', async (_what, ...statements) => {
    const before = await proxy.hits();
    for (let i = 0; i < 4; i++) for (const sql of reads) await ask(reader!, sql);
    await proxy.warm(() => ask(reader!, reads[0]!));
    for (const sql of statements) await direct!.query(sql);
    await delay(maxStalenessMs + 5);
    for (let i = 0; i < 3; i++) {
      for (const sql of reads) {
        expect({ sql, rows: await ask(reader!, sql) }).toEqual({ sql, rows: await ask(direct!, sql) });
      }
    }
    expect(await proxy.hits()).toBeGreaterThan(before);
  });
});
