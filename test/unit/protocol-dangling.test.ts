// The protocol model does not make PostgreSQL read freed memory.
import { describe, expect, it } from 'vitest';
import { withoutDangling } from '../model/protocol/dangling.ts';
import type { Message } from '../model/protocol/message.ts';

const query = (sql: string): Message => ({ kind: 'query', sql });
const execute = (portal = ''): Message => ({ kind: 'execute', portal, rows: 0 });
const describePortal: Message = { kind: 'describe', target: 'P', name: '' };
const bind: Message = { kind: 'bind', portal: '', statement: 's', values: [], results: [] };
const parseBegin: Message = { kind: 'parse', name: 'control', sql: 'BEGIN', types: [] };
const sync: Message = { kind: 'sync' };
const fails = query('DECLARE p1 CURSOR FOR SELECT 1');

describe('a sequence is left as it is', () => {
  it.each<[string, Message[]]>([
    ['without a block', [query('SELECT 1'), execute(), describePortal, sync]],
    ['without a Query in its block', [query('SELECT 1'), bind, parseBegin, sync, execute(), sync]],
    ['where it executes a portal with a name', [query('BEGIN'), fails, execute('p1'), sync]],
    ['where it binds before', [query('BEGIN'), fails, bind, describePortal, execute(), sync]],
  ])('%s', (_, messages) => {
    expect(withoutDangling(messages)).toEqual(messages);
  });
});

describe('the unnamed portal is not met', () => {
  it.each<[string, Message[], Message[]]>([
    ['behind a Query in a block', [query('BEGIN'), fails, execute(), sync], [query('BEGIN'), fails, sync]],
    ['nor described', [parseBegin, sync, fails, describePortal, sync], [parseBegin, sync, fails, sync]],
    [
      'in the next pipeline, since the Bind may have failed',
      [query('BEGIN'), fails, bind, execute(), sync, execute(), sync],
      [query('BEGIN'), fails, bind, execute(), sync, sync],
    ],
    [
      'behind a Query of several statements',
      [query('SELECT 1;\nBEGIN;\nSELECT 2'), execute(), sync],
      [query('SELECT 1;\nBEGIN;\nSELECT 2'), sync],
    ],
  ])('%s', (_, messages, left) => {
    expect(withoutDangling(messages)).toEqual(left);
  });
});
