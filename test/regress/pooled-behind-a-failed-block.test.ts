// pool.mode = transaction: what pins a session is sent on a connection without anybody's statements. In a failed block nothing runs, so there it was sent as it was; but the
// ROLLBACK of that block may be on its way, and then it ran among the statements of others (found by the protocol differential).
import { describe, expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { reusableLogins } from '../support/pgfresh.ts';
import { connectRaw, rows, serialize, sqlState } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';

const args = ['--pool-mode', 'transaction', '--pool-size', '1', ...reusableLogins];
const query = (text: string) => serialize.query(text);
const listing = query('SELECT name, statement FROM pg_prepared_statements');

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY)', { origin, args, workers: 1 });

  it('a listing of prepared statements in one pipeline with the ROLLBACK', async () => {
    for (let i = 0; i < 3; i++) {
      // Each logs in on a connection of its own, and there is room for one: the last one stays.
      const [client, other] = [await connectRaw(proxy.url), await connectRaw(proxy.url)];
      const run = Buffer.concat([
        serialize.bind({ statement: 's', values: [] }),
        serialize.execute({}),
        serialize.sync(),
      ]);
      other.send(serialize.parse({ name: 's', text: `SELECT now() IS NULL, ${i} FROM t`, types: [] }), run);
      await other.until('Z');
      await waitFor('the connection back in the pool', async () => {
        other.send(run);
        await other.until('Z');
        return (await proxy.pgfresh.status()).pool.connections.idle === 1;
      });
      client.send(query('BEGIN'), query('SELECT 1 / 0'));
      await client.until('Z', 2);
      client.send(query('SELECT 1'), query('ROLLBACK'), listing);
      const frames = await client.until('Z', 3);
      expect(frames.map((frame) => (frame.code === 'E' ? sqlState(frame) : frame.code)).join(' ')).toBe(
        '25P02 Z C Z T C Z',
      );
      expect(rows(frames)).toEqual([]);
      for (const each of [other, client]) each.close();
    }
  });
});
