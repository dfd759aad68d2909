// C7: a named statement keeps the resolution of its Parse. After DDL, or after the cache thread was started again, a long-lived session must
// neither get rows of another shape nor another table's, and it must not lose the cache for ever.
import type pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { run } from '../support/postgres.ts';
import { connectRaw, rows, serialize, sqlState } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

const setup = `CREATE SCHEMA early; CREATE SCHEMA late;
  DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = early, late, public', current_database()); END $$;
  ${['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map((t) => `CREATE TABLE late.${t} (id int PRIMARY KEY, v text); INSERT INTO late.${t} SELECT g, '${t}' || g FROM generate_series(1, 20) g;`).join('\n')}
  ALTER TABLE late.e ALTER COLUMN v TYPE varchar(20);
  CREATE TABLE early.h AS SELECT id, v || ' early' AS v FROM late.h; ALTER TABLE early.h ADD PRIMARY KEY (id)`;

/** A statement that is parsed once and only bound and executed from then on, as pools of drivers do. */
async function prepare(url: string, text: string) {
  const client = await connectRaw(url);
  client.send(
    serialize.parse({ name: 's', text, types: [] }),
    serialize.describe({ type: 'S', name: 's' }),
    serialize.sync(),
  );
  await client.until('Z');
  const execute = async (...values: string[]) => {
    client.send(
      ...[serialize.bind({ statement: 's', values }), serialize.execute({ portal: '', rows: 0 }), serialize.sync()],
    );
    const frames = await client.until('Z');
    const error = frames.find(({ code }) => code === 'E');
    return error === undefined ? rows(frames) : sqlState(error);
  };
  return { client, execute };
}

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const proxy = useProxy(setup, { origin, env: { PGFRESH_FAULTS: 'admin' } });
  const clients: { close(): void }[] = [];
  afterAll(() => {
    for (const client of clients) client.close();
  });

  /** The statement through pgfresh, warm, and direct. */
  async function both(text: string, ...values: string[]) {
    const proxied = await prepare(proxy.url, text);
    const direct = await prepare(proxy.originUrl, text);
    clients.push(proxied.client, direct.client);
    await proxy.warm(() => proxied.execute(...values), 'a first hit');
    await direct.execute(...values);
    return {
      proxied: () => proxied.execute(...values),
      direct: () => direct.execute(...values),
      execute: proxied.execute,
    };
  }

  /** Waits until pgfresh has loaded another catalog: a session that parses anew hits a table again. */
  async function noticed(session: pg.Client, table: string): Promise<void> {
    await proxy.warm(() => session.query(`SELECT v FROM ${table} WHERE id = 19`), 'the new catalog');
  }

  it('hits again after DDL that has nothing to do with it, without another Parse', async () => {
    const { proxied, direct } = await both('SELECT v FROM a WHERE id = $1', '1');
    for (const ddl of [
      'CREATE TABLE early.unrelated (id int)',
      'ALTER TABLE a ADD COLUMN w int',
      'DROP TABLE early.unrelated',
    ]) {
      await run(proxy.originUrl, ddl);
      await proxy.warm(proxied, `a hit after ${ddl}`);
      expect(await proxied()).toEqual(await direct());
    }
    await run(proxy.originUrl, `UPDATE a SET v = 'fresh' WHERE id = 1`);
    await expect.poll(proxied, { timeout: 15_000 }).toEqual([['fresh']]);
  });

  it('hits once its table can be cached, without another Parse', async () => {
    await run(
      proxy.originUrl,
      "CREATE TABLE late.keyless (id int, v text); INSERT INTO late.keyless VALUES (1, 'one')",
    );
    const text = 'SELECT v FROM keyless WHERE id = $1';
    const session = await proxy.session();
    const refused = async () => (await proxy.pgfresh.status()).reasons['uncacheable.replicaIdentity'] ?? 0;
    // Then pgfresh knows of the table.
    await waitFor('the reason', async () => {
      await session.query('SELECT v FROM keyless');
      return (await refused()) > 0;
    });
    const [proxied, direct] = [await prepare(proxy.url, text), await prepare(proxy.originUrl, text)];
    clients.push(proxied.client, direct.client);
    const before = await refused();
    await waitFor('its own', async () => {
      expect(await proxied.execute('1')).toEqual([['one']]);
      return (await refused()) > before;
    });
    await run(proxy.originUrl, 'ALTER TABLE late.keyless ADD PRIMARY KEY (id)');
    await proxy.warm(() => proxied.execute('1'), 'a hit of what was prepared before');
    expect(await direct.execute('1')).toEqual([['one']]);
    // Another object of that name is another statement, as ever.
    await run(
      proxy.originUrl,
      "CREATE TABLE early.keyless (id int PRIMARY KEY, v text); INSERT INTO early.keyless VALUES (1, 'early')",
    );
    for (let i = 0; i < 20; i++) expect(await proxied.execute('1')).toEqual(await direct.execute('1'));
  });

  it('hits again after the cache thread was started again', async () => {
    const { proxied } = await both('SELECT v FROM b WHERE id = $1', '1');
    const { cacheThread } = await proxy.pgfresh.status();
    await proxy.pgfresh.fault('cache-exit');
    await proxy.pgfresh.waitForStatus(
      'the next generation',
      (status) => status.state === 'live' && status.cacheThread.generation > cacheThread.generation,
    );
    await proxy.warm(proxied, 'a hit in the next generation');
    await run(proxy.url, `UPDATE b SET v = 'fresh' WHERE id = 1`);
    expect(await proxied()).toEqual([['fresh']]);
  });

  it('fences nothing while it only passes through', async () => {
    const { proxied } = await both('SELECT * FROM c WHERE id = $1', '1');
    const session = await proxy.session();
    await run(proxy.originUrl, 'ALTER TABLE c RENAME COLUMN v TO w');
    await expect.poll(proxied, { timeout: 15_000 }).toBe('0A000');
    const fenced = async () => {
      await noticed(session, 'b');
      const before = (await proxy.pgfresh.status()).reasons['cache.fenced'] ?? 0;
      for (let i = 0; i < 30; i++) {
        await proxied();
        await session.query('SELECT v FROM b WHERE id = 19');
      }
      return ((await proxy.pgfresh.status()).reasons['cache.fenced'] ?? 0) - before;
    };
    // The first times its verdict under the new catalog is on its way.
    await expect.poll(fenced, { timeout: 15_000 }).toBe(0);
  });

  it("gives the origin's own error when the columns of its answer have changed, as often as asked", async () => {
    const { proxied, direct } = await both('SELECT * FROM d WHERE id = $1', '1');
    await run(proxy.originUrl, 'ALTER TABLE d ADD COLUMN w int DEFAULT 7');
    expect(await direct()).toBe('0A000');
    await expect.poll(proxied, { timeout: 15_000 }).toBe('0A000');
    // Others fill the key with rows of the new shape; they are not for this statement.
    const other = await prepare(proxy.url, 'SELECT * FROM d WHERE id = $1');
    clients.push(other.client);
    await proxy.warm(() => other.execute('1'), 'a hit of the new shape');
    for (let i = 0; i < 10; i++) expect(await proxied()).toBe('0A000');
    await run(proxy.originUrl, 'ALTER TABLE d DROP COLUMN w');
    await expect.poll(proxied, { timeout: 15_000 }).toEqual(await direct());
  });

  it('a changed length of a type counts as another shape, too', async () => {
    const { proxied, direct } = await both('SELECT v FROM e WHERE id = $1', '1');
    await run(proxy.originUrl, 'ALTER TABLE e ALTER COLUMN v TYPE varchar(30)');
    expect(await direct()).toBe('0A000');
    await expect.poll(proxied, { timeout: 15_000 }).toBe('0A000');
    for (let i = 0; i < 10; i++) expect(await proxied()).toBe('0A000');
  });

  it('hits although it was parsed before the DDL in front of it was noticed', async () => {
    await proxy.warm(() => run(proxy.url, 'SELECT v FROM i WHERE id = 1'));
    await run(proxy.originUrl, 'ALTER TABLE i ALTER COLUMN v TYPE varchar(30)');
    await both('SELECT v FROM i WHERE id = $1', '1');
  });

  it('reads the table that the origin reads when another appears in front of it, and sees what is written to that', async () => {
    const { proxied, direct } = await both('SELECT v FROM f WHERE id = $1', '1');
    const session = await proxy.session();
    await run(
      proxy.originUrl,
      `CREATE TABLE early.f (id int PRIMARY KEY, v text); INSERT INTO early.f VALUES (1, 'in front')`,
    );
    await proxy.warm(() => session.query('SELECT v FROM f WHERE id = 1'), 'a hit on the table in front');
    for (let i = 0; i < 10; i++) {
      await run(proxy.url, `UPDATE late.f SET v = 'written ${i}' WHERE id = 1`);
      expect(await direct()).toEqual([[`written ${i}`]]);
      expect(await proxied()).toEqual([[`written ${i}`]]);
    }
    await run(proxy.originUrl, 'ANALYZE late.f');
    expect(await direct()).toEqual(await proxied());
    await run(proxy.originUrl, 'DROP TABLE early.f');
    await proxy.warm(proxied, 'a hit when the table in front is gone');
    expect(await proxied()).toEqual(await direct());
  });

  it('a write by a plan of before is seen at once where it really goes', async () => {
    const writer = await prepare(proxy.url, `UPDATE g SET v = $1 WHERE id = 1`);
    clients.push(writer.client);
    const session = await proxy.session();
    // Publishing a table makes the next execution plan anew: that is to be over before another table appears.
    await proxy.warm(() => session.query('SELECT v FROM late.g WHERE id = 1'));
    await writer.execute('first');
    await run(proxy.originUrl, 'CREATE TABLE early.g (id int PRIMARY KEY, v text)');
    for (let i = 0; i < 20; i++) {
      await proxy.warm(() => session.query('SELECT v FROM late.g WHERE id = 1'));
      await writer.execute(`again ${i}`);
      const { rows: seen } = await session.query('SELECT v FROM late.g WHERE id = 1');
      expect(seen).toEqual([{ v: `again ${i}` }]);
    }
  });

  it('a table renamed away and back leaves no answer of the one behind it', async () => {
    const { execute } = await both('SELECT v FROM h WHERE id = $1', '1');
    await run(proxy.originUrl, 'ALTER TABLE early.h RENAME TO away');
    // Nothing is cached for this key: the origin plans anew, on the table behind.
    expect(await execute('2')).toEqual([['h2']]);
    await run(proxy.originUrl, 'ALTER TABLE early.away RENAME TO h');
    const other = await prepare(proxy.url, 'SELECT v FROM h WHERE id = $1');
    clients.push(other.client);
    // The old plan is good as long as the table behind is not touched, which is how it is without pgfresh, too.
    await expect.poll(() => execute('3'), { timeout: 15_000 }).toEqual([['h3 early']]);
    for (let i = 0; i < 10; i++) {
      for (const key of ['1', '2', '3']) {
        expect([await execute(key), await other.execute(key)]).toEqual([[[`h${key} early`]], [[`h${key} early`]]]);
      }
    }
  });
});
