import { afterEach, describe, expect, it } from 'vitest';
import { spawnThread, type Thread } from '../../src/proxy/thread.ts';
import { ThreadError } from '../../src/shared/errors.ts';
import { claimFlight, flightOf } from '../../src/shared/memory/flights.ts';
import { Control, epochWord } from '../../src/shared/memory/layout.ts';
import { type FixtureProxy, fixtureFile, startFixtureProxy, TextClient, untilLive } from '../support/fixture-proxy.ts';
import { testConfig } from '../support/test-config.ts';
import { waitFor } from '../support/wait.ts';

interface Dying {
  add(a: number, b: number): number;
  die(how: string): Promise<never>;
}

let proxy: FixtureProxy | undefined;
let thread: Thread<Dying> | undefined;
const clients: TextClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  await proxy?.close();
  await thread?.terminate();
  [proxy, thread] = [undefined, undefined];
});

async function spawnDying(): Promise<Thread<Dying>> {
  thread = await spawnThread<Dying>({
    ...{ name: 'dying', file: fixtureFile('dying'), startTimeoutMs: 30_000 },
    resourceLimits: { maxOldGenerationSizeMb: 32 },
  });
  return thread;
}

describe('a thread', () => {
  it('leaves the signal handlers of the process alone', async () => {
    const before = [process.listenerCount('SIGINT'), process.listenerCount('SIGTERM')];
    await spawnDying();
    expect([process.listenerCount('SIGINT'), process.listenerCount('SIGTERM')]).toEqual(before);
  });

  it.each([
    ['throw', 1, /fixture throws/],
    ['reject', 1, /fixture rejects/],
    ['exit', 7, null],
    ['memory', 1, /memory limit/],
  ])('that dies by %s is seen to die, and calls under way and later fail', async (how, exitCode, message) => {
    const { calls, exited } = await spawnDying();
    expect(await calls.add(1, 2)).toBe(3);
    await expect(calls.die(how)).rejects.toThrow(ThreadError);
    const exit = await exited;
    expect(exit.exitCode).toBe(exitCode);
    if (message === null) expect(exit.error).toBeNull();
    else expect(exit.error?.message).toMatch(message);
    await expect(calls.add(1, 2)).rejects.toThrow(/dying ended/);
  });

  it('that never returns to its event loop can be ended', async () => {
    const { calls, exited, terminate } = await spawnDying();
    const call = calls.die('block');
    const reason = new Error('blocked');
    await Promise.all([expect(call).rejects.toThrow(/blocked/), terminate(reason)]);
    expect((await exited).error).toBe(reason);
  });

  it('that throws while it is loaded, is missing, or exposes nothing does not start', async () => {
    const start = (file: string, startTimeoutMs = 30_000) => spawnThread({ name: 'bad', file, startTimeoutMs });
    await expect(start(fixtureFile('throws-on-load'))).rejects.toThrow(/bad ended \(thrown while loading\)/);
    await expect(start(fixtureFile('no-such-file'))).rejects.toThrow(ThreadError);
    await expect(start(fixtureFile('silent'), 500)).rejects.toThrow(ThreadError);
  });
});

async function start(flags: Parameters<typeof testConfig>[0] = {}, startMsMax = 60_000): Promise<FixtureProxy> {
  const config = testConfig({ 'restart.heartbeat_max': '400ms', ...flags });
  proxy = await startFixtureProxy(config, { startMsMax });
  return proxy;
}

function client(): TextClient {
  const made = new TextClient(proxy!.port);
  clients.push(made);
  return made;
}

describe('the supervisor', () => {
  it.each(['throw', 'exit', 'block'] as const)(
    'replaces a cache thread that dies by %s, and workers are attached to the new one in place',
    async (how) => {
      const running = await start({ faults: 'admin' });
      await untilLive(running, 2);
      const session = client();
      await waitFor('the first link', async () => (await session.ask('link')) === '1');
      running.supervisor.fault('cache', how);
      await waitFor('generation 2', () => running.supervisor.cache().generation === 2);
      await untilLive(running, 2);
      expect(await session.ask('link')).toBe('2');
      expect(running.supervisor.cache()).toEqual({ state: 'live', generation: 2, restarts: 1 });
      expect(running.supervisor.workers().map(({ restarts }) => restarts)).toEqual([0, 0]);
    },
  );

  it('switches the cache off before it ends a cache thread that hangs', async () => {
    const { supervisor } = await start({ faults: 'admin', 'restart.backoff_min': '2s' });
    await untilLive(proxy!, 2);
    const words = new Int32Array(supervisor.control);
    expect(Atomics.load(words, Control.CURRENT_GENERATION)).toBe(1);
    supervisor.fault('cache', 'block');
    await waitFor('the word', () => Atomics.load(words, Control.CURRENT_GENERATION) === 0);
    expect(supervisor.cache().state).toBe('down');
    expect(() => supervisor.cacheCalls()).toThrow(ThreadError);
  });

  it('replaces a worker that dies: epoch word cleared, its misses given up, sessions uncounted, the other and the cache untouched', async () => {
    const { supervisor } = await start();
    await untilLive(proxy!, 2);
    const words = new Int32Array(supervisor.control);
    const sessions = [client(), client()];
    const answers = await Promise.all(sessions.map((session) => session.ask('hello')));
    const doomed = sessions[answers.findIndex((answer) => answer.startsWith('worker 1'))]!;
    const other = sessions.find((session) => session !== doomed)!;
    expect(Atomics.load(words, Control.SESSIONS)).toBe(2);
    Atomics.store(words, epochWord(0), 17);
    for (const slot of [0, 1]) expect(claimFlight(words, slot << 20, slot, 0)).toBe(true);
    doomed.send('exit');
    await doomed.closed;
    await waitFor(
      'the replacement',
      () => supervisor.workersRunning() === 2 && supervisor.workers()[0]!.restarts === 1,
    );
    expect(Atomics.load(words, epochWord(0))).toBe(0);
    expect([0, 1].map((slot) => flightOf(words, slot << 20) !== 0)).toEqual([false, true]);
    expect(Atomics.load(words, Control.SESSIONS)).toBe(1);
    expect(await other.ask('still here')).toMatch(/still here/);
    expect(supervisor.cache().restarts).toBe(0);
    const again = client();
    await waitFor('the link of the replacement', async () => (await again.ask('link')) === '1');
  });

  it('gives up on a thread that never finishes its start, and tries again', async () => {
    const { supervisor } = await start({ faults: 'cache-never-starts' }, 3_000);
    await untilLive(proxy!, 2);
    expect(supervisor.cache()).toEqual({ state: 'live', generation: 2, restarts: 1 });
  });

  it('can be stopped while threads are starting, waiting to be restarted, or cannot start', async () => {
    await start({ faults: 'worker-never-starts' }, 1_000);
    await proxy!.close();
    const { supervisor } = await start({ faults: 'worker-never-starts', 'restart.backoff_min': '5s' }, 1_000);
    await waitFor('a failed start', () => supervisor.workers().length === 2 && supervisor.cache().state === 'live');
    await proxy!.close();
    expect(supervisor.workersRunning()).toBe(0);
    proxy = undefined;
  });
});
