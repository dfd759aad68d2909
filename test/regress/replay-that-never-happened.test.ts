// A find of `system/protocol-differential` (seed 103318355): a statement that is made at the origin in front of the client's message (its Parse was answered
// here, or DDL has made it old) is there only if that succeeds. An error in front of it, or a failed block, keeps it from being made; what comes behind in
// the same pipeline, and every later use, is answered as by a server that has had the statement all along.
import { afterAll, describe, expect, it } from 'vitest';
import { type Fixture, useProxy } from '../support/fixture.ts';
import { run } from '../support/postgres.ts';
import { connectRaw, type Frame, type RawClient, serialize, sqlState } from '../support/raw-client.ts';

const setup = `CREATE TABLE t (id int PRIMARY KEY, v int);
  INSERT INTO t SELECT g, g FROM generate_series(1, 500) AS g`;

const sync = serialize.sync();
const query = (text: string) => serialize.query(text);
const use = (value: string) =>
  Buffer.concat([serialize.bind({ statement: 's', values: [value] }), serialize.execute({})]);
const described = serialize.describe({ type: 'S', name: 's' });
/** Fails without a word about settings, in which a statement could leave a doubt. */
const wrong = serialize.parse({ name: '', text: 'SELEC', types: [] });
const ends = Buffer.concat([wrong, sync]);

/** Each is sent when the one before it is answered: up to so many messages of this letter. */
type Sends = readonly (readonly [bytes: readonly Buffer[], code: string, count: number])[];

/** `fresh`: its use with a value that nothing here has an answer for. */
interface Case {
  readonly what: string;
  readonly sends: (fresh: () => Buffer) => Sends;
}

const cases: readonly Case[] = [
  {
    what: 'used in a failed block, and behind its end',
    sends: (fresh) => [[[query('BEGIN'), ends, fresh(), sync, query('ROLLBACK'), fresh(), sync], 'Z', 5]],
  },
  {
    what: 'used in a failed block, and described behind its end',
    sends: (fresh) => [[[query('BEGIN'), ends, fresh(), sync, query('ROLLBACK'), described, fresh(), sync], 'Z', 5]],
  },
  {
    what: 'used in a failed block, and given up behind its end',
    sends: (fresh) => [
      [[query('BEGIN'), ends, fresh(), sync, query('ROLLBACK'), query('DEALLOCATE s'), fresh(), sync], 'Z', 6],
    ],
  },
  {
    what: 'behind an error that the client has not synchronised',
    sends: (fresh) => [
      [[wrong, serialize.flush()], 'E', 1],
      [[fresh(), sync], 'Z', 1],
      [[fresh(), sync], 'Z', 1],
      [[described, sync, fresh(), sync], 'Z', 2],
    ],
  },
  {
    what: 'behind an error, in one pipeline',
    sends: (fresh) => [[[ends, fresh(), sync, fresh(), sync, described, sync], 'Z', 4]],
  },
];

const told = (frames: readonly Frame[]): string[] =>
  frames.map((frame) => (frame.code === 'E' ? `E ${sqlState(frame)}` : `${frame.code} ${frame.body.toString('hex')}`));

async function prepare(url: string): Promise<RawClient> {
  const client = await connectRaw(url);
  client.send(serialize.parse({ name: 's', text: 'SELECT v FROM t WHERE id = $1', types: [] }), use('1'), sync);
  await client.until('Z');
  return client;
}

async function answers(client: RawClient, sends: Sends): Promise<string[]> {
  const all: Frame[] = [];
  for (const [bytes, code, count] of sends) {
    client.send(...bytes);
    all.push(...(await client.until(code, count)));
  }
  return told(all);
}

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const proxy = useProxy(setup, { origin });
  let key = 10;
  const fresh = () => use(String(key++));
  const clients: RawClient[] = [];
  afterAll(() => {
    for (const client of clients) client.close();
  });

  it.each(cases)('whose Parse was answered here: $what', async (each) => {
    await proxy.warm(async () => (await prepare(proxy.url)).close());
    const [direct, through] = [await prepare(proxy.originUrl), await prepare(proxy.url)];
    clients.push(direct, through);
    const sends = each.sends(fresh);
    expect(await answers(through, sends)).toEqual(await answers(direct, sends));
  });

  it.each(cases)('made old by DDL: $what', async (each) => {
    const [direct, through] = [await prepare(proxy.originUrl), await prepare(proxy.url)];
    clients.push(direct, through);
    await makeOld(proxy, through, fresh());
    const sends = each.sends(fresh);
    expect(await answers(through, sends)).toEqual(await answers(direct, sends));
  });
});

let tables = 0;

/** Afterwards the origin has it, and its next use there is to make it anew: a hit has found that it means what it meant before the DDL. */
async function makeOld(proxy: Fixture, client: RawClient, fresh: Buffer): Promise<void> {
  const send = async (each: RawClient, message: Buffer) => {
    each.send(message, sync);
    await each.until('Z');
  };
  const fill = async () => {
    const other = await prepare(proxy.url);
    await send(other, use('8'));
    other.close();
  };
  await proxy.warm(fill);
  await proxy.warm(() => send(client, use('8')));
  await send(client, fresh);
  const unrelated = `unrelated_${tables++}`;
  await run(proxy.originUrl, `CREATE TABLE ${unrelated} (id int PRIMARY KEY)`);
  const session = await proxy.session();
  await proxy.warm(() => session.query(`SELECT FROM ${unrelated} WHERE id = 1`), 'the new catalog');
  // The first asks for the session's context, the second for the verdict: who knows it at once makes it anew at once.
  for (let i = 0; i < 2; i++) await send(client, use('8'));
  await proxy.warm(fill);
  await proxy.warm(() => send(client, use('8')));
}
