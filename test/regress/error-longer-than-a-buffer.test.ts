// Found with PostgreSQL's own regression tests (infinite_recurse): an error is as long as the value that it repeats, or as its context is
// deep. Messages longer than what a session assembles (64 KiB) come to the client as they are, and what follows is what follows directly.
import { describe, expect, it } from 'vitest';
import { Limits } from '../../src/shared/limits.ts';
import { useProxy } from '../support/fixture.ts';
import { reusableLogins } from '../support/pgfresh.ts';
import { serialize, statement, transcript } from '../support/raw-client.ts';

const bytes = 5 * Limits.assembledFrameBytesMax;
const setup = `CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i;
  CREATE FUNCTION deeper() RETURNS int LANGUAGE sql AS 'SELECT deeper()'`;
const session = useProxy(setup);
const pooled = useProxy(setup, { args: ['--pool-mode', 'transaction', ...reusableLogins] });

const cached = 'SELECT v FROM t WHERE id = $1';
const tooDeep = 'SELECT deeper()';
const noNumber = `SELECT repeat('x', ${bytes})::int`;
const say = (level: string, length = bytes) => `DO $$ BEGIN RAISE ${level} '%', repeat('ü', ${length / 2}); END $$`;
const manyParameters = `SELECT 1 WHERE 1 IN (${Array.from({ length: 20_000 }, (_, i) => `$${i + 1}::int`).join()})`;
const wideRow = `SELECT ${Array.from({ length: 1_600 }, (_, i) => `v AS ${'c'.repeat(50)}${i}`).join()} FROM t WHERE id = 1`;

const exchanges: readonly { readonly what: string; readonly send: readonly Buffer[]; readonly ready: number }[] = [
  {
    what: 'a context as deep as the stack',
    send: [serialize.query(tooDeep), serialize.query('SELECT v FROM t WHERE id = 1')],
    ready: 2,
  },
  {
    what: 'every length around what is assembled',
    send: [-3, -2, -1, 0, 1, 2, 3].map((by) =>
      serialize.query(`SELECT repeat('x', ${Limits.assembledFrameBytesMax - 120 + 40 * by})::int`),
    ),
    ready: 7,
  },
  {
    what: 'in a block, which has failed then',
    send: ['BEGIN', noNumber, 'SELECT v FROM t WHERE id = 1', 'ROLLBACK', 'SELECT v FROM t WHERE id = 1'].map(
      serialize.query,
    ),
    ready: 5,
  },
  {
    what: 'between hits of one batch: what follows is skipped until Sync',
    send: [
      ...[statement(cached, ['1']), statement(noNumber), statement(cached, ['2']), serialize.sync()],
      ...[statement(cached, ['3']), serialize.sync()],
    ],
    ready: 2,
  },
  {
    what: 'a parameter of that length',
    send: [statement(cached, ['y'.repeat(bytes)]), serialize.sync(), statement(cached, ['4']), serialize.sync()],
    ready: 2,
  },
  {
    what: 'before its Sync is sent',
    send: [statement(noNumber), serialize.flush(), statement(cached, ['5']), serialize.sync(), serialize.sync()],
    ready: 2,
  },
  {
    what: 'notices, and an error after them',
    send: [say('NOTICE'), say('EXCEPTION'), 'SELECT v FROM t WHERE id = 6'].map(serialize.query),
    ready: 3,
  },
  {
    what: 'descriptions of 20,000 parameters and of 1,600 columns',
    send: [
      ...[serialize.parse({ text: manyParameters, name: 'many', types: [] })],
      ...[serialize.describe({ type: 'S', name: 'many' }), serialize.sync()],
      ...[statement(wideRow), serialize.sync(), serialize.query(wideRow)],
    ],
    ready: 3,
  },
];

describe.each([
  ['session', session],
  ['transaction', pooled],
])('pool.mode = %s', (_mode, proxy) => {
  it.each(exchanges)('$what', async ({ send, ready }) => {
    const expected = await transcript(proxy.originUrl, send, ready);
    for (const pass of ['cold', 'warm', 'warmer', 'warmest']) {
      const messages = await transcript(proxy.url, send, ready);
      // Not as one comparison: what differs is too long to be printed.
      expect({ pass, codes: messages.map(([code]) => code) }).toEqual({ pass, codes: expected.map(([code]) => code) });
      expect(messages.every((message, i) => message === expected[i])).toBe(true);
    }
  });
});
