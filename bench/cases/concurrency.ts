/** The models of concurrency beside each other: the scenarios of the concurrency evaluation (ADR-016). */
import { availableParallelism } from 'node:os';
import { FixedModels } from '../../src/shared/config.ts';
import type { BenchCase, Cell, CellResult, Derived, PgbenchLoad, Sample, Stage } from '../case.ts';
import { accountsSql, newKeySql, pointSql } from '../data.ts';
import { pgfresh } from '../peers/pgfresh.ts';
import { median } from '../statistics.ts';
import { measureIdle } from './idle.ts';

/** As the threads of the model per-connection are bounded (concurrency.max_threads). */
const threadsMax = 16;

const models = FixedModels.map((concurrency) => pgfresh({ workers: Math.max(2, availableParallelism()), concurrency }));
const peers: BenchCase['peers'] = () => models;
/** More clients than threads. */
const runsOn = (peer: string): boolean => !peer.endsWith('/per-connection');
/** A round is long, and the models differ by more than rounds do. */
const roundsMax = 2;
const point = { mode: 'prepared', scripts: [{ sql: pointSql }] } as const;

/** pgbench's time runs while it connects, and a thread for each connection has to be begun first. */
const spawnSeconds = 5;

/** Warms up, and has the threads begun. */
async function measure(stage: Stage, load: PgbenchLoad): Promise<Sample> {
  const more = stage.peer.name.endsWith('/per-connection') ? spawnSeconds : 0;
  await stage.load(load, 1 + more, stage.seed + 1_000);
  return stage.load(load, stage.seconds + more);
}

const cell = (name: string, load: PgbenchLoad, more: Partial<Cell> = {}): Cell => ({
  name,
  ...(load.reconnect === true || load.clients === 1
    ? { load }
    : // A quarter of them waits for threads.
      { load: (stage) => measure(stage, load), secondsPlanned: 2 + spawnSeconds / 2 }),
  ...more,
});
const scale = (clients: number): Cell => {
  const x = { line: 'clients', at: String(clients) };
  return cell(`scalability, ${clients} clients`, { ...point, clients, transport: 'tcp' }, { x });
};

export const concurrency: BenchCase = {
  name: 'concurrency',
  shows:
    'The models of concurrency: latency of one client, throughput of many, a store under hits and misses, connections that come and go.',
  setup: accountsSql(),
  unit: 'rate',
  // Nobody writes, so that a change stream beside costs nobody anything, and threads need not be begun for each measurement.
  lifetime: 'case',
  roundsMax,
  peers,
  cells: [
    cell('latency, 1 client, unix', { ...point, clients: 1, transport: 'unix' }),
    cell('latency, 1 client, tcp', { ...point, clients: 1, transport: 'tcp' }),
    ...[8, threadsMax].map(scale),
    { ...scale(100), runsOn },
    cell('store stress, 80 % hits, 16 clients', {
      ...point,
      clients: 16,
      transport: 'tcp',
      scripts: [
        { sql: pointSql, weight: 4 },
        { sql: newKeySql, weight: 1 },
      ],
    }),
    cell('connections, 8 clients', { ...point, mode: 'simple', clients: 8, transport: 'tcp', reconnect: true }),
  ],
  derive: (cells) => [
    ...[8, threadsMax].flatMap((clients) => gain(cells, `scalability, ${clients} clients`)),
    ...cells.flatMap(processorTime),
  ],
};

/** The pool beside a thread for each connection: the evaluation asks for 1.4. */
function gain(cells: readonly CellResult[], name: string): Derived[] {
  const samples = cells.find((each) => each.name === name)?.samples;
  const rate = (model: string): number => {
    const found = [...(samples ?? [])].find(([peer]) => peer.endsWith(`/${model}`))?.[1] ?? [];
    return found.length === 0 ? Number.NaN : median(found.map(({ value }) => value));
  };
  const value = rate('pool') / rate('per-connection');
  if (!Number.isFinite(value)) return [];
  return [{ name: `pool / per-connection, ${name}`, value, text: `${value.toFixed(2)} times the throughput` }];
}

/** Of the proxy, per transaction: what is left to compare when other programs use the machine, too. */
function processorTime({ name, samples }: CellResult): Derived[] {
  return [...samples].flatMap(([peer, rounds]) => {
    const us = rounds.flatMap(({ cpu, value }) => (cpu?.peer && value > 0 ? [(cpu.peer / value) * 1e6] : []));
    if (us.length === 0) return [];
    const value = median(us);
    return [{ name: `processor time, ${name}, ${peer}`, value, text: `${value.toFixed(1)} µs a transaction` }];
  });
}

export const concurrencyMemory: BenchCase = {
  name: 'concurrency-memory',
  shows: 'What a session costs in memory under each model: with a thread for each connection that is a whole thread.',
  setup: accountsSql(),
  unit: 'memory',
  lifetime: 'measurement',
  roundsMax: 1,
  peers,
  cells: [threadsMax, 400].map((count) => ({
    name: `${count} sessions`,
    load: (stage) => measureIdle(stage, count),
    secondsPlanned: 8,
    ...(count > threadsMax ? { runsOn } : {}),
  })),
};
