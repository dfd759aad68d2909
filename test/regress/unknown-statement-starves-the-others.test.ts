// A statement that has not been analysed counts as a write of everything when its answer comes. Texts that are never sent twice, as of people and of
// reports, would so keep `strong` from hitting at all: the acknowledgement waits for the analysis instead, and then fences what was written.
import { describe, expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';

const UNIQUE = 150;

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  const proxy = useProxy(
    `CREATE TABLE hot (id int PRIMARY KEY, v int); INSERT INTO hot SELECT g, 0 FROM generate_series(1, 100) g;
     CREATE TABLE cold (id int PRIMARY KEY, v int); INSERT INTO cold SELECT g, 0 FROM generate_series(1, 100) g;
     CREATE FUNCTION bump(k int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN UPDATE hot SET v = v + 1 WHERE id = k; RETURN k; END $$`,
    { origin },
  );
  const read = 'SELECT v FROM hot WHERE id = $1';
  const fenced = async () => (await proxy.pgfresh.status()).reasons['cache.fenced'] ?? 0;

  it('a scan of statements that nobody has sent before takes no hits from others', async () => {
    const [scanner, reader] = [await proxy.session(), await proxy.session()];
    await proxy.warm(() => ask(reader, read, [1]));
    await ask(scanner, 'SELECT 1 AS begun');
    const before = await fenced();
    for (let i = 0; i < UNIQUE; i++) {
      await ask(scanner, `SELECT v AS c${i}, count(*) AS n${i} FROM cold WHERE id <> ${i} GROUP BY v`);
      expect(await ask(reader, read, [1])).toEqual([[0]]);
    }
    expect((await fenced()) - before).toBeLessThan(UNIQUE / 10);
  });

  it('writes that nobody has sent before are seen by all from their acknowledgement on', async () => {
    const [writer, reader] = [await proxy.session(), await proxy.session()];
    const writes: ((i: number) => string)[] = [
      (i) => `UPDATE hot SET v = v + 1 WHERE id = 2 RETURNING v AS c${i}`,
      (i) => `SELECT bump(2) AS c${i}`,
      (i) => `WITH w${i} AS (UPDATE hot SET v = v + 1 WHERE id = 2 RETURNING v) SELECT v FROM w${i}`,
      (i) => `DO $$ BEGIN PERFORM bump(2); /* ${i} */ PERFORM 'c${i}'; END $$`,
      (i) => `BEGIN; UPDATE hot SET v = v + 1 WHERE id = 2 RETURNING v AS c${i}; COMMIT`,
    ];
    for (let i = 1; i <= 40; i++) {
      await proxy.warm(() => ask(reader, read, [2]));
      await writer.query(writes[i % writes.length]!(i));
      expect(await ask(reader, read, [2])).toEqual([[i]]);
    }
    await writer.query('BEGIN');
    await writer.query('UPDATE hot SET v = 0 WHERE id = 2 RETURNING v AS last');
    await proxy.warm(() => ask(reader, read, [2]));
    await writer.query('COMMIT');
    expect(await ask(reader, read, [2])).toEqual([[0]]);
  });
});
