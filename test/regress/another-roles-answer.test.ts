// Lesson 1: a key without the role: a user reads rows that it may not (pgpool, CVE-2024-45624).
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { askAs, askOnceAs, forms } from '../support/forms.ts';
import { run } from '../support/postgres.ts';

const proxy = useProxy(
  `
  CREATE TABLE open_t (id int PRIMARY KEY, v text); INSERT INTO open_t VALUES (1, 'open');
  CREATE TABLE secret (id int PRIMARY KEY, v text); INSERT INTO secret VALUES (1, 'secret');
  CREATE TABLE guarded (id int PRIMARY KEY, owner text, v text);
  INSERT INTO guarded SELECT i, CASE i % 2 WHEN 0 THEN 'x' ELSE 'y' END, 'row ' || i FROM generate_series(1, 10) AS i;`,
  { origin: 'pg18roles' },
);

const suffix = Math.floor(performance.timeOrigin % 1e9);
const [allowed, refused] = [`allowed_${suffix}`, `refused_${suffix}`];
const sql = 'SELECT v FROM secret WHERE id = 1';
const denied = { code: '42501' };

beforeAll(async () => {
  await run(
    proxy.originUrl,
    `CREATE ROLE ${allowed} LOGIN PASSWORD 'pw'; CREATE ROLE ${refused} LOGIN PASSWORD 'pw';
     GRANT SELECT ON open_t, guarded TO ${allowed}, ${refused}; GRANT SELECT ON secret TO ${allowed};`,
  );
});
afterAll(async () => {
  for (const role of [allowed, refused]) await run(proxy.originUrl, `DROP OWNED BY ${role}`).catch(() => undefined);
  await run(inject('pg18roles'), `DROP ROLE IF EXISTS ${allowed}, ${refused}`).catch(() => undefined);
});

const as = (role: string) => proxy.as(role, 'pw');

describe.each(forms)('a cached answer is not for those who may not read it, %s', (form) => {
  it('another user', async () => {
    await proxy.warm(() => askOnceAs(as(allowed), form, sql));
    for (let i = 0; i < 10; i++) await expect(askOnceAs(as(refused), form, sql)).rejects.toMatchObject(denied);
    expect(await askOnceAs(as(allowed), form, sql)).toEqual([['secret']]);
  });

  it('the same session after SET ROLE, and after RESET ROLE again', async () => {
    const client = await proxy.session();
    await proxy.warm(() => askAs(client, form, sql));
    await client.query(`SET ROLE ${refused}`);
    for (let i = 0; i < 5; i++) await expect(askAs(client, form, sql)).rejects.toMatchObject(denied);
    await client.query('RESET ROLE');
    expect(await askAs(client, form, sql)).toEqual([['secret']]);
    await client.query(`SET SESSION AUTHORIZATION ${refused}`);
    await expect(askAs(client, form, sql)).rejects.toMatchObject(denied);
  });

  it('set_config of the role, also inside a transaction that is rolled back', async () => {
    const client = await proxy.session();
    await proxy.warm(() => askAs(client, form, sql));
    await client.query(`SELECT set_config('role', '${refused}', false)`);
    await expect(askAs(client, form, sql)).rejects.toMatchObject(denied);
    await client.query('RESET ROLE');
    await client.query(`BEGIN; SET LOCAL ROLE ${refused}`);
    await expect(askAs(client, form, sql)).rejects.toMatchObject(denied);
    await client.query('ROLLBACK');
    expect(await askAs(client, form, sql)).toEqual([['secret']]);
  });
});

describe.each(forms)('privileges that change while the answer is cached, %s', (form) => {
  it('REVOKE takes it away, GRANT gives it', async () => {
    await proxy.warm(() => askOnceAs(as(allowed), form, sql));
    await run(proxy.originUrl, `REVOKE SELECT ON secret FROM ${allowed}; GRANT SELECT ON secret TO ${refused}`);
    // Direct DDL is promised within max_staleness, not at once.
    await expect
      .poll(() => askOnceAs(as(allowed), form, sql).then(String, (error) => error.code), { timeout: 10_000 })
      .toBe('42501');
    for (let i = 0; i < 5; i++) await expect(askOnceAs(as(allowed), form, sql)).rejects.toMatchObject(denied);
    expect(await askOnceAs(as(refused), form, sql)).toEqual([['secret']]);
    await run(proxy.originUrl, `REVOKE SELECT ON secret FROM ${refused}; GRANT SELECT ON secret TO ${allowed}`);
  });

  it('REVOKE through pgfresh takes it away at once', async () => {
    await proxy.warm(() => askOnceAs(as(allowed), form, sql));
    await run(proxy.url, `REVOKE SELECT ON secret FROM ${allowed}`);
    await expect(askOnceAs(as(allowed), form, sql)).rejects.toMatchObject(denied);
    await run(proxy.url, `GRANT SELECT ON secret TO ${allowed}`);
    expect(await askOnceAs(as(allowed), form, sql)).toEqual([['secret']]);
  });

  it('row level security that is switched on while rows are cached', async () => {
    const rows = 'SELECT id FROM guarded ORDER BY id';
    await proxy.warm(() => askOnceAs(as(refused), form, rows));
    await run(
      proxy.url,
      "ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON guarded USING (owner = current_setting('app.owner', true))",
    );
    expect(await askOnceAs(as(refused), form, rows)).toEqual([]);
    const client = await proxy.session(as(refused));
    await client.query("SET app.owner = 'x'");
    expect(await askAs(client, form, rows)).toHaveLength(5);
    await client.query("SET app.owner = 'nobody'");
    expect(await askAs(client, form, rows)).toHaveLength(0);
    await run(proxy.url, 'DROP POLICY p ON guarded; ALTER TABLE guarded DISABLE ROW LEVEL SECURITY');
  });
});
