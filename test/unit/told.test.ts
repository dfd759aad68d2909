import { describe, expect, it } from 'vitest';
import { encodeFrame } from '../../src/shared/wire/frontend.ts';
import { hear, isAsTold, type Told } from '../../src/worker/told.ts';

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
  const told = { parameters: 0, rows: 0 };
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
    expect(heard(row, rowDescription({}))).toEqual({ parameters: 0, rows: 0 });
    expect(heard(rowDescription({}).subarray(0, 20))).toEqual({ parameters: 0, rows: 0 });
    expect(heard(rowDescription({}), row, noData)).toEqual(heard(rowDescription({})));
  });
});
