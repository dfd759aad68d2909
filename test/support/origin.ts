/** What tests of the change stream share: connections as the cache thread makes them, and waiting for conditions. */
import { randomUUID } from 'node:crypto';
import type { ChangeSink, RowChange, StreamRelation } from '../../src/cache/change.ts';
import { ControlConnection } from '../../src/cache/control-connection.ts';
import { ReplicationStream } from '../../src/cache/replication.ts';
import { monotonicClock } from '../../src/shared/clock.ts';
import type { Upstream } from '../../src/shared/config.ts';
import type { Lsn } from '../../src/shared/lsn.ts';

export function upstreamOf(url: string): Upstream {
  const { hostname, port, username, password, pathname } = new URL(url);
  return {
    host: hostname,
    port: Number(port),
    user: username,
    password,
    database: pathname.slice(1),
    sslmode: 'disable',
  };
}

export function openControl(url: string, timeoutMs = 10_000): Promise<ControlConnection> {
  return ControlConnection.open({
    upstream: upstreamOf(url),
    applicationName: 'pgfresh test',
    connectTimeoutMs: 10_000,
    timeoutMs,
  });
}

/** Asks again and again until the answer is not false, null or undefined. Generous: a busy machine is not a failure. */
export async function eventually<T>(
  ask: () => T | Promise<T>,
  what: string,
  deadlineMs = 30_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== null && answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Keeps everything in readable form: `insert s.t [1,x]`. */
export class RecordingSink implements ChangeSink {
  readonly log: string[] = [];
  readonly changes: RowChange[] = [];
  readonly xids: number[] = [];
  commits = 0;
  lastCommit: Lsn = 0n;

  begin(xid: number): void {
    this.xids.push(xid);
    this.log.push('begin');
  }

  change(change: RowChange): void {
    this.changes.push(change);
    const { relation, kind, oldRow, newRow } = change;
    const rows = [oldRow, newRow].map((row) => (row === null ? '' : ` [${row.map(String).join(',')}]`));
    this.log.push(`${kind} ${relation.schema}.${relation.name}${rows[0]}${rows[1] === '' ? '' : ` →${rows[1]}`}`);
  }

  truncate(relations: readonly StreamRelation[]): void {
    this.log.push(
      `truncate ${relations
        .map((relation) => relation.name)
        .sort()
        .join(',')}`,
    );
  }

  message(prefix: string, content: Buffer): void {
    this.log.push(`message ${prefix} ${content.toString()}`);
  }

  commit(endLsn: Lsn): void {
    this.commits++;
    this.lastCommit = endLsn;
    this.log.push('commit');
  }
}

export const uniqueName = (prefix = 'pgfresh_test'): string => `${prefix}_${randomUUID().slice(0, 8)}`;

export function makeStream(
  url: string,
  publication: string,
  sink: ChangeSink,
  overrides: Partial<ConstructorParameters<typeof ReplicationStream>[0]> = {},
): ReplicationStream {
  return new ReplicationStream({
    upstream: upstreamOf(url),
    applicationName: 'pgfresh test',
    slotName: uniqueName(),
    temporary: true,
    publication,
    sink,
    clock: monotonicClock,
    connectTimeoutMs: 20_000,
    slotTimeoutMs: 20_000,
    lagBytesMax: 1 << 30,
    silence: { askMs: 5_000, deadMs: 20_000 },
    statusMs: 500,
    messages: false,
    ...overrides,
  });
}

/** Waits until the stream has applied everything that is committed now. */
export async function caughtUp(stream: ReplicationStream, control: ControlConnection): Promise<void> {
  await control.query("SELECT pg_logical_emit_message(true, 'pgfresh', '')");
  const [row] = await control.query('SELECT pg_current_wal_flush_lsn()');
  const [hi, lo] = row![0]!.split('/');
  const target = (BigInt(`0x${hi}`) << 32n) | BigInt(`0x${lo}`);
  await eventually(() => stream.appliedLsn >= target, `stream reaches ${row![0]}`);
}
