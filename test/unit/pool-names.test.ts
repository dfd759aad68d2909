/** What a pooled connection is known to have when its session has given it back: whatever it has, or SQL would see it (pg_prepared_statements) and nobody close it. */
import { beforeEach, describe, expect, it } from 'vitest';
import { decodeParse } from '../../src/shared/wire/frontend.ts';
import { OutBuffer } from '../../src/worker/out-buffer.ts';
import { OriginNames } from '../../src/worker/pool-names.ts';
import type { PooledOrigin } from '../../src/worker/pooled-origin.ts';
import { Statement } from '../../src/worker/statement.ts';
import { Statements } from '../../src/worker/statements.ts';
import { serialize } from '../support/raw-client.ts';

const text = 'SELECT v FROM t WHERE id = $1';
let names: OriginNames;
let pooled: Pick<PooledOrigin, 'prepared' | 'retired'>;
let made = 0;
beforeEach(() => {
  const session = { statements: new Statements(), order: { isInSequence: false }, parseFingerprint: '' };
  names = new OriginNames(session, new OutBuffer(Buffer.alloc(64)), 'ours ', () => ++made);
  pooled = { prepared: new Map(), retired: [] };
  attach();
});

const attach = () => names.attach(pooled as unknown as PooledOrigin);

function statement(name: string): Statement {
  const bytes = serialize.parse({ name, text, types: [] });
  const view = { name: '', textStart: 0, textEnd: 0 };
  decodeParse(bytes, 0, bytes.length, view);
  return new Statement(view, bytes, 0, bytes.length);
}

/** As `Statements.parseSent` and `answered` do. */
function make(each: Statement): string {
  names.parseOf(each);
  each.origin = 'held';
  names.touched.push(each);
  return each.atOrigin;
}

const known = () => [...pooled.prepared.values()].map(({ name }) => name);

describe('a statement on a connection that is given back', () => {
  it('is there for others', () => {
    const name = make(statement('s'));
    names.release();
    expect([known(), pooled.retired]).toEqual([[name], []]);
    attach();
    const other = statement('another');
    expect([names.adopt(other, null), other.atOrigin]).toEqual([true, name]);
  });

  it('and was to be made anew, is one to be closed', () => {
    const each = statement('s');
    const name = make(each);
    each.origin = 'outdated';
    names.release();
    expect([known(), pooled.retired]).toEqual([[], [name]]);
  });

  it('and was found there before it was to be made anew, is what it was', () => {
    const name = make(statement('s'));
    names.release();
    attach();
    const each = statement('s');
    names.adopt(each, null);
    each.origin = 'outdated';
    names.release();
    expect([known(), pooled.retired]).toEqual([[name], []]);
  });

  it('and was made twice, is there once, and once to be closed', () => {
    const [first, second] = [make(statement('s')), make(statement('s'))];
    names.release();
    expect([known(), pooled.retired]).toEqual([[second], [first]]);
  });
});
