// `wal_sender_timeout`: the origin ends a stream that does not answer its keepalives. One that has much to do at one change answers all the same;
// one whose thread stood still is dropped, says so, and is over.
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import type { RowChange } from '../../src/cache/change.ts';
import type { ControlConnection } from '../../src/cache/control-connection.ts';
import { caughtUp, eventually, makeStream, openControl, RecordingSink } from '../support/origin.ts';
import { createDatabase } from '../support/postgres.ts';

/** pgfresh sets `wal_sender_timeout` to what it takes silence for death itself; a second is the least that it asks for. */
const silence = { askMs: 300, deadMs: 1_000 };

/** Busy for so long with its first change, with turns for others in between. */
class SlowSink extends RecordingSink {
  readonly busyMs = 3_000;
  #untilMs = 0;

  override change(change: RowChange): void {
    super.change(change);
    if (this.changes.length === 1) this.#untilMs = performance.now() + this.busyMs;
  }

  get isBusy(): boolean {
    return performance.now() < this.#untilMs;
  }

  proceed(): void {}
}

describe('a walsender that times out after a second', () => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let control: ControlConnection;

  beforeEach(async () => {
    const schema = 'CREATE TABLE item (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE item';
    database = await createDatabase(inject('pg15'), schema);
    control = await openControl(database.url);
  });
  afterEach(async () => {
    await control.end();
    await database.drop();
  });

  it('hears from a stream that is busy with one change for three', async () => {
    const sink = new SlowSink();
    const stream = makeStream(database.url, 'p', sink, { silence, statusMs: 200 });
    await stream.start();
    await control.query('INSERT INTO public.item VALUES (1)');
    await eventually(() => sink.changes.length === 1, 'the first change');
    await control.query('INSERT INTO public.item VALUES (2)');
    await caughtUp(stream, control);
    expect([sink.changes.length, stream.state]).toEqual([2, 'streaming']);
    await stream.stop();
  });

  it('drops a stream whose thread stood still for three, which is over then', async () => {
    const failed: Error[] = [];
    const stream = makeStream(database.url, 'p', new RecordingSink(), { silence, statusMs: 200 });
    stream.on('failed', (error) => failed.push(error));
    await stream.start();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000);
    await eventually(() => failed.length > 0, 'the end of the stream');
    expect(stream.state).toBe('failed');
    const left = async () =>
      (await control.query(`SELECT 1 FROM pg_catalog.pg_replication_slots WHERE database = '${database.name}'`)).length;
    await eventually(async () => (await left()) === 0, 'its slot to go with it');
    await stream.stop();
  });
});
