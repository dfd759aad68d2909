// Each model of concurrency over the fixture's threads: who serves whom, who waits, who is refused, and that nothing is left behind.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { SettingKey } from '../../src/proxy/settings.ts';
import { type FixtureProxy, socketCount, startFixtureProxy, TextClient } from '../support/fixture-proxy.ts';
import { testConfig } from '../support/test-config.ts';
import { waitFor } from '../support/wait.ts';

let proxy: FixtureProxy | undefined;
let folder: string | undefined;
const clients: TextClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  await proxy?.close();
  proxy = undefined;
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  folder = undefined;
});

function client(target: number | string): TextClient {
  const made = new TextClient(target);
  clients.push(made);
  return made;
}

async function start(flags: Readonly<Partial<Record<SettingKey, string>>>): Promise<FixtureProxy> {
  proxy = await startFixtureProxy(testConfig(flags));
  const { supervisor } = proxy;
  await waitFor(
    'the first threads',
    () => supervisor.cache().state === 'live' && supervisor.workersRunning() > 0,
    30_000,
  );
  return proxy;
}

const workerOf = (answer: string): number => Number(/^worker (\d+) /.exec(answer)?.[1]);
const startup = Buffer.concat([Buffer.from([0, 0, 0, 16, 0, 3, 0, 0]), Buffer.from('user\0u\0\0')]);

async function untilRefused(refused: TextClient): Promise<void> {
  refused.send(startup);
  await refused.closed;
  expect(refused.received).toMatch(/C53300\0Msorry, too many clients are waiting/);
}

it('async: one worker serves every connection, however many workers there might be', async () => {
  const { port, supervisor } = await start({ 'concurrency.model': 'async', workers: '4' });
  const answers = await Promise.all(Array.from({ length: 6 }, (_, i) => client(port).ask(`${i}`)));
  expect(answers.map(workerOf)).toEqual([1, 1, 1, 1, 1, 1]);
  expect(supervisor.workers()).toHaveLength(1);
});

it('auto: pool in turn; a transport may have a model of its own, and the two share the workers', async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'pgfresh-concurrency-'));
  const flags = { 'concurrency.unix': 'per-connection', 'concurrency.max_threads': '2', listen_unix: folder } as const;
  const { port, supervisor, listener } = await start({ ...flags, workers: '2' });
  await waitFor('both workers and the spare thread', () => supervisor.workersRunning() === 3, 30_000);
  const tcp = await Promise.all([client(port).ask('a'), client(port).ask('b')]);
  expect(tcp.map(workerOf).sort()).toEqual([1, 2]);
  const unix = [client(listener.unixPath!), client(listener.unixPath!)];
  expect((await Promise.all(unix.map((each) => each.ask('c')))).map(workerOf).sort()).toEqual([3, 4]);
});

describe('work-stealing', () => {
  it('gives what waits for a worker that is busy to one that is not, in a bounded queue', async () => {
    const { port, supervisor, dispatcher } = await start({ 'concurrency.model': 'work-stealing', workers: '2' });
    await waitFor('both workers', () => supervisor.workersRunning() === 2, 30_000);
    // Two connections of each worker: one is to block it, the other to tell that it is.
    const four = Array.from({ length: 4 }, () => client(port));
    const owners: number[] = [];
    for (const each of four) owners.push(workerOf(await each.ask('a')));
    const [blocker, probe] = four.filter((_, i) => owners[i] === 1);
    blocker!.send('block'); // its event loop turns no more, until the supervisor replaces it
    await waitFor('silence', async () => {
      const before = probe!.received;
      probe!.send('b');
      await delay(200);
      return probe!.received === before;
    });
    // Two are in the hands of the blocked worker at most; all others are served by the one that is left.
    const crowd = Array.from({ length: 12 }, () => client(port));
    for (const [i, each] of crowd.entries()) each.send(`${i}`);
    const served = () => crowd.filter(({ received }) => received !== '');
    await waitFor(
      'ten to be served',
      () => served().length >= 10,
      8_000,
      () => `${served().length}`,
    );
    expect(new Set(served().map(({ received }) => workerOf(received)))).toEqual(new Set([2]));
    expect(dispatcher.queue().waiting).toBe(0);
  });

  it('serves what waited for a worker that died', async () => {
    const { port, supervisor } = await start({ 'concurrency.model': 'work-stealing', workers: '1' });
    const doomed = client(port);
    await doomed.ask('a');
    doomed.send('exit');
    await waitFor('the death', () => supervisor.workersRunning() === 0);
    const waiting = Array.from({ length: 5 }, () => client(port));
    for (const each of waiting) expect(await each.ask('b')).toMatch(/^worker 1 /);
  });
});

describe('per-connection', () => {
  it('gives each connection a thread, then lets wait, then refuses with 53300; a thread that is free serves who waits', async () => {
    const limits = { 'concurrency.max_threads': '2', 'concurrency.max_queue_depth': '1' } as const;
    const { port, supervisor, dispatcher } = await start({ 'concurrency.model': 'per-connection', ...limits });
    const [one, other] = [client(port), client(port)];
    const answers = [await one.ask('a'), await other.ask('b')].map(workerOf);
    expect([...answers].sort()).toEqual([1, 2]);
    const third = client(port);
    third.send('c');
    await waitFor('the third to wait', () => dispatcher.waiting === 1);
    await untilRefused(client(port));
    expect(third.received).toBe('');
    one.socket.end();
    await waitFor('the third to be served', () => third.received !== '');
    expect(workerOf(third.received)).toBe(answers[0]);
    expect(dispatcher.queue()).toMatchObject({ waiting: 0, waitingMax: 1 });
    expect(dispatcher.queue().wait.maxMs).toBeGreaterThan(0);
    expect(supervisor.workersRunning()).toBe(2);
  });

  it('ends threads that nobody needs but one, begins new ones when somebody does, and leaks no descriptor', async () => {
    const flags = { 'concurrency.max_threads': '3', 'concurrency.thread_idle': '50ms' } as const;
    const { port, supervisor } = await start({ 'concurrency.model': 'per-connection', ...flags });
    const before = socketCount();
    for (let round = 0; round < 3; round++) {
      const crowd = Array.from({ length: 3 }, () => new TextClient(port));
      const answers = await Promise.all(crowd.map((each) => each.ask('a')));
      expect(answers.map(workerOf).sort()).toEqual([1, 2, 3]);
      for (const each of crowd) each.socket.destroy();
      await Promise.all(crowd.map((each) => each.closed));
      await waitFor('all threads but one to end', () => supervisor.workers().length === 1, 20_000);
    }
    expect(supervisor.workers().map(({ restarts }) => restarts)).toEqual([0]);
    await waitFor('the descriptors to be closed', () => socketCount() <= before, 20_000);
  });

  it('replaces a thread that dies with its connection; the others go on', async () => {
    const { port } = await start({ 'concurrency.model': 'per-connection', 'concurrency.max_threads': '2' });
    const [one, other] = [client(port), client(port)];
    await Promise.all([one.ask('a'), other.ask('b')]);
    one.send('throw');
    await one.closed;
    expect(await client(port).ask('c')).toMatch(/: c$/);
    expect(await other.ask('d')).toMatch(/: d$/);
  });
});

it('while no worker is there, connections wait up to the depth of the queue, whatever the model', async () => {
  const flags = { workers: '1', 'concurrency.max_queue_depth': '2', 'restart.backoff_min': '2s' } as const;
  const { port, supervisor, dispatcher } = await start(flags);
  const doomed = client(port);
  await doomed.ask('a');
  doomed.send('exit');
  await waitFor('the death', () => supervisor.workersRunning() === 0);
  const waiting = [client(port), client(port)];
  await waitFor('two to wait', () => dispatcher.waiting === 2);
  await untilRefused(client(port));
  for (const each of waiting) expect(await each.ask('b')).toMatch(/: b$/);
});
