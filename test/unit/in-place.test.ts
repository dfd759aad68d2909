import { beforeEach, expect, it } from 'vitest';
import type { KeptEntry } from '../../src/cache/admitter.ts';
import type { RowChange, SettlingTransaction, StreamRelation } from '../../src/cache/change.ts';
import { InPlace } from '../../src/cache/in-place.ts';
import type { ListAnswer } from '../../src/cache/list-answer.ts';
import type { PointAnswer } from '../../src/cache/recipe.ts';
import { encodeAnswer, encoderOf } from '../../src/cache/row-encoder.ts';
import { CacheStore } from '../../src/cache/store.ts';
import { createControl, openControl } from '../../src/shared/memory/control.ts';
import type { Offer } from '../../src/shared/messages.ts';
import { extendHash, HASH_SEED, keyHash, simplePrefix } from '../../src/shared/query-key.ts';
import { encodeCommandComplete } from '../../src/shared/wire/backend.ts';

const relation: StreamRelation = {
  ...{ oid: 7, schema: 'public', name: 't', replicaIdentity: 'd' },
  columns: [
    { name: 'id', typeOid: 23, isKey: true },
    { name: 'v', typeOid: 25, isKey: false },
  ],
};
const settings = { isoDates: true, utc: true };
const encoders = [encoderOf(23, 0, settings)!, encoderOf(25, 0, settings)!];
const point: PointAnswer = {
  kind: 'point',
  ...{ relation: 7, keyColumns: ['id'], key: ['1'], streamedColumns: 2, encoders },
  columns: [
    { name: 'id', type: 23 },
    { name: 'v', type: 25 },
  ],
};
const text = Buffer.from('SELECT id, v FROM t WHERE id = 1');
const prefix = simplePrefix(5);
const key = Buffer.concat([prefix, text]);
const hash = keyHash(extendHash(HASH_SEED, prefix, 0, prefix.length), text, 0, text.length);

let store: CacheStore;
let inPlace: InPlace;
let offers: Offer[];
let asked: PointAnswer | ListAnswer | null;
/** A round has confirmed what is in the store. */
let confirmed: boolean;
let keeps: (KeptEntry | null)[];
/** How often a key was looked into. */
let lookedInto: number;
/** Whether what is offered enters the store. */
let readmit: boolean;
beforeEach(() => {
  const control = openControl(createControl());
  store = new CacheStore({ generation: 1, memoryBytes: 1 << 20, control, removed: (block) => inPlace.left(block) });
  offers = [];
  asked = point;
  confirmed = true;
  keeps = [];
  lookedInto = 0;
  readmit = false;
  inPlace = new InPlace({
    reader: store.reader,
    isConfirmed: () => confirmed,
    corrigibleOf: () => {
      lookedInto++;
      return asked && { answer: asked, depends: { streamed: [7], dependencies: [] } };
    },
    tokenOf: (settleStamp) => ({ generation: 1, streamEpoch: 0, settleStamp, catalogVersion: 1 }),
    faults: [],
    isStored: (h, k) => store.find(h, k) !== 0,
    admit: (offer, kept) => {
      offers.push(offer);
      keeps.push(kept);
      return readmit ? insertOffer(offer) : 0;
    },
  });
});

const unsettled = (): SettlingTransaction & { settledStamp: number } => ({
  xid: 3,
  settledStamp: Number.POSITIVE_INFINITY,
});
const settledAt = (settledStamp: number): SettlingTransaction => ({ xid: 3, settledStamp });
const update = (v: string | undefined, id = '1'): RowChange => ({
  relation,
  kind: 'update',
  oldRow: null,
  newRow: [id, v],
});

function insertEntry(): number {
  const frames = encodeAnswer(['1', 'old'], encoders)!;
  return store.insert({ hash, key, frames, rowDescriptionBytes: 0, filledRound: 1, fenceSlots: [3, 5] });
}

function insertOffer({ bytes, keyBytes, rowDescriptionBytes, filledRound }: Offer): number {
  const frames = bytes.subarray(keyBytes);
  return store.insert({ hash, key, frames, rowDescriptionBytes, filledRound, fenceSlots: [3, 5] });
}

/** The change takes the entry out, as Apply does it. */
function take(change: RowChange, transaction: SettlingTransaction): void {
  const block = insertEntry();
  inPlace.changed(change, transaction);
  inPlace.leaving(block, change, transaction);
  store.remove(block);
}

const answerOf = ({ bytes, keyBytes }: Offer): Buffer => Buffer.from(bytes.subarray(keyBytes));

it('offers the corrected answer when its transaction has been applied and has settled, with its stamp', () => {
  readmit = true;
  const transaction = unsettled();
  take(update('new'), transaction);
  inPlace.publish(9, 9);
  inPlace.committed();
  inPlace.publish(9, 9);
  expect(offers).toEqual([]);
  transaction.settledStamp = 4;
  inPlace.publish(9, 9);
  expect(offers).toMatchObject([
    { hash, keyBytes: key.length, contextId: 5, filledRound: 9, token: { settleStamp: 4 } },
  ]);
  expect(answerOf(offers[0]!)).toEqual(encodeAnswer(['1', 'new'], encoders));
  inPlace.publish(9, 9);
  expect([offers.length, inPlace.corrected, inPlace.waiting]).toEqual([1, 1, 0]);
});

it('waits for a round whose own snapshot shows the transaction, and counts from that round on', () => {
  const transaction = unsettled();
  take(update('new'), transaction);
  inPlace.committed();
  // Settled by the snapshot of a round that is still waiting for the stream.
  transaction.settledStamp = 4;
  inPlace.publish(11, 3);
  expect(offers).toEqual([]);
  inPlace.publish(12, 4);
  expect(offers).toMatchObject([{ filledRound: 12, token: { settleStamp: 4 } }]);
});

it('never shows a state inside a transaction, though a snapshot shows the transaction already', () => {
  const transaction = unsettled();
  take(update('first half'), transaction);
  transaction.settledStamp = 4;
  inPlace.publish(9, 9);
  expect(offers).toEqual([]);
  inPlace.changed(update('second half'), transaction);
  inPlace.committed();
  inPlace.publish(9, 9);
  expect(offers.map(answerOf)).toEqual([encodeAnswer(['1', 'second half'], encoders)]);
});

it('waits for the last of several transactions', () => {
  const [first, second] = [unsettled(), unsettled()];
  take(update('one'), first);
  inPlace.committed();
  inPlace.changed(update('two'), second);
  inPlace.committed();
  first.settledStamp = 4;
  inPlace.publish(9, 9);
  expect(offers).toEqual([]);
  second.settledStamp = 5;
  inPlace.publish(9, 9);
  expect(offers).toMatchObject([{ token: { settleStamp: 5 } }]);
  expect(answerOf(offers[0]!)).toEqual(encodeAnswer(['1', 'two'], encoders));
});

const forgotten: readonly (readonly [string, () => void])[] = [
  ['a value that is not told', () => inPlace.changed(update(undefined), unsettled())],
  ['TRUNCATE', () => inPlace.truncated(7)],
  ['a new catalog or stream', () => inPlace.clear()],
  [
    'a row whose key is not told',
    () => inPlace.changed({ relation, kind: 'delete', oldRow: [undefined, 'x'], newRow: null }, unsettled()),
  ],
];
it.each(forgotten)('forgets what is not certain any more: %s', (_, happen) => {
  const transaction = unsettled();
  take(update('new'), transaction);
  inPlace.committed();
  happen();
  transaction.settledStamp = 4;
  inPlace.committed();
  inPlace.publish(9, 9);
  expect([offers.length, inPlace.waiting]).toEqual([0, 0]);
});

it('a row that left, and one that came', () => {
  const transaction = unsettled();
  take({ relation, kind: 'delete', oldRow: ['1', undefined], newRow: null }, transaction);
  inPlace.committed();
  transaction.settledStamp = 4;
  inPlace.publish(9, 9);
  take({ relation, kind: 'insert', oldRow: null, newRow: ['1', 'here'] }, transaction);
  inPlace.committed();
  inPlace.publish(9, 9);
  expect(offers.map(answerOf)).toEqual([encodeAnswer(null, encoders), encodeAnswer(['1', 'here'], encoders)]);
});

it('keeps the pin of an answer', () => {
  const frames = encodeAnswer(['1', 'old'], encoders)!;
  const entry = { hash, key, frames, rowDescriptionBytes: 0, filledRound: 1, fenceSlots: [3, 5], pin: true };
  const block = store.insert(entry);
  inPlace.leaving(block, update('new'), settledAt(4));
  store.remove(block);
  inPlace.committed();
  inPlace.publish(9, 9);
  expect(offers).toMatchObject([{ pin: true }]);
});

it('looks into a key once, as long as its answers go on being corrected', () => {
  readmit = true;
  take(update('first'), settledAt(4));
  for (const value of ['second', 'third']) {
    inPlace.committed();
    inPlace.publish(9, 9);
    const block = store.find(hash, key);
    const transaction = settledAt(4);
    inPlace.changed(update(value), transaction);
    inPlace.leaving(block, update(value), transaction);
    store.remove(block);
  }
  inPlace.committed();
  inPlace.publish(9, 9);
  expect(offers.map(answerOf)).toEqual(['first', 'second', 'third'].map((v) => encodeAnswer(['1', v], encoders)));
  expect(keeps).toEqual(Array(3).fill({ streamed: [7], dependencies: [], fenceSlots: [3, 5] }));
  expect(lookedInto).toBe(1);
});

it.each([
  ['its entry has left the store', () => store.remove(store.find(hash, key))],
  ['the catalog or the stream is another one', () => inPlace.clear()],
])('looks into a key again when %s', (_, happen) => {
  readmit = true;
  take(update('first'), settledAt(4));
  inPlace.committed();
  inPlace.publish(9, 9);
  const block = store.find(hash, key);
  happen();
  // Memory is used again: another entry may be in the very same block.
  inPlace.leaving(block, update('second'), settledAt(4));
  expect(lookedInto).toBe(2);
});

const byId = (a: string | null, b: string | null): number => Number(a) - Number(b);
const list: ListAnswer = {
  ...{
    kind: 'list',
    relation: 7,
    keyColumns: ['id'],
    key: [{ at: 0 }],
    members: [],
    rowsMax: null,
    streamedColumns: 2,
  },
  ...{ order: [{ at: 0, compare: byId }], columns: point.columns, encoders },
  readers: [0, 1].map(() => (bytes: Buffer | null) => bytes?.toString() ?? null),
};

it('a list that no round has confirmed is left to the next miss', () => {
  asked = list;
  confirmed = false;
  take(update('new'), unsettled());
  expect(inPlace.waiting).toBe(0);
  confirmed = true;
  take(update('new'), unsettled());
  expect(inPlace.waiting).toBe(1);
});

it('a list waits for each transaction that changed it, and for none that did not', () => {
  asked = { ...list, members: [{ column: 'v', value: 'in' }] };
  const [first, second, other] = [unsettled(), unsettled(), unsettled()];
  take(update('in'), first);
  inPlace.committed();
  inPlace.changed(update('in', '2'), second);
  inPlace.committed();
  inPlace.changed(update('out', '3'), other);
  inPlace.committed();
  second.settledStamp = 4;
  inPlace.publish(9, 9);
  expect(offers).toEqual([]);
  first.settledStamp = 5;
  inPlace.publish(9, 9);
  expect(offers).toMatchObject([{ token: { settleStamp: 5 } }]);
  const rows = ['1', '2'].map((id) => encodeAnswer([id, 'in'], encoders)!);
  // DataRow, and CommandComplete with the number of rows.
  const frames = Buffer.concat(rows.map((row) => row.subarray(0, row.indexOf('C\0\0\0'))));
  expect(answerOf(offers[0]!)).toEqual(Buffer.concat([frames, encodeCommandComplete('SELECT 2')]));
  expect([inPlace.waiting, inPlace.corrected]).toEqual([0, 0]);
});

it('a transaction that changes very many rows takes no list along', () => {
  asked = list;
  take(update('new'), unsettled());
  expect(inPlace.waiting).toBe(1);
  for (let id = 2; id < 1_100; id++) inPlace.changed(update('new', String(id)), unsettled());
  expect(inPlace.waiting).toBe(0);
  take(update('again'), unsettled());
  expect(inPlace.waiting).toBe(0);
  inPlace.committed();
  take(update('again'), unsettled());
  expect(inPlace.waiting).toBe(1);
});

it('leaves alone what the origin has answered meanwhile', () => {
  const transaction = unsettled();
  take(update('new'), transaction);
  inPlace.committed();
  transaction.settledStamp = 4;
  insertEntry();
  inPlace.publish(9, 9);
  expect(offers).toEqual([]);
});

const others: readonly (readonly [string, RowChange, PointAnswer | null])[] = [
  ['an answer of another kind', update('new'), null],
  ['a change of another row that only seemed to match', update('new', '2'), point],
  ['a table that has one column more than the catalog', update('new'), { ...point, streamedColumns: 1 }],
  ['a column of another type', update('new'), { ...point, columns: [{ name: 'v', type: 23 }] }],
];
it.each(others)('is not made of: %s', (_, change, answer) => {
  asked = answer;
  take(change, unsettled());
  expect(inPlace.waiting).toBe(0);
});
