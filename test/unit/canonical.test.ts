/** Canonical texts against the servers' own: what the change stream will carry for an equal value. */
import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { CanonicalType } from '../../src/cache/dependency.ts';
import { canonicalBinary, canonicalText } from '../../src/shared/canonical.ts';
import { connect } from '../support/analysis.ts';

const space = fc.stringMatching(/^[ \t\n\v\f\r]{0,2}$/);
const digits = fc.oneof(fc.integer().map(String), fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String));
const integers = fc
  .tuple(space, fc.constantFrom('', '+', '-', '0', '-00', '0x', '1_'), digits, space)
  .map((parts) => parts.join(''));
const hex = fc
  .uuid()
  .chain((id) =>
    fc.constantFrom(
      id,
      id.toUpperCase(),
      id.replaceAll('-', ''),
      `{${id}}`,
      ` ${id}`,
      id.replace('-', ''),
      `{${id}`,
      `${id}0`,
    ),
  );
const words = [
  't',
  'TRUE',
  'tru',
  'y',
  'yes',
  'on',
  'o',
  '1',
  'f',
  'False',
  'n',
  'no',
  'off',
  'of',
  '0',
  ' true ',
  '',
  '01',
  'yess',
];

const two = (max: number) => fc.integer({ min: 0, max }).map((n) => String(n).padStart(2, '0'));
const years = fc.oneof(
  fc.integer({ min: 0, max: 10_050 }).map((n) => String(n).padStart(4, '0')),
  fc.constantFrom('2000', '2024', '1900', '99', '-0044'),
);
const days = fc
  .tuple(years, fc.constantFrom('-', '-', '-', '/'), two(13), fc.constantFrom('-'), two(32))
  .map((parts) => parts.join(''));
const fractions = fc.oneof(fc.constant(''), fc.stringMatching(/^\.[0-9]{0,7}$/));
const times = fc.oneof(
  fc.constant(''),
  fc
    .tuple(
      fc.constantFrom(' ', 'T', '  '),
      two(24),
      fc.constant(':'),
      two(60),
      fc.constantFrom('', ':00', ':59', ':60', ':07'),
      fractions,
    )
    .map((parts) => parts.join('')),
);
const zones = fc.oneof(
  fc.constantFrom('', '', 'Z', '+00', ' +02', '-03:30', '+0530', '+15', '-14:00', ' UTC', '+1', '+02:3'),
);
const moments = fc.oneof(
  fc.tuple(days, times, zones).map((parts) => parts.join('')),
  fc.constantFrom('infinity', '-infinity', 'epoch', '20240105', '01/02/2024', '2024-1-5', '2024-01-05 BC', ''),
);
const decimals = fc.oneof(
  fc
    .tuple(space, fc.constantFrom('', '-', '+'), digits, fc.constantFrom('', '.', '.0', '.10', '.000001'), space)
    .map((p) => p.join('')),
  fc.constantFrom('.5', '.', '-.0', '1e3', 'NaN', 'Infinity', '1_000', '0x1f', '00.100', ''),
);

const inputs: Readonly<Record<CanonicalType, fc.Arbitrary<string>>> = {
  int2: integers,
  int4: integers,
  int8: integers,
  oid: integers,
  bool: fc.constantFrom(...words),
  uuid: hex,
  text: fc.string({ unit: 'grapheme' }),
  varchar: fc.string(),
  date: moments,
  timestamp: moments,
  timestamptz: moments,
  numeric: decimals,
};

describe.each(['pg15', 'pg18'] as const)('canonical text is what %s prints', (version) => {
  let client: pg.Client;
  beforeAll(async () => {
    client = await connect(inject(version));
    // Those of the change stream.
    await client.query(`SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'`);
  });
  afterAll(() => client.end());

  /** What the server makes of an input, or null if it refuses it. */
  async function printed(type: string, input: string): Promise<string | null> {
    try {
      const { rows } = await client.query<{ v: string }>({
        text: `SELECT ($1::text)::${type}::text AS v`,
        values: [input],
      });
      return rows[0]!.v;
    } catch {
      return null;
    }
  }

  it.each(Object.keys(inputs) as CanonicalType[])('%s', async (type) => {
    await fc.assert(
      fc.asyncProperty(inputs[type], async (input) => {
        const ours = canonicalText(type, input);
        // bool prints true and false through text, but t and f on the stream.
        const wide = type === 'int2' || type === 'int4' ? 'int8' : type;
        const theirs = await printed(wide, input);
        if (ours === null || theirs === null) return;
        // The only type of which the stream has several texts for one value.
        if (type === 'numeric') expect(theirs.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '')).toBe(ours);
        else expect(type === 'bool' ? theirs[0] : theirs).toBe(ours);
      }),
      { numRuns: 150 },
    );
  });

  it.each(['date', 'timestamp', 'timestamptz'] as const)(
    '%s in its plain form, whatever the settings are',
    async (type) => {
      const plain = {
        date: '2024-02-29',
        timestamp: '2024-02-29T23:59:59.120',
        timestamptz: '2024-02-29 23:59:59.5+05:30',
      };
      const stream = { date: plain.date, timestamp: '2024-02-29 23:59:59.12', timestamptz: '2024-02-29 18:29:59.5+00' };
      expect(canonicalText(type, plain[type])).toBe(stream[type]);
      for (const settings of ["DateStyle = 'SQL, DMY'", "DateStyle = 'German'", "TimeZone = 'America/New_York'"]) {
        await client.query(`BEGIN; SET LOCAL ${settings}`);
        const { rows } = await client.query({
          text: `SELECT $1::${type} = $2::${type} AS same`,
          values: [plain[type], stream[type]],
        });
        await client.query('ROLLBACK');
        expect([settings, rows[0].same]).toEqual([settings, true]);
      }
    },
  );

  it('whatever the server takes in its plain form is canonical', async () => {
    expect(await printed('int4', ' 042 ')).toBe(canonicalText('int4', ' 042 '));
    expect(await printed('uuid', '{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}')).toBe(
      canonicalText('uuid', '{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}'),
    );
    for (const word of words) {
      const theirs = await printed('bool', word);
      expect([word, canonicalText('bool', word)]).toEqual([word, theirs === null ? null : theirs[0]]);
    }
  });
});

describe('values in binary format', () => {
  it.each([
    ['int2', '8000', '-32768'],
    ['int4', '0000002a', '42'],
    ['int8', '7fffffffffffffff', '9223372036854775807'],
    ['int8', '0020000000000001', '9007199254740993'],
    ['int4', 'ffffffffffffffff', '-1'],
    ['oid', 'ffffffff', '4294967295'],
    ['bool', '01', 't'],
    ['bool', '00', 'f'],
    ['uuid', 'a0eebc999c0b4ef8bb6d6bb9bd380a11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    ['text', '6162', 'ab'],
    ['text', 'ff', null],
    ['date', '00000000', '2000-01-01'],
    ['date', 'fffffffe', '1999-12-30'],
    ['date', '7fffffff', null],
    ['timestamp', '0000000000000001', '2000-01-01 00:00:00.000001'],
    ['timestamp', 'ffffffffffffffff', '1999-12-31 23:59:59.999999'],
    ['timestamptz', '0000000005f5e100', '2000-01-01 00:01:40+00'],
    ['timestamptz', '7fffffffffffffff', null],
    ['numeric', '0002000000000002000109c4', '1.25'],
    ['numeric', '0001000140000000000a', '-100000'],
    ['numeric', '0001fffe0000000803e8', '0.00001'],
    ['numeric', '00000000c0000000', null],
    ['int4', '00', null],
    ['uuid', '00', null],
    ['bool', '', null],
  ] as const)('%s %s is %s', (type, bytes, expected) => {
    expect(canonicalBinary(type, Buffer.from(bytes, 'hex'))).toBe(expected);
  });

  it('no number loses a digit', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const bytes = Buffer.alloc(8);
        bytes.writeBigInt64BE(value);
        expect(canonicalBinary('int8', bytes)).toBe(value.toString());
        expect(canonicalText('int8', value.toString())).toBe(value.toString());
      }),
    );
  });
});
