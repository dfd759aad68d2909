// Messages of a right length whose body is not what the manual says, in every state of a session: pgfresh understands none of them better than
// PostgreSQL does, so the client gets PostgreSQL's own answer, byte for byte, and what comes behind is answered as there.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { difference } from '../model/protocol/compare.ts';
import { frame } from '../model/protocol/message.ts';
import { ask, useProxy } from '../support/fixture.ts';
import { connectRaw, type Frame, type RawClient, serialize, sqlState, statement } from '../support/raw-client.ts';

const hit = 'SELECT v FROM t WHERE id = 1';
const int16 = (value: number) => Buffer.from([value >> 8, value & 255]);
const int32 = (value: number) => Buffer.from([value >> 24, value >> 16, value >> 8, value]);
const cstring = (text: string) => Buffer.from(`${text}\0`);

/** Each leaves a session in a state of its own; the letter is what is waited for. */
const states: Readonly<Record<string, readonly (readonly [Buffer, string | null])[]>> = {
  idle: [],
  'in a block of hits': [
    [serialize.query('BEGIN'), 'Z'],
    [serialize.query(hit), 'Z'],
  ],
  'in a block that has written': [
    [serialize.query('BEGIN'), 'Z'],
    [serialize.query('INSERT INTO log VALUES (1)'), 'Z'],
  ],
  'in a failed block': [
    [serialize.query('BEGIN'), 'Z'],
    [serialize.query('nonsense'), 'Z'],
  ],
  'behind a prepared statement and a portal': [
    [Buffer.concat([serialize.query('BEGIN'), statement(hit, [], 'named'), serialize.sync()]), 'Z'],
  ],
  'inside a pipeline': [[Buffer.concat([statement(hit), serialize.flush()]), 'C']],
  'with a suspended portal': [
    [
      Buffer.concat([
        serialize.parse({ text: 'SELECT generate_series(1, 5)', types: [] }),
        serialize.bind({}),
        serialize.execute({ portal: '', rows: 2 }),
        serialize.flush(),
      ]),
      's',
    ],
  ],
  'after an error, before Sync': [
    [Buffer.concat([serialize.parse({ text: 'SELEC', types: [] }), serialize.flush()]), 'E'],
  ],
  'while an answer is owed': [[serialize.query('SELECT pg_sleep(0.02)'), null]],
  'inside COPY': [[serialize.query('COPY log FROM STDIN'), 'G']],
};

/** Behind COPY's own messages a Sync is ignored; behind everything else it ends what was wrong. */
const malformed: Readonly<Record<string, Buffer>> = {
  'Query without NUL': frame('Q', [Buffer.from(hit)]),
  'Query with two texts': frame('Q', [cstring(hit), cstring(hit)]),
  'Query without anything': frame('Q', []),
  'Parse without NUL': frame('P', [Buffer.from('name')]),
  'Parse without types': frame('P', [cstring('a'), cstring(hit)]),
  'Parse with too few types': frame('P', [cstring(''), cstring(hit), int16(3), int32(23)]),
  'Parse with something behind': frame('P', [cstring(''), cstring(hit), int16(0), int32(23)]),
  'Bind without anything': frame('B', []),
  'Bind without counts': frame('B', [cstring(''), cstring('')]),
  'Bind with more parameters than bytes': frame('B', [cstring(''), cstring('named'), int16(0), int16(4), int32(1)]),
  'Bind with an unknown format': frame('B', [cstring(''), cstring('named'), int16(1), int16(7), int16(0), int16(0)]),
  'Bind with a negative length': frame('B', [cstring(''), cstring('named'), int16(0), int16(1), int32(-5), int16(0)]),
  'Bind with something behind': frame('B', [cstring(''), cstring('named'), int16(0), int16(0), int16(0), int32(0)]),
  'Describe of nothing': frame('D', []),
  'Describe of neither': frame('D', [Buffer.from('X'), cstring('')]),
  'Describe without NUL': frame('D', [Buffer.from('Snamed')]),
  'Execute without a count': frame('E', [cstring('')]),
  'Execute with something behind': frame('E', [cstring(''), int32(0), int32(0)]),
  'Execute of a negative count': frame('E', [cstring(''), int32(-1)]),
  'Close of neither': frame('C', [Buffer.from('Z'), cstring('')]),
  'Close without NUL': frame('C', [Buffer.from('Pportal')]),
  'a function call cut off': frame('F', [int32(1598), int16(0)]),
  'CopyData out of place': frame('d', [Buffer.from('1\n')]),
  'CopyDone with a body': frame('c', [int32(1)]),
  'CopyFail without NUL': frame('f', [Buffer.from('why')]),
};

/** PostgreSQL refuses these, too, but goes on. */
const refused: Readonly<Record<string, Buffer>> = {
  'Flush with a body': frame('H', [int32(1)]),
  'Sync with a body': frame('S', [int32(1)]),
};

const asBytes = (frames: readonly Frame[]): Buffer =>
  Buffer.concat(frames.map(({ code, body }) => frame(code, [body])));

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const proxy = useProxy(
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0); CREATE TABLE log (n int)',
    {
      origin,
    },
  );
  let bystander: RawClient;
  beforeAll(async () => {
    const session = await proxy.session();
    await proxy.warm(() => ask(session, hit));
    bystander = await connectRaw(proxy.url);
  });
  afterAll(() => bystander.close());

  async function said(url: string, state: string, bytes: Buffer): Promise<Frame[]> {
    const client = await connectRaw(url);
    for (const [message, until] of states[state]!) {
      client.send(message);
      if (until !== null) await client.until(until);
    }
    client.send(bytes, serialize.sync(), serialize.query(hit), serialize.query('ROLLBACK'));
    client.socket.end();
    return client.rest();
  }

  it.each(Object.keys(states))('%s: what PostgreSQL says, and nobody else notices', async (state) => {
    const differences: string[] = [];
    for (const [what, bytes] of Object.entries(malformed)) {
      const direct = await said(proxy.originUrl, state, bytes);
      const proxied = await said(proxy.url, state, bytes);
      const different = difference(asBytes(direct), asBytes(proxied), 16_384);
      if (different !== null) differences.push(`${what}: ${different}`);
    }
    expect(differences).toEqual([]);
    for (const [what, bytes] of Object.entries(refused)) {
      const last = (await said(proxy.url, state, bytes)).at(-1);
      expect(sqlState(last), what).toBe('08P01');
    }
    const malformedParse = await said(proxy.url, 'idle', malformed['Parse without types']!);
    expect(malformedParse.map(sqlState)).toContain('08P01');
    bystander.send(serialize.query(hit));
    expect((await bystander.until('Z')).map(({ code }) => code).join('')).toBe('TDCZ');
  });
});
