/** The decoder against bytes made by an independent builder, written from the manual: Logical Replication Message Formats. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { DecodeError, PgoutputDecoder } from '../../src/cache/pgoutput.ts';
import { RecordingSink } from '../support/origin.ts';

const int = (bytes: number, value: number): Buffer => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
};
const long = (value: bigint): Buffer => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(value);
  return buffer;
};
const str = (text: string): Buffer => Buffer.from(`${text}\0`);
const msg = (type: string, ...parts: Buffer[]): Buffer => Buffer.concat([Buffer.from(type), ...parts]);

type Value = string | null | undefined;
const tuple = (kind: string, values: readonly Value[]): Buffer =>
  Buffer.concat([
    Buffer.from(kind),
    int(2, values.length),
    ...values.map((value) => {
      if (value === null) return Buffer.from('n');
      if (value === undefined) return Buffer.from('u');
      const text = Buffer.from(value);
      return Buffer.concat([Buffer.from('t'), int(4, text.length), text]);
    }),
  ]);

const begin = (xid = 7, finalLsn = 100n): Buffer => msg('B', long(finalLsn), long(0n), int(4, xid));
const commit = (endLsn = 120n, finalLsn = 100n): Buffer => msg('C', int(1, 0), long(finalLsn), long(endLsn), long(0n));
const relation = (oid: number, columns: readonly string[], identity = 'd', schema = 's'): Buffer =>
  msg(
    'R',
    int(4, oid),
    str(schema),
    str(`t${oid}`),
    Buffer.from(identity),
    int(2, columns.length),
    ...columns.map((name, i) => Buffer.concat([int(1, i === 0 ? 1 : 0), str(name), int(4, 25), int(4, 0xffffffff)])),
  );
const insert = (oid: number, values: readonly Value[]): Buffer => msg('I', int(4, oid), tuple('N', values));

describe('pgoutput', () => {
  let sink: RecordingSink;
  let decoder: PgoutputDecoder;
  const feed = (...messages: Buffer[]): void => {
    for (const message of messages) decoder.decode(message);
  };

  beforeEach(() => {
    sink = new RecordingSink();
    decoder = new PgoutputDecoder(sink);
  });

  it('reads transactions with the end of their commit record', () => {
    feed(begin(0xfffffffe, 100n));
    expect(decoder.transaction).toEqual({ xid: 0xfffffffe, finalLsn: 100n });
    feed(commit(0xffff_ffff_ffffn));
    expect(decoder.transaction).toBeNull();
    expect(sink.xids).toEqual([0xfffffffe]);
    expect(sink.lastCommit).toBe(0xffff_ffff_ffffn);
  });

  it('reads a message from the middle of a buffer', () => {
    const message = begin();
    decoder.decode(Buffer.concat([Buffer.alloc(25), message]), 25);
    expect(sink.log).toEqual(['begin']);
  });

  it('reads values of any length and alphabet', () => {
    const text = fc.string({ unit: 'binary', maxLength: 200 }).filter((value) => value.isWellFormed());
    fc.assert(
      fc.property(fc.array(fc.option(text), { minLength: 1, maxLength: 20 }), (values) => {
        const own = new RecordingSink();
        const fresh = new PgoutputDecoder(own);
        for (const message of [
          begin(),
          relation(
            1,
            values.map((_, i) => `c${i}`),
          ),
          insert(1, values),
          commit(),
        ]) {
          fresh.decode(message);
        }
        expect(own.changes[0]!.newRow).toEqual(values);
      }),
    );
  });

  it('keeps no view of the bytes it was given', () => {
    const message = insert(1, ['abc', 'def']);
    feed(begin(), relation(1, ['a', 'b']), message);
    message.fill(0);
    expect(sink.changes[0]!.newRow).toEqual(['abc', 'def']);
  });

  it('knows nothing of the columns outside a key-only old row (C22)', () => {
    feed(begin(), relation(1, ['id', 'v']));
    feed(msg('D', int(4, 1), tuple('K', ['1', null])));
    feed(msg('U', int(4, 1), tuple('K', ['1', null]), tuple('N', ['2', null])));
    feed(msg('U', int(4, 1), tuple('N', ['2', 'x'])));
    expect(sink.changes.map(({ oldRow, newRow }) => [oldRow, newRow])).toEqual([
      [['1', undefined], null],
      [
        ['1', undefined],
        ['2', null],
      ],
      [null, ['2', 'x']],
    ]);
  });

  it('takes an unchanged TOAST value from a whole old row, and leaves it unknown otherwise', () => {
    feed(begin(), relation(1, ['id', 'v']));
    feed(msg('U', int(4, 1), tuple('O', ['1', 'long']), tuple('N', ['1', undefined])));
    feed(msg('U', int(4, 1), tuple('O', ['1', null]), tuple('N', ['1', undefined])));
    feed(msg('U', int(4, 1), tuple('K', ['1', null]), tuple('N', [undefined, undefined])));
    feed(msg('U', int(4, 1), tuple('N', ['1', undefined])));
    expect(sink.changes.map(({ newRow }) => newRow)).toEqual([
      ['1', 'long'],
      ['1', null],
      ['1', undefined],
      ['1', undefined],
    ]);
  });

  it('reads TRUNCATE of several tables, and messages', () => {
    feed(begin(), relation(1, ['a']), relation(2, ['a']), msg('T', int(4, 2), int(1, 3), int(4, 1), int(4, 2)));
    feed(msg('M', int(1, 1), long(5n), str('pre'), int(4, 3), Buffer.from('xyz')));
    feed(msg('O', long(5n), str('elsewhere')), msg('Y', int(4, 1), str('s'), str('mood')));
    expect(sink.log).toEqual(['begin', 'truncate t1,t2', 'message pre xyz']);
  });

  it('describes a relation anew when the stream does, without changing what was handed out', () => {
    feed(begin(), relation(1, ['a']), insert(1, ['1']), relation(1, ['a', 'b'], 'f', ''), insert(1, ['1', '2']));
    expect(sink.changes.map((change) => change.relation.columns.length)).toEqual([1, 2]);
    expect(sink.changes[1]!.relation).toMatchObject({ schema: 'pg_catalog', replicaIdentity: 'f' });
  });

  const valid = [
    begin(),
    commit(),
    relation(1, ['id', 'v']),
    insert(1, ['1', 'x']),
    msg('U', int(4, 1), tuple('K', ['1', null]), tuple('N', ['2', undefined])),
    msg('D', int(4, 1), tuple('O', ['1', 'x'])),
    msg('T', int(4, 1), int(1, 0), int(4, 1)),
    msg('M', int(1, 0), long(5n), str('p'), int(4, 1), Buffer.from('x')),
  ];

  it('refuses every message that is cut short or too long', () => {
    for (const message of valid) {
      for (let length = 0; length <= message.length + 1; length++) {
        if (length === message.length) continue;
        const fresh = new PgoutputDecoder(new RecordingSink());
        const bytes = Buffer.concat([message.subarray(0, length), Buffer.alloc(Math.max(0, length - message.length))]);
        const isBegin = message[0] === 0x42;
        if (!isBegin) for (const earlier of [begin(), relation(1, ['id', 'v'])]) fresh.decode(earlier);
        expect(() => fresh.decode(bytes)).toThrow(DecodeError);
      }
    }
  });

  it('fails with nothing but a DecodeError on bytes that make no sense', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 0, max: valid.length - 1 }), (noise, which) => {
        const fresh = new PgoutputDecoder(new RecordingSink());
        for (const earlier of [begin(), relation(1, ['id', 'v'])]) fresh.decode(earlier);
        const bytes = Buffer.concat([valid[which]!.subarray(0, 5), noise]);
        try {
          fresh.decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['an unknown message', [msg('?', int(4, 1))]],
    ['an unknown relation', [begin(), insert(9, ['1'])]],
    ['a change outside a transaction', [relation(1, ['a']), insert(1, ['1'])]],
    ['a second Begin', [begin(), begin()]],
    ['a Commit without Begin', [commit()]],
    ['the Commit of another transaction', [begin(7, 100n), commit(140n, 130n)]],
    ['a transaction of before the last one', [begin(7, 100n), commit(120n), begin(8, 90n)]],
    ['another number of columns', [begin(), relation(1, ['a', 'b']), insert(1, ['1'])]],
    [
      'a binary value',
      [
        begin(),
        relation(1, ['a']),
        msg('I', int(4, 1), Buffer.from('N'), int(2, 1), Buffer.from('b'), int(4, 1), Buffer.from('x')),
      ],
    ],
    ['a streamed transaction', [msg('S', int(4, 7), int(1, 1))]],
  ])('refuses %s', (_what, messages) => {
    expect(() => feed(...messages)).toThrow(DecodeError);
  });

  it('lets errors of the sink through untouched', () => {
    const failing = new PgoutputDecoder(
      Object.assign(new RecordingSink(), {
        begin() {
          throw new TypeError('ours');
        },
      }),
    );
    expect(() => failing.decode(begin())).toThrow(TypeError);
  });
});
