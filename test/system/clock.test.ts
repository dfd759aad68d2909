import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { FreshnessClock } from '../../src/cache/clock.ts';
import type { ControlConnection } from '../../src/cache/control-connection.ts';
import { changedCatalogs, fingerprintSql, parseFingerprint } from '../../src/cache/fingerprint.ts';
import { Publication } from '../../src/cache/publication.ts';
import type { ReplicationStream } from '../../src/cache/replication.ts';
import { askRound, askSnapshot, nudgeOrigin } from '../../src/cache/round.ts';
import { Settler } from '../../src/cache/settle.ts';
import { monotonicClock, wallClock } from '../../src/shared/clock.ts';
import { diagnose, firstProblem } from '../../src/shared/diagnose.ts';
import { caughtUp, eventually, makeStream, openControl, RecordingSink, uniqueName } from '../support/origin.ts';
import { createDatabase, run } from '../support/postgres.ts';

const schema = `CREATE TABLE item (id int PRIMARY KEY, v text); CREATE TABLE other (id int PRIMARY KEY, v text);
  INSERT INTO item SELECT i, 'x' FROM generate_series(1, 100) i;`;
const names = { publication: 'pgfresh_clock', slot: '' };

/** Of the whole server: other test files change them while this one runs, and a feed would load its catalog again. */
const shared = ['pg_roles', 'pg_auth_members', 'pg_db_role_setting', 'configuration'];

describe.each([15, 18] as const)('freshness on PostgreSQL %i', (version) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let rounds: ControlConnection;
  let work: ControlConnection;
  let writer: pg.Client;
  let sink: RecordingSink;
  let stream: ReplicationStream;
  let publication: Publication;
  let clock: FreshnessClock;
  let item: number;
  let started: number;
  let seen: {
    fresh: number;
    commitsAtFresh: number;
    changed: string[];
    altered: number[][];
    errors: Error[];
    retained: number[];
    snapshots: Set<string>;
  };

  const makeClock = (): FreshnessClock =>
    new FreshnessClock(
      {
        clock: monotonicClock,
        wallClock,
        ask: async (question) => {
          const answer = await askRound(rounds, { ...names, slot: names.slot }, question);
          seen.snapshots.add(answer.snapshotText);
          return answer;
        },
        nudge: (target) => nudgeOrigin(rounds, version * 10_000, target),
        appliedLsn: () => stream.appliedLsn,
        awaited: (lsn) => stream.awaited(lsn),
        published: () => publication.published,
        sessions: () => 0,
        beginRound: () => ++started,
        publish: (round) => {
          seen.fresh = round;
          seen.commitsAtFresh = sink.commits;
        },
        probe: () => askSnapshot(rounds),
        readsBehind: () => 0,
        onSnapshot: () => 0,
        onOriginLsn: (lsn) => stream.observeOrigin(lsn),
        onRetained: (bytes) => seen.retained.push(bytes),
        onCatalogChanged: (catalogs) => {
          seen.changed.push(...catalogs);
          if (catalogs.every((catalog) => shared.includes(catalog) || catalog === 'pg_publication_rel')) void load();
        },
        onRefreshed: () => undefined,
        onPublicationAltered: (missing) => seen.altered.push([...missing]),
        onJump: () => undefined,
        onError: (error) => seen.errors.push(error),
      },
      {
        heartbeatMs: 100,
        nudgeMs: 20,
        nudgeGapMs: 50,
        hurriedNudgeMs: 1,
        fillWaitMs: 1.5,
        probeGapMs: 1,
        waitingMax: 16,
        jumpMs: 60_000,
        pace: { factor: 3, readMs: 0.05, gapMsMax: 25 },
      },
    );
  const load = async (): Promise<void> => clock.accept(parseFingerprint((await work.query(fingerprintSql))[0]![0]!));
  /** A round that begins after this call. */
  const fresh = async (): Promise<void> => {
    const round = started + 1;
    clock.request(round, false);
    await eventually(() => seen.fresh >= round, `round ${round} (changed: ${seen.changed}, errors: ${seen.errors})`);
  };

  beforeEach(async () => {
    database = await createDatabase(inject(`pg${version}roles`), schema);
    rounds = await openControl(database.url);
    work = await openControl(database.url);
    writer = new pg.Client({ connectionString: database.url });
    writer.on('error', () => undefined);
    await writer.connect();
    started = 0;
    seen = { fresh: 0, commitsAtFresh: 0, changed: [], altered: [], errors: [], retained: [], snapshots: new Set() };
    sink = new RecordingSink();
    publication = new Publication({
      sql: work,
      looks: work,
      name: names.publication,
      user: 'postgres',
      lockTimeoutMs: 1_000,
      onLive: () => undefined,
      onError: (error) => seen.errors.push(error),
      pollMsMin: 5,
      pollMsMax: 50,
    });
    await publication.open();
    names.slot = uniqueName();
    stream = makeStream(database.url, names.publication, sink, { slotName: names.slot });
    await stream.start();
    await publication.streamStarted();
    item = Number((await work.query("SELECT 'public.item'::regclass::oid"))[0]![0]);
    expect(await publication.ensure([item])).toEqual([]);
    clock = makeClock();
    stream.on('applied', (lsn, xid) => clock.applied(lsn, xid));
    await load();
  });
  afterEach(async () => {
    clock.stop();
    publication.stop();
    await stream.stop();
    await Promise.all([rounds.end(), work.end(), writer.end()]);
    await database.drop();
  });

  it('covers every commit acknowledged before the round began', async () => {
    for (let i = 1; i <= 30; i++) {
      await writer.query(`UPDATE item SET v = '${i}' WHERE id = ${i}`);
      await fresh();
      expect(seen.commitsAtFresh).toBe(i);
    }
  });

  it('covers commits that were acknowledged before they were flushed (C13)', async () => {
    await writer.query('SET synchronous_commit = off');
    for (let i = 1; i <= 30; i++) {
      await writer.query(`UPDATE item SET v = '${i}' WHERE id = ${i}`);
      await fresh();
      expect(seen.commitsAtFresh).toBe(i);
    }
  });

  it('goes on while a bulk transaction is open and idle in the midst of its log (C12)', async () => {
    await writer.query('BEGIN; INSERT INTO other SELECT i, repeat($$x$$, 500) FROM generate_series(1, 3000) i');
    // The commits of other tests may flush the log sooner than a nudge would; the server itself does every 15 s.
    for (let i = 0; i < 15 || (clock.nudges === 0 && i < 200); i++) {
      // The stream does not tell of this one, so the position must.
      await work.query(`INSERT INTO public.other VALUES (${20_000 + i}, 'x')`);
      // Behind that commit, and flushed by nobody.
      await writer.query(`INSERT INTO other VALUES (${10_000 + i}, 'x')`);
      await fresh();
    }
    expect(clock.nudges).toBeGreaterThan(0);
    await writer.query('ROLLBACK');
  });

  it('needs no position where the stream told of every transaction that is seen', async () => {
    await fresh();
    await writer.query('BEGIN');
    let commits = 0;
    let needed = Number.POSITIVE_INFINITY;
    // Transactions of other tests are seen, too, and no stream of ours tells of them: then a nudge is right.
    for (let attempt = 0; needed > 0 && attempt < 30; attempt++) {
      const { nudges } = clock;
      for (let i = 0; i < 5; i++) {
        await work.query(`UPDATE public.item SET v = '${++commits}' WHERE id = ${i + 1}`);
        await writer.query(`INSERT INTO other VALUES (${30_000 + commits}, 'x')`);
        await fresh();
        expect(sink.commits).toBe(commits);
      }
      needed = clock.nudges - nudges;
    }
    expect(needed).toBe(0);
    await writer.query('ROLLBACK');
  });

  it('waits for nothing of a transaction that has not ended', async () => {
    await fresh();
    const { nudges } = clock;
    const { size } = seen.snapshots;
    await writer.query('BEGIN');
    let same = 0;
    for (let i = 0; same < 5; i++) {
      const before = seen.snapshots.size;
      // The end of it is flushed by nobody, so the stream does not get there.
      await writer.query(
        `INSERT INTO other SELECT i, repeat('x', 500) FROM generate_series(${i * 100}, ${i * 100 + 99}) i`,
      );
      await fresh();
      if (seen.snapshots.size === before) same++;
    }
    // A transaction of another test file has a position of its own to wait for.
    expect(clock.nudges - nudges).toBeLessThanOrEqual(seen.snapshots.size - size);
    await writer.query('ROLLBACK');
  });

  it('goes on while only unpublished tables are written', async () => {
    for (let i = 1; i <= 10; i++) {
      await writer.query(`INSERT INTO other VALUES (${i}, 'x')`);
      await fresh();
    }
    expect(sink.commits).toBe(0);
  });

  it('stands still when the catalog changed, until it was loaded again (C11)', async () => {
    await fresh();
    await writer.query('ALTER TABLE other ADD COLUMN w int');
    clock.request(started + 1, false);
    await eventually(() => seen.changed.length > 0, 'the change is seen');
    await eventually(() => seen.changed.includes('pg_attribute'), 'it is that of the table, whatever others change');
    const before = seen.fresh;
    clock.request(started + 1, false);
    await caughtUp(stream, work);
    expect(seen.fresh).toBe(before);
    await load();
    await fresh();
  });

  it('sees that the server read its configuration anew', async () => {
    await fresh();
    await writer.query('SELECT pg_reload_conf()');
    await eventually(() => {
      clock.request(started + 1, false);
      return seen.changed.includes('configuration');
    }, 'the change is seen');
  });

  it('takes temporary tables and data of others for what they are', async () => {
    await fresh();
    await writer.query("CREATE TEMP TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')");
    await writer.query('VACUUM ANALYZE item');
    await fresh();
    await writer.query('DROP TABLE t; TRUNCATE other');
    await fresh();
    expect(seen.changed.filter((catalog) => !shared.includes(catalog))).toEqual([]);
  });

  it.each([
    ['taken out', `ALTER PUBLICATION ${names.publication} DROP TABLE item`],
    ['filtered', `ALTER PUBLICATION ${names.publication} SET TABLE item WHERE (id > 50)`],
    ['published for inserts only', `ALTER PUBLICATION ${names.publication} SET (publish = 'insert')`],
    ['published no more, with everything else', `DROP PUBLICATION ${names.publication}`],
  ])('notices that somebody had a table %s', async (_how, statement) => {
    await fresh();
    await writer.query(statement);
    clock.request(started + 1, false);
    await eventually(() => seen.altered.length > 0, 'the change is seen');
    expect(seen.altered).toEqual([[item]]);
  });

  it('is not misled by changes of our own to the publication', async () => {
    const other = Number((await work.query("SELECT 'public.other'::regclass::oid"))[0]![0]);
    await Promise.all([fresh(), publication.ensure([other]), fresh(), fresh()]);
    await fresh();
    expect(seen.altered).toEqual([]);
  });

  it('settles what it applied, when a snapshot shows it and not before', async () => {
    const published: number[] = [];
    let stamp = 0;
    const settler = new Settler({
      nextStamp: () => ++stamp,
      publish: (value) => published.push(value),
      pendingMax: 10,
    });
    const accepted = parseFingerprint((await work.query(fingerprintSql))[0]![0]!);
    const { snapshot: before } = await askRound(rounds, names, { knownSnapshot: null, accepted, thorough: false });
    await writer.query("BEGIN; SAVEPOINT s; UPDATE item SET v = 'settle' WHERE id = 1; COMMIT");
    await caughtUp(stream, work);
    const transaction = settler.register(sink.xids.at(-1)!);
    expect(settler.observe(before)).toBe(0);
    const { snapshot } = await askRound(rounds, names, { knownSnapshot: null, accepted, thorough: false });
    expect(settler.observe(snapshot)).toBe(1);
    expect([transaction.settledStamp, published]).toEqual([2, [1, 2]]);
    // Had the stream been slower, the snapshot would have been first.
    expect(settler.register(sink.xids.at(-1)!).settledStamp).toBe(2);
  });

  it('computes no fingerprint while nothing is committed, and looks at the slot on thorough rounds', async () => {
    const accepted = parseFingerprint((await work.query(fingerprintSql))[0]![0]!);
    const first = await askRound(rounds, names, { knownSnapshot: null, accepted, thorough: true });
    const known = { knownSnapshot: first.snapshotText, accepted };
    const second = await askRound(rounds, names, { ...known, thorough: true });
    // Other test files write on the same server: only an equal snapshot says that nothing was committed.
    expect(second.fingerprint === null).toBe(second.snapshotText === first.snapshotText);
    expect(first.fingerprint!.builtin).not.toBeNull();
    expect(first.published).toEqual(new Set([item]));
    expect(first.retainedBytes).toBeGreaterThanOrEqual(0);
  });

  it('says in one hash that the catalog is the accepted one, and catalog by catalog what is not', async () => {
    let accepted = parseFingerprint((await work.query(fingerprintSql))[0]![0]!);
    const ask = () => askRound(rounds, names, { knownSnapshot: null, accepted, thorough: false });
    // Roles are the whole server's: when another file changes them meanwhile, what is accepted is read again.
    await eventually(async () => {
      accepted = { ...(await ask()).fingerprint!, builtin: null };
      return (await ask()).fingerprint!.builtin === null;
    }, 'a round that finds nothing changed');
    await writer.query('CREATE TABLE more (id int)');
    const { fingerprint, published } = await ask();
    expect(changedCatalogs(accepted, fingerprint!).filter((name) => !shared.includes(name))).toContain('pg_class');
    expect([fingerprint!.builtin === null, published]).toEqual([false, new Set([item])]);
  });

  it('reports a connection that was killed', async () => {
    await fresh();
    const [row] = await rounds.query('SELECT pg_backend_pid()');
    await work.query(`SELECT pg_terminate_backend(${row![0]})`);
    clock.request(started + 1, false);
    await eventually(() => seen.errors.length > 0, 'the error is seen');
  });

  it('finds an origin fit, or says what is missing', async () => {
    const ask = (sql: string) => work.query(sql);
    expect(firstProblem(await diagnose(ask, names.publication))).toBeNull();
    const role = uniqueName('diag_role');
    await writer.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
    const plain = await openControl(database.url.replace('postgres:secret', `${role}:x`));
    try {
      const checks = await diagnose((sql) => plain.query(sql), names.publication);
      const failed = new Map(checks.filter(({ ok }) => !ok).map(({ name, remedy }) => [name, remedy]));
      expect([...failed.keys()]).toEqual(['replication', 'create', 'publication']);
      for (const name of ['replication', 'create']) await writer.query(failed.get(name)!);
      expect(firstProblem(await diagnose((sql) => plain.query(sql), 'pgfresh_free'))).toBeNull();
    } finally {
      await plain.end();
      await run(database.url, `DROP OWNED BY ${role}`);
      await run(database.url, `DROP ROLE ${role}`);
    }
  });
});
