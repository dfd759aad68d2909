/**
 * Measures the ways to hand an accepted socket to a worker (ADR-005): `node bench/handoff.ts [connections] [rounds] [clients]`.
 *
 *   dup      dup(2) of the descriptor, its number posted, `new net.Socket({ fd })` in the worker (what pgfresh does)
 *   native   `port.postMessage({ socket }, [socket])` of Node itself (Node ≥ 24.20)
 *   relay    main keeps the socket and posts its bytes (the fallback)
 *   none     main serves the connection itself: what the others are measured against
 *   message  the same, and a message without a socket goes to the worker: the floor of whatever wakes another thread
 *
 * Clients live in a thread of their own, 16 at a time unless said otherwise: connect, wait for one byte, close. Per way: microseconds from
 * accept to the handler in the worker, and connections a second. Ways take turns; the best of all rounds counts.
 */
import net from 'node:net';
import { isMainThread, MessageChannel, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads';
import { type Lane, openLane } from '../src/proxy/handoff.ts';
import { loadDescriptors } from '../src/shared/descriptors.ts';
import { receiveHandoffs } from '../src/shared/handoff.ts';

const ways = ['none', 'message', 'dup', 'native', 'relay'] as const;
type Way = (typeof ways)[number];

interface ServerData {
  readonly role: 'server';
  readonly handoff: MessagePort;
  readonly latencies: Float64Array;
  readonly served: Int32Array;
}
interface ClientData {
  readonly role: 'client';
  readonly port: number;
  readonly connections: number;
  readonly clients: number;
}

const nowUs = (): number => Number(process.hrtime.bigint()) / 1e3;

function answer(socket: NodeJS.WritableStream & { on(event: 'error', listener: () => void): unknown }): void {
  socket.on('error', () => undefined);
  socket.end('x');
}

function record(acceptedUs: number, latencies: Float64Array, served: Int32Array): void {
  latencies[Atomics.add(served, 0, 1) % latencies.length] = nowUs() - acceptedUs;
}

function runServer({ handoff, latencies, served }: ServerData): void {
  receiveHandoffs(handoff, (arrival) => {
    record(Number(arrival.peer), latencies, served);
    answer(arrival.open({}));
  });
  parentPort!.on('message', ({ socket, acceptedUs }: { socket?: net.Socket; acceptedUs: number }) => {
    record(acceptedUs, latencies, served);
    if (socket !== undefined) answer(socket);
  });
  parentPort!.postMessage('ready');
}

async function runClient({ port, connections, clients }: ClientData): Promise<void> {
  let left = connections;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: '127.0.0.1' });
      socket.once('data', () => socket.destroy());
      socket.once('error', reject);
      socket.once('close', () => resolve());
    });
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (left-- > 0) await one();
    }),
  );
}

interface Result {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

async function measure(way: Way, connections: number, clients: number): Promise<Result> {
  const latencies = new Float64Array(new SharedArrayBuffer(connections * 8));
  const served = new Int32Array(new SharedArrayBuffer(4));
  const { lane, workerPort } = openLane(way === 'relay' ? null : loadDescriptors());
  const data: ServerData = { role: 'server', handoff: workerPort, latencies, served };
  const worker = new Worker(new URL(import.meta.url), { workerData: data, transferList: [workerPort] });
  await new Promise((resolve) => worker.once('message', resolve));
  const server = net.createServer({ pauseOnConnect: way !== 'none' && way !== 'message', noDelay: true }, (socket) => {
    give(way, socket, { lane, worker, latencies, served });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const startUs = nowUs();
  const client = new Worker(new URL(import.meta.url), { workerData: { role: 'client', port, connections, clients } });
  await new Promise<void>((resolve, reject) => client.once('exit', () => resolve()).once('error', reject));
  const elapsedUs = nowUs() - startUs;
  server.close();
  await worker.terminate();
  lane.abandon();
  const sorted = latencies.slice(0, served[0]).sort();
  const rank = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0;
  return { perSecond: (connections / elapsedUs) * 1e6, p50Us: rank(0.5), p99Us: rank(0.99) };
}

interface Hands {
  readonly lane: Lane;
  readonly worker: Worker;
  readonly latencies: Float64Array;
  readonly served: Int32Array;
}

function give(way: Way, socket: net.Socket, { lane, worker, latencies, served }: Hands): void {
  const acceptedUs = nowUs();
  if (way === 'none') {
    record(acceptedUs, latencies, served);
    answer(socket);
  } else if (way === 'message') {
    worker.postMessage({ acceptedUs });
    answer(socket);
  } else if (way === 'native') {
    worker.postMessage({ socket, acceptedUs }, [socket as never]);
  } else {
    lane.send({ socket, transport: 'tcp', peer: String(acceptedUs) });
  }
}

/** Whether this Node can post sockets. */
function canPostSockets(): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer({ pauseOnConnect: true }, (socket) => {
      const { port1 } = new MessageChannel();
      let posted = true;
      try {
        port1.postMessage({ socket }, [socket as never]);
      } catch {
        posted = false; // DataCloneError: this Node cannot
      }
      port1.close();
      socket.destroy();
      client.destroy();
      server.close(() => resolve(posted));
    });
    let client: net.Socket;
    server.listen(0, '127.0.0.1', () => {
      client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1').on('error', () => undefined);
    });
  });
}

async function main(): Promise<void> {
  const connections = Number(process.argv[2] ?? 4_000);
  const rounds = Number(process.argv[3] ?? 3);
  const clients = Number(process.argv[4] ?? 16);
  const usable = (await canPostSockets()) ? ways : ways.filter((way) => way !== 'native');
  const best = new Map<Way, Result>();
  for (let round = 0; round <= rounds; round++) {
    for (const way of usable) {
      const result = await measure(way, connections, clients);
      const better = result.perSecond > (best.get(way)?.perSecond ?? 0);
      if (round > 0 && better) best.set(way, result); // round 0 warms up
    }
  }
  process.stdout.write(
    `node ${process.version}, ${connections} connections, ${clients} clients, best of ${rounds} rounds\n`,
  );
  for (const [way, { perSecond, p50Us, p99Us }] of best) {
    const figures = [`${perSecond.toFixed(0)}/s`, `p50 ${p50Us.toFixed(0)} µs`, `p99 ${p99Us.toFixed(0)} µs`];
    process.stdout.write(`${way.padEnd(8)}${figures.map((figure) => figure.padStart(14)).join('')}\n`);
  }
}

if (isMainThread) await main();
else if ((workerData as ServerData | ClientData).role === 'server') runServer(workerData as ServerData);
else await runClient(workerData as ClientData);
