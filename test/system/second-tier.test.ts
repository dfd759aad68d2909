/**
 * Several nodes before one origin, with a Redis between them (ADR-025): what one of them was told another need not ask, and nothing that lies there
 * makes anybody's answer wrong.
 */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { statusAgeMsMax } from '../../src/proxy/admin/report.ts';
import { rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, type Status, spawnCli, startPgfresh } from '../support/pgfresh.ts';
import { type Cluster, run, startCluster } from '../support/postgres.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';

interface TierStatus extends Status {
  readonly tier2: {
    readonly isUp: boolean;
    readonly lookups: Readonly<Record<'taken' | 'missing' | 'refused' | 'failed', number>>;
    readonly writes: Readonly<Record<'written' | 'dropped' | 'failed', number>>;
  } | null;
}

/** As it is now: what was counted before may be told for a while. */
async function tierOf(node: Pgfresh): Promise<NonNullable<TierStatus['tier2']>> {
  await delay(statusAgeMsMax + 20);
  return ((await node.status()) as TierStatus).tier2!;
}

const schema =
  'CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL); INSERT INTO t SELECT i, 0 FROM generate_series(1, 1000) i';
/** Each test has a shape of its own: of one whose answers are not found few are asked for. */
let shape = 0;
const sumOf = (first: number): string =>
  `SELECT sum(v), count(*) AS of_test_${shape} FROM t WHERE id BETWEEN ${first} AND ${first + 9}`;
beforeEach(() => void shape++);

/** A node that shares each answer, however cheap it was. */
async function startNode(upstream: string, redis: { url: string }, ...more: string[]): Promise<Pgfresh> {
  const shared = ['--tier2-redis', redis.url, '--tier2-min-cost', '0', '--tier2-timeout', '5s'];
  const node = await startPgfresh({ upstream, workers: 1, args: [...shared, ...more] });
  await node.waitForStatus('Redis to be there', (status) => (status as TierStatus).tier2?.isUp === true);
  return node;
}

/** The shape's verdict is known from then on, and its table is on the stream; the answer itself is another one. */
async function warm(...nodes: readonly Pgfresh[]): Promise<void> {
  await Promise.all(nodes.map(warmOne));
}

async function warmOne(node: Pgfresh): Promise<void> {
  await waitFor('a hit', async () => {
    const { hits } = (await node.status()).cache;
    await rowsOf(node.url, sumOf(1));
    return (await node.status()).cache.hits > hits;
  });
}

/** Has the node store the answer and leave it in Redis. */
async function share(node: Pgfresh, sql: string): Promise<unknown> {
  const { written } = (await tierOf(node)).writes;
  let rows: unknown;
  await waitFor('the answer to lie in Redis', async () => {
    rows = await rowsOf(node.url, sql);
    return (await tierOf(node)).writes.written > written;
  });
  return rows;
}

describe('two nodes', () => {
  /** Other tests make roles, which change the catalog of all databases of their server. */
  let database: Cluster;
  let redis: RedisServer;
  let one: Pgfresh;
  let other: Pgfresh;

  beforeAll(async () => {
    database = await startCluster({ version: 18 });
    await run(database.url, schema);
    redis = await startRedis();
    [one, other] = await Promise.all([startNode(database.url, redis), startNode(database.url, redis)]);
  });
  beforeEach(() => warm(one, other));
  afterAll(async () => {
    await Promise.all([one?.stop(), other?.stop()]);
    await database?.stop();
  });

  /** What became of one question to the other node. */
  async function askOther(sql: string, url = other.url) {
    const [before, tier] = [await other.status(), await tierOf(other)];
    const rows = await rowsOf(url, sql);
    const [after, tierAfter] = [await other.status(), await tierOf(other)];
    const { taken, missing, refused } = tierAfter.lookups;
    return {
      rows,
      misses: after.cache.misses - before.cache.misses,
      hits: after.cache.hits - before.cache.hits,
      ...{ taken: taken - tier.lookups.taken, missing: missing - tier.lookups.missing },
      refused: refused - tier.lookups.refused,
    };
  }

  it('ask the origin once', async () => {
    const rows = await share(one, sumOf(100));
    expect(await askOther(sumOf(100))).toMatchObject({ rows, misses: 0, taken: 1, missing: 0, refused: 0 });
    // From now on it is in the store.
    await waitFor('a hit', async () => {
      const again = await askOther(sumOf(100));
      expect(again).toMatchObject({ rows, misses: 0, taken: 0, missing: 0, refused: 0 });
      return again.hits === 1;
    });
  });

  it('ask the origin once for what a prepared statement is told', async () => {
    const statement = {
      name: 'sums',
      text: 'SELECT sum(v), count(*) FROM t WHERE id BETWEEN $1 AND $2',
      rowMode: 'array',
    };
    const ask = async (url: string, from: number): Promise<unknown[][]> => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      const { rows } = await client.query<unknown[]>({ ...statement, rowMode: 'array', values: [from, from + 9] });
      await client.end();
      return rows;
    };
    for (const { url } of [one, other]) {
      for (let from = 300; from < 304; from++) await ask(url, from);
    }
    const { written } = (await tierOf(one)).writes;
    const rows = await ask(one.url, 320);
    await waitFor('the answer to lie in Redis', async () => (await tierOf(one)).writes.written > written);
    const { taken } = (await tierOf(other)).lookups;
    expect(await ask(other.url, 320)).toEqual(rows);
    expect((await tierOf(other)).lookups.taken).toBe(taken + 1);
  });

  it('take nothing that a change has made wrong since, and everything that it has not', async () => {
    await share(one, sumOf(200));
    const kept = await share(one, sumOf(220));
    await run(database.url, 'UPDATE t SET v = v + 1 WHERE id = 205');
    await waitFor('an answer of after the change', async () => (await rowsOf(other.url, sumOf(200)))[0]![0] === '1');
    expect((await tierOf(other)).lookups.refused).toBeGreaterThan(0);
    expect(await askOther(sumOf(220))).toMatchObject({ rows: kept, taken: 1 });
  });

  it('take no answer that was given to another role, or under other settings', async () => {
    const role = `reader_${process.pid}`;
    await run(database.url, `CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT SELECT ON t TO ${role}`);
    try {
      const theirs = new URL(other.url);
      theirs.username = role;
      await waitFor('the catalog to be known', async () => {
        await warm(one, other);
        return (await rowsOf(theirs.href, sumOf(1))).length === 1;
      });
      await share(one, sumOf(400));
      await rowsOf(theirs.href, sumOf(390));
      expect(await askOther(sumOf(400), theirs.href)).toMatchObject({ taken: 0, refused: 0 });
      const zone = new URL(other.url);
      zone.searchParams.set('options', '-c timezone=Asia/Tokyo');
      await rowsOf(zone.href, sumOf(390));
      await share(one, sumOf(410));
      expect(await askOther(sumOf(410), zone.href)).toMatchObject({ taken: 0, refused: 0 });
      // The new role may have been noticed only now.
      await warm(other);
      expect(await askOther(sumOf(410))).toMatchObject({ taken: 1 });
    } finally {
      await run(database.url, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  it('take nothing of before the catalog changed, even where it is again what it was', async () => {
    await share(one, sumOf(500));
    const analysed = async () => ((await other.status()) as unknown as { analysed: number }).analysed;
    const before = await analysed();
    await run(database.url, 'ALTER TABLE t ENABLE ROW LEVEL SECURITY');
    await untilAnalysed(before);
    const between = await analysed();
    await run(database.url, 'ALTER TABLE t DISABLE ROW LEVEL SECURITY');
    await untilAnalysed(between);
    expect(await askOther(sumOf(500))).toMatchObject({ taken: 0, refused: 1 });
  });

  /** Until the statement has been analysed anew. */
  async function untilAnalysed(analysed: number): Promise<void> {
    await waitFor('the new catalog', async () => {
      await rowsOf(other.url, sumOf(1));
      return ((await other.status()) as unknown as { analysed: number }).analysed > analysed;
    });
    await warm(other);
  }

  it('take nothing but whole records of the very key', async () => {
    const find = async (sql: string): Promise<string> => {
      const before = new Set(await redis.addresses());
      await share(one, sql);
      return (await redis.addresses()).find((address) => !before.has(address))!;
    };
    await warm(one, other);
    const [address, stranger] = [await find(sumOf(600)), await find(sumOf(610))];
    const bytes = (await redis.client.getBuffer(address))!;
    const flipped = Buffer.from(bytes);
    flipped[flipped.length - 8]! ^= 1;
    await run(database.url, 'UPDATE t SET v = 7 WHERE id = 605');
    for (const spoiled of [
      Buffer.from('{"rows": []}'),
      bytes.subarray(0, bytes.length - 1),
      flipped,
      (await redis.client.getBuffer(stranger))!,
      Buffer.alloc(0),
    ]) {
      await fetch(`${other.adminUrl}/flush`, { method: 'POST' });
      await redis.client.set(address, spoiled);
      expect(await askOther(sumOf(600))).toMatchObject({ rows: [['7', '10']], taken: 0, refused: 1 });
    }
  });

  it('ask for it again after a flush, and not where a hint asks for the origin', async () => {
    const rows = await share(one, sumOf(700));
    expect(await askOther(`/* pgfresh: skip */ ${sumOf(700)}`)).toMatchObject({ rows, taken: 0, missing: 0 });
    expect(await askOther(sumOf(700))).toMatchObject({ rows, taken: 1 });
    await fetch(`${other.adminUrl}/flush`, { method: 'POST' });
    expect(await askOther(sumOf(700))).toMatchObject({ rows, taken: 1 });
  });

  it('see what was written through them at once, whatever others leave there', async () => {
    const [sharer, client] = [one, other].map(({ url }) => new pg.Client({ connectionString: url }));
    await Promise.all([sharer!.connect(), client!.connect()]);
    let isOver = false;
    // The first node leaves an answer after each change that it hears of.
    const sharing = (async () => {
      while (!isOver) await sharer!.query(sumOf(800));
    })();
    try {
      for (let i = 1; i <= 300; i++) {
        await client!.query(`UPDATE t SET v = ${i} WHERE id = 805`);
        for (let again = 0; again < 3; again++) {
          const { rows } = await client!.query<{ sum: string }>(sumOf(800));
          expect(rows[0]!.sum).toBe(String(i));
        }
      }
    } finally {
      isOver = true;
      await sharing;
      await Promise.all([sharer!.end(), client!.end()]);
    }
  });

  it('says what it shares in its metrics', async () => {
    const metrics = await other.metrics();
    expect(metrics).toMatch(/^pgfresh_tier2_up 1$/m);
    expect(metrics).toMatch(/^pgfresh_tier2_lookups_total\{result="taken"\} [1-9]/m);
    expect(metrics).toMatch(/^pgfresh_tier2_writes_total\{result="written"\} [1-9]/m);
  });
});

describe('Redis', () => {
  let database: Cluster;

  beforeAll(async () => {
    database = await startCluster({ version: 15 });
    await run(database.url, schema);
  });
  afterAll(async () => {
    await database?.stop();
  });

  it('may be away from the start, come, hang, die and come back', async () => {
    const redis = await startRedis();
    await redis.kill();
    const args = ['--tier2-redis', redis.url, '--tier2-min-cost', '0', '--tier2-timeout', '50ms'];
    const node = await startPgfresh({ upstream: database.url, workers: 1, args });
    try {
      await warm(node);
      expect(await tierOf(node)).toMatchObject({ isUp: false, lookups: { taken: 0 }, writes: { written: 0 } });
      await redis.start();
      await node.waitForStatus('Redis to be there', (status) => (status as TierStatus).tier2!.isUp);
      await share(node, sumOf(100));
      redis.pause();
      let first = 200;
      await waitFor('it to be noticed', async () => {
        expect(await rowsOf(node.url, sumOf(first++))).toEqual([['0', '10']]);
        return (await tierOf(node)).lookups.failed + (await tierOf(node)).writes.failed > 3;
      });
      redis.resume();
      await waitFor('it to be asked again', async () => {
        const { written } = (await tierOf(node)).writes;
        await rowsOf(node.url, sumOf(first++));
        return (await tierOf(node)).writes.written > written;
      });
      await redis.kill();
      await node.waitForStatus('Redis to be away', (status) => !(status as TierStatus).tier2!.isUp);
      expect(await rowsOf(node.url, sumOf(500))).toEqual([['0', '10']]);
      await redis.start();
      await node.waitForStatus('Redis to be back', (status) => (status as TierStatus).tier2!.isUp);
      await share(node, sumOf(510));
      expect(node.lines.filter((line) => line.includes('second tier')).length).toBeLessThan(20);
    } finally {
      await node.stop();
    }
  });

  it.each([false, true])('is looked at by doctor (a Cluster: %s)', async (cluster) => {
    const redis = await startRedis({ cluster });
    const lines = async () => {
      const flags = ['--upstream', database.url, '--tier2-redis', redis.url, ...(cluster ? ['--tier2-cluster'] : [])];
      const { lines: printed, exited } = spawnCli(['doctor', ...flags]);
      expect((await exited).code).toBe(0);
      return printed.join('\n');
    };
    expect(await lines()).toMatch(/^ {2}ok {3}redis 127\.0\.0\.1:\d+ answers$/m);
    redis.pause();
    expect(await lines()).toMatch(/^ {2}note redis .* does not answer \(.+\), .*remedy/m);
    redis.resume();
    await redis.kill();
    expect(await lines()).toMatch(/^ {2}note redis .* does not answer \(.*(ECONNREFUSED|is closed).*remedy/m);
  });

  it('may be a Cluster', async () => {
    const redis = await startRedis({ cluster: true });
    const [one, other] = await Promise.all([
      startNode(database.url, redis, '--tier2-cluster'),
      startNode(database.url, redis, '--tier2-cluster'),
    ]);
    try {
      await warm(one, other);
      await share(one, sumOf(600));
      const { taken } = (await tierOf(other)).lookups;
      expect(await rowsOf(other.url, sumOf(600))).toEqual([['0', '10']]);
      expect((await tierOf(other)).lookups.taken).toBe(taken + 1);
    } finally {
      await Promise.all([one.stop(), other.stop()]);
    }
  });

  it('has nothing for a node that began to follow the origin later', async () => {
    const redis = await startRedis();
    const one = await startNode(database.url, redis);
    try {
      await warm(one);
      await share(one, sumOf(700));
      // What that node cannot have heard of.
      await run(database.url, 'UPDATE t SET v = 3 WHERE id = 705');
      const late = await startNode(database.url, redis);
      try {
        await warm(late);
        expect(await rowsOf(late.url, sumOf(700))).toEqual([['3', '10']]);
        expect((await tierOf(late)).lookups).toMatchObject({ taken: 0 });
      } finally {
        await late.stop();
      }
    } finally {
      await one.stop();
    }
  });
});

describe('an origin that crashed', () => {
  const isLive = (line: string): boolean => /"state":"live".*"msg":"cache state"/.test(line);

  it('has lost what was acknowledged before it was flushed: nothing of before is taken', async () => {
    const cluster = await startCluster({ version: 18, settings: ['wal_writer_delay=10s'] });
    const redis = await startRedis();
    try {
      await run(cluster.url, schema);
      const [one, other] = await Promise.all([startNode(cluster.url, redis), startNode(cluster.url, redis)]);
      try {
        await warm(one, other);
        await share(one, sumOf(100));
        const addresses = await redis.addresses();
        const [[pid]] = (await rowsOf(
          cluster.url,
          "SELECT pid FROM pg_stat_activity WHERE backend_type = 'background writer'",
        )) as [[string]];
        process.kill(Number(pid), 'SIGKILL');
        // By the log: it is back within a fraction of a second, which who asks now and then may miss.
        await waitFor('the loss to be noticed', () => other.lines.some((line) => line.includes('change stream ended')));
        await waitFor('the stream to be back', () => other.lines.filter(isLive).length === 2);
        await warm(other);
        const { taken } = (await tierOf(other)).lookups;
        await rowsOf(other.url, sumOf(100));
        expect((await tierOf(other)).lookups.taken).toBe(taken);
        // It looked elsewhere: what lies there now is of the new era.
        await waitFor('another address', async () => (await redis.addresses()).length > addresses.length);
      } finally {
        await Promise.all([one.stop(), other.stop()]);
      }
    } finally {
      await cluster.stop();
    }
  });
});
