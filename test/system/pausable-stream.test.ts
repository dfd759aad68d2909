/** What the origin sends of the change stream while that is left alone stays in the kernel: the cache thread is not woken for it (ADR-022). */
import type net from 'node:net';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest';
import { connectClient } from '../../src/cache/control-connection.ts';
import { createAuthority, keyFolder, startTlsCluster } from '../support/certificates.ts';
import { eventually, uniqueName, upstreamOf } from '../support/origin.ts';
import { type Cluster, createDatabase } from '../support/postgres.ts';

const authority = createAuthority(keyFolder(), 'authority');
let encrypting: Cluster;
let client: pg.Client | undefined;
let database: Awaited<ReturnType<typeof createDatabase>> | undefined;

beforeAll(async () => {
  encrypting = await startTlsCluster(18, authority.issue('localhost', { names: 'DNS:localhost' }), authority);
});
afterEach(async () => {
  client?.connection.stream.destroy();
  await database?.drop();
});
afterAll(() => encrypting.stop());

it.each(['disable', 'require'] as const)(
  'reads once and then no more while it is paused (sslmode=%s)',
  async (sslmode) => {
    const origin = sslmode === 'disable' ? inject('pg18') : encrypting.url;
    database = await createDatabase(
      origin,
      'CREATE TABLE t (n int PRIMARY KEY); CREATE PUBLICATION everything FOR TABLE t',
    );
    const slot = uniqueName();
    const upstream = { ...upstreamOf(database.url), sslmode };
    client = await connectClient({ upstream, applicationName: slot, connectTimeoutMs: 20_000, replication: true });
    client.on('error', () => undefined);
    await client.query(`CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput`);
    const started = new Promise((resolve) => client!.connection.once('replicationStart', resolve));
    void client
      .query(`START_REPLICATION SLOT ${slot} LOGICAL 0/0 (proto_version '1', publication_names 'everything')`)
      .catch(() => undefined);
    await started;
    const stream = client.connection.stream as net.Socket;
    expect('encrypted' in stream).toBe(sslmode === 'require');

    const writer = new pg.Client({ connectionString: database.url });
    await writer.connect();
    /** Commits so many rows one by one, and waits until the origin has sent each of them. */
    const send = async (rows: number): Promise<void> => {
      for (let n = 0; n < rows; n++) {
        await writer.query('INSERT INTO t SELECT coalesce(max(n), 0) + 1 FROM t');
        const { rows: present } = await writer.query<{ lsn: string }>('SELECT pg_current_wal_lsn() AS lsn');
        const sent = 'SELECT 1 FROM pg_stat_replication WHERE application_name = $1 AND sent_lsn >= $2';
        await eventually(
          async () => (await writer.query(sent, [slot, present[0]!.lsn])).rowCount === 1,
          'the origin has sent it',
        );
      }
    };
    stream.pause();
    await send(3);
    const before = stream.bytesRead;
    await send(20);
    expect(stream.bytesRead).toBe(before);
    let received = 0;
    client.connection.on('copyData', () => received++);
    stream.resume();
    await eventually(() => received >= 20, 'all of it is there once it is read again');
    await writer.end();
  },
);
