/** A session that moves very much data one way: what it sends or receives is made up as it goes, and nothing of it is kept. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Target } from './pgbench.ts';
import { logIn } from './sessions.ts';

const rowBytes = 1024;
const rowsPerChunk = 256;
const pauseMs = 3_000;
const waitMsMax = 600_000;

/** `code ‖ length ‖ body` ("Message Formats"). */
function message(code: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(code, 'latin1');
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}

const query = (sql: string): Buffer => message('Q', Buffer.from(`${sql}\0`));

/** Reads messages by their headers only. */
class Reader {
  readonly #ended: Promise<void>;
  bytes = 0;
  #skip = 0;
  #head = Buffer.alloc(0);
  #copyIn: () => void = () => undefined;
  readonly copyIn = new Promise<void>((resolve) => (this.#copyIn = resolve));

  constructor(socket: Socket) {
    this.#ended = new Promise((resolve, reject) => {
      socket.on('data', (chunk: Buffer) => this.#take(chunk, resolve, reject));
      socket.once('close', () => reject(new Error('the connection was closed in the middle')));
    });
    this.#ended.catch(() => undefined);
  }

  /** ReadyForQuery. Rejects with the text of an ErrorResponse. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  #take(chunk: Buffer, resolve: () => void, reject: (error: Error) => void): void {
    this.bytes += chunk.length;
    let at = Math.min(this.#skip, chunk.length);
    this.#skip -= at;
    while (at < chunk.length) {
      const bytes = this.#head.length === 0 ? chunk.subarray(at) : Buffer.concat([this.#head, chunk.subarray(at)]);
      if (bytes.length < 5) {
        this.#head = Buffer.from(bytes);
        return;
      }
      const [code, length] = [String.fromCharCode(bytes[0]!), 1 + bytes.readInt32BE(1)];
      if (code === 'Z') resolve();
      if (code === 'G') this.#copyIn();
      if (code === 'E') reject(new Error(bytes.toString('latin1', 5, length)));
      const left = chunk.length - at + this.#head.length;
      at += Math.min(chunk.length - at, length - this.#head.length);
      this.#skip = Math.max(0, length - left);
      this.#head = Buffer.alloc(0);
    }
  }
}

/** Logs in, moves the data, and ends. @throws when the server says anything but what was asked for. */
async function withSession(target: Target, move: (socket: Socket, reader: Reader) => Promise<void>): Promise<void> {
  const socket = await logIn(target);
  try {
    await move(socket, new Reader(socket));
  } finally {
    socket.destroy();
  }
}

/** COPY FROM STDIN of `megabytes`, which the server parses and drops. */
export const copyIn = (target: Target, megabytes: number): Promise<void> =>
  withSession(target, async (socket, reader) => {
    socket.write(query('COPY sink FROM STDIN WHERE false'));
    await Promise.race([reader.copyIn, reader.ended]);
    const chunk = message('d', Buffer.from(`${'x'.repeat(rowBytes - 1)}\n`.repeat(rowsPerChunk)));
    for (let left = (megabytes * 2 ** 20) / (rowBytes * rowsPerChunk); left > 0; left--) {
      if (!socket.write(chunk)) await once(socket, 'drain', { signal: AbortSignal.timeout(waitMsMax) });
    }
    socket.write(message('c', Buffer.alloc(0)));
    await reader.ended;
  });

const rowsSql = (megabytes: number): string =>
  `SELECT repeat('x', ${rowBytes - 1}) FROM generate_series(1, ${(megabytes * 2 ** 20) / rowBytes})`;

/** COPY TO STDOUT of `megabytes`. */
export const copyOut = (target: Target, megabytes: number): Promise<void> =>
  withSession(target, async (socket, reader) => {
    socket.write(query(`COPY (${rowsSql(megabytes)}) TO STDOUT`));
    await reader.ended;
  });

/** A result of `megabytes` to a reader that stops after the first tenth for a while. */
export const pausedResult = (target: Target, megabytes: number): Promise<void> =>
  withSession(target, async (socket, reader) => {
    socket.write(query(rowsSql(megabytes)));
    while (reader.bytes < (megabytes * 2 ** 20) / 10) await Promise.race([once(socket, 'data'), reader.ended]);
    socket.pause();
    await delay(pauseMs);
    socket.resume();
    await reader.ended;
  });
