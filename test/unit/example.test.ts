import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exampleOf } from '../../src/shared/example.ts';
import { ExampleTexts } from '../../src/shared/example-texts.ts';
import { Limits } from '../../src/shared/limits.ts';

describe('a statement shown as an example', () => {
  it.each([
    ['SELECT a FROM t WHERE id = 42', 'SELECT a FROM t WHERE id = ?'],
    ["SELECT 'x', E'a\\'b', $$c$$, $q$d$q$, B'01', U&'e' FROM \"T 1\"", 'SELECT ?, ?, ?, ?, B?, U&? FROM "T 1"'],
    ['SELECT  a /* secret */ FROM t -- secret\n LIMIT 1.5e3', 'SELECT a FROM t LIMIT ?'],
    ['SELECT a FROM t1 WHERE b = $1 AND c > $12', 'SELECT a FROM t1 WHERE b = $1 AND c > $12'],
    ["SELECT 'open secret", 'SELECT …'],
    ["SELECT 'a\\'secret' FROM t", 'SELECT ?…'],
    ['SET my.tenant TO acme', 'SET my.tenant TO ?'],
    ['set local role = acme', 'set local role = ?'],
    ['ALTER ROLE r SET x TO secret, y', 'ALTER ROLE r SET x TO ?'],
    ["ALTER ROLE r PASSWORD 'secret'", 'ALTER ROLE r PASSWORD ?'],
    ['', ''],
  ])('%j', (text, expected) => {
    expect(exampleOf(text)).toBe(expected);
  });

  it('holds no constant of the statement, whatever stands around it, and is bounded', () => {
    const noise = fc.constantFrom(' ', ',', '=', '(', ')', 'a', '"b"', '--x\n', '/*x*/', '$1', '-', 'E', '\n', 'IN');
    const secret = fc.constantFrom(
      "'7391'",
      '7391',
      "E'7391'",
      '$$7391$$',
      '$x$7391$x$',
      "'a''7391'",
      "'\\'7391'",
      '7391.5',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(noise, secret), { maxLength: 30 }), (parts) => {
        const shown = exampleOf(parts.join(' '));
        expect(shown).not.toContain('7391');
        expect(shown.length).toBeLessThanOrEqual(Limits.exampleCharsMax);
      }),
      { numRuns: 3_000 },
    );
    expect(exampleOf(`SELECT ${'a, '.repeat(1_000)}`)).toHaveLength(Limits.exampleCharsMax);
  });
});

it('an example is taken anew at powers of two, so that it costs nothing and is not for ever the first', () => {
  const examples = new ExampleTexts();
  let asked = 0;
  for (let count = 1; count <= 1_000; count++) {
    examples.note('statement.write', count, () => {
      asked++;
      return `UPDATE t${count} SET a = ${count}`;
    });
  }
  expect(asked).toBe(10);
  expect(examples.all()).toEqual({ 'statement.write': 'UPDATE t512 SET a = ?' });
});
