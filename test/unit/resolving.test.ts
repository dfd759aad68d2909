import { serialize } from 'pg-protocol';
import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../src/shared/messages.ts';
import { decodeParse } from '../../src/shared/wire/frontend.ts';
import { isWorthComparing } from '../../src/worker/resolving.ts';
import { type Resolution, Statement } from '../../src/worker/statement.ts';
import { VerdictSlot } from '../../src/worker/verdicts.ts';

const link = {};
const context = (catalogVersion: number): Resolution => ({
  link,
  contextId: catalogVersion,
  catalogVersion,
  row: 'the same session',
});

function decided(signature: string | null): VerdictSlot {
  const slot = new VerdictSlot();
  slot.decide(signature === null ? null : ({ signature } as Verdict));
  return slot;
}

/** Prepared under the first catalog, used under the second; `then`: what the verdict of its Parse said, null: it never came. */
function prepared(then: string | null, now: string): Statement {
  const bytes = serialize.parse({ name: 's', text: 'SELECT v FROM t', types: [] });
  const view = { name: 's', textStart: 0, textEnd: 0 };
  decodeParse(bytes, 0, bytes.length, view);
  const statement = new Statement(view, bytes, 0, bytes.length);
  statement.resolvedAt(context(1));
  statement.judged(decided(then), context(1));
  statement.judged(decided(now), context(2));
  return statement;
}

describe('whether the origin is asked about a statement of before the DDL', () => {
  it('it is, once under each catalog, when no verdict came at its Parse', () => {
    const statement = prepared(null, 't v');
    expect(isWorthComparing(statement, context(2))).toBe(true);
    expect(isWorthComparing(statement, context(2))).toBe(false);
    expect(isWorthComparing(statement, context(3))).toBe(true);
  });

  it('it is, once, when it reads the same tables and is described otherwise', () => {
    const statement = prepared('t v', 't v w');
    expect(isWorthComparing(statement, context(2))).toBe(true);
    expect(isWorthComparing(statement, context(2))).toBe(false);
  });

  it('it is not when it reads another table, or nobody knows what it reads now', () => {
    expect(isWorthComparing(prepared('t v', 'u v'), context(2))).toBe(false);
    expect(isWorthComparing(prepared('t v', ''), context(2))).toBe(false);
  });

  it('it is not while the verdict of its Parse may still come', () => {
    const statement = prepared('t v', 't v w');
    statement.resolvedAt(context(1));
    statement.proof = new VerdictSlot();
    expect(isWorthComparing(statement, context(2))).toBe(false);
  });
});
