/**
 * Random legal sequences of messages, sent to two equal databases: to one directly, to the other through pgfresh. Whatever the cache does, the bytes
 * that come back are the same. PGFRESH_SEED replays the choices, PGFRESH_SEQUENCES says how many (the CI takes the default).
 */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { Servers } from '../model/protocol/lane.ts';
import { Minimiser, oidMaxOf, runLane, type Tally } from '../model/protocol/model.ts';
import { blocks, migrating, type Profile, reading, tame, wild } from '../model/protocol/profile.ts';
import { schemaSql } from '../model/protocol/schema.ts';
import { announceSeed, seededRandom } from '../model/random.ts';
import { type Pgfresh, reusableLogins, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase, run } from '../support/postgres.ts';

const LANES = 4;
const sequencesMax = Number(process.env['PGFRESH_SEQUENCES'] ?? 50_000);

interface Origin {
  readonly cluster: string;
  readonly direct: string;
  readonly proxied: string;
  readonly names: readonly string[];
}

const origins = new Map<string, Origin>();
const proxies: Pgfresh[] = [];

/** Two databases made from one template: tables have the same oids. */
async function twins(cluster: string): Promise<Origin> {
  const first = await createDatabase(cluster, schemaSql(LANES));
  const twin = `${first.name}_twin`;
  await run(cluster, `CREATE DATABASE ${twin} TEMPLATE ${first.name}`);
  return { cluster, direct: first.url, proxied: first.url.replace(first.name, twin), names: [first.name, twin] };
}

beforeAll(async () => {
  for (const version of ['pg15', 'pg18'] as const) origins.set(version, await twins(inject(version)));
}, 120_000);

afterAll(async () => {
  await Promise.all(proxies.map((pgfresh) => pgfresh.stop()));
  for (const { cluster, names } of origins.values()) {
    for (const name of names) await run(cluster, `DROP DATABASE ${name} WITH (FORCE)`);
  }
}, 120_000);

interface Run {
  readonly what: string;
  readonly version: 'pg15' | 'pg18';
  readonly args: readonly string[];
  readonly profiles: readonly Profile[];
  /** Of all sequences. */
  readonly share: number;
  /** Share of statements that the cache must have answered. */
  readonly hitsMin: number;
}

/** Each statement may meet another connection: as many as sessions, so that none waits for another's block. */
const pooled = ['--pool-mode', 'transaction', '--pool-size', '8', '--workers', '1', '--faults', 'pool-roam'];

const runs: readonly Run[] = [
  {
    what: 'cache off',
    version: 'pg18',
    args: ['--consistency', 'off'],
    profiles: [tame, wild],
    share: 0.1,
    hitsMin: 0,
  },
  { what: 'cold, writes all over', version: 'pg18', args: [], profiles: [wild, wild, tame], share: 0.15, hitsMin: 0 },
  { what: 'warm', version: 'pg18', args: [], profiles: [reading], share: 0.2, hitsMin: 0.08 },
  { what: 'transactions', version: 'pg18', args: [], profiles: [blocks], share: 0.15, hitsMin: 0 },
  // What is altered through pgfresh is known to every reader at once, as a write is.
  { what: 'migrations', version: 'pg15', args: [], profiles: [migrating], share: 0.1, hitsMin: 0 },
  {
    what: 'pooled connections',
    version: 'pg18',
    args: [...pooled, ...reusableLogins],
    // The other two meet the known gaps of ADR-020 now and then.
    profiles: [reading, tame],
    share: 0.1,
    hitsMin: 0,
  },
  {
    what: 'an older origin',
    version: 'pg15',
    args: [],
    profiles: [wild, tame, reading, blocks],
    share: 0.2,
    hitsMin: 0,
  },
];

it.each(runs)(
  '$what ($version): the same bytes as without pgfresh',
  async ({ version, args, profiles, share, hitsMin, what }) => {
    const random = seededRandom(announceSeed(`protocol, ${what}`));
    const { direct, proxied } = origins.get(version)!;
    const pgfresh = await startPgfresh({ upstream: proxied, args });
    proxies.push(pgfresh);
    const servers: Servers = { direct, pgfresh: pgfresh.url, origin: proxied, oidMax: await oidMaxOf(direct) };
    const tally: Tally = { sequences: 0, messages: 0 };
    const startedMs = performance.now();
    let failed = false;
    const lanes = Array.from({ length: LANES }, async (_, lane) => {
      const profile = profiles[lane % profiles.length]!;
      const enough = () => failed || tally.sequences >= sequencesMax * share;
      const failure = await runLane({ lane, profile, servers }, random.fork(lane), tally, enough);
      failed ||= failure !== null;
      return failure;
    });
    const failure = (await Promise.all(lanes)).find((found) => found !== null);
    const seconds = (performance.now() - startedMs) / 1000;
    const { hits, misses, passthrough } = (await pgfresh.status()).cache;
    process.stdout.write(
      `protocol, ${what}: ${tally.sequences} sequences, ${tally.messages} messages in ${seconds.toFixed(1)} s, ` +
        `${hits} hits, ${misses} misses, ${passthrough} passed through\n`,
    );
    if (failure !== undefined) expect.fail(await new Minimiser(failure.options, 60_000).explain(failure));
    // Until statements are analysed and tables published, nothing can hit.
    const warm = Math.max(0, hits + misses + passthrough - 5_000);
    expect(hits).toBeGreaterThanOrEqual(hitsMin * warm);
  },
  240_000,
);
