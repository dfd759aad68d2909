import { describe, expect, it } from 'vitest';
import type { Offer } from '../../src/shared/messages.ts';
import { encodeFrame } from '../../src/shared/wire/frontend.ts';
import { isToldAlike } from '../../src/worker/shared-answer.ts';
import { hear, isAsTold, type Told, toldByOrigin, untold } from '../../src/worker/told.ts';

interface Column {
  readonly name?: string;
  readonly table?: number;
  readonly type?: number;
  readonly modifier?: number;
  readonly format?: number;
}

function rowDescription(...columns: readonly Column[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(columns.length);
  const fields = columns.map(({ name = 'v', table = 1, type = 23, modifier = -1, format = 0 }) => {
    const rest = Buffer.alloc(18);
    rest.writeUInt32BE(table, 0);
    rest.writeUInt32BE(type, 6);
    rest.writeInt32BE(modifier, 12);
    rest.writeInt16BE(format, 16);
    return Buffer.concat([Buffer.from(`${name}\0`), rest]);
  });
  return encodeFrame(0x54, Buffer.concat([count, ...fields]));
}

const parameters = (...oids: readonly number[]): Buffer => {
  const body = Buffer.alloc(2 + 4 * oids.length);
  body.writeInt16BE(oids.length);
  for (const [i, oid] of oids.entries()) body.writeUInt32BE(oid, 2 + 4 * i);
  return encodeFrame(0x74, body);
};
const noData = encodeFrame(0x6e, Buffer.alloc(0));
const row = encodeFrame(0x44, Buffer.alloc(2));

function heard(...frames: readonly Buffer[]): Told {
  const told = untold();
  const bytes = Buffer.concat([Buffer.alloc(3), ...frames]);
  hear(told, bytes, 3, bytes.length);
  return told;
}

const asTold = (before: readonly Buffer[], now: readonly Buffer[]) => isAsTold(heard(...before), heard(...now));

describe('what a client was told of a statement', () => {
  it('is the same whatever the format and the table', () => {
    expect(asTold([rowDescription({})], [parameters(23), rowDescription({ table: 9, format: 1 })])).toBe(true);
  });

  it.each<[string, Column[]]>([
    ['a name', [{ name: 'w' }]],
    ['a type', [{ type: 700 }]],
    ['a modifier', [{ modifier: 24 }]],
    ['a column more', [{}, {}]],
    ['no column', []],
  ])('is another with %s', (_, columns) => {
    expect(asTold([rowDescription({})], [rowDescription(...columns)])).toBe(false);
  });

  it('is another with other parameters, or with rows where there were none', () => {
    expect(asTold([parameters(23), noData], [parameters(20), noData])).toBe(false);
    expect(asTold([parameters(23), noData], [parameters(23), noData])).toBe(true);
    expect(asTold([parameters(), noData], [parameters(), rowDescription({})])).toBe(false);
  });

  it('is not what comes behind a description, nor half a frame', () => {
    expect(heard(row, rowDescription({}))).toEqual(untold());
    expect(heard(rowDescription({}).subarray(0, 20))).toEqual(untold());
    expect(heard(rowDescription({}), row, noData)).toEqual(heard(rowDescription({})));
  });
});

describe('an answer that was given to somebody else', () => {
  const [one, two] = [rowDescription({}), rowDescription({}, {})];
  const offer = (description: Buffer, toldRows: number) =>
    ({
      ...{ bytes: Uint8Array.from(Buffer.concat([Buffer.from('key'), description, row])), keyBytes: 3, toldRows },
      rowDescriptionBytes: description.length,
    }) as unknown as Offer;
  const none = Buffer.alloc(0);

  it('is for whoever was told nothing, or is told with it', () => {
    expect([null, untold()].map((told) => isToldAlike(offer(none, 0), told))).toEqual([true, true]);
  });

  it('is for whoever was told the same, by the answer or before', () => {
    const told = heard(one);
    expect(isToldAlike(offer(one, 0), told)).toBe(true);
    expect(isToldAlike(offer(none, told.rows), told)).toBe(true);
    // What came with it counts, whatever was told before.
    expect(isToldAlike(offer(two, told.rows), told)).toBe(false);
  });

  it('tells nobody of a statement that the origin has made as it was then', () => {
    const made = { ...untold(), round: 7 };
    expect([isToldAlike(offer(one, 0), made), isToldAlike(offer(none, 0), made)]).toEqual([false, true]);
  });

  it('is not for whoever was told otherwise, nor where it is not known what was told', () => {
    expect(isToldAlike(offer(two, 0), heard(one))).toBe(false);
    expect(isToldAlike(offer(none, heard(two).rows), heard(one))).toBe(false);
    expect(isToldAlike(offer(none, 0), heard(one))).toBe(false);
    const unheard = untold();
    toldByOrigin({ told: unheard, isToldThere: false }, 7);
    expect([one, none].map((description) => isToldAlike(offer(description, 0), unheard))).toEqual([false, false]);
  });
});
