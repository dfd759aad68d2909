// Several databases behind one pgfresh, each with a change stream of its own (ADR-013).
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ask, type Fixture, useProxy } from '../support/fixture.ts';
import { publicationsOf, rowsOf, slotsOf } from '../support/origin-state.ts';
import type { Status } from '../support/pgfresh.ts';
import { run } from '../support/postgres.ts';
import { walsenders } from '../support/schedule.ts';
import { waitFor } from '../support/wait.ts';

interface Detailed extends Status {
  readonly databases: readonly {
    readonly name: string;
    readonly state: string;
    readonly problem: string | null;
    readonly appliedLsn: string;
    readonly entries: number;
  }[];
}

const created: string[] = [];

// Registered first, so that it runs last: nobody can drop a database that a stream comes from.
afterAll(async () => {
  for (const name of created) await run(inject('pg18'), `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
});

async function createAs(name: string, sql: string, how = ''): Promise<void> {
  created.push(name);
  await run(inject('pg18'), `CREATE DATABASE ${name} ${how}`);
  await run(inject('pg18').replace(/\/[^/]*$/, `/${name}`), sql);
}

const status = async (proxy: Fixture) => (await proxy.pgfresh.status()) as Detailed;
const named = async (proxy: Fixture, name: string) =>
  (await status(proxy)).databases.find((database) => database.name === name);
const through = (proxy: Fixture, name: string): string => proxy.url.replace(/\/[^/]*$/, `/${name}`);
const direct = (proxy: Fixture, name: string): string => proxy.originUrl.replace(/\/[^/]*$/, `/${name}`);
const setup = 'CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL)';
const point = 'SELECT v FROM t WHERE id = 1';
const all = 'SELECT count(*)::int FROM t';

describe('a second database', () => {
  const proxy = useProxy(setup, { env: { PGFRESH_FAULTS: 'admin' } });
  let name: string;
  let [first, second] = [] as unknown as [pg.Client, pg.Client];

  beforeAll(async () => {
    name = `${proxy.database}_2`;
    await run(proxy.originUrl, `INSERT INTO t VALUES (1, 'of the first')`);
    await createAs(name, `${setup}; INSERT INTO t VALUES (1, 'of the second'), (2, 'two')`);
    [first, second] = [await proxy.session(), await proxy.session(through(proxy, name))];
  });
  it('is answered from the cache, with its own rows', async () => {
    await proxy.warm(() => second.query(point));
    await proxy.warm(() => first.query(point));
    expect(await ask(second, point)).toEqual([['of the second']]);
    expect(await ask(first, point)).toEqual([['of the first']]);
    const { databases, state } = await status(proxy);
    expect(databases.map((database) => [database.name, database.state])).toEqual([
      [proxy.database, 'streaming'],
      [name, 'streaming'],
    ]);
    expect(state).toBe('live');
  });

  it('loses what a direct write changed, and the first one loses nothing', async () => {
    await proxy.warm(() => first.query(all));
    await proxy.warm(() => second.query(all));
    const { entries } = (await named(proxy, proxy.database))!;
    await run(direct(proxy, name), `INSERT INTO t VALUES (3, 'three')`);
    await waitFor('the new count', async () => (await ask(second, all))[0]![0] === 3);
    expect(await ask(first, all)).toEqual([[1]]);
    expect((await named(proxy, proxy.database))!.entries).toBeGreaterThanOrEqual(entries);
  });

  it('shows a write through pgfresh at once, and fences nothing of the first one', async () => {
    const reader = await proxy.session(through(proxy, name));
    await proxy.warm(() => reader.query(point));
    await proxy.warm(() => first.query(point));
    for (let i = 1; i <= 20; i++) {
      await second.query(`UPDATE t SET v = 'version ${i}' WHERE id = 1`);
      expect(await ask(reader, point)).toEqual([[`version ${i}`]]);
      // Nobody knows what it writes: the whole database is fenced.
      await second.query(`DO $$ BEGIN UPDATE t SET v = 'done ${i}' WHERE id = 1; END $$`);
      const fenced = (await status(proxy)).reasons['cache.fenced'] ?? 0;
      expect(await ask(first, point)).toEqual([['of the first']]);
      expect((await status(proxy)).reasons['cache.fenced'] ?? 0).toBe(fenced);
      expect(await ask(reader, point)).toEqual([[`done ${i}`]]);
    }
  });

  it('forgets its catalog alone when it is changed', async () => {
    await proxy.warm(() => first.query(point));
    await proxy.warm(() => second.query(point));
    await run(direct(proxy, name), `ALTER TABLE t ADD COLUMN w int DEFAULT 7`);
    await waitFor('the new column', async () => (await ask(second, 'SELECT * FROM t WHERE id = 1'))[0]!.length === 3);
    await proxy.warm(() => second.query('SELECT w FROM t WHERE id = 1'));
    const before = await proxy.hits();
    await first.query(point);
    expect(await proxy.hits()).toBe(before + 1);
  });

  it('comes back when its stream was cut, and with the cache thread', async () => {
    for (const pid of await walsenders(direct(proxy, name))) {
      await rowsOf(proxy.originUrl, `SELECT pg_terminate_backend(${pid})`);
    }
    await proxy.warm(() => second.query(point));
    await proxy.pgfresh.fault('cache-exit');
    await proxy.pgfresh.waitForStatus('the next generation', ({ cacheThread }) => cacheThread.generation === 2);
    await proxy.warm(() => second.query(point));
    await proxy.warm(() => first.query(point));
    await run(direct(proxy, name), `UPDATE t SET v = 'later' WHERE id = 1`);
    await waitFor('the later row', async () => (await ask(second, point))[0]![0] === 'later');
  });
});

describe('a database that cannot be followed', () => {
  const proxy = useProxy(`${setup}; INSERT INTO t VALUES (1, 'one')`);
  const ascii = () => `${proxy.database}_ascii`;

  it('passes through, says why, and harms no other', async () => {
    await createAs(
      ascii(),
      `${setup}; INSERT INTO t VALUES (1, 'not followed')`,
      "ENCODING 'SQL_ASCII' TEMPLATE template0",
    );
    const [good, bad] = [await proxy.session(), await proxy.session(through(proxy, ascii()))];
    expect(await ask(bad, point)).toEqual([['not followed']]);
    await waitFor('the problem', async () => /encoding/.test((await named(proxy, ascii()))?.problem ?? ''));
    await bad.query(`UPDATE t SET v = 'written'`);
    expect(await ask(bad, point)).toEqual([['written']]);
    await proxy.warm(() => good.query(point));
    const { state, cdc, databases } = await status(proxy);
    expect({ state, cdc: cdc.state, of: databases.length }).toEqual({ state: 'live', cdc: 'streaming', of: 2 });
  });
});

describe('databases', () => {
  const proxy = useProxy(setup, { args: ['--cdc-databases-max', '2', '--cdc-database-idle', '100ms'] });
  const names: string[] = [];

  beforeAll(async () => {
    for (const suffix of ['a', 'b']) {
      const name = `${proxy.database}_${suffix}`;
      names.push(name);
      await createAs(name, `${setup}; INSERT INTO t VALUES (1, '${suffix}')`);
    }
  });

  it('beyond the limit pass through with their reason, until another one is not used any more', async () => {
    const [a, b] = [names[0]!, names[1]!];
    const inA = await proxy.session(through(proxy, a));
    await proxy.warm(() => inA.query(point));
    const inB = await proxy.session(through(proxy, b));
    await waitFor('the reason', async () => {
      await inB.query(point);
      return ((await status(proxy)).reasons['session.database'] ?? 0) > 0;
    });
    expect(await named(proxy, b)).toBeUndefined();
    await inA.end();
    await proxy.warm(() => inB.query(point));
    expect(await ask(inB, point)).toEqual([['b']]);
    expect(await named(proxy, a)).toBeUndefined();
    await inB.end();
  });

  it('that nobody uses leave nothing on the origin, and are read anew afterwards', async () => {
    const a = names[0]!;
    const inA = await proxy.session(through(proxy, a));
    await proxy.warm(() => inA.query(point));
    expect(await publicationsOf(direct(proxy, a))).toHaveLength(1);
    await inA.end();
    await waitFor('the stream to end', async () => (await named(proxy, a)) === undefined);
    expect(await publicationsOf(direct(proxy, a))).toEqual([]);
    expect(await slotsOf(direct(proxy, a))).toEqual([]);
    await run(direct(proxy, a), `UPDATE t SET v = 'changed meanwhile'`);
    const again = await proxy.session(through(proxy, a));
    await proxy.warm(() => again.query(point));
    expect(await ask(again, point)).toEqual([['changed meanwhile']]);
    await again.end();
  });
});
