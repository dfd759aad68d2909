/**
 * A way to an origin on which the change stream is not what it should be: a relay in front of it that passes everything on at once, but holds back
 * what the WAL sender says, in order, or spoils it, message by message.
 */
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { startTcpRelay } from './tcp-relay.ts';

export interface DelayedStream {
  /** The same URL by way of the relay, for `--cdc-url`. */
  readonly url: string;
  close(): Promise<void>;
}

export interface StreamTrouble {
  /** Milliseconds, asked for each piece that the WAL sender sends. */
  readonly delayMs?: () => number;
  /** Likewise for each piece of what the origin says on other connections. */
  readonly answerMs?: () => number;
  /** A whole CopyData message, header and all; returns what goes on, null for nothing. */
  readonly spoil?: (message: Buffer) => Buffer | null;
}

/** Cuts bytes into messages of the protocol. */
class Cutter {
  #pending: Buffer = Buffer.alloc(0);

  cut(chunk: Buffer): Buffer[] {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const messages: Buffer[] = [];
    while (this.#pending.length >= 5 && this.#pending.length > this.#pending.readUInt32BE(1)) {
      const length = 1 + this.#pending.readUInt32BE(1);
      messages.push(Buffer.from(this.#pending.subarray(0, length)));
      this.#pending = this.#pending.subarray(length);
    }
    return messages;
  }
}

/** What the WAL sender says on one connection. */
class Outlet {
  readonly #client: net.Socket;
  readonly #trouble: StreamTrouble;
  readonly #cutter = new Cutter();
  #last: Promise<void> = Promise.resolve();
  #dueMs = 0;

  constructor(client: net.Socket, trouble: StreamTrouble) {
    this.#client = client;
    this.#trouble = trouble;
  }

  say(chunk: Buffer): void {
    const { spoil, delayMs } = this.#trouble;
    const whole =
      spoil === undefined ? [chunk] : this.#cutter.cut(chunk).map((message) => this.#spoiled(message, spoil));
    const bytes = Buffer.concat(whole.filter((message) => message !== null));
    if (delayMs === undefined) {
      this.#client.write(bytes);
      return;
    }
    this.#dueMs = Math.max(this.#dueMs, performance.now() + delayMs());
    const dueMs = this.#dueMs;
    this.#last = this.#last.then(async () => {
      const waitMs = dueMs - performance.now();
      if (waitMs > 1) await delay(waitMs);
      this.#client.write(bytes);
    });
  }

  #spoiled(message: Buffer, spoil: (message: Buffer) => Buffer | null): Buffer | null {
    return message[0] === 'd'.charCodeAt(0) ? spoil(message) : message;
  }
}

export async function startDelayedStream(originUrl: string, trouble: StreamTrouble): Promise<DelayedStream> {
  const { hostname, port } = new URL(originUrl);
  const relay = await startTcpRelay(
    () => net.connect(Number(port), hostname),
    (client, origin) => {
      let outlet = trouble.answerMs === undefined ? null : new Outlet(client, { delayMs: trouble.answerMs });
      client.on('data', (chunk) => {
        if (chunk.includes('START_REPLICATION')) outlet = new Outlet(client, trouble);
        origin.write(chunk);
      });
      origin.on('data', (chunk) => {
        if (outlet === null) client.write(chunk);
        else outlet.say(chunk);
      });
    },
  );
  const url = new URL(originUrl);
  url.host = `127.0.0.1:${relay.port}`;
  return { url: url.href, close: () => relay.close() };
}
