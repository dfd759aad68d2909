/**
 * A client that sends what a test says, byte for byte, and shows each message that comes back. node-postgres logs in (SCRAM
 * and all); its socket is ours from then on. Messages are built by pg-protocol, not by the code under test.
 */
import type { Socket } from 'node:net';
import pg from 'pg';
import { serialize } from 'pg-protocol';

export { serialize };

export interface Frame {
  /** The message's letter. */
  readonly code: string;
  readonly body: Buffer;
}

export interface RawClient {
  send(...messages: readonly Buffer[]): void;
  /** Messages up to and including the `count`-th one of `code`. Rejects when the connection ends before. */
  until(code: string, count?: number): Promise<Frame[]>;
  /** What is left when the connection has ended. */
  rest(): Promise<Frame[]>;
  readonly processId: number;
  readonly secretKey: number;
  readonly socket: Socket;
  close(): void;
}

interface PgInternals {
  readonly connection: { readonly stream: Socket };
  readonly processID: number;
  readonly secretKey: number;
}

export async function connectRaw(url: string): Promise<RawClient> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  const { connection, processID, secretKey } = client as unknown as PgInternals;
  const socket = connection.stream;
  socket.removeAllListeners('data');
  let pending: Buffer = Buffer.alloc(0);
  const frames: Frame[] = [];
  let ended = false;
  let wake: () => void = () => undefined;
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 5 && pending.length > pending.readInt32BE(1)) {
      const length = 1 + pending.readInt32BE(1);
      frames.push({ code: String.fromCharCode(pending[0]!), body: Buffer.from(pending.subarray(5, length)) });
      pending = pending.subarray(length);
    }
    wake();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    ended = true;
    wake();
  });
  socket.resume();
  const more = () => new Promise<void>((resolve) => (wake = resolve));

  return {
    send: (...messages) => void socket.write(Buffer.concat(messages)),
    async until(code, count = 1) {
      for (;;) {
        let seen = 0;
        const at = frames.findIndex((frame) => frame.code === code && ++seen === count);
        if (at >= 0) return frames.splice(0, at + 1);
        if (ended) throw new Error(`connection ended after ${frames.map((frame) => frame.code).join('')}, no ${code}`);
        await more();
      }
    },
    async rest() {
      while (!ended) await more();
      return frames.splice(0);
    },
    processId: processID,
    secretKey,
    socket,
    close: () => void socket.destroy(),
  };
}

/** Letters of the messages, in order: the shape of an exchange. */
/** All that the server says on a connection of its own to what is sent, up to so many ReadyForQuery: code and body of each message. */
export async function transcript(url: string, send: readonly Buffer[], ready: number): Promise<string[]> {
  const client = await connectRaw(url);
  client.send(...send);
  const frames = await client.until('Z', ready);
  client.close();
  return frames.map(({ code, body }) => `${code} ${body.toString('latin1')}`);
}

export const codes = (frames: readonly Frame[]): string => frames.map(({ code }) => code).join('');

/** Values of a DataRow, as they are. */
export function rowFields(frame: Frame): (Buffer | null)[] {
  const fields: (Buffer | null)[] = [];
  let at = 2;
  for (let i = frame.body.readInt16BE(0); i > 0; i--) {
    const length = frame.body.readInt32BE(at);
    at += 4;
    fields.push(length < 0 ? null : frame.body.subarray(at, at + length));
    at += Math.max(0, length);
  }
  return fields;
}

/** Values of a DataRow as text. */
export const rowTexts = (frame: Frame): (string | null)[] =>
  rowFields(frame).map((field) => field?.toString('utf8') ?? null);

/** Rows of an exchange, message after message. */
export const rows = (frames: readonly Frame[]): (string | null)[][] =>
  frames.filter(({ code }) => code === 'D').map(rowTexts);

/** SQLSTATE of an ErrorResponse. */
export function sqlState(frame: Frame | undefined): string | undefined {
  return frame?.body
    .toString('utf8')
    .split('\0')
    .find((field) => field.startsWith('C'))
    ?.slice(1);
}

/** Parse, Bind, Describe, Execute of one statement with text parameters; no Sync. */
export function statement(text: string, values: readonly string[] = [], name = '', describe = true): Buffer {
  return Buffer.concat([
    serialize.parse({ text, name, types: [] }),
    serialize.bind({ statement: name, values: [...values] }),
    ...(describe ? [serialize.describe({ type: 'P', name: '' })] : []),
    serialize.execute({ portal: '', rows: 0 }),
  ]);
}
