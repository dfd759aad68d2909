// Lesson 2: a key without search_path: applications with a schema per tenant read another tenant's table.

import type pg from 'pg';
import { beforeEach, describe, expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { askAs, type Form, forms, messagesAs } from '../support/forms.ts';
import { run } from '../support/postgres.ts';
import { connectRaw, rows, serialize, statement } from '../support/raw-client.ts';

const proxy = useProxy(
  ['a', 'b', 'public']
    .map(
      (s) =>
        `CREATE SCHEMA IF NOT EXISTS ${s}; CREATE TABLE ${s}.t (id int PRIMARY KEY, v text); INSERT INTO ${s}.t VALUES (1, '${s}');`,
    )
    .join('\n'),
  { origin: 'pg18roles' },
);
const sql = 'SELECT v FROM t WHERE id = 1';
let client: pg.Client;
let form: Form;
const tenant = async () => (await askAs(client, form, sql))[0]![0];

/** Each schema's answer is in the cache, so that whatever key is wrong finds somebody's answer. */
const warmAll = async () => {
  for (const schema of ['a', 'b', 'public']) {
    const warming = await proxy.session();
    await warming.query(`SET search_path = ${schema}`);
    await proxy.warm(() => askAs(warming, form, sql), `a hit in ${schema}`);
    await warming.end();
  }
  client = await proxy.session();
};

describe.each(forms)('%s', (each) => {
  beforeEach(async () => {
    form = each;
    await warmAll();
  });

  it('SET, SET LOCAL, RESET and the end of a transaction', async () => {
    expect(await tenant()).toBe('public');
    await client.query('SET search_path = a');
    expect(await tenant()).toBe('a');
    await client.query('BEGIN');
    await client.query('SET LOCAL search_path = b');
    expect(await tenant()).toBe('b');
    await client.query('COMMIT');
    expect(await tenant()).toBe('a');
    await client.query('BEGIN');
    await client.query('SET search_path = b');
    expect(await tenant()).toBe('b');
    await client.query('ROLLBACK');
    expect(await tenant()).toBe('a');
    await client.query('RESET search_path');
    expect(await tenant()).toBe('public');
  });

  it('set_config, several statements in one string, SAVEPOINT, DISCARD ALL', async () => {
    await client.query("SELECT set_config('search_path', 'a', false)");
    expect(await tenant()).toBe('a');
    await client.query('SELECT 1; SET search_path = b; SELECT 2');
    expect(await tenant()).toBe('b');
    await client.query('BEGIN; SAVEPOINT s; SET search_path = a; ROLLBACK TO s; COMMIT');
    expect(await tenant()).toBe('b');
    await client.query('DISCARD ALL');
    // The driver does not know that its statement is gone.
    if (form === 'prepared') form = 'unnamed';
    expect(await tenant()).toBe('public');
  });

  it('SET in one pipeline with the read', async () => {
    const raw = await connectRaw(proxy.url);
    raw.send(
      ...['SET search_path = a', sql, 'SET search_path = b', sql].map((text) => messagesAs(form, text)),
      ...[statement('RESET search_path'), statement(sql), serialize.sync()],
    );
    expect(rows(await raw.until('Z', 5))).toEqual([['a'], ['b'], ['public']]);
    raw.close();
  });

  it('a setting changed inside a function', async () => {
    await run(
      proxy.originUrl,
      "CREATE OR REPLACE FUNCTION public.become(s text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('search_path', s, false); RETURN s; END $$",
    );
    await client.query("SELECT public.become('b')");
    expect(await tenant()).toBe('b');
    await client.query("DO $$ BEGIN PERFORM set_config('search_path', 'a', false); END $$");
    expect(await tenant()).toBe('a');
  });

  it('options in the startup packet', async () => {
    const url = new URL(proxy.url);
    url.searchParams.set('options', '-c search_path=b');
    client = await proxy.session(url.href);
    expect(await tenant()).toBe('b');
  });

  it('ALTER ROLE … SET search_path, for sessions that begin after it', async () => {
    const role = `tenant_${proxy.database}`;
    await run(
      proxy.originUrl,
      `CREATE ROLE ${role} LOGIN PASSWORD 'pw'; GRANT USAGE ON SCHEMA a, b TO ${role}; GRANT SELECT ON a.t, b.t, public.t TO ${role}`,
    );
    client = await proxy.session(proxy.as(role, 'pw'));
    expect(await tenant()).toBe('public');
    await run(proxy.originUrl, `ALTER ROLE ${role} SET search_path = a`);
    const later = await proxy.session(proxy.as(role, 'pw'));
    expect((await askAs(later, form, sql))[0]![0]).toBe('a');
    expect(await tenant()).toBe('public');
    await Promise.all([later.end(), client.end()]);
    await run(proxy.originUrl, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });

  it('a statement prepared under another search_path is planned anew, as on the server', async () => {
    await client.query('SET search_path = a');
    const prepared = () => client.query({ name: 'p', text: 'SELECT v FROM t WHERE id = $1', values: [1] });
    for (let i = 0; i < 4; i++) expect((await prepared()).rows).toEqual([{ v: 'a' }]);
    await client.query('SET search_path = b');
    for (let i = 0; i < 4; i++) expect((await prepared()).rows).toEqual([{ v: 'b' }]);
  });
});
