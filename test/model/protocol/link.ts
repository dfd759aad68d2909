/**
 * One session of the model: groups of sequences go out as bytes, each with a question behind it whose answer marks its end; what comes back is kept as
 * it came until the group is answered, or the session has ended, or nothing comes any more.
 */
import type { Socket } from 'node:net';
import pg from 'pg';
import { encode, type Message } from './message.ts';

export interface Sequence {
  readonly number: number;
  readonly messages: readonly Message[];
}

export interface Answer {
  readonly bytes: Buffer;
  /** 'complete': the last question was answered. */
  readonly end: 'complete' | 'closed' | 'hung';
}

/** Few texts, so that they are known to the cache thread: a statement that is not counts as a write of everything. */
const markOf = (number: number): string => `end of ${number % 64}`;
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

/** What the end of a sequence looks like on the wire: DataRow, CommandComplete, ReadyForQuery. */
export function tailOf(number: number): Buffer {
  const mark = Buffer.from(markOf(number));
  return Buffer.concat([
    ...[Buffer.from('D'), int32(4 + 2 + 4 + mark.length), Buffer.from([0, 1]), int32(mark.length), mark],
    ...[Buffer.from('C'), int32(4 + 9), Buffer.from('SELECT 1\0')],
    ...[Buffer.from('Z'), int32(5), Buffer.from('I')],
  ]);
}

export function groupBytes(group: readonly Sequence[]): Buffer {
  return Buffer.concat(
    group.flatMap(({ number, messages }) => [
      ...messages.map(encode),
      encode({ kind: 'query', sql: `SELECT '${markOf(number)}'` }),
    ]),
  );
}

export class Link {
  private readonly socket: Socket;
  private readonly hangMs: number;
  private chunks: Buffer[] = [];
  private tail: Buffer | null = null;
  private resolve: ((end: Answer['end']) => void) | null = null;
  private closed = false;

  private constructor(socket: Socket, hangMs: number) {
    this.socket = socket;
    this.hangMs = hangMs;
    socket.removeAllListeners('data');
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk);
      this.check();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.check();
    });
    socket.resume();
  }

  /** `hangMs`: silence that long is taken for a hang. */
  static async open(url: string, hangMs = 15_000): Promise<Link> {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    return new Link((client as unknown as { connection: { stream: Socket } }).connection.stream, hangMs);
  }

  /** `cuts`: positions at which the bytes are split into writes of their own. */
  async run(group: readonly Sequence[], bytes: Buffer, cuts: readonly number[]): Promise<Answer> {
    this.chunks = [];
    this.tail = tailOf(group.at(-1)!.number);
    const ended = new Promise<Answer['end']>((resolve) => {
      this.resolve = resolve;
    });
    let timer = setTimeout(() => this.finish('hung'), this.hangMs);
    const rearm = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => this.finish('hung'), this.hangMs);
    };
    this.socket.on('data', rearm);
    await this.send(bytes, cuts);
    const end = await ended;
    clearTimeout(timer);
    this.socket.off('data', rearm);
    return { bytes: Buffer.concat(this.chunks), end };
  }

  private async send(bytes: Buffer, cuts: readonly number[]): Promise<void> {
    let at = 0;
    for (const cut of [...cuts, bytes.length]) {
      if (this.closed) break;
      this.socket.write(bytes.subarray(at, cut));
      at = cut;
      if (cuts.length > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.check();
  }

  private check(): void {
    if (this.resolve === null || this.tail === null) return;
    if (this.endsWith(this.tail)) this.finish('complete');
    else if (this.closed) this.finish('closed');
  }

  private endsWith(tail: Buffer): boolean {
    let last = this.chunks.at(-1);
    if (last === undefined) return false;
    if (last.length < tail.length && this.chunks.length > 1) {
      last = Buffer.concat(this.chunks.slice(-4));
      if (last.length < tail.length) last = Buffer.concat(this.chunks);
    }
    return last.length >= tail.length && last.subarray(last.length - tail.length).equals(tail);
  }

  private finish(end: Answer['end']): void {
    this.tail = null;
    this.resolve?.(end);
    this.resolve = null;
  }

  close(): void {
    this.socket.destroy();
  }
}
