// PostgreSQL 18 ends a pipeline with a Query in it in a state in which it answers whatever comes next with XX000 (found by the protocol differential). Under
// pool.mode = transaction that would be another client's statement.
import { describe, expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { reusableLogins } from '../support/pgfresh.ts';
import { codes, connectRaw, serialize } from '../support/raw-client.ts';

const args = ['--pool-mode', 'transaction', '--pool-size', '1', '--consistency', 'off', ...reusableLogins];
const parse = serialize.parse({ name: 's1', text: 'SELECT id FROM t' });
const run = Buffer.concat([serialize.bind({ statement: 's1', values: [] }), serialize.execute({})]);
const mixed = [run, serialize.query('SELECT 1'), serialize.sync()];

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)', { origin, args, workers: 1 });

  it('the next client of the connection notices nothing', async () => {
    const odd = await connectRaw(proxy.url);
    const other = await proxy.session();
    odd.send(parse, ...mixed);
    expect(codes(await odd.until('Z', 2))).toBe('12DCTDCZZ');
    for (let i = 0; i < 5; i++) {
      expect(await ask(other, `SELECT id + ${i} FROM t`)).toEqual([[1 + i]]);
      odd.send(...mixed);
      expect(codes(await odd.until('Z', 2))).toBe('2DCTDCZZ');
    }
    odd.close();
    expect(await ask(await proxy.session(), 'SELECT id FROM t')).toEqual([[1]]);
  });
});
