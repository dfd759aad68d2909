import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import type { ControlConnection } from '../../src/cache/control-connection.ts';
import type { ReplicationStream } from '../../src/cache/replication.ts';
import { caughtUp, eventually, makeStream, openControl, RecordingSink, uniqueName } from '../support/origin.ts';
import { createDatabase } from '../support/postgres.ts';

const schema = `
  CREATE TABLE item (id int PRIMARY KEY, name text, note text);
  CREATE TABLE "Odd ""Name" (k1 int, k2 text, v text, PRIMARY KEY (k1, k2));
  CREATE TABLE whole (id int, big text, n int); ALTER TABLE whole REPLICA IDENTITY FULL;
  CREATE TABLE keyless (a int, b int);
  CREATE TABLE made (id int PRIMARY KEY, w int, area int GENERATED ALWAYS AS (w * w) STORED);
  ALTER TABLE item ALTER note SET STORAGE EXTERNAL; ALTER TABLE whole ALTER big SET STORAGE EXTERNAL;
  CREATE PUBLICATION everything FOR TABLE item, "Odd ""Name", whole, made;`;

describe.each([15, 18] as const)('the change stream of PostgreSQL %i', (version) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let control: ControlConnection;
  let sink: RecordingSink;
  let streams: ReplicationStream[];

  const open = async (overrides = {}): Promise<ReplicationStream> => {
    const stream = makeStream(database.url, 'everything', sink, overrides);
    streams.push(stream);
    await stream.start();
    return stream;
  };
  const slots = async (prefix: string): Promise<number> =>
    (await control.query(`SELECT 1 FROM pg_replication_slots WHERE slot_name LIKE '${prefix}%'`)).length;

  beforeEach(async () => {
    database = await createDatabase(inject(`pg${version}`), schema);
    control = await openControl(database.url);
    sink = new RecordingSink();
    streams = [];
  });
  afterEach(async () => {
    await Promise.all(streams.map((stream) => stream.stop()));
    await control.end();
    await database.drop();
  });

  it('carries every kind of row change with what is known of the old row', async () => {
    const stream = await open();
    await control.query(`INSERT INTO public.item VALUES (1, 'é', NULL), (2, '', 'n')`);
    await control.query(`UPDATE public.item SET name = 'b' WHERE id = 1`);
    await control.query(`UPDATE public.item SET id = 3 WHERE id = 2`);
    await control.query(`DELETE FROM public.item WHERE id = 3`);
    await control.query(`INSERT INTO public."Odd ""Name" VALUES (1, 'x', 'v')`);
    await control.query(`UPDATE public."Odd ""Name" SET k2 = 'y'`);
    await control.query(`INSERT INTO public.whole VALUES (1, 'b', NULL)`);
    await control.query(`UPDATE public.whole SET n = 5`);
    await control.query(`DELETE FROM public.whole`);
    await control.query(`INSERT INTO public.keyless VALUES (1, 1)`);
    await caughtUp(stream, control);
    expect(sink.log.filter((line) => line !== 'begin' && line !== 'commit')).toEqual([
      'insert public.item → [1,é,null]',
      'insert public.item → [2,,n]',
      'update public.item → [1,b,null]',
      'update public.item [2,undefined,undefined] → [3,,n]',
      'delete public.item [3,undefined,undefined]',
      'insert public.Odd "Name → [1,x,v]',
      'update public.Odd "Name [1,x,undefined] → [1,y,v]',
      'insert public.whole → [1,b,null]',
      'update public.whole [1,b,null] → [1,b,5]',
      'delete public.whole [1,b,5]',
    ]);
  });

  it('knows an unchanged TOAST value only where the old row is whole', async () => {
    const stream = await open();
    const big = 'x'.repeat(10_000);
    await control.query(
      `INSERT INTO public.item VALUES (1, 'a', '${big}'); INSERT INTO public.whole VALUES (1, '${big}', 1)`,
    );
    await control.query(`UPDATE public.item SET name = 'b'; UPDATE public.whole SET n = 2`);
    await caughtUp(stream, control);
    const [item, whole] = sink.changes.slice(2);
    expect(item!.newRow).toEqual(['1', 'b', undefined]);
    expect(whole!.newRow).toEqual(['1', big, '2']);
  });

  it('applies whole transactions, TRUNCATE among them, and nothing of those rolled back', async () => {
    const stream = await open();
    await control.query(`BEGIN; INSERT INTO public.item VALUES (1); SAVEPOINT s; INSERT INTO public.item VALUES (2);
      ROLLBACK TO s; TRUNCATE public.whole, public.item; COMMIT`);
    await control.query(`BEGIN; INSERT INTO public.item VALUES (9); ROLLBACK`);
    await caughtUp(stream, control);
    expect(sink.log).toEqual(['begin', 'insert public.item → [1,null,null]', 'truncate item,whole', 'commit']);
  });

  it('applies a prepared transaction when it is committed', async () => {
    const stream = await open();
    const gid = uniqueName();
    await control.query(`BEGIN; INSERT INTO public.item VALUES (1); PREPARE TRANSACTION '${gid}'`);
    await caughtUp(stream, control);
    expect(sink.commits).toBe(0);
    await control.query(`COMMIT PREPARED '${gid}'`);
    await caughtUp(stream, control);
    expect(sink.commits).toBe(1);
  });

  it('leaves generated columns out or unknown, never wrong', async () => {
    const stream = await open();
    await control.query('INSERT INTO public.made (id, w) VALUES (1, 4)');
    await caughtUp(stream, control);
    expect(sink.changes[0]!.relation.columns.map((column) => column.name)).toEqual(['id', 'w']);
  });

  it('receives logical messages when asked to', async () => {
    const stream = await open({ messages: true });
    await control.query("SELECT pg_logical_emit_message(false, 'hello', 'world')");
    await caughtUp(stream, control);
    expect(sink.log).toContain('message hello world');
  });

  it('makes progress with keepalives alone while only unpublished tables change', async () => {
    const stream = await open();
    for (let i = 0; i < 20; i++) await control.query('INSERT INTO public.keyless VALUES (1, 1)');
    await caughtUp(stream, control);
    expect(sink.commits).toBe(0);
  });

  it('leaves no slot behind when its connection is killed', async () => {
    const prefix = uniqueName();
    const stream = await open({ slotName: `${prefix}_1` });
    const failed = new Promise<Error>((resolve) => stream.once('failed', resolve));
    expect(await slots(prefix)).toBe(1);
    await control.query(
      `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name LIKE '${prefix}%'`,
    );
    expect((await failed).message).toMatch(/terminating|closed|terminated/i);
    expect(stream.state).toBe('failed');
    await eventually(async () => (await slots(prefix)) === 0, 'the slot is gone');
  });

  it('leaves no slot behind when it is stopped', async () => {
    const prefix = uniqueName();
    const stream = await open({ slotName: `${prefix}_1` });
    await stream.stop();
    expect(stream.state).toBe('stopped');
    await eventually(async () => (await slots(prefix)) === 0, 'the slot is gone');
  });

  it('gives up when a transaction that is open keeps the slot from being made, and leaves nothing there', async () => {
    const writer = new pg.Client({ connectionString: database.url });
    await writer.connect();
    await writer.query('BEGIN; INSERT INTO keyless VALUES (1, 1)');
    const prefix = uniqueName();
    await expect(open({ slotName: `${prefix}_1`, slotTimeoutMs: 200 })).rejects.toMatchObject({
      code: 'SLOT_TIMEOUT',
      remedy: expect.stringContaining('pg_stat_activity'),
    });
    await eventually(async () => (await slots(prefix)) === 0, 'the slot is gone, though the transaction is still open');
    await writer.query('ROLLBACK');
    await writer.end();
  });

  it('keeps a named slot, goes on from the present with it, and refuses one that is in use', async () => {
    const slotName = uniqueName();
    const first = await open({ slotName, temporary: false });
    await expect(open({ slotName, temporary: false })).rejects.toMatchObject({ code: 'SLOT_ACTIVE' });
    await first.stop();
    await control.query(`INSERT INTO public.item VALUES (1)`);
    await eventually(
      async () =>
        (await control.query(`SELECT 1 FROM pg_replication_slots WHERE slot_name = '${slotName}' AND NOT active`))
          .length,
      'inactive',
    );
    const second = await open({ slotName, temporary: false });
    await control.query(`INSERT INTO public.item VALUES (2)`);
    await caughtUp(second, control);
    expect(sink.log).toEqual(['begin', 'insert public.item → [2,null,null]', 'commit']);
    await second.stop();
    await eventually(async () => {
      await control.query(`SELECT pg_drop_replication_slot('${slotName}')`).catch(() => undefined);
      return (await slots(slotName)) === 0;
    }, 'the slot can be dropped');
  });

  it('makes a named slot anew when it is too far behind', async () => {
    const slotName = uniqueName();
    await control.query(`SELECT pg_create_logical_replication_slot('${slotName}', 'pgoutput')`);
    await control.query(`INSERT INTO public.keyless SELECT i, i FROM generate_series(1, 5000) i`);
    const [present] = await control.query('SELECT pg_current_wal_lsn()');
    const stream = await open({ slotName, temporary: false, lagBytesMax: 65_536 });
    // Not by its distance from the end of the log, to which other tests write, too.
    const [slot] = await control.query(
      `SELECT restart_lsn >= '${present![0]}'::pg_lsn AS anew FROM pg_replication_slots WHERE slot_name = '${slotName}'`,
    );
    expect(slot).toEqual(['t']);
    await stream.stop();
    await eventually(async () => {
      await control.query(`SELECT pg_drop_replication_slot('${slotName}')`).catch(() => undefined);
      return (await slots(slotName)) === 0;
    }, 'the slot can be dropped');
  });

  it('ends when it is further behind than allowed', async () => {
    const stream = await open({ lagBytesMax: 1_000 });
    const failed = new Promise<Error>((resolve) => stream.once('failed', resolve));
    stream.observeOrigin(stream.appliedLsn + 1_000_000n);
    expect(await failed).toMatchObject({ code: 'STREAM_LAG' });
  });

  it('lets others have their turn during a huge transaction', async () => {
    const stream = await open();
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await control.query(`INSERT INTO public.item SELECT i, repeat('x', 50) FROM generate_series(1, 50000) i`);
    const before = turns;
    await caughtUp(stream, control);
    clearInterval(timer);
    expect(stream.rows).toBe(50_000);
    expect(turns - before).toBeGreaterThan(5);
  });

  it('confirms progress, so that the slot holds back no log', async () => {
    const prefix = uniqueName();
    const stream = await open({ slotName: prefix, statusMs: 20 });
    await control.query('INSERT INTO public.item VALUES (1)');
    await caughtUp(stream, control);
    const applied = stream.appliedLsn;
    await eventually(async () => {
      const [row] = await control.query(
        `SELECT pg_wal_lsn_diff(confirmed_flush_lsn, '0/0')::bigint FROM pg_replication_slots WHERE slot_name = '${prefix}'`,
      );
      return BigInt(row![0]!) >= applied;
    }, 'the slot is confirmed');
  });
});
