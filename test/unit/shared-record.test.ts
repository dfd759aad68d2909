import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSnapshot } from '../../src/cache/settle.ts';
import { decodeRecord, encodeRecord } from '../../src/cache/tier2/record.ts';

const frame = (code: string, body: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(5 + body.length);
  bytes.write(code, 'latin1');
  bytes.writeUInt32BE(4 + body.length, 1);
  bytes.set(body, 5);
  return bytes;
};

const body = fc.uint8Array({ maxLength: 40 });
const answers = fc
  .record({ description: fc.option(body), rows: fc.array(body, { maxLength: 5 }), complete: body })
  .map(({ description, rows, complete }) => {
    const head = description === null ? Buffer.alloc(0) : frame('T', description);
    const frames = Buffer.concat([head, ...rows.map((row) => frame('D', row)), frame('C', complete)]);
    return { rowDescriptionBytes: head.length, frames };
  });
const records = fc
  .record({ answer: answers, key: fc.uint8Array({ maxLength: 60 }), xids: fc.array(fc.nat(), { maxLength: 4 }) })
  .map(({ answer, key, xids }) => {
    const running = [...new Set(xids.map((xid) => 10 + xid))].sort((a, b) => a - b);
    const [xmin, xmax] = [running[0] ?? 2 ** 40, (running.at(-1) ?? 2 ** 40) + 1];
    return { ...answer, key, snapshot: { xmin, xmax, running } };
  });

describe('an answer in the second tier', () => {
  it('comes back as it was left there', () => {
    fc.assert(
      fc.property(records, (record) => {
        const { key, frames, ...rest } = decodeRecord(encodeRecord(record))!;
        expect(rest).toEqual({ snapshot: record.snapshot, rowDescriptionBytes: record.rowDescriptionBytes });
        expect([Buffer.from(key), Buffer.from(frames)]).toEqual([Buffer.from(record.key), record.frames]);
      }),
    );
  });

  it('is not taken when it was cut, lengthened or changed anywhere', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.integer({ min: 1, max: 255 }), (record, at, by) => {
        const bytes = encodeRecord(record);
        const changed = Buffer.from(bytes);
        changed[at % bytes.length]! ^= by;
        expect(decodeRecord(changed)).toBe(null);
        expect(decodeRecord(bytes.subarray(0, at % bytes.length))).toBe(null);
        expect(decodeRecord(Buffer.concat([bytes, Buffer.of(by)]))).toBe(null);
      }),
    );
    expect(decodeRecord(Buffer.alloc(0))).toBe(null);
  });

  it('is nothing but what a statement is answered that succeeds', () => {
    const whole = { key: Buffer.from('key'), snapshot: parseSnapshot('1:1:') };
    const empty = Buffer.alloc(0);
    const [description, row, complete] = [frame('T', Buffer.alloc(2)), frame('D', Buffer.alloc(2)), frame('C', empty)];
    const isTaken = (rowDescriptionBytes: number, ...frames: Buffer[]): boolean =>
      decodeRecord(encodeRecord({ ...whole, rowDescriptionBytes, frames: Buffer.concat(frames) })) !== null;
    expect(isTaken(0, row, complete)).toBe(true);
    expect(isTaken(description.length, description, complete)).toBe(true);
    for (const [bytes, ...frames] of [
      [0],
      [0, row],
      [0, row, complete, row],
      [0, description, complete],
      [0, frame('E', empty), complete],
      [0, frame('Z', Buffer.from('I')), complete],
      [description.length, row, complete],
      [description.length + 1, description, complete],
      [description.length, complete],
      [description.length, description, description, complete],
    ] as const) {
      expect(isTaken(bytes, ...frames)).toBe(false);
    }
  });
});
