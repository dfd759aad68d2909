import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import type { ControlConnection } from '../../src/cache/control-connection.ts';
import { publicationName, temporarySlotName } from '../../src/cache/origin-names.ts';
import { Publication } from '../../src/cache/publication.ts';
import type { ReplicationStream } from '../../src/cache/replication.ts';
import { caughtUp, eventually, makeStream, openControl, RecordingSink, uniqueName } from '../support/origin.ts';
import { createDatabase, run } from '../support/postgres.ts';

const schema = `
  CREATE TABLE item (id int PRIMARY KEY, v text);
  CREATE TABLE "Mixed ""Case" (id int PRIMARY KEY);
  CREATE TABLE keyless (a int, b int);
  CREATE TABLE whole (a int); ALTER TABLE whole REPLICA IDENTITY FULL;
  CREATE TABLE nothing (a int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
  CREATE TABLE indexed (a int NOT NULL, b int); CREATE UNIQUE INDEX indexed_a ON indexed (a);
  ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_a;
  CREATE TABLE deferred (a int, PRIMARY KEY (a) DEFERRABLE);
  CREATE UNLOGGED TABLE quick (a int PRIMARY KEY);
  CREATE TABLE parent (a int PRIMARY KEY); CREATE TABLE child () INHERITS (parent);
  CREATE TABLE split (a int PRIMARY KEY) PARTITION BY RANGE (a);
  CREATE TABLE split1 PARTITION OF split FOR VALUES FROM (0) TO (9);
  CREATE VIEW v AS SELECT 1 AS one;`;

describe.each([15, 18] as const)('the publication on PostgreSQL %i', (version) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let control: ControlConnection;
  let maintenance: ControlConnection;
  let writer: pg.Client;
  let publication: Publication;
  let live: number[];
  let errors: Error[];
  const streams: ReplicationStream[] = [];

  const make = (sql = maintenance, user = 'postgres', name = 'pgfresh_test'): Publication =>
    new Publication({
      sql,
      looks: sql,
      name,
      user,
      lockTimeoutMs: 300,
      onLive: (oids) => live.push(...oids),
      onError: (error) => errors.push(error),
      pollMsMin: 5,
      pollMsMax: 50,
    });
  const oid = async (table: string): Promise<number> =>
    Number((await control.query('SELECT $1::text::regclass::oid', [`public.${table}`]))[0]![0]);
  const onOrigin = async (): Promise<string[]> =>
    (await control.query("SELECT tablename FROM pg_publication_tables WHERE pubname = 'pgfresh_test' ORDER BY 1")).map(
      (row) => row[0]!,
    );

  beforeEach(async () => {
    database = await createDatabase(inject(`pg${version}roles`), schema);
    control = await openControl(database.url);
    maintenance = await openControl(database.url);
    writer = new pg.Client({ connectionString: database.url });
    await writer.connect();
    live = [];
    errors = [];
    publication = make();
    await publication.open();
    await publication.streamStarted();
  });
  afterEach(async () => {
    publication.stop();
    await Promise.all(streams.splice(0).map((stream) => stream.stop()));
    await Promise.all([control.end(), maintenance.end(), writer.end()]);
    await database.drop();
    expect(errors).toEqual([]);
  });

  it('begins empty and grows by what is asked for, odd names included', async () => {
    expect(await onOrigin()).toEqual([]);
    const oids = [await oid('item'), await oid('"Mixed ""Case"'), await oid('whole'), await oid('indexed')];
    expect(await publication.ensure(oids)).toEqual([]);
    expect(await onOrigin()).toEqual(['Mixed "Case', 'indexed', 'item', 'whole']);
    expect(live.sort()).toEqual(oids.sort());
    expect([...publication.published].sort()).toEqual(oids);
    expect(await publication.ensure(oids)).toEqual([]);
    expect(live).toHaveLength(4);
  });

  it('refuses what would break the application or is not streamed, with the remedy', async () => {
    const tables = ['keyless', 'nothing', 'deferred', 'quick', 'parent', 'child', 'split', 'split1', 'v'];
    const oids = await Promise.all(tables.map(oid));
    const refusals = await publication.ensure([...oids, 4_000_000_000, 1259, await oid('item')]);
    expect(new Map(refusals.map(({ oid: one, reason }) => [tables[oids.indexOf(one)] ?? one, reason]))).toEqual(
      new Map<string | number, string>([
        ['keyless', 'uncacheable.replicaIdentity'],
        ['nothing', 'uncacheable.replicaIdentity'],
        ['deferred', 'uncacheable.replicaIdentity'],
        ['quick', 'uncacheable.notPermanent'],
        ['child', 'uncacheable.replicaIdentity'],
        ['split', 'uncacheable.relationKind'],
        ['v', 'uncacheable.relationKind'],
        [4_000_000_000, 'uncacheable.unknownRelation'],
        [1259, 'uncacheable.unknownRelation'],
      ]),
    );
    expect(refusals.find(({ oid: one }) => one === oids[0])!.remedy).toContain('REPLICA IDENTITY FULL');
    expect(await onOrigin()).toEqual(['item', 'parent', 'split1']);
  });

  it('leaves relatives without identity alone: each table that holds rows is published for itself', async () => {
    await writer.query('CREATE TABLE split2 PARTITION OF split FOR VALUES FROM (9) TO (99)');
    await writer.query('ALTER TABLE split2 REPLICA IDENTITY NOTHING');
    const tables = await Promise.all(['parent', 'child', 'split', 'split1', 'split2'].map(oid));
    await publication.ensure(tables);
    expect(await onOrigin()).toEqual(['parent', 'split1']);
    await writer.query('INSERT INTO child VALUES (1); UPDATE parent SET a = 2; DELETE FROM parent');
    await writer.query('INSERT INTO split VALUES (1), (10); UPDATE split SET a = a + 8');
    await writer.query('DELETE FROM split');
  });

  it('leaves UPDATE and DELETE working on tables without a primary key', async () => {
    await publication.ensure([await oid('keyless'), await oid('item'), await oid('deferred')]);
    await writer.query('INSERT INTO keyless VALUES (1, 1); UPDATE keyless SET b = 2; DELETE FROM keyless');
    await writer.query('INSERT INTO deferred VALUES (1); UPDATE deferred SET a = 2; DELETE FROM deferred');
  });

  it('lets a table live only when those who wrote before the ADD have ended, and loses nothing after (C2)', async () => {
    const item = await oid('item');
    const sink = new RecordingSink();
    const stream = makeStream(database.url, 'pgfresh_test', sink);
    streams.push(stream);
    await stream.start();
    await publication.streamStarted();
    await writer.query("BEGIN; INSERT INTO item VALUES (1, 'before the ADD')");
    await publication.ensure([item]);
    expect(await onOrigin()).toEqual(['item']);
    expect(live).toEqual([]);
    // Who comes later is not waited for, and is streamed.
    const later = new pg.Client({ connectionString: database.url });
    await later.connect();
    await later.query("BEGIN; INSERT INTO item VALUES (2, 'after the ADD')");
    await writer.query('COMMIT');
    await eventually(() => live.includes(item), 'the table is live');
    await later.query('COMMIT');
    await later.end();
    await caughtUp(stream, control);
    expect(sink.log).toEqual(['begin', 'insert public.item → [2,after the ADD]', 'commit']);
  });

  it('waits for a writer that becomes a prepared transaction', async () => {
    const item = await oid('item');
    const gid = uniqueName();
    await writer.query("BEGIN; INSERT INTO item VALUES (1, 'x')");
    await publication.ensure([item]);
    await writer.query(`PREPARE TRANSACTION '${gid}'`);
    // Another table passes meanwhile, so the barrier has looked at least once since.
    const whole = await oid('whole');
    await publication.ensure([whole]);
    await eventually(() => live.includes(whole), 'the other table is live');
    expect(live).not.toContain(item);
    await writer.query(`COMMIT PREPARED '${gid}'`);
    await eventually(() => live.includes(item), 'the table is live');
  });

  it('does not wait for old transactions that never touched the table, nor for readers', async () => {
    await writer.query('BEGIN; INSERT INTO keyless VALUES (1, 1); SELECT * FROM item');
    await publication.ensure([await oid('item')]);
    expect(live).toEqual([await oid('item')]);
    await writer.query('ROLLBACK');
  });

  it('sets the barrier again when a stream begins (C4)', async () => {
    const item = await oid('item');
    await publication.ensure([item]);
    publication.streamEnded();
    expect(publication.isLive(item)).toBe(false);
    await writer.query("BEGIN; INSERT INTO item VALUES (1, 'x')");
    await publication.streamStarted();
    expect(publication.isLive(item)).toBe(false);
    await writer.query('COMMIT');
    await eventually(() => publication.isLive(item), 'the table is live again');
    expect(live).toEqual([item, item]);
  });

  it('gives up on a locked table within the lock timeout, keeps the others, and succeeds later', async () => {
    const [item, whole] = [await oid('item'), await oid('whole')];
    await writer.query('BEGIN; LOCK TABLE item IN SHARE MODE');
    const [refusal, ...rest] = await publication.ensure([item, whole]);
    expect(rest).toEqual([]);
    expect(refusal).toMatchObject({ oid: item, reason: 'uncacheable.publishing', retry: true });
    expect(await onOrigin()).toEqual(['whole']);
    await writer.query('ROLLBACK');
    expect(await publication.ensure([item])).toEqual([]);
  });

  it('takes out a table that loses its replica identity, so that its updates work again (C23)', async () => {
    const item = await oid('item');
    await publication.ensure([item, await oid('whole')]);
    await writer.query("INSERT INTO item VALUES (1, 'x'); ALTER TABLE item DROP CONSTRAINT item_pkey");
    await expect(writer.query("UPDATE item SET v = 'y'")).rejects.toMatchObject({ code: '55000' });
    const [refusal] = await publication.revalidate();
    expect(refusal).toMatchObject({ oid: item, reason: 'uncacheable.replicaIdentity' });
    await writer.query("UPDATE item SET v = 'y'");
    expect(publication.isLive(item)).toBe(false);
    expect(await onOrigin()).toEqual(['whole']);
  });

  it('takes it out even when it is locked at first', async () => {
    const item = await oid('item');
    await publication.ensure([item]);
    await writer.query('ALTER TABLE item DROP CONSTRAINT item_pkey');
    await writer.query('BEGIN; LOCK TABLE item IN SHARE MODE');
    await publication.revalidate();
    expect(await onOrigin()).toEqual(['item']);
    await writer.query('ROLLBACK');
    await eventually(async () => (await onOrigin()).length === 0, 'the table is out');
  });

  it('keeps tables that became parents and forgets those that are gone', async () => {
    const [item, whole] = [await oid('item'), await oid('whole')];
    await publication.ensure([item, whole]);
    await writer.query('DROP TABLE whole; CREATE TABLE item_kid () INHERITS (item)');
    const refusals = await publication.revalidate();
    expect(refusals.map(({ oid: one, reason }) => [one, reason])).toEqual([[whole, 'uncacheable.unknownRelation']]);
    expect([...publication.published]).toEqual([item]);
  });

  it('takes over what an earlier life left, without what may no longer be in it', async () => {
    const [item, whole] = [await oid('item'), await oid('whole')];
    await publication.ensure([item, whole]);
    publication.stop();
    await writer.query('ALTER TABLE item DROP CONSTRAINT item_pkey');
    publication = make();
    await publication.open();
    expect([...publication.published]).toEqual([whole]);
    expect(publication.isLive(whole)).toBe(false);
    await publication.streamStarted();
    expect(publication.isLive(whole)).toBe(true);
  });

  it('replaces a publication that publishes everything, or less than we need', async () => {
    for (const broken of [
      'DROP PUBLICATION pgfresh_test; CREATE PUBLICATION pgfresh_test FOR ALL TABLES',
      "ALTER PUBLICATION pgfresh_test SET (publish = 'insert')",
      'ALTER PUBLICATION pgfresh_test SET TABLE item WHERE (id > 5)',
    ]) {
      await writer.query(broken);
      const anew = make();
      await anew.open();
      const [row] = await control.query(`SELECT puballtables, pubupdate, (SELECT count(*) FROM pg_publication_rel
        WHERE prpubid = p.oid) FROM pg_publication p WHERE pubname = 'pgfresh_test'`);
      expect(row).toEqual(['f', 't', '0']);
    }
  });

  it('says what a role without privileges needs', async () => {
    const role = uniqueName('pub_role');
    await writer.query(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'x'`);
    const plain = await openControl(database.url.replace('postgres:secret', `${role}:x`));
    try {
      const own = make(plain, role, 'pgfresh_plain');
      await expect(own.open()).rejects.toMatchObject({
        code: 'PUBLICATION_DENIED',
        remedy: expect.stringContaining('GRANT CREATE ON DATABASE'),
      });
      await writer.query(`GRANT CREATE ON DATABASE ${database.name} TO ${role}`);
      await own.open();
      const [refusal] = await own.ensure([await oid('item')]);
      expect(refusal).toMatchObject({ reason: 'uncacheable.notPublished', retry: false });
      await writer.query(refusal!.remedy.replace(/ \(.*/, ''));
      expect(await own.ensure([await oid('item')])).toEqual([]);
      await own.drop();
    } finally {
      await plain.end();
      await run(database.url, `DROP OWNED BY ${role}`);
      await run(database.url, `DROP ROLE ${role}`);
    }
  });

  it('knows whether it holds a table that may not be in it, who ever put it there', async () => {
    await publication.ensure([await oid('item')]);
    expect(await publication.hasUnfit()).toBe(false);
    await control.query('ALTER TABLE public.item REPLICA IDENTITY NOTHING');
    expect(await publication.hasUnfit()).toBe(true);
    await publication.revalidate();
    expect(await publication.hasUnfit()).toBe(false);
  });

  it('is gone after drop', async () => {
    await publication.ensure([await oid('item')]);
    await publication.drop();
    expect(await control.query("SELECT 1 FROM pg_publication WHERE pubname = 'pgfresh_test'")).toEqual([]);
  });
});

describe('names on the origin', () => {
  it('are valid, at most 63 characters, and different for different nodes', () => {
    const names = ['node1', 'Node1', 'node-1', 'node_1', 'ü', 'x'.repeat(100), `${'x'.repeat(100)}y`];
    const made = names.flatMap((name) => [publicationName(name), temporarySlotName(name, 4_194_304, 1_000)]);
    expect(new Set(made).size).toBe(made.length);
    for (const name of made) expect(name).toMatch(/^pgfresh_[a-z0-9_]{1,55}$/);
  });
});
