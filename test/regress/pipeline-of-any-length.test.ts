// Found with pgx's own tests (TestConnExecBatchHuge): what a pipeline cost grew with the square of its length, and nobody else was answered for as
// long as one was being read; once a worker was taken for dead.
import { expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { connectRaw, rowTexts, serialize, statement } from '../support/raw-client.ts';

const proxy = useProxy(
  'CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT i, i FROM generate_series(1, 9) AS i',
  {
    workers: 1,
  },
);
const length = 60_000;

it('answers all of a pipeline of 60,000 statements in order, and others meanwhile', async () => {
  const [long, other] = [await connectRaw(proxy.url), await connectRaw(proxy.url)];
  long.send(...Array.from({ length }, (_, i) => statement('SELECT $1::text', [String(i)])), serialize.sync());
  let isOver = false;
  const answered = long.until('Z').then((frames) => {
    isOver = true;
    return frames;
  });
  let others = 0;
  while (!isOver) {
    other.send(serialize.query('SELECT 1'));
    await other.until('Z');
    if (!isOver) others++;
  }
  const rows = (await answered).filter(({ code }) => code === 'D');
  expect(rows).toHaveLength(length);
  expect(rows.every((row, i) => rowTexts(row)[0] === String(i))).toBe(true);
  expect(others).toBeGreaterThan(5);
  long.close();
  other.close();
});
