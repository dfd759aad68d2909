/** Which answers are asked for again, and when: without an origin. */
import { beforeEach, expect, it } from 'vitest';
import type { SettlingTransaction } from '../../src/cache/change.ts';
import { RefreshAhead } from '../../src/cache/refresh-ahead.ts';
import { CacheStore } from '../../src/cache/store.ts';
import { Limits } from '../../src/shared/limits.ts';
import { createControl, openControl } from '../../src/shared/memory/control.ts';
import type { RefreshRequest } from '../../src/shared/messages.ts';
import { finishHash, HASH_SEED, KeyForm, preparedPrefix, simplePrefix } from '../../src/shared/query-key.ts';

/** Published with the last round. */
const STAMP = 9;
/** Reads that make an answer hot. */
const HOT = 2;

let store: CacheStore;
let refreshAhead: RefreshAhead;
let told: RefreshRequest[];
let notices: number;
let nowMs: number;
beforeEach(() => {
  store = new CacheStore({
    generation: 1,
    memoryBytes: 1 << 20,
    control: openControl(createControl()),
    removed: () => undefined,
  });
  [told, notices, nowMs] = [[], 0, 1000];
  refreshAhead = new RefreshAhead({
    reader: store.reader,
    isStored: (hash, key) => store.find(hash, key) !== 0,
    nowMs: () => nowMs,
    tell: (notice) => {
      notices++;
      told.push(...notice);
    },
  });
});

const simple = (text: string) => Buffer.concat([simplePrefix(5), Buffer.from(text)]);
const hashOf = (key: Uint8Array) => finishHash(key.reduce((h, byte) => Math.imul(h ^ byte, 16777619), HASH_SEED));
const unsettled = (): SettlingTransaction & { settledStamp: number } => ({
  xid: 3,
  settledStamp: Number.POSITIVE_INFINITY,
});
const settled = (): SettlingTransaction => ({ xid: 3, settledStamp: 2 });

function insert(key: Uint8Array): number {
  const frames = Buffer.from('answer');
  return store.insert({ hash: hashOf(key), key, frames, rowDescriptionBytes: 0, filledRound: 1, fenceSlots: [] });
}

/** An entry that was read so often leaves because of a change of the transaction. */
function leave(key: Uint8Array, hits = HOT, transaction = settled()): void {
  const block = insert(key);
  for (let i = 0; i < hits; i++) store.reader.markVisited(block);
  refreshAhead.leaving(block, transaction);
  store.remove(block);
}

it('asks for what was hot, as soon as its change has settled, once', () => {
  const transaction = unsettled();
  const key = simple('SELECT 1');
  leave(key, HOT, transaction);
  refreshAhead.publish(STAMP);
  expect(told).toEqual([]);
  transaction.settledStamp = 7;
  refreshAhead.publish(STAMP);
  refreshAhead.publish(STAMP);
  expect(told).toEqual([
    {
      ...{ hash: hashOf(key), key: new Uint8Array(key), contextId: 5, protocol: 'simple', text: 'SELECT 1' },
      pin: false,
      ...{ parameterTypes: [], tailStart: key.length },
    },
  ]);
});

it('leaves what was read less to the next miss', () => {
  for (let hits = 0; hits < HOT; hits++) leave(simple(`SELECT ${hits}`), hits);
  refreshAhead.publish(STAMP);
  expect([told, refreshAhead.waiting]).toEqual([[], 0]);
});

it('waits for the last of the changes that took it out', () => {
  const [first, second] = [unsettled(), unsettled()];
  leave(simple('SELECT 1'), 2, first);
  leave(simple('SELECT 1'), 2, second);
  first.settledStamp = 1;
  refreshAhead.publish(STAMP);
  expect(told).toEqual([]);
  second.settledStamp = 2;
  refreshAhead.publish(STAMP);
  expect(told).toHaveLength(1);
});

it('asks for nothing that is back already, nor after a new catalog or stream', () => {
  leave(simple('SELECT 1'));
  insert(simple('SELECT 1'));
  refreshAhead.publish(STAMP);
  leave(simple('SELECT 2'));
  refreshAhead.clear();
  refreshAhead.publish(STAMP);
  expect(told).toEqual([]);
});

it('says of a portal where its parameters begin, and does not ask for descriptions', () => {
  const prefix = (form: 'portal' | 'description') =>
    preparedPrefix(5, KeyForm[form], Buffer.from('SELECT $1'), [23, 25]);
  const [portal, tail] = [prefix('portal'), Buffer.from('formats and values')];
  leave(Buffer.concat([portal, tail]));
  leave(prefix('description'));
  refreshAhead.publish(STAMP);
  expect(told).toMatchObject([
    { protocol: 'extended', text: 'SELECT $1', parameterTypes: [23, 25], tailStart: portal.length },
  ]);
});

it('asks for so many a second, together, and forgets the others', () => {
  const count = Limits.refreshesPerSecondMax;
  const herd = () => {
    for (let i = 0; i < count; i++) leave(simple(`SELECT ${i}`));
    refreshAhead.publish(STAMP);
    const asked = told.length;
    told = [];
    return asked;
  };
  expect([herd(), notices]).toEqual([count / 4, 1]);
  expect(herd()).toBe(0);
  nowMs += 100;
  expect(herd()).toBe(count / 10);
  nowMs += 60_000;
  expect(herd()).toBe(count / 4);
  expect(refreshAhead.waiting).toBe(0);
});

it('remembers no more than so many', () => {
  for (let i = 0; i < Limits.refreshesWaitingMax + 10; i++) leave(simple(`SELECT ${i}`), 2, unsettled());
  expect(refreshAhead.waiting).toBe(Limits.refreshesWaitingMax);
});
