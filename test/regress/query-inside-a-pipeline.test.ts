// A Query inside of a pipeline: PostgreSQL 18 goes on with the pipeline's implicit transaction behind it, up to its Sync; others end it. A Sync of ours in between would
// commit what the client's may have to undo, and leaves PostgreSQL 18 in a state in which it answers whatever comes next with XX000 (found by the protocol differential).
import { describe, expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { reusableLogins } from '../support/pgfresh.ts';
import { connectRaw, type Frame, type RawClient, rows, serialize, sqlState, statement } from '../support/raw-client.ts';

const text = 'SELECT id, v FROM t WHERE id = $1';
const sync = serialize.sync();
const query = (sql: string) => serialize.query(sql);
const bound = [serialize.bind({ statement: 's', values: ['1'] }), serialize.execute({})];

interface Case {
  readonly what: string;
  /** Each is sent once the last ReadyForQuery of those before has come. */
  readonly parts: readonly (readonly Buffer[])[];
}

const cases: readonly Case[] = [
  {
    what: 'a statement that the origin lacks, and an error behind it',
    parts: [
      [statement("INSERT INTO t VALUES (50, 'in')"), query('SELECT 1')],
      [...bound, statement('SELECT 1 / 0'), sync],
    ],
  },
  {
    what: 'a statement that the origin lacks, and a Query behind it',
    parts: [
      [statement("INSERT INTO t VALUES (51, 'in')"), query('SELECT 1')],
      [...bound, query('SELECT 2')],
      [statement('SELECT 1 / 0'), sync],
    ],
  },
  {
    what: 'what cannot be moved to another connection',
    parts: [
      [statement("INSERT INTO t VALUES (52, 'in')", [], 'own'), query('UPDATE t SET v = v WHERE id = 3')],
      [serialize.parse({ text: "SELECT nextval('seq')" }), sync],
      [query('ROLLBACK')],
    ],
  },
  {
    what: 'SQL that sees the statements',
    parts: [
      [
        statement("INSERT INTO t VALUES (53, 'in')"),
        query("SELECT count(*) FROM pg_prepared_statements WHERE name = 's'"),
      ],
      [statement('SELECT 1 / 0'), sync],
    ],
  },
];

const told = (frames: readonly Frame[]) =>
  frames.map((frame) => (frame.code === 'E' ? `E ${sqlState(frame)}` : `${frame.code} ${frame.body.toString('hex')}`));

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const setup = `CREATE TABLE t (id int PRIMARY KEY, v text); CREATE SEQUENCE seq;
    INSERT INTO t SELECT g, g FROM generate_series(1, 9) AS g;`;
  const own = useProxy(setup, { origin, workers: 1 });
  const lent = useProxy(setup, {
    origin,
    workers: 1,
    args: ['--pool-mode', 'transaction', '--pool-size', '2', ...reusableLogins],
  });

  /** It has the statement, and by way of pgfresh the origin has it not. */
  async function prepared(url: string): Promise<RawClient> {
    const client = await connectRaw(url);
    client.send(serialize.parse({ name: 's', text }), serialize.describe({ type: 'S', name: 's' }), sync);
    await client.until('Z');
    return client;
  }

  describe.each([
    ['a connection of its own', () => own],
    ['lent ones', () => lent],
  ])('%s', (_, fixture) => {
    it.each(cases)('$what', async ({ parts }) => {
      const proxy = fixture();
      await proxy.warm(async () => {
        const client = await prepared(proxy.url);
        client.send(...bound, sync);
        await client.until('Z');
        client.close();
      });
      const transcript = async (url: string) => {
        const client = await prepared(url);
        const all: string[][] = [];
        for (const part of parts) {
          client.send(...part);
          const ends = part.filter((message) => message === sync || message[0] === 0x51).length;
          all.push(told(await client.until('Z', ends)));
        }
        const other = await connectRaw(proxy.originUrl);
        other.send(query('SELECT id FROM t WHERE id > 49 ORDER BY id'), query('DELETE FROM t WHERE id > 49'));
        const left = rows(await other.until('Z', 2));
        for (const each of [client, other]) each.close();
        return { all, left };
      };
      const direct = await transcript(proxy.originUrl);
      expect(await transcript(proxy.url)).toEqual(direct);
    });
  });
});
