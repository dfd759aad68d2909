/**
 * More than 300 queries over a small shop, cold, warm and after writes: the bytes that come through pgfresh are those of PostgreSQL, and nearly all of them
 * come from the cache. In the simple and in the extended protocol, with statements unnamed and prepared.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { run } from '../support/postgres.ts';
import { connectRaw, type Frame, type RawClient, serialize, statement } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';
import { queries, rounds, shopSchema } from './differential/queries.ts';

const proxy = useProxy(shopSchema);
let direct: RawClient;
let proxied: RawClient;

beforeAll(async () => {
  [direct, proxied] = await Promise.all([connectRaw(proxy.originUrl), connectRaw(proxy.url)]);
});
afterAll(() => {
  for (const client of [direct, proxied]) client?.close();
});

type Form = (sql: string, i: number) => Buffer;
const forms: Readonly<Record<string, Form>> = {
  simple: (sql) => serialize.query(sql),
  unnamed: (sql) => Buffer.concat([statement(sql), serialize.sync()]),
  prepared: (_, i) => Buffer.concat([executed(i), serialize.sync()]),
};

function executed(i: number): Buffer {
  return Buffer.concat([
    serialize.bind({ statement: `q${i}`, values: [] }),
    serialize.describe({ type: 'P', name: '' }),
    serialize.execute({ portal: '', rows: 0 }),
  ]);
}

/** One after the other, or all at once. */
async function answers(client: RawClient, form: Form, pipelined = false): Promise<string[]> {
  const all: string[] = [];
  if (pipelined) client.send(...queries.map(form));
  for (const [i, sql] of queries.entries()) {
    if (!pipelined) client.send(form(sql, i));
    all.push(shown(await client.until('Z')));
  }
  return all;
}

const shown = (frames: readonly Frame[]): string =>
  frames.map(({ code, body }) => `${code} ${body.toString('latin1')}`).join('\n');

/** Answers through pgfresh that are not as expected, and how many came from the cache. */
async function pass(form: Form, expected: readonly string[]): Promise<{ differences: object[]; hits: number }> {
  const before = await proxy.hits();
  const got = await answers(proxied, form);
  const differences = queries.flatMap((sql, i) =>
    expected[i] === got[i] ? [] : [{ sql, expected: expected[i], got: got[i] }],
  );
  return { differences, hits: (await proxy.hits()) - before };
}

it('are at least 300, and none fails', async () => {
  expect(queries.length).toBeGreaterThanOrEqual(300);
  const given = await answers(direct, forms['simple']!, true);
  expect(given.filter((answer) => /^E /m.test(answer))).toEqual([]);
  for (const [i, text] of queries.entries()) {
    for (const client of [direct, proxied])
      client.send(serialize.parse({ text, name: `q${i}`, types: [] }), serialize.sync());
    await Promise.all([direct.until('Z'), proxied.until('Z')]);
  }
});

it.each(Object.keys(forms))('%s: cold, warm and after writes', async (name) => {
  const form = forms[name]!;
  for (const round of [[], ...rounds]) {
    for (const write of round) await run(proxy.url, write);
    const expected = await answers(direct, form, true);
    let hits = 0;
    await waitFor(
      'nine of ten to be hits',
      async () => {
        const { differences, ...seen } = await pass(form, expected);
        expect(differences).toEqual([]);
        hits = seen.hits;
        return hits >= 0.9 * queries.length;
      },
      20_000,
      () => `${hits} of ${queries.length}`,
    );
  }
});
