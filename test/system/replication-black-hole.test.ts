/** A network that swallows everything without closing anything: what a firewall that forgot the connection looks like. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import type { ReplicationStream } from '../../src/cache/replication.ts';
import type { Upstream } from '../../src/shared/config.ts';
import { originAttempts } from '../../src/shared/tls-origin.ts';
import { caughtUp, eventually, makeStream, openControl, RecordingSink } from '../support/origin.ts';
import { createDatabase } from '../support/postgres.ts';

interface Relay {
  readonly url: string;
  /** From now on no byte passes, in either direction. */
  swallow(): void;
  close(): void;
}

async function startRelay(target: string): Promise<Relay> {
  const { hostname, port } = new URL(target);
  const sockets: Socket[] = [];
  const server: Server = createServer((client) => {
    const origin = connect(Number(port), hostname);
    sockets.push(client, origin);
    client.pipe(origin);
    origin.pipe(client);
    for (const socket of [client, origin]) socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(target);
  url.port = String((server.address() as { port: number }).port);
  return {
    url: url.href,
    swallow() {
      for (const socket of sockets) {
        socket.unpipe();
        socket.pause();
      }
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

describe.each([15, 18] as const)('a black hole before PostgreSQL %i', (version) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let relay: Relay;
  let stream: ReplicationStream | null;

  beforeEach(async () => {
    database = await createDatabase(
      inject(`pg${version}`),
      'CREATE TABLE item (id int PRIMARY KEY); CREATE PUBLICATION p',
    );
    relay = await startRelay(database.url);
    stream = null;
  });
  afterEach(async () => {
    relay.close();
    await stream?.stop();
    await database.drop();
  });

  it('ends a stream that answers nothing, not one that is only quiet', async () => {
    const control = await openControl(database.url);
    stream = makeStream(relay.url, 'p', new RecordingSink(), { silence: { askMs: 100, deadMs: 1_500 }, statusMs: 20 });
    const failed = new Promise<Error>((resolve) => stream!.once('failed', resolve));
    await stream.start();
    await caughtUp(stream, control);
    // Quiet for longer than silence is allowed to last: it is asked, and answers.
    const quietUntilMs = performance.now() + 2_500;
    await eventually(() => performance.now() > quietUntilMs, 'time passes');
    expect(stream.state).toBe('streaming');
    relay.swallow();
    expect(await failed).toMatchObject({ code: 'STREAM_SILENT' });
    await control.end();
  });

  it('ends a control connection whose statement is not answered', async () => {
    const control = await openControl(relay.url, 200);
    const lost = new Promise<Error>((resolve) => control.once('lost', resolve));
    relay.swallow();
    await expect(control.query('SELECT 1')).rejects.toMatchObject({ code: 'ORIGIN_TIMEOUT' });
    expect(await lost).toMatchObject({ code: 'ORIGIN_TIMEOUT' });
    await control.end();
  });

  it('keeps a control connection whose statement the origin itself ended', async () => {
    const control = await openControl(relay.url, 100);
    await expect(control.query('SELECT pg_sleep(30)')).rejects.toMatchObject({ code: '57014' });
    expect(await control.query('SELECT 1')).toEqual([['1']]);
    await control.end();
  });
});

describe('encryption towards the origin', () => {
  it('follows the table of sslmode', () => {
    const attempts = (sslmode: Upstream['sslmode']) =>
      originAttempts({ host: 'h', port: 1, user: 'u', password: undefined, database: 'd', sslmode });
    const kinds = (mode: Upstream['sslmode']): unknown[] =>
      attempts(mode).map((ssl) => (typeof ssl === 'boolean' ? ssl : ssl.rejectUnauthorized));
    expect(kinds('disable')).toEqual([false]);
    expect(kinds('allow')).toEqual([false, false]);
    expect(kinds('prefer')).toEqual([false, false]);
    expect(attempts('prefer')[0]).not.toBe(false);
    expect(kinds('require')).toEqual([false]);
    expect(attempts('require')[0]).not.toBe(false);
    expect(kinds('verify-ca')).toEqual([true]);
    expect(kinds('verify-full')).toEqual([true]);
  });
});
