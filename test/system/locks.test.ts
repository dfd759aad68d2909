// A hit is what was committed last: it waits for nobody who holds the table, and holds it against nobody.
import { describe, expect, it } from 'vitest';
import { ask, askOnce, useProxy } from '../support/fixture.ts';
import { waitFor } from '../support/wait.ts';

const read = 'SELECT v FROM t WHERE id = 1';

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1), (2, 2)', { origin });

  it('a hit waits for no lock, a miss does, and both see the commit once it is acknowledged', async () => {
    const [reader, other, locker] = [await proxy.session(), await proxy.session(), await proxy.session()];
    await proxy.warm(() => ask(reader, read));
    await locker.query('BEGIN');
    await locker.query('LOCK TABLE t IN ACCESS EXCLUSIVE MODE');
    await locker.query('UPDATE t SET v = v + 10');
    // Should freshness not be confirmed in time, it is no hit, and waits like any other.
    await reader.query("SET lock_timeout = '500ms'");
    await proxy.warm(async () => {
      const rows = await ask(reader, read).catch(({ code }) => code);
      if (rows !== '55P03') expect(rows).toEqual([[1]]);
    });
    const missed = ask(other, 'SELECT sum(v)::int FROM t WHERE id < 3');
    await waitFor('the miss to wait', async () => {
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      return (await askOnce(proxy.originUrl, waiting)).length === 1;
    });
    await locker.query('COMMIT');
    expect(await ask(reader, read)).toEqual([[11]]);
    expect(await missed).toEqual([[23]]);
  });

  it('a transaction of hits holds no lock in the way of a migration', async () => {
    const reader = await proxy.session();
    await proxy.warm(async () => {
      await reader.query('ROLLBACK');
      await reader.query('BEGIN');
      await ask(reader, read);
    });
    await askOnce(proxy.originUrl, "SET lock_timeout = '10s'; ALTER TABLE t ADD COLUMN w int");
    expect(await ask(reader, read)).toEqual([[11]]);
    await reader.query('COMMIT');
  });
});
