/**
 * A server that says what a test tells it to, right or wrong. It lets everybody in; after that each Query, Sync or Flush takes the next act of its
 * script.
 */
import { createServer, type Socket } from 'node:net';

/** `close`: an orderly end after the bytes; `reset`: the connection is torn. */
export interface Act {
  readonly bytes?: Buffer;
  readonly end?: 'close' | 'reset';
}

export interface FakeOrigin {
  readonly port: number;
  /** Codes of the messages received, by connection. */
  readonly received: readonly string[][];
  /** First packets, as they came: StartupMessage or CancelRequest. */
  readonly firstPackets: readonly Buffer[];
  close(): Promise<void>;
}

/** `code ‖ length ‖ body`. */
export function reply(code: string, body: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(body as string);
  const head = Buffer.alloc(5);
  head.write(code);
  head.writeInt32BE(4 + bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** A row of one text column. */
export function row(text: string): Buffer {
  const body = Buffer.alloc(6 + text.length);
  body.writeInt16BE(1);
  body.writeInt32BE(text.length, 2);
  body.write(text, 6);
  return reply('D', body);
}

export const ready: Buffer = reply('Z', 'I');
export const done: Buffer = reply('C', 'SELECT 1\0');

const welcome = Buffer.concat([
  reply('R', Buffer.alloc(4)),
  reply('S', 'client_encoding\0UTF8\0'),
  reply('K', Buffer.from([0, 0, 0, 1, 0, 0, 0, 2])),
  ready,
]);

function perform(socket: Socket, { bytes, end }: Act): void {
  const finish = () => (end === 'reset' ? socket.resetAndDestroy() : end === 'close' && socket.end());
  if (bytes === undefined) finish();
  else socket.write(bytes, finish);
}

/** `greeting` replaces the words of a login that succeeds. */
export async function startFakeOrigin(script: readonly Act[], greeting: Act = { bytes: welcome }): Promise<FakeOrigin> {
  const received: string[][] = [];
  const firstPackets: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const codes: string[] = [];
    received.push(codes);
    sockets.add(socket);
    let pending: Buffer = Buffer.alloc(0);
    let started = false;
    let act = 0;
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      if (!started && pending.length >= 4 && pending.length >= pending.readInt32BE(0)) {
        firstPackets.push(Buffer.from(pending.subarray(0, pending.readInt32BE(0))));
        pending = pending.subarray(pending.readInt32BE(0));
        started = true;
        perform(socket, greeting);
      }
      while (started && pending.length >= 5 && pending.length > pending.readInt32BE(1)) {
        const code = String.fromCharCode(pending[0]!);
        pending = pending.subarray(1 + pending.readInt32BE(1));
        codes.push(code);
        if ('QSH'.includes(code) && act < script.length) perform(socket, script[act++]!);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    received,
    firstPackets,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
