import { serialize } from 'pg-protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Verdict } from '../../src/shared/messages.ts';
import { decodeParse } from '../../src/shared/wire/frontend.ts';
import { ParsedTexts } from '../../src/worker/parsed-texts.ts';
import type { Resolution, Statement } from '../../src/worker/statement.ts';
import { VerdictSlot } from '../../src/worker/verdicts.ts';

const link = {};
const context = (catalogVersion: number, contextId = 7): Resolution => ({ link, contextId, catalogVersion, row: '' });
const now = context(1);
let texts: ParsedTexts;

beforeEach(() => {
  texts = new ParsedTexts();
});

function parse(
  text: string,
  { name = '', types = [] as number[], under = now as Resolution | null, isUtf8 = true } = {},
): Statement {
  const bytes = serialize.parse({ name, text, types });
  const view = { name: '', textStart: 0, textEnd: 0 };
  decodeParse(bytes, 0, bytes.length, view);
  return texts.make(view, bytes, 0, bytes.length, under, isUtf8);
}

function judged(text: string, options: Parameters<typeof parse>[1] = {}, slot = new VerdictSlot()): VerdictSlot {
  parse(text, options).judged(slot, now);
  return slot;
}

describe('a text that is parsed again', () => {
  it('has the verdict of before under the same context, while that is on its way, too', () => {
    const slot = judged('SELECT 1');
    const again = parse('SELECT 1');
    expect(again.slot).toBe(slot);
    again.resolvedAt(now);
    expect(again.proof).toBe(slot);
    slot.decide({ signature: 's' } as Verdict);
    expect(parse('SELECT 1').slot?.verdict?.signature).toBe('s');
  });

  it('is another statement all the same: what became of the one is not what became of the other', () => {
    const first = parse('SELECT 1');
    first.resolvedAt(now);
    first.origin = 'held';
    first.isToldThere = true;
    first.told.rows = 5;
    first.fault = Buffer.from('E');
    const again = parse('SELECT 1');
    expect(again).not.toBe(first);
    expect(again).toMatchObject({
      origin: 'absent',
      isToldThere: false,
      isTold: false,
      fault: null,
      resolution: null,
      proof: null,
    });
  });

  it('has the same keys, hints and commands as one that was read by itself', () => {
    for (const text of ['SELECT /* pgfresh: skip */ $1', 'BEGIN', 'DEALLOCATE s', 'SELECT 1 -- no hint']) {
      const first = parse(text, { types: [23] });
      const read = (s: Statement) => [
        s.text,
        s.parameterTypes,
        s.command,
        s.deallocates,
        s.hints,
        s.contentUnder('a'),
        s.portalPrefix(7),
        s.descriptionPrefix(7),
        s.executionPrefix(7),
        s.portalPrefix(8),
      ];
      const expected = read(first);
      const again = parse(text, { types: [23] });
      expect(again.parse).toBe(first.parse);
      expect(read(again)).toEqual(expected);
      texts = new ParsedTexts();
      expect(read(parse(text, { types: [23] }))).toEqual(expected);
    }
  });
});

describe('the verdict of before is not taken', () => {
  it.each([
    ['another catalog', { under: context(2) }],
    ['another role, or other settings', { under: context(1, 8) }],
    ['another cache', { under: { ...now, link: {} } }],
    ['a session of which nothing is known', { under: null }],
    ['bytes that are no UTF-8', { isUtf8: false }],
    ['other types of parameters', { types: [25] }],
    ['another name', { name: 's' }],
  ])('for %s', (_, options) => {
    judged('SELECT $1');
    expect(parse('SELECT $1', options).slot).toBeNull();
  });

  it('where none will come', () => {
    judged('SELECT 1').decide(null);
    expect(parse('SELECT 1').slot).toBeNull();
  });

  it('from a session whose bytes are no UTF-8', () => {
    judged('SELECT 1', { isUtf8: false });
    expect(parse('SELECT 1').slot).toBeNull();
  });

  it('for a text of the same hash, which takes the place', () => {
    const slots = new Map<string, VerdictSlot>();
    for (let n = 0; n < 5_000; n++) slots.set(`SELECT ${n}`, judged(`SELECT ${n}`));
    let kept = 0;
    for (const [text, slot] of [...slots].reverse()) {
      const found = parse(text).slot;
      if (found !== null) kept++;
      expect(found === null || found === slot).toBe(true);
    }
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThanOrEqual(256);
  });

  it('for one that is too long to be kept', () => {
    const text = `SELECT '${'x'.repeat(5_000)}'`;
    judged(text);
    expect(parse(text).slot).toBeNull();
  });
});
