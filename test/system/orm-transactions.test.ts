// Issue 4: applications that put every read into a transaction get hits, and a transaction of hits is none of the origin's business. The origin's own log is
// the witness: what it was sent stands there, in whatever protocol.
import { and, asc, eq, gte } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientPrograms, type RunningClient, startClient } from '../support/client-programs.ts';
import { useProxy } from '../support/fixture.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { openPool } from '../support/pool.ts';
import { type Cluster, run, startCluster } from '../support/postgres.ts';
import { shopSql } from '../support/scripts.ts';
import { waitFor } from '../support/wait.ts';

const users = pgTable('users', {
  id: integer('id').primaryKey(),
  name: text('name').notNull(),
  age: integer('age').notNull(),
});

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const proxy = useProxy(
    `CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, age int NOT NULL);
     INSERT INTO users SELECT g, 'user ' || g, g % 70 FROM generate_series(1, 200) g`,
    { origin },
  );
  let pool: pg.Pool;
  beforeAll(async () => {
    pool = openPool(proxy.url, 1);
  });
  afterAll(() => pool.end());

  const older = and(gte(users.age, 68), eq(users.name, 'user 68'));
  const unitOfWork = () =>
    drizzle(pool).transaction(async (tx) => {
      const one = await tx.select().from(users).where(eq(users.id, 7));
      const list = await tx.select({ id: users.id }).from(users).where(older).orderBy(asc(users.id));
      return [one, list];
    });
  const expected = [[{ id: 7, name: 'user 7', age: 7 }], [{ id: 68 }]];

  it('transactions of Drizzle hit', async () => {
    await proxy.warm(unitOfWork);
    const before = await proxy.hits();
    for (let i = 0; i < 10; i++) expect(await unitOfWork()).toEqual(expected);
    expect((await proxy.hits()) - before).toBeGreaterThanOrEqual(10);
  });

  it('and see what they wrote, committed or not', async () => {
    const db = drizzle(pool);
    await db.transaction(async (tx) => {
      expect((await tx.select().from(users).where(eq(users.id, 8)))[0]!.age).toBe(8);
      await tx.update(users).set({ age: 99 }).where(eq(users.id, 8));
      expect((await tx.select().from(users).where(eq(users.id, 8)))[0]!.age).toBe(99);
    });
    expect((await db.select().from(users).where(eq(users.id, 8)))[0]!.age).toBe(99);
    const failing = db.transaction(async (tx) => {
      await tx.update(users).set({ age: 1 }).where(eq(users.id, 8));
      tx.rollback();
    });
    await expect(failing).rejects.toThrow();
    expect((await db.select().from(users).where(eq(users.id, 8)))[0]!.age).toBe(99);
    await db.transaction(async (tx) => {
      await tx.select().from(users).where(eq(users.id, 9));
      await expect(
        tx.transaction(async (nested) => {
          await nested.update(users).set({ age: 2 }).where(eq(users.id, 9));
          nested.rollback();
        }),
      ).rejects.toThrow();
      expect((await tx.select().from(users).where(eq(users.id, 9)))[0]!.age).toBe(9);
    });
  });
});

const jdbc = clientPrograms.find(({ name }) => name === 'JDBC')!;

describe('the log of the origin', () => {
  let cluster: Cluster;
  let pgfresh: Pgfresh;
  let pool: pg.Pool;
  let client: RunningClient;
  beforeAll(async () => {
    client = startClient(jdbc);
    cluster = await startCluster({ version: 18, settings: ['log_statement=all'] });
    await run(
      cluster.url,
      `CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users VALUES (11, $$eleven$$);
       ${shopSql}`,
    );
    pgfresh = await startPgfresh({ upstream: cluster.url });
    pool = openPool(pgfresh.url, 1);
  }, 120_000);
  afterAll(async () => {
    await pool?.end();
    await client?.stop();
    await pgfresh?.stop();
    await cluster?.stop();
  });

  it('has nothing of transactions that hit', async () => {
    const transactions = async () => {
      for (const end of ['COMMIT', 'ROLLBACK']) {
        await pool.query('BEGIN');
        await pool.query('SELECT name FROM users WHERE id = 11');
        await pool.query('SELECT name FROM users WHERE id = $1', [11]);
        await pool.query({ name: 'prepared', text: 'SELECT id FROM users WHERE id = $1', values: [11] });
        await pool.query(end);
      }
    };
    let tries = 0;
    const heard = async () => {
      const [first, last] = [`begin ${++tries}`, `end ${tries}`];
      await pool.query(`SELECT '${first}'`);
      await transactions();
      await pool.query(`SELECT '${last}'`);
      await waitFor('the log', () => cluster.log().includes(last));
      const log = cluster.log();
      return (
        log.slice(log.indexOf(first), log.indexOf(last)).match(/(BEGIN|COMMIT|ROLLBACK|FROM users WHERE).*/g) ?? []
      );
    };
    // Cold at first; later, on a busy machine, a read may find the cache not fresh enough, and is sent with its BEGIN.
    expect((await heard()).length).toBeGreaterThan(5);
    await expect.poll(heard, { timeout: 20_000 }).toEqual([]);
  });

  it.each(jdbc.forms)('has nothing of units of work of JDBC, autocommit off, %s', async (form) => {
    const url = new URL(pgfresh.url);
    const expected = await client.run('units', form, jdbc.conninfo({ url: new URL(cluster.url) }));
    const heard = async () => {
      const from = cluster.log().length;
      const report = await client.run('units', form, jdbc.conninfo({ url }));
      await waitFor('the log', () => cluster.log().indexOf('units end', from) > 0);
      const log = cluster.log().slice(from);
      expect(report).toEqual(expected);
      return log.slice(log.indexOf('units begin'), log.indexOf('units end')).match(/(BEGIN|COMMIT|FROM shop).*/g) ?? [];
    };
    await expect.poll(heard, { timeout: 30_000 }).toEqual([]);
  });
});
