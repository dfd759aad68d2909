// What a person learns about a statement: in the client's own session, over HTTP, and by reason in the status.
import type pg from 'pg';
import postgres from 'postgres';
import { describe, expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { codes, connectRaw, serialize } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

const proxy = useProxy(`CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 258), (2, 3);
  CREATE TABLE keyless (v int)`);

interface DetailedStatus {
  readonly reasons: Readonly<Record<string, number>>;
  readonly reasonDetails: Readonly<Record<string, { example: string; remedy: string; meaning: string }>>;
}

type Properties = ReadonlyMap<string, readonly string[]>;

function properties(rows: readonly (readonly unknown[])[]): Properties {
  const map = new Map<string, string[]>();
  for (const [property, value] of rows as [string, string][]) map.set(property, [...(map.get(property) ?? []), value]);
  return map;
}

const explain = async (client: pg.Client, text: string, values?: unknown[]): Promise<Properties> =>
  properties(await ask(client, `EXPLAIN (PGFRESH) ${text}`, values));
const explainHttp = async (sql: string) =>
  (await (await fetch(`${proxy.pgfresh.adminUrl}/explain?sql=${encodeURIComponent(sql)}`)).json()) as {
    readonly cacheable: boolean;
    readonly reason: string | null;
    readonly relations: string[];
    readonly constraints: string[];
    readonly remedy: string | null;
    readonly entries: readonly { readonly protocol: string; readonly bytes: number; readonly ageS: number }[];
    readonly hits: number | null;
    readonly keySettings: readonly { readonly name: string; readonly value: string | null }[];
  };

describe('EXPLAIN (PGFRESH) in a client', () => {
  it('tells of a cacheable statement what it depends on, its key, its entry and its hits', async () => {
    const client = await proxy.session();
    await client.query("SET TimeZone = 'Asia/Tokyo'");
    const text = 'SELECT v FROM t WHERE id = 1';
    await waitFor('an entry and hits in the explanation', async () => {
      await client.query(text);
      const found = await explain(client, text);
      return (
        /^\d+ bytes, \d+ s old, fresh enough$/.test(found.get('entry, simple protocol')?.[0] ?? '') &&
        Number(found.get('hits of the shape')?.[0]) > 0
      );
    });
    const found = await explain(client, text);
    expect(found.get('statement')).toEqual(['SELECT v FROM t WHERE id = ?']);
    expect(found.get('cacheable')).toEqual(['yes']);
    expect(found.get('reads')).toEqual(['public.t']);
    expect(found.get('depends on')).toEqual(['public.t: id = constant 1']);
    expect(found.get('consistency')).toEqual(['strong']);
    expect(found.get('key')).toEqual(
      expect.arrayContaining([`database = ${proxy.database}`, 'role = postgres', 'TimeZone = Asia/Tokyo']),
    );
    // Another literal of the shape has no entry of its own, and the same hits.
    const other = await explain(client, 'SELECT v FROM t WHERE id = 77');
    expect(other.get('entry, simple protocol')).toEqual(['none']);
    expect(Number(other.get('hits of the shape')![0])).toBeGreaterThan(0);
  });

  it('tells the reason and the remedy, of the statement and of the session', async () => {
    const client = await proxy.session();
    const keyless = await explain(client, 'SELECT * FROM keyless');
    expect(keyless.get('cacheable')).toEqual(['no']);
    expect(keyless.get('reason')![0]).toMatch(/^uncacheable\.replicaIdentity/);
    expect(keyless.get('remedy')![0]).toMatch(/REPLICA IDENTITY FULL/);
    expect((await explain(client, 'UPDATE t SET v = 1 WHERE id = 5')).get('writes')).toEqual(['public.t']);
    await client.query("SET pgfresh.consistency = 'off'");
    const off = await explain(client, 'SELECT v FROM t');
    expect(off.get('cacheable')).toEqual(['yes']);
    expect(off.get('hits here and now')![0]).toMatch(/^cache\.off/);
    await client.query('RESET pgfresh.consistency');
    await waitFor('the transaction to show', async () => {
      await client.query('BEGIN');
      await client.query('INSERT INTO t VALUES (99, 1)');
      const found = await explain(client, 'SELECT v FROM t');
      await client.query('ROLLBACK');
      // In the block the settings cannot be asked for, should a role made by another test have made them unknown.
      return found.get('hits here and now')?.[0]?.startsWith('session.inTransaction') === true;
    });
    expect((await explain(client, 'SELECT nonsense FROM')).get('reason')![0]).toMatch(/^statement\.unparseable/);
  });

  it('takes parameters, and finds the entry of exactly these values', async () => {
    const client = await proxy.session();
    const text = 'SELECT v FROM t WHERE id = $1';
    await waitFor('the entry of a parameter', async () => {
      await client.query(text, [2]);
      return (await explain(client, text, [2])).get('entry, extended protocol')![0]!.endsWith('fresh enough');
    });
    const other = await explain(client, text, [3]);
    expect(other.get('depends on')).toEqual(['public.t: id = $1']);
    expect(other.get('entry, extended protocol')![0]).toMatch(/^none/);
  });

  it('is understood by drivers that describe first, and by those that use a name twice', async () => {
    const sql = postgres(proxy.url, { max: 1 });
    const rows = await sql`EXPLAIN (PGFRESH) SELECT v FROM t WHERE id = ${1}`;
    expect(properties(rows.map((row) => [row['property'], row['value']])).get('cacheable')).toEqual(['yes']);
    expect((await sql`SELECT v FROM t WHERE id = ${1}`)[0]).toEqual({ v: 258 });
    await sql.end();
    const client = await proxy.session();
    for (let i = 0; i < 3; i++) {
      const { rows: named } = await client.query({ name: 'e', text: 'EXPLAIN (PGFRESH) SELECT v FROM t' });
      expect(named[1]).toEqual({ property: 'cacheable', value: 'yes' });
    }
  });

  it('keeps the order of a pipeline, and of what comes behind it', async () => {
    const client = await connectRaw(proxy.url);
    client.send(
      serialize.query('SELECT pg_sleep(0.05)'),
      serialize.query('EXPLAIN (PGFRESH) SELECT v FROM t WHERE id = 1'),
      serialize.query('SHOW pgfresh.status'),
      serialize.query('SELECT 7'),
    );
    const answered = codes(await client.until('Z', 4)).replace(/D+/g, 'D');
    expect(answered).toBe('TDCZTDCZTDCZTDCZ');
    client.close();
  });

  it('says how the session stands', async () => {
    const client = await proxy.session();
    const found = properties(await ask(client, 'SHOW pgfresh.status'));
    expect(found.get('cache')).toEqual(['live']);
    expect(found.get('consistency')).toEqual(['strong']);
    await client.query('CREATE TEMP TABLE mine (id int)');
    await waitFor('the temporary table to show', async () => {
      const now = properties(await ask(client, 'SHOW pgfresh.status'));
      return now.get('hits here and now')![0]!.startsWith('session.temporarySchema');
    });
  });
});

describe('GET /explain', () => {
  it('lists the entries of all contexts, and the hits of the shape', async () => {
    const text = 'SELECT v, id FROM t WHERE id = 2';
    const [one, other] = [await proxy.session(), await proxy.session()];
    await other.query("SET DateStyle = 'German'");
    await waitFor('two entries', async () => {
      for (const client of [one, other, one, other]) await client.query(text);
      const { entries, hits } = await explainHttp(text);
      return entries.length === 2 && (hits ?? 0) > 0;
    });
    expect(await explainHttp(text)).toMatchObject({
      cacheable: true,
      reason: null,
      relations: ['public.t'],
      constraints: ['public.t: id = constant 1'],
      remedy: null,
      entries: [
        { protocol: 'simple', bytes: expect.any(Number), ageS: expect.any(Number) },
        { protocol: 'simple', bytes: expect.any(Number), ageS: expect.any(Number) },
      ],
    });
    expect((await explainHttp(text)).keySettings.map(({ name }) => name)).toContain('search_path');
  });
});

describe('reasons', () => {
  it('have an example without a value in it, a meaning and a remedy, in the status and in the metrics', async () => {
    const client = await proxy.session();
    const volatile = "SELECT v, random() AS r, 'secret-one' AS s FROM t WHERE id = 4711 AND v <> 815 /* secret-two */";
    const locking = "SELECT v FROM t WHERE v::text = $1 AND E'secret-\\x33' <> $$secret-four$$ FOR UPDATE";
    await waitFor('both reasons', async () => {
      await client.query(volatile);
      await client.query(locking, ['secret-five']);
      const { reasons } = await proxy.pgfresh.status();
      return ['uncacheable.volatileFunction', 'uncacheable.lockingClause'].every((code) => reasons[code]! > 0);
    });
    const status = (await proxy.pgfresh.status()) as unknown as DetailedStatus;
    expect(Object.keys(status.reasonDetails).sort()).toEqual(Object.keys(status.reasons).sort());
    expect(status.reasonDetails['uncacheable.volatileFunction']).toMatchObject({
      example: 'SELECT v, random() AS r, ? AS s FROM t WHERE id = ? AND v <> ?',
      remedy: expect.stringContaining('parameter'),
    });
    expect(status.reasonDetails['uncacheable.lockingClause']!.example).toBe(
      'SELECT v FROM t WHERE v::text = $1 AND ? <> ? FOR UPDATE',
    );
    const metrics = await proxy.pgfresh.metrics();
    expect(metrics).toMatch(
      /^pgfresh_reason_example_info\{reason="uncacheable\.volatileFunction",shape="SELECT v, random/m,
    );
    expect(JSON.stringify(status.reasonDetails) + metrics).not.toMatch(/secret/);
    expect(JSON.stringify(status.reasonDetails)).not.toMatch(/4711|815/);
  });
});
