// Databases that come and go through pgfresh: no change stream of ours stands in the way of DROP, RENAME and copies (ADR-013).
import pg from 'pg';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { publicationsOf, rowsOf, slotsOf } from '../support/origin-state.ts';
import type { Status } from '../support/pgfresh.ts';
import { run } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

interface Detailed extends Status {
  readonly databases: readonly { readonly name: string; readonly state: string }[];
}

const setup = 'CREATE TABLE t (id int PRIMARY KEY, v text NOT NULL)';
const point = 'SELECT v FROM t WHERE id = 1';
const sqlState = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: unknown) => String((error as pg.DatabaseError).code),
  );

describe.each(['pg15', 'pg18'] as const)('through pgfresh, %s', (origin) => {
  const created: string[] = [];
  // Registered first, so that it runs last.
  afterAll(async () => {
    for (const name of created) await run(inject(origin), `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
  });
  const proxy = useProxy(`${setup}; INSERT INTO t VALUES (1, 'first')`, { origin });

  const at = (url: string, name: string): string => url.replace(/\/[^/]*$/, `/${name}`);
  const nameOf = (suffix: string): string => `${proxy.database}_${suffix}`;
  const exists = async (name: string): Promise<boolean> =>
    (await rowsOf(proxy.originUrl, 'SELECT 1 FROM pg_database WHERE datname = $1', [name])).length === 1;
  const stateOf = async (name: string): Promise<string | undefined> =>
    ((await proxy.pgfresh.status()) as Detailed).databases.find((database) => database.name === name)?.state;

  /** A session in a new database whose point query is answered from the cache. */
  async function inNew(name: string, v = name): Promise<pg.Client> {
    created.push(name);
    const client = await proxy.session();
    await client.query(`CREATE DATABASE "${name}"`);
    await client.end();
    return inDatabase(name, `${setup}; INSERT INTO t VALUES (1, '${v}')`);
  }

  async function inDatabase(name: string, sql: string | null = null): Promise<pg.Client> {
    const client = await proxy.session(at(proxy.url, name));
    if (sql !== null) await client.query(sql);
    await proxy.warm(() => client.query(point), `a hit in ${name}`);
    return client;
  }

  it('a database is dropped while it is followed, made again and cached with its new rows', async () => {
    const client = await proxy.session();
    const name = nameOf('again');
    const drops = [
      () => client.query(`DROP DATABASE ${name}`),
      () => client.query({ text: `/* of a test */ drop database if exists "${name}"`, values: [] }),
      () => client.query({ name: 'gone', text: `DROP DATABASE ${name}`, values: [] }),
      () => client.query({ name: 'gone', text: `DROP DATABASE ${name}`, values: [] }),
    ];
    for (const [i, drop] of drops.entries()) {
      const inside = await inNew(name, `version ${i}`);
      expect(await ask(inside, point)).toEqual([[`version ${i}`]]);
      expect(await slotsOf(at(proxy.originUrl, name))).toHaveLength(1);
      await inside.end();
      await drop();
      expect(await exists(name)).toBe(false);
    }
  });

  it('WITH (FORCE) ends the sessions in it, and other databases are cached meanwhile', async () => {
    const [first, name] = [await proxy.session(), nameOf('forced')];
    const inside = await inNew(name);
    await proxy.warm(() => first.query(point));
    const ended = new Promise((resolve) => inside.once('end', resolve));
    const before = await proxy.hits();
    const [drop] = await Promise.all([
      sqlState((await proxy.session()).query(`DROP DATABASE ${name} WITH (FORCE)`)),
      first.query(point),
      ended,
    ]);
    expect(drop).toBe('none');
    expect(await exists(name)).toBe(false);
    expect(await proxy.hits()).toBe(before + 1);
    expect(await ask(first, point)).toEqual([['first']]);
  });

  it('a database is renamed and copied, and what is left of it is cached again', async () => {
    const [first, name, copy, renamed] = [await proxy.session(), nameOf('old'), nameOf('copy'), nameOf('Re named')];
    created.push(copy, renamed);
    await (await inNew(name)).end();
    await first.query(`CREATE DATABASE ${copy} WITH TEMPLATE = ${name}`);
    await (await inDatabase(name)).end();
    await first.query(`ALTER DATABASE "${name}" RENAME TO "${renamed}"`);
    expect([await exists(name), await exists(renamed)]).toEqual([false, true]);
    await (await inDatabase(copy)).end();
    const client = new pg.Client({ connectionString: at(proxy.url, encodeURIComponent(renamed)) });
    await client.connect();
    await proxy.warm(() => client.query(point));
    await client.end();
    await first.query(`DROP DATABASE "${renamed}"`);
    await first.query(`DROP DATABASE ${copy}`);
  });

  it('the database of --upstream is copied without our publication, and followed again', async () => {
    const copy = nameOf('own');
    created.push(copy);
    const first = await proxy.session();
    await proxy.warm(() => first.query(point));
    await first.end();
    const elsewhere = await proxy.session(at(proxy.url, 'postgres'));
    // Sessions of this file that stand in it would be in the way, as without pgfresh.
    await run(
      at(proxy.originUrl, 'postgres'),
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${proxy.database}' AND application_name = ''`,
    );
    await elsewhere.query(`CREATE DATABASE ${copy} TEMPLATE "${proxy.database}"`);
    expect(await publicationsOf(at(proxy.originUrl, copy))).toEqual([]);
    const again = await proxy.session();
    await proxy.warm(() => again.query(point));
  });

  it('a statement that fails has the error of the origin, and its database is cached again', async () => {
    const first = await proxy.session();
    expect(await sqlState(first.query('DROP DATABASE no_such_database'))).toBe('3D000');
    const name = nameOf('used');
    const inside = await inNew(name);
    expect(await sqlState(first.query(`ALTER DATABASE ${name} RENAME TO ${proxy.database}`))).not.toBe('none');
    await proxy.warm(() => inside.query(point));
    await first.query('BEGIN');
    expect(await sqlState(first.query(`DROP DATABASE ${name}`))).toBe('25001');
    await first.query('ROLLBACK');
    await proxy.warm(() => inside.query(point));
    await waitFor('its stream', async () => (await stateOf(name)) === 'streaming');
    expect(await sqlState(first.query(`DROP DATABASE "${proxy.database}"`))).toBe('55006');
    await proxy.warm(() => first.query(point));
    await inside.end();
    await waitFor('the drop', async () => (await sqlState(first.query(`DROP DATABASE ${name}`))) === 'none');
  });
});
