import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { BenchCase, PeerSpec, Site } from '../case.ts';
import { accountsSql, pointSql, updateSql } from '../data.ts';
import { direct } from '../peers/direct.ts';
import { pgfreshOne } from '../peers/pgfresh.ts';

const cachedMsMax = 30_000;
const keysRead = 100;

/** PostgreSQL without a proxy in between, while a pgfresh beside it follows the changes of the table. */
const attached: PeerSpec = {
  name: 'direct, pgfresh attached',
  streams: true,
  async start(site: Site) {
    const proxy = (await pgfreshOne.start(site))!;
    const client = new pg.Client({ host: '127.0.0.1', port: proxy.port, user: 'postgres', database: site.database });
    client.on('error', () => undefined); // the proxy is stopped with this session open
    try {
      await client.connect();
      await cacheAll(client, async () => (await proxy.counters!()).entries);
    } catch (error) {
      await proxy.stop();
      throw error;
    }
    const { port, unixFolder } = site.origin;
    return {
      name: this.name,
      child: proxy.child,
      port,
      unixFolder,
      async stop() {
        await client.end();
        await proxy.stop();
      },
    };
  },
};

/** Reads until the answers are in the cache, so that the table is published and followed. */
async function cacheAll(client: pg.Client, entries: () => Promise<number>): Promise<void> {
  const endMs = performance.now() + cachedMsMax;
  while ((await entries()) < keysRead / 2) {
    if (performance.now() > endMs) throw new Error('pgfresh did not cache the table');
    for (let id = 1; id <= keysRead; id++) {
      await client.query({ name: 'read', text: 'SELECT balance FROM accounts WHERE id = $1', values: [id] });
    }
    await delay(100);
  }
}

export const cdc: BenchCase = {
  name: 'cdc',
  shows:
    'What following the change stream costs who does not use the proxy: reads and writes sent to PostgreSQL itself, with and without a pgfresh beside it.',
  setup: accountsSql(),
  unit: 'rate',
  lifetime: 'turn',
  roundsMax: 3,
  peers: () => [direct, attached],
  cells: [['at rest: reads', pointSql] as const, ['under load: writes', updateSql()] as const].map(([name, sql]) => ({
    name,
    load: { mode: 'prepared', clients: 8, transport: 'tcp', scripts: [{ sql }] },
  })),
};
