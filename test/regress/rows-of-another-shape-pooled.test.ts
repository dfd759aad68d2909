// C7 under pool.mode = transaction: a statement is made anew on each connection that its client is lent, which may be behind DDL; or it is there, made for
// somebody who was told of other columns. Its client gets what a server that had the statement would say, and no rows of another shape.
import type pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { reusableLogins } from '../support/pgfresh.ts';
import { run } from '../support/postgres.ts';
import { connectRaw, type Frame, type RawClient, rows, serialize, sqlState } from '../support/raw-client.ts';

const args = ['--pool-mode', 'transaction', '--pool-size', '2', '--consistency', 'off', ...reusableLogins];
const sync = serialize.sync();
const addColumn = 'ADD COLUMN w int DEFAULT 7';
const kinds = ['added', 'unnamed', 'retyped', 'back', 'alike', 'shared', 'newer', 'block'] as const;

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const tables = kinds.map(
    (kind) => `CREATE TABLE ${kind} (id int PRIMARY KEY, v int);
    INSERT INTO ${kind} SELECT g, g FROM generate_series(1, 9) AS g;`,
  );
  const proxy = useProxy(tables.join('\n'), { origin, args, workers: 1 });
  const alter = (table: string, how: string) => run(proxy.originUrl, `ALTER TABLE ${table} ${how}`);

  let opened: (() => unknown)[] = [];
  afterEach(async () => {
    await Promise.all(opened.map((close) => close()));
    opened = [];
  });

  async function raw(): Promise<RawClient> {
    const client = await connectRaw(proxy.url);
    opened.push(() => client.close());
    return client;
  }

  /** Both connections, each held by one of them until its COMMIT. */
  async function holders(): Promise<readonly [pg.Client, pg.Client]> {
    const both = [await proxy.session(), await proxy.session()] as const;
    for (const holder of both) {
      opened.push(() => holder.end());
      await hold(holder);
    }
    return both;
  }
  const hold = async (holder: pg.Client) => {
    await ask(holder, 'BEGIN');
    await ask(holder, 'SELECT pg_current_xact_id() IS NULL');
  };

  async function prepare(client: RawClient, table: string, name = 's'): Promise<void> {
    const text = `SELECT * FROM ${table} WHERE id = $1`;
    client.send(serialize.parse({ name, text, types: [23] }), serialize.describe({ type: 'S', name }), sync);
    expect((await client.until('Z')).map(({ code }) => code)).toEqual(['1', 't', 'T', 'Z']);
  }

  async function use(client: RawClient, name = 's'): Promise<unknown> {
    client.send(serialize.bind({ statement: name, values: ['2'] }), serialize.execute({}), sync);
    const frames = await client.until('Z');
    const error = frames.find(({ code }: Frame) => code === 'E');
    return error === undefined ? rows(frames) : sqlState(error);
  }

  /**
   * `first` prepares on the one connection, the table is altered, `between` has the other one to itself, and then `first` has that.
   * @returns what `first` was told there
   */
  async function elsewhere(
    table: string,
    how: string,
    { name = 's', between }: { name?: string; between?: () => Promise<void> } = {},
  ): Promise<{ client: RawClient; told: unknown }> {
    const client = await raw();
    const [one, other] = await holders();
    await ask(one, 'COMMIT');
    await prepare(client, table, name);
    await hold(one);
    await alter(table, how);
    await ask(other, 'COMMIT');
    await between?.();
    return { client, told: await use(client, name) };
  }

  it.each([
    ['a column more', 'added', addColumn, 's'],
    ['a column more, the unnamed statement', 'unnamed', addColumn, ''],
    ['another type', 'retyped', 'ALTER COLUMN v TYPE real', 's'],
  ])('%s: refused where it is not, until it is prepared again', async (_, table, how, name) => {
    const { client, told } = await elsewhere(table, how, { name });
    expect(told).toBe('0A000');
    expect(await use(client, name)).toBe('0A000');
    client.send(serialize.close({ type: 'S', name }), sync);
    await client.until('Z');
    await prepare(client, table, name);
    expect(await use(client, name)).toEqual([how === addColumn ? ['2', '2', '7'] : ['2', '2']]);
  });

  it('a column that goes away again: refused, and then as it was', async () => {
    const { client, told } = await elsewhere('back', addColumn);
    expect(told).toBe('0A000');
    await alter('back', 'DROP COLUMN w');
    expect(await use(client)).toEqual([['2', '2']]);
  });

  it('columns as they were: as if nothing had happened', async () => {
    const { told } = await elsewhere('alike', 'ADD CHECK (v > 0)');
    expect(told).toEqual([['2', '2']]);
  });

  it('there by then for somebody who was told of a column more: refused', async () => {
    const other = await raw();
    const between = async () => {
      await prepare(other, 'shared');
      expect(await use(other)).toEqual([['2', '2', '7']]);
    };
    const { told } = await elsewhere('shared', addColumn, { between });
    expect(told).toBe('0A000');
    expect(await use(other)).toEqual([['2', '2', '7']]);
  });

  it('there from before: whoever was told of the column gets it', async () => {
    const [early, late] = [await raw(), await raw()];
    const [one, other] = await holders();
    await ask(one, 'COMMIT');
    await prepare(early, 'newer');
    await hold(one);
    await alter('newer', addColumn);
    await ask(other, 'COMMIT');
    await prepare(late, 'newer');
    await hold(other);
    await ask(one, 'COMMIT');
    expect(await use(late)).toEqual([['2', '2', '7']]);
  });

  it('in a block: the block has failed, and is rolled back', async () => {
    const { client } = await elsewhere('block', 'ADD CHECK (v > 0)');
    client.send(serialize.query('BEGIN'), serialize.query("INSERT INTO block VALUES (20, 20) RETURNING 'in'"));
    await client.until('Z', 2);
    expect(await use(client)).toEqual([['2', '2']]);
    client.send(serialize.query('COMMIT'));
    await client.until('Z');
    await alter('block', addColumn);
    client.send(serialize.query('BEGIN'), serialize.query("INSERT INTO block VALUES (21, 21) RETURNING 'in'"));
    await client.until('Z', 2);
    expect(await use(client)).toBe('0A000');
    client.send(serialize.query('COMMIT'));
    await client.until('Z');
    expect(await ask(await proxy.session(), 'SELECT id FROM block WHERE id > 19 ORDER BY id')).toEqual([[20]]);
  });
});
