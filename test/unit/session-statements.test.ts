import { serialize } from 'pg-protocol';
import { describe, expect, it } from 'vitest';
import { decodeParse } from '../../src/shared/wire/frontend.ts';
import { levelCommand, SessionConsistency } from '../../src/worker/consistency.ts';
import { mayHoldComment, Statement, Statements } from '../../src/worker/statements.ts';

function statement(text: string, name = '', types: number[] = []): Statement {
  const bytes = serialize.parse({ name, text, types });
  const view = { name: '', textStart: 0, textEnd: 0 };
  decodeParse(bytes, 0, bytes.length, view);
  return new Statement(view, bytes, 0, bytes.length);
}

describe('prepared statements of a session', () => {
  it('replays a statement that was answered here, once', () => {
    const statements = new Statements();
    const s = statement('SELECT 1', 'a');
    statements.define(s);
    expect(statements.missingAtOrigin('a')).toBe(s);
    expect([...statements.localOnly()]).toEqual([s]);
    statements.sent(s);
    expect(statements.missingAtOrigin('a')).toBeNull();
    expect(statements.hasLocalOnly).toBe(false);
  });

  it('replays it again when the first replay was skipped', () => {
    const statements = new Statements();
    const s = statement('SELECT 1', 'a');
    statements.define(s);
    statements.sent(s);
    statements.failed(s, false);
    expect(statements.missingAtOrigin('a')).toBe(s);
  });

  it('forgets a statement whose Parse by the client failed', () => {
    const statements = new Statements();
    const s = statement('SELEC 1', 'a');
    statements.define(s);
    statements.sent(s);
    statements.failed(s, true);
    expect(statements.get('a')).toBeNull();
  });

  it('keeps the old statement when its name is parsed again, and takes the new one if the origin accepts it', () => {
    const statements = new Statements();
    const old = statement('SELECT 1', 'a');
    statements.define(old);
    statements.sent(old);
    statements.confirmed(old);
    const fresh = statement('SELECT 2', 'a');
    statements.sent(fresh);
    expect(statements.get('a')).toBe(old);
    statements.confirmed(fresh);
    expect(statements.get('a')).toBe(fresh);
  });

  it('closes the unnamed statement at the origin when a Query answered here has destroyed it', () => {
    const statements = new Statements();
    const s = statement('SELECT 1');
    statements.define(s);
    statements.sent(s);
    statements.dropUnnamed();
    expect(statements.missingAtOrigin('')).toBe('close');
    statements.closedUnnamedAtOrigin();
    expect(statements.missingAtOrigin('')).toBeNull();
  });

  it('replays the unnamed statement after a query of ours', () => {
    const statements = new Statements();
    const s = statement('SELECT 1');
    statements.define(s);
    statements.sent(s);
    statements.originDroppedUnnamedByUs();
    expect(statements.missingAtOrigin('')).toBe(s);
  });

  it('keys a statement by context, text without comments and parameter types', () => {
    const plain = statement('SELECT $1', 'a', [23]).portalPrefix(7);
    const traced = statement("SELECT $1 /*traceparent='00-1'*/", 'b', [23]).portalPrefix(7);
    expect(traced.bytes).toEqual(plain.bytes);
    expect(traced.hash).toBe(plain.hash);
    expect(statement('SELECT $1', 'a', [20]).portalPrefix(7).bytes).not.toEqual(plain.bytes);
    expect(statement('SELECT $1', 'a', [23]).portalPrefix(8).bytes).not.toEqual(plain.bytes);
    expect(statement('SELECT $1', 'a', [23]).descriptionPrefix(7).bytes).not.toEqual(plain.bytes);
  });

  it('looks for comments only where one may be', () => {
    const may = (text: string) => mayHoldComment(Buffer.from(text), 0, text.length);
    expect(['a--b', '/*x*/', 'a/ *'].map(may)).toEqual([true, true, false]);
  });
});

describe('consistency levels', () => {
  it('reads the commands about them and nothing else', () => {
    expect(levelCommand("SET pgfresh.consistency = 'off'")).toEqual({ kind: 'set', value: 'off', local: false });
    expect(levelCommand(' set session pgfresh.consistency to BOUNDED ;')).toMatchObject({ value: 'BOUNDED' });
    expect(levelCommand('SET LOCAL pgfresh.consistency=strong')).toMatchObject({ local: true });
    expect(levelCommand('SET pgfresh.consistency TO DEFAULT')).toMatchObject({ value: null });
    expect(levelCommand('RESET pgfresh.consistency')).toMatchObject({ value: null });
    expect(levelCommand('show pgfresh.consistency')).toEqual({ kind: 'show' });
    for (const other of [
      'SET search_path = x',
      'SHOW pgfresh.other',
      'SET pgfresh.consistency = 1; DROP TABLE t',
      'SELECT 1',
    ]) {
      expect(levelCommand(other)).toBeNull();
    }
  });

  it('ends SET LOCAL with the transaction', () => {
    const consistency = new SessionConsistency('strong');
    expect(consistency.set('bounded', true, true)).toBe(true);
    expect(consistency.level).toBe('bounded');
    consistency.transactionEnded();
    expect(consistency.level).toBe('strong');
    expect(consistency.set('sometimes', false, false)).toBe(false);
  });
});
