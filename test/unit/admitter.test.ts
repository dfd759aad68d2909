import { beforeEach, describe, expect, it } from 'vitest';
import { Admitter } from '../../src/cache/admitter.ts';
import { Apply } from '../../src/cache/apply.ts';
import type { RowChange, StreamRelation } from '../../src/cache/change.ts';
import { ChangeLog } from '../../src/cache/change-log.ts';
import type { Dependency } from '../../src/cache/dependency.ts';
import { DependencyIndex } from '../../src/cache/dependency-index.ts';
import { StoreHeader } from '../../src/cache/header.ts';
import { parseKey } from '../../src/cache/key-reader.ts';
import { parseSnapshot, Settler } from '../../src/cache/settle.ts';
import { CacheStore } from '../../src/cache/store.ts';
import { StreamTables } from '../../src/cache/tables.ts';
import { createControl, openControl } from '../../src/shared/memory/control.ts';
import { Store, StoreState } from '../../src/shared/memory/layout.ts';
import type { FillToken, Offer } from '../../src/shared/messages.ts';
import { extendHash, HASH_SEED, keyHash, preparedPrefix, simplePrefix } from '../../src/shared/query-key.ts';
import type { Reason } from '../../src/shared/reasons.ts';
import { clearStore } from '../support/store.ts';

const TABLE = 20_000;
const relation: StreamRelation = {
  oid: TABLE,
  schema: 'public',
  name: 't',
  replicaIdentity: 'd',
  columns: [
    { name: 'id', typeOid: 23, isKey: true },
    { name: 'v', typeOid: 25, isKey: false },
  ],
};
const update = (id: string): RowChange => ({ relation, kind: 'update', oldRow: null, newRow: [id, 'new'] });

interface Statement {
  readonly reason: Reason | null;
  readonly relations: readonly number[];
  readonly streamed?: readonly number[];
  readonly id: string;
}

/** The cache thread's parts without its threads and its origin. */
function makeCache(faults: readonly string[] = []) {
  const index: DependencyIndex = new DependencyIndex(() => ['id']);
  const store = new CacheStore({
    generation: 3,
    memoryBytes: 1 << 20,
    control: openControl(createControl()),
    removed: (block) => index.remove(block),
  });
  const header = new StoreHeader(store);
  const tables = new StreamTables();
  const log = new ChangeLog();
  const wanted: number[] = [];
  const settler = new Settler({
    nextStamp: () => header.nextStamp(),
    publish: (stamp) => header.publishStamp(stamp),
    pendingMax: 100,
  });
  const apply = new Apply({ index, log, store, settler, ancestorsOf: () => [] });
  const statements = new Map<string, Statement>();
  const admitter = new Admitter<Statement & { readonly streamed: readonly number[] }>({
    generation: 3,
    entryBytesMax: 1_000,
    header,
    tables,
    log,
    store,
    index,
    analysisOf: (key) => {
      const statement = statements.get(key.text);
      return statement === undefined ? null : { streamed: statement.relations, ...statement };
    },
    wanted: (relations) => void wanted.push(...relations),
    bind: (statement): Dependency[] =>
      statement.relations.map((oid) => ({ relation: oid, terms: [{ column: 'id', values: [statement.id] }] })),
    primaryKeyOf: () => ['id'],
    descendantsOf: () => [],
    database: 0,
    faults,
  });
  const token = (): FillToken => ({
    generation: 3,
    streamEpoch: header.streamEpoch,
    settleStamp: Atomics.load(store.words, Store.SETTLE_STAMP),
    catalogVersion: header.catalogVersion,
  });
  const offer = (text: string, given: FillToken = token(), frames = 'answer'): Offer => {
    const prefix = simplePrefix(1);
    const tail = Buffer.from(text);
    return {
      verdictId: 1,
      shape: 0,
      contextId: 1,
      token: given,
      hash: hashOf(prefix, tail),
      keyBytes: prefix.length + tail.length,
      rowDescriptionBytes: 0,
      isRefresh: false,
      costMs: 0,
      filledRound: 1,
      bytes: new Uint8Array(Buffer.concat([prefix, tail, Buffer.from(frames)])),
    };
  };
  const isCached = (text: string): boolean => {
    const prefix = simplePrefix(1);
    const tail = Buffer.from(text);
    return store.reader.find(hashOf(prefix, tail), prefix, tail, 0, tail.length) !== 0;
  };
  const commit = (xid: number, ...changes: RowChange[]): void => {
    apply.begin(xid);
    for (const change of changes) apply.change(change);
    apply.commit(BigInt(xid));
  };
  const check = (): void => {
    store.check();
    index.check();
    expect(index.entries).toBeLessThanOrEqual(store.statistics().entries);
  };
  return {
    index,
    store,
    header,
    tables,
    settler,
    apply,
    statements,
    admitter,
    wanted,
    token,
    offer,
    isCached,
    commit,
    check,
  };
}

/** A prefix is hashed as one piece, then the tail. */
function hashOf(prefix: Uint8Array, tail: Uint8Array): number {
  return keyHash(extend(prefix), tail, 0, tail.length);
}
const extend = (bytes: Uint8Array): number => extendHash(HASH_SEED, bytes, 0, bytes.length);

describe('an answer is admitted', () => {
  let cache: ReturnType<typeof makeCache>;
  beforeEach(() => {
    cache = makeCache();
    cache.header.setState(StoreState.live);
    cache.header.raiseCatalogVersion();
    cache.tables.setLive(TABLE, cache.header.raiseStamp());
    cache.statements.set('one', { reason: null, relations: [TABLE], id: '1' });
    cache.statements.set('two', { reason: null, relations: [TABLE], id: '2' });
    return () => cache.check();
  });

  it('when everything that it was computed from is current, and leaves when a row it read changes', () => {
    expect(cache.admitter.admit(cache.offer('one'))).toBe(null);
    expect(cache.admitter.admit(cache.offer('two'))).toBe(null);
    cache.commit(700, update('1'));
    expect([cache.isCached('one'), cache.isCached('two')]).toEqual([false, true]);
    expect(cache.apply.invalidated).toBe(1);
  });

  it('not beside or in place of one with the same key, which shows the same changes and may be confirmed already', () => {
    expect(cache.admitter.admit(cache.offer('one', cache.token(), 'first'))).toBe(null);
    expect(cache.admitter.admit(cache.offer('one', cache.token(), 'second'))).toBe('fill.stored');
    expect([cache.admitter.admitted, cache.admitter.rejected]).toEqual([1, 0]);
    expect(cache.store.statistics().entries).toBe(1);
    cache.commit(700, update('1'));
    expect(cache.isCached('one')).toBe(false);
    cache.settler.observe(parseSnapshot('701:701:'));
    expect(cache.admitter.admit(cache.offer('one', cache.token(), 'third'))).toBe(null);
  });

  it('in place of one with the same key that lacks what it has: a description, or the pin', () => {
    const bare = cache.offer('one', cache.token(), 'first');
    cache.admitter.admit({ ...bare, rowDescriptionBytes: 0 });
    expect(cache.admitter.admit({ ...cache.offer('one'), rowDescriptionBytes: 3 })).toBe(null);
    expect(cache.admitter.admit({ ...cache.offer('one'), rowDescriptionBytes: 3 })).toBe('fill.stored');
    expect(cache.admitter.admit({ ...cache.offer('one'), rowDescriptionBytes: 3, pin: true })).toBe(null);
    expect(cache.admitter.admit({ ...cache.offer('one'), rowDescriptionBytes: 0, pin: true })).toBe('fill.stored');
    expect(cache.store.statistics().entries).toBe(1);
    expect(cache.index.entries).toBe(1);
    cache.commit(700, update('1'));
    expect(cache.isCached('one')).toBe(false);
  });

  it('only after a matching change is visible to the snapshot that it was computed from', () => {
    const before = cache.token();
    cache.commit(700, update('1'));
    expect(cache.admitter.admit(cache.offer('one', before))).toBe('fill.changed');
    // Applied, but not visible to new snapshots yet: an answer asked for now may still lack it.
    const applied = cache.token();
    expect(cache.admitter.admit(cache.offer('one', applied))).toBe('fill.changed');
    expect(cache.admitter.admit(cache.offer('two', before))).toBe(null);
    cache.settler.observe(parseSnapshot('650:701:'));
    expect(cache.admitter.admit(cache.offer('one', applied))).toBe('fill.changed');
    expect(cache.admitter.admit(cache.offer('one'))).toBe(null);
  });

  it('only when no matching change hangs, while others settle', () => {
    cache.commit(700, update('1'));
    cache.commit(701, update('2'));
    cache.settler.observe(parseSnapshot('700:702:700'));
    expect(cache.admitter.admit(cache.offer('one'))).toBe('fill.changed');
    expect(cache.admitter.admit(cache.offer('two'))).toBe(null);
  });

  it('only when its table was live before it was asked for', () => {
    const before = cache.token();
    cache.tables.setLive(TABLE, cache.header.raiseStamp());
    expect(cache.admitter.admit(cache.offer('one', before))).toBe('uncacheable.publishing');
    expect(cache.admitter.admit(cache.offer('one'))).toBe(null);
  });

  it('only when its table is on the stream, which is asked for', () => {
    cache.tables.streamEnded();
    expect(cache.admitter.admit(cache.offer('one'))).toBe('uncacheable.publishing');
    expect(cache.wanted).toEqual([TABLE]);
    cache.tables.refuse({ oid: TABLE, table: 't', reason: 'uncacheable.replicaIdentity', remedy: '' });
    expect(cache.admitter.admit(cache.offer('one'))).toBe('uncacheable.replicaIdentity');
  });

  it('only under the token of this generation, stream and catalog', () => {
    const token = cache.token();
    expect(cache.admitter.admit(cache.offer('one', { ...token, generation: 2 }))).toBe('fill.generation');
    cache.header.raiseStreamEpoch();
    expect(cache.admitter.admit(cache.offer('one', token))).toBe('fill.generation');
    const current = cache.token();
    cache.header.raiseCatalogVersion();
    expect(cache.admitter.admit(cache.offer('one', current))).toBe('fill.generation');
    cache.header.setState(StoreState.down);
    expect(cache.admitter.admit(cache.offer('one'))).toBe('cache.down');
  });

  it('only when it is small enough, and its statement is cacheable', () => {
    expect(cache.admitter.admit(cache.offer('one', cache.token(), 'x'.repeat(1_001)))).toBe('fill.tooLarge');
    expect(cache.admitter.admit(cache.offer('x'.repeat(65_536)))).toBe('statement.tooLong');
    cache.statements.set('never', { reason: 'uncacheable.volatileFunction', relations: [], id: '' });
    expect(cache.admitter.admit(cache.offer('never'))).toBe('uncacheable.volatileFunction');
    expect(cache.admitter.admit(cache.offer('of another context'))).toBe('session.contextUnknown');
    expect(cache.admitter.rejected).toBe(4);
    expect(cache.admitter.refusals.get('fill.tooLarge')).toBe(1);
  });

  it('made anew under a key that was there before, by the same rules', () => {
    const kept = {
      streamed: [TABLE],
      dependencies: [{ relation: TABLE, terms: [{ column: 'id', values: ['1'] }] }],
      fenceSlots: [11, 12],
    };
    const readmit = (token = cache.token()): number => cache.admitter.readmit(cache.offer('one', token), kept);
    const before = cache.token();
    const block = readmit();
    expect([block > 0, cache.isCached('one'), cache.admitter.admitted]).toEqual([true, true, 1]);
    expect([0, 1].map((i) => cache.store.reader.fenceSlot(block, i))).toEqual([11, 12]);
    cache.commit(700, update('1'));
    expect([cache.isCached('one'), readmit(before), readmit()]).toEqual([false, 0, 0]);
    cache.settler.observe(parseSnapshot('701:701:'));
    expect(readmit({ ...cache.token(), streamEpoch: 9 })).toBe(0);
    const old = cache.token();
    cache.tables.setLive(TABLE, cache.header.raiseStamp());
    expect(readmit(old)).toBe(0);
    expect(readmit()).toBeGreaterThan(0);
  });

  it('and leaves with a TRUNCATE, which late answers meet as well', () => {
    const before = cache.token();
    cache.admitter.admit(cache.offer('one'));
    cache.apply.begin(700);
    cache.apply.truncate([relation]);
    cache.apply.commit(1n);
    expect(cache.isCached('one')).toBe(false);
    expect(cache.admitter.admit(cache.offer('two', before))).toBe('fill.changed');
  });

  it('until memory runs out, with every entry that leaves forgotten by the index', () => {
    for (let i = 0; i < 10_000; i++) {
      const text = `statement ${i}`;
      cache.statements.set(text, { reason: null, relations: [TABLE], id: String(i) });
      cache.admitter.admit(cache.offer(text, cache.token(), 'x'.repeat(900)));
    }
    expect(cache.store.statistics().evicted).toBeGreaterThan(1_000);
    expect(cache.index.entries).toBe(cache.store.statistics().entries);
    clearStore(cache.store);
    expect(cache.index.entries).toBe(0);
  });
});

it('admits what the settle rule forbids when a test breaks the rule on purpose', () => {
  const cache = makeCache(['settle']);
  cache.header.setState(StoreState.live);
  cache.tables.setLive(TABLE, cache.header.raiseStamp());
  cache.statements.set('one', { reason: null, relations: [TABLE], id: '1' });
  const before = cache.token();
  cache.commit(700, update('1'));
  expect(cache.admitter.admit(cache.offer('one', before))).toBe(null);
});

it('reads the parts of a key, and nothing from bytes that are none', () => {
  const bind = Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 0x37, 0, 0]);
  const portal = Buffer.concat([preparedPrefix(9, 0x45, Buffer.from('SELECT $1'), [23]), bind]);
  expect(parseKey(portal)).toMatchObject({ contextId: 9, form: 'portal', text: 'SELECT $1', parameterTypes: [23] });
  expect(Buffer.from(parseKey(portal)!.bindTail)).toEqual(bind);
  const description = preparedPrefix(9, 0x53, Buffer.from('SELECT $1'), [23, 25]);
  expect(parseKey(description)).toMatchObject({ form: 'description', parameterTypes: [23, 25] });
  expect(parseKey(Buffer.concat([description, Buffer.from('more')]))).toBe(null);
  expect(parseKey(description.subarray(0, description.length - 1))).toBe(null);
  expect(parseKey(Buffer.from('????'))).toBe(null);
});
