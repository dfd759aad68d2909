import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { publicationsOf, rowsOf, slotsOf } from '../support/origin-state.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

let database: Awaited<ReturnType<typeof createDatabase>>;

beforeEach(async () => {
  database = await createDatabase(
    inject('pg18'),
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)',
  );
});
afterEach(() => database.drop());

/** Reads until the table is cached, so that there is a publication with a table in it. */
async function warm(pgfresh: Pgfresh): Promise<void> {
  await waitFor('a hit', async () => {
    await rowsOf(pgfresh.url, 'SELECT v FROM t WHERE id = 1');
    return (await pgfresh.status()).cache.hits > 0;
  });
}

const noSlot = () => waitFor('no slot to be left', async () => (await slotsOf(database.url)).length === 0);
const noWalsender = async () =>
  (
    await rowsOf(
      database.url,
      "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'walsender' AND datname = current_database()",
    )
  ).length === 0;

describe('nothing is left on the origin', () => {
  it('after SIGTERM: no slot, no publication, no session, and the exit code is 0', async () => {
    const pgfresh = await startPgfresh({ upstream: database.url });
    await warm(pgfresh);
    expect(await slotsOf(database.url)).toHaveLength(1);
    expect(await publicationsOf(database.url)).toHaveLength(1);
    await pgfresh.stop();
    await noSlot();
    expect(await publicationsOf(database.url)).toEqual([]);
    expect(await noWalsender()).toBe(true);
  });

  it('after SIGINT, as after SIGTERM', async () => {
    const pgfresh = await startPgfresh({ upstream: database.url });
    await warm(pgfresh);
    expect(await pgfresh.kill('SIGINT')).toEqual({ code: 0, signal: null });
    await noSlot();
    expect(await publicationsOf(database.url)).toEqual([]);
  });

  it('after SIGKILL: no slot at once, and the next start takes the old publication over or away', async () => {
    const first = await startPgfresh({ upstream: database.url });
    await warm(first);
    await first.kill('SIGKILL');
    await noSlot();
    const second = await startPgfresh({ upstream: database.url, port: first.port });
    await warm(second);
    expect(await publicationsOf(database.url)).toHaveLength(1);
    await second.stop();
    expect(await publicationsOf(database.url)).toEqual([]);
    expect(await slotsOf(database.url)).toEqual([]);
  });
});

it('a client in the middle of a statement gets its answer before SIGTERM ends pgfresh', async () => {
  const pgfresh = await startPgfresh({ upstream: database.url });
  const answer = rowsOf(pgfresh.url, 'SELECT pg_sleep(1.5), 42');
  await waitFor('the statement to run', async () => {
    const running =
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'";
    return (await rowsOf(database.url, running)).length > 0;
  });
  const stopped = pgfresh.stop();
  expect((await answer)[0]![1]).toBe(42);
  await stopped;
});
