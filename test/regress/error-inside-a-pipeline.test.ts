// Lesson 20: a parse error and then Close; an error inside a pipeline until Sync; a simple Query inside an un-synced
// extended batch; COPY failing half-way. Direct and through pgfresh, cold and warm: the same messages.
import { expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { serialize, statement, transcript } from '../support/raw-client.ts';

const proxy = useProxy(
  'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i',
);
const cached = 'SELECT v FROM t WHERE id = $1';
const copyData = (text: string) => serialize.copyData(Buffer.from(text));

const exchanges: readonly { readonly what: string; readonly send: readonly Buffer[]; readonly ready: number }[] = [
  {
    what: 'a parse error and then Close of the statement',
    send: [
      ...[serialize.parse({ text: 'SELEC 1', name: 's', types: [] }), serialize.sync()],
      ...[serialize.close({ type: 'S', name: 's' }), serialize.sync()],
      ...[serialize.close({ type: 'S', name: 'never there' }), serialize.sync()],
    ],
    ready: 3,
  },
  {
    what: 'an error between hits in one batch: what follows is skipped until Sync',
    send: [
      ...[statement(cached, ['1']), statement('SELECT 1 / 0'), statement(cached, ['2']), serialize.sync()],
      ...[statement(cached, ['3']), serialize.sync()],
    ],
    ready: 2,
  },
  {
    what: 'a wrong parameter for a cached statement',
    send: [
      statement(cached, ['nonsense']),
      statement(cached, ['1']),
      serialize.sync(),
      statement(cached, ['1']),
      serialize.sync(),
    ],
    ready: 2,
  },
  {
    what: 'a simple Query inside an un-synced batch',
    send: [
      statement(cached, ['1']),
      serialize.query('SELECT v FROM t WHERE id = 2'),
      statement(cached, ['3']),
      serialize.sync(),
    ],
    ready: 2,
  },
  {
    what: 'a statement that was parsed under the same name twice',
    send: [
      ...[statement(cached, ['1'], 'twice'), serialize.sync(), statement(cached, ['1'], 'twice'), serialize.sync()],
      ...[serialize.close({ type: 'S', name: 'twice' }), serialize.sync()],
    ],
    ready: 3,
  },
  {
    what: 'Bind to the unnamed statement of the batch before, and after a simple Query destroyed it',
    send: [
      ...[statement(cached, ['4']), serialize.sync()],
      ...[serialize.bind({ values: ['5'] }), serialize.execute({}), serialize.sync()],
      serialize.query('SELECT 1'),
      ...[serialize.bind({ values: ['6'] }), serialize.execute({}), serialize.sync()],
    ],
    ready: 4,
  },
  {
    what: 'DEALLOCATE ALL between uses of a named statement',
    send: [
      ...[statement(cached, ['1'], 'kept'), serialize.sync(), serialize.query('DEALLOCATE ALL')],
      ...[serialize.bind({ statement: 'kept', values: ['1'] }), serialize.execute({}), serialize.sync()],
    ],
    ready: 3,
  },
  {
    what: 'COPY that the client gives up half-way, and one that the server refuses',
    send: [
      serialize.query('COPY t (id, v) FROM STDIN'),
      ...[copyData('100\t1\n'), serialize.copyFail('changed my mind')],
      serialize.query('COPY t (id, v) FROM STDIN'),
      ...[copyData('101\t1\n'), copyData('no number\t1\n'), serialize.copyDone()],
      serialize.query('SELECT count(*) FROM t'),
    ],
    ready: 3,
  },
  {
    what: 'Sync alone, twice',
    send: [serialize.sync(), serialize.sync()],
    ready: 2,
  },
];

it.each(exchanges)('$what', async ({ send, ready }) => {
  const expected = await transcript(proxy.originUrl, send, ready);
  for (const pass of ['cold', 'warm', 'warmer', 'warmest']) {
    expect({ pass, messages: await transcript(proxy.url, send, ready) }).toEqual({ pass, messages: expected });
  }
});
