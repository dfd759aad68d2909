// Lessons 3 and 7: a key without the settings that print values; int8 and numeric through a JavaScript number.
import { beforeAll, describe, expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { askAs, type Form, forms, messagesAs } from '../support/forms.ts';
import { connectRaw, rows, serialize } from '../support/raw-client.ts';

const proxy = useProxy(`
  CREATE TABLE t (id int PRIMARY KEY, at timestamptz, span interval, raw bytea, f float8, money money, n numeric, big int8, x xml);
  INSERT INTO t VALUES (1, '2024-07-01 12:00+00', '1 year 2 days 3 hours', '\\xdeadbeef', 0.1::float8 + 0.2, 12.5, 1.00, 9007199254740993, '<a/>');
  CREATE TABLE flakes (id int8 PRIMARY KEY, v text);
  INSERT INTO flakes VALUES (9007199254740992, 'even'), (9007199254740993, 'odd');`);

const columns = 'at::timestamptz, span, raw, f, money, n, big';
const sql = `SELECT ${columns} FROM t WHERE id = 1`;

const settings = [
  ['TimeZone', 'Asia/Tokyo'],
  ['TimeZone', 'America/New_York'],
  ['DateStyle', 'German'],
  ['DateStyle', 'SQL, DMY'],
  ['IntervalStyle', 'iso_8601'],
  ['IntervalStyle', 'sql_standard'],
  ['bytea_output', 'escape'],
  ['extra_float_digits', '-10'],
  ['client_encoding', 'LATIN1'],
] as const;

beforeAll(async () => {
  const client = await proxy.session();
  for (const form of forms) await proxy.warm(() => askAs(client, form, sql));
});

/** What one setting makes of the row, as the bytes say. */
async function printed(url: string, form: Form, name: string, value: string): Promise<(string | null)[][]> {
  const client = await connectRaw(url);
  client.send(serialize.query(`SET ${name} = '${value}'`));
  await client.until('Z');
  const seen: (string | null)[][] = [];
  for (let i = 0; i < 6; i++) {
    client.send(messagesAs(form, sql));
    seen.push(...rows(await client.until('Z')));
  }
  client.send(serialize.query(`RESET ${name}`), messagesAs(form, sql));
  seen.push(...rows(await client.until('Z', 2)));
  client.close();
  return seen;
}

describe.each(forms)('%s', (form) => {
  it.each(settings)('%s = %s prints values as the server does', async (name, value) => {
    expect(await printed(proxy.url, form, name, value)).toEqual(await printed(proxy.originUrl, form, name, value));
  });

  it('TimeZone from the startup packet, as JDBC sends it', async () => {
    const withZone = (base: string) => {
      const url = new URL(base);
      url.searchParams.set('options', '-c TimeZone=Pacific/Auckland');
      return url.href;
    };
    const [through, direct] = [
      await proxy.session(withZone(proxy.url)),
      await proxy.session(withZone(proxy.originUrl)),
    ];
    const text = 'SELECT at::text FROM t WHERE id = 1';
    for (let i = 0; i < 5; i++) expect(await askAs(through, form, text)).toEqual(await askAs(direct, form, text));
  });

  it('two keys that are one JavaScript number stay two', async () => {
    const client = await proxy.session();
    const read = (id: string) => askAs(client, form, `SELECT v FROM flakes WHERE id = ${id}`);
    await proxy.warm(() => read('9007199254740992'));
    await proxy.warm(() => read('9007199254740993'));
    for (let i = 0; i < 4; i++) {
      expect(await read('9007199254740992')).toEqual([['even']]);
      expect(await read('9007199254740993')).toEqual([['odd']]);
    }
    await client.query("UPDATE flakes SET v = 'changed' WHERE id = 9007199254740993");
    expect(await read('9007199254740993')).toEqual([['changed']]);
    expect(await read('9007199254740992')).toEqual([['even']]);
    await client.query("UPDATE flakes SET v = 'odd' WHERE id = 9007199254740993");
  });
});
