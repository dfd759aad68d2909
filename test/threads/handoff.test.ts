import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Descriptors, loadDescriptors } from '../../src/shared/descriptors.ts';
import { ListenError } from '../../src/shared/errors.ts';
import { type FixtureProxy, socketCount, startFixtureProxy, TextClient, untilLive } from '../support/fixture-proxy.ts';
import { testConfig } from '../support/test-config.ts';
import { waitFor } from '../support/wait.ts';

let proxy: FixtureProxy | undefined;
const folders: string[] = [];
const clients: TextClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  await proxy?.close();
  proxy = undefined;
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'pgfresh-handoff-'));
  folders.push(made);
  return made;
}

function client(target: number | string): TextClient {
  const made = new TextClient(target);
  clients.push(made);
  return made;
}

async function start(
  flags: Parameters<typeof testConfig>[0] = {},
  descriptors?: Descriptors | null,
): Promise<FixtureProxy> {
  const config = testConfig(flags);
  proxy = await startFixtureProxy(config, descriptors === undefined ? {} : { descriptors });
  await untilLive(proxy, config.workers);
  return proxy;
}

describe.each([
  ['descriptors', undefined],
  ['relayed bytes', null],
] as const)('a connection by %s', (_how, descriptors) => {
  it('is served by the workers in turn, over TCP', async () => {
    const { port } = await start({}, descriptors);
    const answers: string[] = [];
    for (let i = 0; i < 4; i++) answers.push(await client(port).ask(`hello ${i}`));
    expect(answers.sort()).toEqual([
      'worker 1 tcp: hello 0',
      'worker 1 tcp: hello 2',
      'worker 2 tcp: hello 1',
      'worker 2 tcp: hello 3',
    ]);
  });

  it('is served over the Unix socket, which anybody may open and which is removed at the end', async () => {
    const directory = folder();
    const { listener } = await start({ listen_unix: directory }, descriptors);
    const file = listener.unixPath!;
    expect(statSync(file).mode & 0o777).toBe(0o777);
    expect(await client(file).ask('hi')).toBe('worker 1 unix: hi');
    await proxy!.close();
    proxy = undefined;
    expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('keeps what the client sent before a worker had it, and its end', async () => {
    const { port } = await start({}, descriptors);
    const early = client(port);
    early.send('first');
    await waitFor('the answer', () => early.received.includes('first'));
    early.socket.end();
    await early.closed;
  });

  it('is closed when its worker dies, and a new worker takes the next', async () => {
    const { port, supervisor } = await start({ workers: '1' }, descriptors);
    const doomed = client(port);
    expect(await doomed.ask('hello')).toBe('worker 1 tcp: hello');
    doomed.send('exit');
    await doomed.closed;
    await waitFor(
      'the replacement',
      () => supervisor.workers()[0]!.restarts === 1 && supervisor.workersRunning() === 1,
    );
    expect(await client(port).ask('again')).toBe('worker 1 tcp: again');
  });
});

describe('descriptors', () => {
  it('neither leak nor are closed twice while workers die with connections on their way', async () => {
    const { port, supervisor } = await start({ workers: '2' });
    const bystander = client(port);
    expect(await bystander.ask('hello')).toMatch(/hello/);
    const before = socketCount();
    for (let round = 0; round < 5; round++) {
      const crowd = Array.from({ length: 40 }, () => new TextClient(port));
      // The first to be served kills its worker while the others are still being handed over.
      for (const each of crowd) each.send(round % 2 === 0 ? 'exit' : 'throw');
      const restarts = () => supervisor.workers().reduce((sum, worker) => sum + worker.restarts, 0);
      const seen = restarts();
      await waitFor('a worker to be replaced', () => restarts() > seen && supervisor.workersRunning() === 2);
      for (const each of crowd) each.socket.destroy();
      await Promise.all(crowd.map((each) => each.closed));
    }
    await waitFor(
      'the descriptors to be closed',
      () => socketCount() <= before,
      20_000,
      () => `${socketCount()} > ${before}`,
    );
    // What the last crowd sent may still end a worker or two.
    await waitFor('a worker that lives', async () => /alive/.test(await client(port).ask('alive')));
  });

  it('are closed by main when a worker never took them', async () => {
    const { port, supervisor } = await start({ workers: '1' });
    const blocker = client(port);
    await blocker.ask('hello');
    blocker.send('block');
    const before = socketCount();
    const waiting = Array.from({ length: 10 }, () => client(port));
    await waitFor('all to be accepted', () => proxy!.dispatcher.accepted >= 11);
    expect(socketCount()).toBeGreaterThan(before);
    await waitFor('the blocked worker to be replaced', () => supervisor.workers()[0]!.restarts === 1, 40_000);
    await Promise.all(waiting.map((each) => each.closed));
    expect(await client(port).ask('alive')).toBe('worker 1 tcp: alive');
  });
});

describe('too many connections', () => {
  const startup = Buffer.concat([Buffer.from([0, 0, 0, 16, 0, 3, 0, 0]), Buffer.from('user\0u\0\0')]);
  const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

  it('are told so with 53300 after their startup packet, in whatever pieces it comes, encryption asked for first', async () => {
    const { port } = await start({ workers: '1', 'limits.max_connections': '1' });
    expect(await client(port).ask('hello')).toMatch(/hello/);
    const refused = client(port);
    refused.send(sslRequest);
    await waitFor('N', () => refused.received === 'N');
    for (const byte of startup) refused.send(Buffer.from([byte]));
    await refused.closed;
    expect(refused.received).toMatch(/^NE.*SFATAL\0VFATAL\0C53300\0Msorry, too many clients already/s);
  });
});

describe('a listener', () => {
  it('names the address that is in use', async () => {
    const { port } = await start();
    const second = startFixtureProxy(testConfig({ listen: `127.0.0.1:${port}` }));
    await expect(second).rejects.toThrow(
      new ListenError(`cannot listen on 127.0.0.1:${port}: already in use by another process`),
    );
  });

  it('takes over the socket file of a process that died, and refuses one that is in use or no socket', async () => {
    const directory = folder();
    const { port } = await start();
    const file = path.join(directory, `.s.PGSQL.${port}`);
    writeFileSync(file, '');
    const config = testConfig({ listen: '127.0.0.1:0', listen_unix: directory });
    const { listen } = await import('../../src/proxy/listener.ts');
    const other = await listen(config.listen, undefined, () => undefined);
    await other.close();
    const address = other.addresses[0]!;
    const stale = path.join(directory, `.s.PGSQL.${address.port}`);
    const dead = net.createServer().listen(stale);
    await new Promise((resolve) => dead.once('listening', resolve));
    await expect(listen([address], directory, () => undefined)).rejects.toThrow(/in use/);
    const relisten = await listen([{ host: '127.0.0.1', port: address.port }], undefined, () => undefined);
    await relisten.close();
    await new Promise((resolve) => dead.close(resolve));
    writeFileSync(stale, '');
    await expect(listen([address], directory, () => undefined)).rejects.toThrow(/no socket/);
  });

  it('finds koffi on this machine', () => {
    expect(loadDescriptors()).not.toBeNull();
  });
});
