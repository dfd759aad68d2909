// ADR-007: SET TRANSACTION, and BEGIN with modes inside of a block, must come before any query. A read that pgfresh answered is one, though the origin
// never saw it: it would have raised the level in mid-transaction. Found by the protocol differential after some 300,000 sequences.
import { afterAll, describe, expect, it } from 'vitest';
import { askOnce, useProxy } from '../support/fixture.ts';
import { codes, connectRaw, type RawClient, serialize, statement } from '../support/raw-client.ts';

const hit = 'SELECT v FROM t WHERE id = 1';

const scripts = [
  ['BEGIN', hit, 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'ROLLBACK'],
  ['BEGIN', hit, 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'SHOW transaction_isolation', 'ROLLBACK'],
  ['BEGIN', hit, "SET LOCAL transaction_isolation = 'repeatable read'", 'ROLLBACK'],
  [
    'BEGIN',
    hit,
    'SAVEPOINT a',
    'nonsense',
    'ROLLBACK TO a',
    'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE',
    'ROLLBACK',
  ],
  ['BEGIN READ ONLY', hit, 'SET TRANSACTION READ WRITE', 'ROLLBACK'],
  ['BEGIN', hit, '/* now */ SET TRANSACTION DEFERRABLE', 'ROLLBACK'],
  // These are right.
  ['BEGIN', 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'SHOW transaction_isolation', 'COMMIT'],
  ['BEGIN', hit, 'SET TRANSACTION READ ONLY', hit, 'SET LOCAL work_mem = 1024', 'COMMIT'],
  ['BEGIN', hit, 'COMMIT AND CHAIN', 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'COMMIT'],
  ['BEGIN', hit, 'ROLLBACK AND CHAIN', 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'COMMIT'],
  ['BEGIN', hit, 'COMMIT', 'BEGIN', 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'COMMIT'],
];

type Form = (sql: string, index: number) => Buffer[];
const forms: Readonly<Record<string, Form>> = {
  simple: (sql) => [serialize.query(sql)],
  unnamed: (sql) => [statement(sql, []), serialize.sync()],
  prepared: (sql, index) => [statement(sql, [], `p${index}`), serialize.sync()],
};

async function outcomes(client: RawClient, form: Form): Promise<string[]> {
  const seen: string[] = [];
  for (const [index, sql] of scripts.flat().entries()) {
    client.send(...form(sql, index));
    const frames = await client.until('Z');
    const error = frames.find(({ code }) => code === 'E')?.body.toString('latin1');
    seen.push(`${sql}: ${codes(frames)} ${/\0C([0-9A-Z]{5})\0/.exec(error ?? '')?.[1] ?? ''} ${frames.at(-1)!.body}`);
  }
  return seen;
}

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)', { origin });
  const clients: RawClient[] = [];
  afterAll(() => {
    for (const client of clients) client.close();
  });
  const connect = async (url: string) => {
    const client = await connectRaw(url);
    clients.push(client);
    return client;
  };

  it.each(Object.entries(forms))('%s: a read that was answered here is a query', async (_name, form) => {
    const expected = await outcomes(await connect(proxy.originUrl), form);
    expect(expected.filter((line) => line.includes('25001'))).toHaveLength(6);
    await proxy.warm(() => askOnce(proxy.url, hit));
    const run = async () => expect(await outcomes(await connect(proxy.url), form)).toEqual(expected);
    for (let i = 0; i < 3; i++) await proxy.warm(run);
  });

  it('analysing one is enough', async () => {
    const describeIt = (name: string) => [
      serialize.parse({ name, text: hit, types: [] }),
      serialize.describe({ type: 'S', name }),
      serialize.sync(),
    ];
    const tries = async (url: string) => {
      const client = await connect(url);
      const seen: string[] = [];
      // Described by the origin at first, then here.
      for (const messages of [describeIt('a'), [serialize.query('BEGIN')], describeIt('b')]) {
        client.send(...messages);
        seen.push(codes(await client.until('Z')));
      }
      client.send(serialize.query('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE'));
      return [...seen, codes(await client.until('Z'))];
    };
    const expected = await tries(proxy.originUrl);
    expect(expected).toEqual(['1tTZ', 'CZ', '1tTZ', 'EZ']);
    for (let i = 0; i < 10; i++) expect(await tries(proxy.url)).toEqual(expected);
  });
});
