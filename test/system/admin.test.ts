import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

let database: Awaited<ReturnType<typeof createDatabase>>;
let pgfresh: Pgfresh;

beforeAll(async () => {
  database = await createDatabase(
    inject('pg18'),
    'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, i FROM generate_series(1, 10) i; CREATE TABLE "No Key" (v int); CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY)',
  );
  pgfresh = await startPgfresh({ upstream: database.url });
});
afterAll(async () => {
  await pgfresh.stop();
  await database.drop();
});

const get = (path: string, init?: RequestInit) => fetch(`${pgfresh.adminUrl}${path}`, init);
/** The status just after a hit. Other tests make roles, which are the whole server's: then the cache is emptied in between. */
async function warm(): Promise<Awaited<ReturnType<Pgfresh['status']>>> {
  let status = await pgfresh.status();
  await waitFor('a hit on an entry', async () => {
    const { hits } = status.cache;
    await rowsOf(pgfresh.url, 'SELECT v FROM t WHERE id = 1');
    status = await pgfresh.status();
    return status.cache.hits > hits && status.cache.entries > 0;
  });
  return status;
}

describe('the admin page', () => {
  it('says that the proxy accepts, and that a client gets through', async () => {
    expect((await get('/healthz')).status).toBe(200);
    const ready = await get('/readyz');
    expect({ status: ready.status, body: await ready.json() }).toEqual({ status: 200, body: { status: 'ready' } });
  });

  it('gives the status with the keys of the contract', async () => {
    const status = await warm();
    expect(status).toMatchObject({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      state: 'live',
      uptimeMs: expect.any(Number),
      cdc: {
        state: 'streaming',
        appliedLsn: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/),
        lagBytes: expect.any(Number),
      },
      workers: [
        { id: 1, sessions: expect.any(Number), restarts: 0 },
        { id: 2, sessions: expect.any(Number), restarts: 0 },
      ],
      cacheThread: { generation: 1, restarts: 0 },
    });
    const numbers = [
      'entries',
      'bytes',
      'bytesMax',
      'hits',
      'misses',
      'passthrough',
      'admitted',
      'rejected',
      'invalidated',
      'corrected',
      'refreshed',
      'evicted',
      'pinnedEntries',
      'pinnedBytes',
    ];
    expect(Object.keys(status.cache).sort()).toEqual(numbers.sort());
    expect(status.cache.entries).toBeGreaterThan(0);
    expect(status.cache.hits).toBeGreaterThan(0);
  });

  it('counts every statement once: hits, misses and those passed through', async () => {
    const before = (await pgfresh.status()).cache;
    for (let i = 0; i < 10; i++) await rowsOf(pgfresh.url, 'SELECT random()');
    const after = (await pgfresh.status()).cache;
    const sum = (cache: typeof before) => cache.hits + cache.misses + cache.passthrough;
    expect(sum(after) - sum(before)).toBe(10);
  });

  it('gives the same in metrics, which a Prometheus can read', async () => {
    const { cache } = await pgfresh.status();
    const metrics = await pgfresh.metrics();
    expect(metrics).toContain(`pgfresh_statements_total{result="hit"} ${cache.hits}`);
    expect(metrics).toMatch(/^pgfresh_cache_live 1$/m);
    expect(metrics).toMatch(/^pgfresh_thread_utilization\{thread="cache"\} [\d.e-]+$/m);
    expect(metrics).toMatch(/^pgfresh_reasons_total\{reason="[a-z]+\.[a-zA-Z]+"\} \d+$/m);
    // The runtime metrics of the concurrency evaluation (design §7), each under a name of its own.
    for (const family of [
      '# TYPE pgfresh_latency_seconds gauge', // a sample of batches: there need not be one yet
      'pgfresh_statements_per_second{worker="all"}',
      'pgfresh_statements_per_second{worker="1"}',
      'pgfresh_bytes_per_second{worker="all"}',
      'pgfresh_active_threads{',
      'pgfresh_connections_waiting ',
      'pgfresh_connections_waiting_max ',
      'pgfresh_queue_wait_seconds{quantile="0.99"}',
      'pgfresh_hit_ratio ',
      'pgfresh_origin_pending ',
      'pgfresh_thread_loop_delay_seconds{thread="cache",quantile="1"}',
    ]) {
      expect(metrics).toContain(`\n${family}`);
    }
    const sample = /^[a-z0-9_]+(\{.*\})? (-?[\d.e+-]+|Nan|\+Inf)$/;
    const lines = metrics.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines.filter((line) => !sample.test(line))).toEqual([]);
    // Twice the same scrape: what is read at the scrape is not added up.
    expect(await pgfresh.metrics()).toMatch(new RegExp(`result="hit"} ${(await pgfresh.status()).cache.hits}\n`));
  });

  it('explains a statement, and answers bad requests with JSON', async () => {
    const explained = await get(`/explain?sql=${encodeURIComponent('SELECT v FROM t WHERE id = 1')}`);
    expect(await explained.json()).toMatchObject({ cacheable: true, reason: null });
    const bad = [
      ['/explain', 400],
      ['/explain?sql=', 400],
      ['/explain?sql=a&sql=b', 400],
      [`/explain?sql=${'x'.repeat(70_000)}`, 400],
      ['/nowhere', 404],
      ['/fault/cache-exit', 404],
    ] as const;
    for (const [path, code] of bad) {
      const response = await get(path);
      const answer = await response.text();
      // A request line beyond Node's own limit is refused before any handler sees it.
      expect([code, 431]).toContain(response.status);
      if (response.status === code) expect(JSON.parse(answer)).toEqual({ error: expect.any(String) });
    }
  });

  it('empties the cache when told to, but not by a page of another site', async () => {
    await warm();
    const foreign = await get('/flush', { method: 'POST', headers: { origin: 'http://evil.example' } });
    expect(foreign.status).toBe(403);
    expect((await pgfresh.status()).cache.entries).toBeGreaterThan(0);
    const flushed = await get('/flush', { method: 'POST' });
    expect((await flushed.json()) as { flushed: number }).toEqual({ flushed: expect.any(Number) });
    await pgfresh.waitForStatus('an empty cache', ({ cache }) => cache.entries === 0);
    expect((await get('/flush')).status).toBe(404);
    await warm();
  });

  it('lists the tables that cannot be cached with the remedy, and those that are', async () => {
    await warm();
    const { tables } = (await (await get('/status')).json()) as {
      tables: { published: string[]; uncacheable: { table: string; reason: string; remedy: string }[] };
    };
    expect(tables.published).toEqual(['public.t']);
    expect(tables.uncacheable).toEqual([
      {
        table: 'public."No Key"',
        reason: 'uncacheable.replicaIdentity',
        remedy: expect.stringContaining('IDENTITY FULL'),
      },
      {
        table: 'public.fleeting',
        reason: 'uncacheable.notPermanent',
        remedy: 'ALTER TABLE public.fleeting SET LOGGED',
      },
    ]);
  });

  it('keeps how statements were answered over the last minutes, whoever looks', async () => {
    const read = async () => (await (await get('/history')).json()) as { stepMs: number; samples: { hits: number }[] };
    const sum = async () => (await read()).samples.reduce((total, { hits }) => total + hits, 0);
    const before = await sum();
    await warm();
    await waitFor('the hit in the history', async () => (await sum()) > before);
    expect((await read()).samples.length).toBeLessThanOrEqual(300);
  });

  it('serves a dashboard that needs nothing from elsewhere', async () => {
    const response = await get('/');
    const html = await response.text();
    expect(response.headers.get('content-type')).toMatch(/^text\/html/);
    expect(html).not.toMatch(/(?:src|href)=|https?:\/\//);
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
  });
});
