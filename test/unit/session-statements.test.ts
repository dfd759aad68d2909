import { serialize } from 'pg-protocol';
import { describe, expect, it } from 'vitest';
import { decodeParse } from '../../src/shared/wire/frontend.ts';
import { levelCommand, SessionConsistency } from '../../src/worker/consistency.ts';
import { mayHoldComment } from '../../src/worker/key-prefix.ts';
import { Statement } from '../../src/worker/statement.ts';
import { type StatementReply, Statements } from '../../src/worker/statements.ts';

function statement(text: string, name = '', types: number[] = []): Statement {
  const bytes = serialize.parse({ name, text, types });
  const view = { name: '', textStart: 0, textEnd: 0 };
  decodeParse(bytes, 0, bytes.length, view);
  return new Statement(view, bytes, 0, bytes.length);
}

const reply = (swallow = false): StatementReply => ({ statement: null, before: 'absent', changes: null, swallow });

describe('prepared statements of a session', () => {
  it('replays a statement that was answered here, once', () => {
    const statements = new Statements();
    const s = statement('SELECT 1', 'a');
    statements.define(s);
    expect(statements.missingAtOrigin('a')).toBe(s);
    expect(statements.localOnly()).toEqual([s]);
    const replayed = reply(true);
    statements.parseSent(replayed, s);
    expect(statements.missingAtOrigin('a')).toBeNull();
    expect([statements.isBeingMade('a'), statements.hasLocalOnly]).toEqual([true, true]);
    statements.answered(replayed);
    expect([statements.isBeingMade('a'), statements.hasLocalOnly]).toEqual([false, false]);
  });

  it('replays it again when the first replay was skipped', () => {
    const statements = new Statements();
    const s = statement('SELECT 1', 'a');
    statements.define(s);
    const replay = reply(true);
    statements.parseSent(replay, s);
    statements.skipped(replay);
    expect(statements.missingAtOrigin('a')).toBe(s);
  });

  it('knows that a statement to be made anew is there as it was when that was skipped, and gone when it failed', () => {
    for (const [what, origin] of [
      ['skipped', 'outdated'],
      ['failed', 'absent'],
    ] as const) {
      const statements = new Statements();
      const s = statement('SELECT 1', 'a');
      const [made, anew] = [reply(), reply(true)];
      statements.parseSent(made, s);
      statements.answered(made);
      s.origin = 'outdated';
      statements.parseSent(anew, s);
      statements[what](anew);
      expect({ what, origin: s.origin, isMissing: statements.missingAtOrigin('a') !== null }).toEqual({
        ...{ what, origin, isMissing: what === 'failed' },
      });
    }
  });

  it('forgets a statement whose Parse by the client failed', () => {
    const statements = new Statements();
    const sent = reply();
    statements.parseSent(sent, statement('SELEC 1', 'a'));
    statements.failed(sent);
    expect(statements.get('a')).toBeNull();
    expect(statements.mayExist('a')).toBe(false);
  });

  it('keeps the old statement when its name is parsed again and that fails', () => {
    const statements = new Statements();
    const [old, fresh] = [statement('SELECT 1', 'a'), statement('SELECT 2', 'a')];
    const [first, second] = [reply(), reply()];
    statements.parseSent(first, old);
    statements.parseSent(second, fresh);
    statements.answered(first);
    expect(statements.get('a')).toBe(fresh);
    statements.failed(second);
    expect(statements.get('a')).toBe(old);
  });

  it('takes back what was skipped after an error, named or not', () => {
    const statements = new Statements();
    const [named, unnamed] = [statement('SELECT 1', 'a'), statement('SELECT 2')];
    statements.define(named);
    statements.define(unnamed);
    const [close, parse, query] = [reply(), reply(), reply()];
    statements.closeSent(close, 'a');
    statements.parseSent(parse, statement('SELECT 3'));
    statements.querySent(query);
    expect([statements.get('a'), statements.get('')]).toEqual([null, null]);
    for (const skipped of [close, parse, query]) statements.skipped(skipped);
    expect([statements.get('a'), statements.get('')]).toEqual([named, unnamed]);
    expect([statements.missingAtOrigin('a'), statements.missingAtOrigin('')]).toEqual([named, unnamed]);
  });

  it('loses the unnamed statement to a Parse that fails', () => {
    const statements = new Statements();
    const [first, second] = [reply(), reply()];
    statements.parseSent(first, statement('SELECT 1'));
    statements.answered(first);
    statements.parseSent(second, statement('SELEC 1'));
    statements.failed(second);
    expect(statements.get('')).toBeNull();
    expect(statements.missingAtOrigin('')).toBeNull();
  });

  it('leaves a Parse to the origin whose name SQL may have taken', () => {
    const statements = new Statements();
    statements.prepared(null);
    expect([statements.mayExist('a'), statements.mayExist('')]).toEqual([true, false]);
    statements.deallocatedAll();
    expect(statements.mayExist('a')).toBe(false);
  });

  it('closes the unnamed statement at the origin when a Query answered here has destroyed it', () => {
    const statements = new Statements();
    const sent = reply();
    statements.parseSent(sent, statement('SELECT 1'));
    statements.answered(sent);
    statements.dropUnnamed();
    expect(statements.missingAtOrigin('')).toBe('close');
    statements.closeSent(reply(true), '');
    expect(statements.missingAtOrigin('')).toBeNull();
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
