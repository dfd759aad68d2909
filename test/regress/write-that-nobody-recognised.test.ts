// Lesson 15, C15, C16: every way to write through pgfresh is seen by another session from its acknowledgement on. The change stream is stopped
// before each write, so that nothing but the fence can keep the cached answer from being served.
import type pg from 'pg';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { connectRaw, type RawClient, serialize, statement } from '../support/raw-client.ts';
import { hangStream } from '../support/schedule.ts';

const proxy = useProxy(
  `
  CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL);
  INSERT INTO t SELECT i, 0 FROM generate_series(1, 40) AS i;
  CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT i FROM generate_series(1, 5) AS i;
  CREATE TABLE kid (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, v int);
  INSERT INTO kid SELECT i, i, i FROM generate_series(1, 5) AS i;
  CREATE TABLE entry (id int PRIMARY KEY, v int);
  CREATE TABLE total (id int PRIMARY KEY, v int NOT NULL); INSERT INTO total VALUES (1, 0);
  CREATE FUNCTION add_up() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN UPDATE total SET v = v + 1 WHERE id = 1; RETURN NULL; END';
  CREATE TRIGGER add_up AFTER INSERT ON entry FOR EACH ROW EXECUTE FUNCTION add_up();
  CREATE FUNCTION bump() RETURNS int LANGUAGE sql AS 'UPDATE t SET v = v + 1 WHERE id = 1 RETURNING v';
  CREATE PROCEDURE raise_it() LANGUAGE plpgsql AS 'BEGIN UPDATE t SET v = v + 1 WHERE id = 1; COMMIT; END';
  CREATE VIEW seen AS SELECT id, v FROM t;
  CREATE TABLE ruled (id int PRIMARY KEY, v int); INSERT INTO ruled VALUES (1, 0);
  CREATE RULE elsewhere AS ON UPDATE TO ruled DO INSTEAD UPDATE t SET v = t.v + 1 WHERE t.id = 1;`,
  { ownServer: 18 },
);

const v = 'SELECT v FROM t WHERE id = 1';

interface Way {
  readonly how: string;
  readonly read: string;
  readonly write: readonly string[];
}

const ways: readonly Way[] = [
  { how: 'UPDATE', read: v, write: ['UPDATE t SET v = v + 1 WHERE id = 1'] },
  {
    how: 'a comment before the statement',
    read: v,
    write: ['/* SELECT */ -- x\n UPDATE t SET v = v + 1 WHERE id = 1'],
  },
  { how: 'DELETE', read: 'SELECT count(*) FROM t WHERE id >= 2', write: ['DELETE FROM t WHERE id = 40'] },
  {
    how: 'INSERT … ON CONFLICT',
    read: v,
    write: ['INSERT INTO t VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET v = t.v + 1'],
  },
  {
    how: 'MERGE',
    read: v,
    write: ['MERGE INTO t USING (VALUES (1)) AS s(id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = t.v + 1'],
  },
  {
    how: 'a data-modifying CTE',
    read: v,
    write: ['WITH w AS (UPDATE t SET v = v + 1 WHERE id = 1 RETURNING v) SELECT * FROM w'],
  },
  { how: 'EXPLAIN ANALYZE', read: v, write: ['EXPLAIN ANALYZE UPDATE t SET v = v + 1 WHERE id = 1'] },
  { how: 'a function in a SELECT', read: v, write: ['SELECT bump()'] },
  { how: 'CALL of a procedure that commits', read: v, write: ['CALL raise_it()'] },
  { how: 'DO', read: v, write: ['DO $$ BEGIN UPDATE t SET v = v + 1 WHERE id = 1; END $$'] },
  { how: 'an updatable view', read: v, write: ['UPDATE seen SET v = v + 1 WHERE id = 1'] },
  { how: 'a rule', read: v, write: ['UPDATE ruled SET v = 5 WHERE id = 1'] },
  {
    how: 'EXECUTE of a PREPAREd write',
    read: v,
    write: ['PREPARE w AS UPDATE t SET v = v + 1 WHERE id = 1', 'EXECUTE w', 'DEALLOCATE w'],
  },
  {
    how: 'several statements in one string',
    read: v,
    write: ['SELECT 1; UPDATE t SET v = v + 1 WHERE id = 1; SELECT 2'],
  },
  { how: 'a transaction', read: v, write: ['BEGIN', 'UPDATE t SET v = v + 1 WHERE id = 1', 'COMMIT'] },
  {
    how: 'COMMIT AND CHAIN',
    read: v,
    write: ['BEGIN', 'UPDATE t SET v = v + 1 WHERE id = 1', 'COMMIT AND CHAIN', 'ROLLBACK'],
  },
  {
    how: 'END',
    read: v,
    write: ['START TRANSACTION', 'SAVEPOINT s', 'UPDATE t SET v = v + 1 WHERE id = 1', 'RELEASE s', 'END'],
  },
  {
    how: 'a prepared transaction',
    read: v,
    write: ['BEGIN', 'UPDATE t SET v = v + 1 WHERE id = 1', "PREPARE TRANSACTION 'two'", "COMMIT PREPARED 'two'"],
  },
  {
    how: 'a trigger on another table',
    read: 'SELECT v FROM total WHERE id = 1',
    write: ['INSERT INTO entry VALUES (1, 1)'],
  },
  { how: 'a cascading DELETE', read: 'SELECT v FROM kid WHERE id = 2', write: ['DELETE FROM parent WHERE id = 2'] },
  {
    how: 'a cascading UPDATE',
    read: 'SELECT parent FROM kid WHERE id = 3',
    write: ['UPDATE parent SET id = 33 WHERE id = 3'],
  },
  { how: 'TRUNCATE CASCADE', read: 'SELECT count(*) FROM kid', write: ['TRUNCATE parent CASCADE'] },
  {
    how: 'ALTER TABLE that rewrites',
    read: 'SELECT v FROM total',
    write: ['ALTER TABLE total ALTER COLUMN v TYPE int USING v + 1000'],
  },
  {
    how: 'SELECT … INTO and a rename',
    read: 'SELECT count(*) FROM entry',
    write: [
      'BEGIN; SELECT 7 AS id, 7 AS v INTO fresh; DROP TABLE entry; ALTER TABLE fresh RENAME TO entry; INSERT INTO entry VALUES (8, 8); COMMIT',
    ],
  },
];

let [writer, reader] = [] as unknown as [pg.Client, pg.Client];
let direct: pg.Client;
const raws: RawClient[] = [];

/** Closed after the test, so that one that fails leaves no transaction open. */
async function rawSession(): Promise<RawClient> {
  const raw = await connectRaw(proxy.url);
  raws.push(raw);
  return raw;
}

let resume: () => void = () => undefined;

beforeAll(async () => {
  [writer, reader, direct] = await Promise.all([proxy.session(), proxy.session(), proxy.session(proxy.originUrl)]);
});
afterEach(() => {
  resume();
  for (const raw of raws.splice(0)) raw.close();
});

/** Both protocol forms of the read are in the cache and fresh, then the stream stops. */
async function warmAndHang(read: string): Promise<void> {
  await proxy.warm(() => ask(reader, read));
  await proxy.warm(() => ask(reader, read, []));
  const go = await hangStream(proxy.originUrl);
  resume = () => {
    go();
    resume = () => undefined;
  };
}

describe('seen by another session at once, with the change stream stopped', () => {
  it.each(ways)('$how', async ({ read, write }) => {
    await warmAndHang(read);
    const before = await ask(reader, read);
    for (const sql of write) await writer.query(sql);
    const expected = await ask(direct, read);
    expect(expected).not.toEqual(before);
    for (let i = 0; i < 3; i++) {
      expect([await ask(reader, read), await ask(reader, read, []), await ask(writer, read)]).toEqual([
        expected,
        expected,
        expected,
      ]);
    }
  });

  it('COPY', async () => {
    await warmAndHang('SELECT count(*)::int FROM t WHERE id >= 500');
    const raw = await rawSession();
    raw.send(serialize.query('COPY t FROM STDIN'));
    await raw.until('G');
    raw.send(serialize.copyData(Buffer.from('500\t1\n501\t2\n')), serialize.copyDone());
    await raw.until('Z');
    expect(await ask(reader, 'SELECT count(*)::int FROM t WHERE id >= 500')).toEqual([[2]]);
  });

  it('an extended write whose CommandComplete came long before its commit', async () => {
    const raw = await rawSession();
    raw.send(statement('UPDATE t SET v = v + 1 WHERE id = 1'), serialize.flush());
    await raw.until('C');
    // Rounds that begin now cover everything acknowledged so far; the commit comes with the Sync.
    await warmAndHang(v);
    raw.send(serialize.sync());
    await raw.until('Z');
    expect(await ask(reader, v)).toEqual(await ask(direct, v));
  });

  it('a write that fails leaves the answer right', async () => {
    await warmAndHang(v);
    await expect(writer.query('UPDATE t SET v = v + 1, id = 1 / 0 WHERE id = 1')).rejects.toMatchObject({
      code: '22012',
    });
    expect(await ask(reader, v)).toEqual(await ask(direct, v));
  });

  it('a client that leaves before it reads the acknowledgement of its write', async () => {
    await warmAndHang(v);
    const before = await ask(direct, v);
    const raw = await rawSession();
    raw.send(statement('UPDATE t SET v = v + 1 WHERE id = 1'), serialize.sync());
    raw.socket.end();
    await raw.rest();
    await expect.poll(async () => JSON.stringify(await ask(direct, v))).not.toBe(JSON.stringify(before));
    // Nobody was told, so only max_staleness binds: the answer is right once it has passed, with the stream still stopped.
    await expect.poll(() => ask(reader, v), { timeout: 5_000 }).toEqual(await ask(direct, v));
  });
});
