/**
 * What a session that is logged in and idle costs: heap and memory outside of it in a worker, after collection; then what is resident of a
 * whole pgfresh with two workers, where each session is asked whether it is served. `node --expose-gc bench/micro-session.ts [sessions]` (5000). Clients and an origin that only lets everybody in are a process of their own,
 * so that PostgreSQL's 5,000 processes need not be paid for; descriptors are handed over as main does it.
 */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../src/proxy/config.ts';
import type { Config } from '../src/shared/config.ts';
import { loadDescriptors } from '../src/shared/descriptors.ts';
import { silentLogger } from '../src/shared/log.ts';
import { createControl } from '../src/shared/memory/control.ts';
import { createCounters } from '../src/shared/memory/counters.ts';
import { Runtime } from '../src/worker/runtime.ts';
import { freePort } from './household.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const loginsAtOnce = 50;

function message(code: string, body: string): Buffer {
  const head = Buffer.alloc(5);
  head.write(code, 'latin1');
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, Buffer.from(body, 'latin1')]);
}

const parameters = {
  ...{ server_version: '18.4', server_encoding: 'UTF8', client_encoding: 'UTF8', application_name: 'micro-session' },
  ...{
    DateStyle: 'ISO, MDY',
    IntervalStyle: 'postgres',
    TimeZone: 'UTC',
    integer_datetimes: 'on',
    is_superuser: 'off',
  },
  ...{ session_authorization: 'postgres', standard_conforming_strings: 'on', default_transaction_read_only: 'off' },
};
const welcome = Buffer.concat([
  message('R', '\0\0\0\0'),
  ...Object.entries(parameters).map(([name, value]) => message('S', `${name}\0${value}\0`)),
  message('K', '\0\0\0\x01\0\0\0\x02'),
  message('Z', 'I'),
]);

const queryCode = 0x51;
const query = message('Q', '\0');
const emptyAnswer = Buffer.concat([message('I', ''), message('Z', 'I')]);

/** The other process: first the origin, then the clients, each told by a message. */
async function play(): Promise<void> {
  const origin = net.createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => {
      socket.write(welcome);
      socket.on('data', (chunk: Buffer) => {
        if (chunk[0] === queryCode) socket.write(emptyAnswer);
      });
    });
  });
  origin.listen(0, '127.0.0.1', 4096);
  await once(origin, 'listening');
  process.send!((origin.address() as net.AddressInfo).port);
  const body = 'user\0postgres\0database\0postgres\0application_name\0micro-session\0\0';
  const packet = Buffer.concat([Buffer.from([0, 0, 0, 8 + body.length, 0, 3, 0, 0]), Buffer.from(body)]);
  const sockets: net.Socket[] = [];
  const hear = async (socket: net.Socket, bytes: number): Promise<void> => {
    for (let seen = 0; seen < bytes; ) seen += ((await once(socket, 'data')) as [Buffer])[0].length;
  };
  const logIn = async (port: number): Promise<void> => {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(packet);
    await hear(socket, welcome.length);
    sockets.push(socket);
  };
  process.on('message', async ({ port, count }: { port: number; count: number }) => {
    if (count === 0) {
      for (const socket of sockets) socket.write(query);
      await Promise.all(sockets.map((socket) => hear(socket, emptyAnswer.length)));
      process.send!(sockets.splice(0).map((socket) => socket.destroy()).length);
      return;
    }
    for (let i = 0; i < count; i += loginsAtOnce) {
      await Promise.all(Array.from({ length: Math.min(loginsAtOnce, count - i) }, () => logIn(port)));
    }
    process.send!('idle');
  });
}

interface Memory {
  readonly heap: number;
  readonly outside: number;
}

async function memory(): Promise<Memory> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc!();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { heapUsed: heap, external: outside } = process.memoryUsage();
  return { heap, outside };
}

const perSession = (before: number, after: number, count: number): string =>
  ((after - before) / count / 1024).toFixed(1);

/** Logs in `count` sessions at `port`; 0: asks all that are there whether they are served, and closes them. @returns what the peer says */
type LogIn = (port: number, count: number) => Promise<unknown>;

/** One worker's runtime in this process. */
async function measureWorker(config: Config, logIn: LogIn, count: number): Promise<void> {
  const init = { workerSlot: 0, config, control: createControl(), counters: createCounters() };
  const runtime = new Runtime(init, silentLogger());
  const descriptors = loadDescriptors()!;
  const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    const { fd } = (socket as unknown as { readonly _handle: { readonly fd: number } })._handle;
    const copy = descriptors.dup(fd);
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    socket.destroy();
    const open = (options: net.SocketConstructorOpts) =>
      new net.Socket({ ...options, fd: copy, readable: true, writable: true });
    runtime.accept({ transport: 'tcp', peer, open });
  });
  server.listen(0, '127.0.0.1', 4096);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  await logIn(port, 200); // what only the first sessions cost
  const before = await memory();
  await logIn(port, count);
  const after = await memory();
  const [heap, outside] = [
    perSession(before.heap, after.heap, count),
    perSession(before.outside, after.outside, count),
  ];
  print(`one worker, ${count} sessions: heap ${heap} KiB, outside ${outside} KiB a session`);
  print(`served: ${await logIn(port, 0)}`);
  server.close();
  await runtime.drain(0);
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]) * 1024;
}

/** A whole pgfresh; without a change stream, since its origin has none. */
async function measureProxy(upstream: string, logIn: LogIn, count: number): Promise<void> {
  const cli = fileURLToPath(new URL('../bin/pgfresh.js', import.meta.url));
  const port = await freePort();
  const child = spawn(
    process.execPath,
    [
      ...[cli, 'serve', '--wait', '--upstream', upstream, '--listen', `127.0.0.1:${port}`, '--admin', 'off'],
      ...['--workers', '2', '--log-level', 'fatal', '--origin-connect-timeout', '1s'],
    ],
    { stdio: 'inherit' },
  );
  try {
    for (let tries = 0; tries < 100; tries++) {
      const isUp = await new Promise<boolean>((resolve) => {
        const probe = net.connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
        probe.unref();
      });
      if (isUp) break;
      await delay(200);
    }
    await logIn(port, 200);
    await delay(1000);
    const before = residentBytes(child.pid!);
    await logIn(port, count);
    await delay(1000);
    const resident = perSession(before, residentBytes(child.pid!), count);
    print(`pgfresh with two workers, ${count} sessions: ${resident} KiB resident a session`);
    print(`served: ${await logIn(port, 0)}`);
  } finally {
    child.kill();
  }
}

async function measure(count: number): Promise<void> {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc');
  const peer = fork(fileURLToPath(import.meta.url), ['play'], { execArgv: [] });
  const [originPort] = (await once(peer, 'message')) as [number];
  const upstream = `postgres://postgres@127.0.0.1:${originPort}/postgres?sslmode=disable`;
  const config = loadConfig({ flags: { upstream }, env: {}, file: undefined, terminal: false });
  const logIn: LogIn = async (port, sessions) => {
    peer.send({ port, count: sessions });
    return ((await once(peer, 'message')) as [unknown])[0];
  };
  await measureWorker(config, logIn, count);
  await measureProxy(upstream, logIn, count);
  peer.kill();
}

if (process.argv[2] === 'play') await play();
else await measure(Number(process.argv[2] ?? 5000));
