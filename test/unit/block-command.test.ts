/** Which texts are the plain transaction commands that may be answered without the origin, and as what. */
import { expect, it } from 'vitest';
import { blockCommand } from '../../src/worker/block.ts';

const read = (text: string) => {
  const bytes = Buffer.from(`..${text}..`);
  const command = blockCommand(bytes, 2, bytes.length - 2);
  return command === null
    ? null
    : `${command.kind} ${command.complete.toString('latin1', 5, command.complete.length - 1)}`;
};

it.each([
  ['BEGIN', 'begin BEGIN'],
  [' begin work ; ', 'begin BEGIN'],
  ['Begin Transaction', 'begin BEGIN'],
  ['BEGIN READ ONLY', 'begin BEGIN'],
  ['BEGIN TRANSACTION READ WRITE', 'begin BEGIN'],
  ['BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY', 'begin BEGIN'],
  ['begin isolation  level\nread committed read write;', 'begin BEGIN'],
  ['START TRANSACTION', 'begin START TRANSACTION'],
  ['start transaction read only', 'begin START TRANSACTION'],
  ["/*traceparent='00-é-1'*/ BEGIN", 'begin BEGIN'],
  ['BEGIN -- a remark', 'begin BEGIN'],
  ['COMMIT', 'end COMMIT'],
  ['commit work;', 'end COMMIT'],
  ['END TRANSACTION', 'end COMMIT'],
  ['ROLLBACK', 'end ROLLBACK'],
  ['abort transaction', 'end ROLLBACK'],
])('%s', (text, command) => {
  expect(read(text)).toBe(command);
});

it.each([
  '',
  'B',
  'BEGIN; SELECT 1',
  'BEGIN;;',
  'BEGIN, READ ONLY',
  'BEGIN READ ONLY,',
  'BEGIN DEFERRABLE',
  'BEGIN ISOLATION LEVEL SERIALIZABLE',
  'BEGIN ISOLATION LEVEL REPEATABLE READ',
  'BEGIN ISOLATION LEVEL READ UNCOMMITTED',
  'START',
  'START WORK',
  'START TRANSACTION WORK',
  'COMMIT AND CHAIN',
  'COMMIT AND NO CHAIN',
  "COMMIT PREPARED 'x'",
  'ROLLBACK TO a',
  'ROLLBACK TO SAVEPOINT a',
  "ROLLBACK PREPARED 'x'",
  'SAVEPOINT a',
  'RELEASE a',
  'BEGINNING',
  'BEGIN\u000bWORK',
  'BEGIN\u00a0WORK',
  '/* open BEGIN',
  'SELECT 1',
  `BEGIN /*${'x'.repeat(1000)}*/`,
])('leaves %s to the origin', (text) => {
  expect(read(text)).toBeNull();
});
