// A session that asked for its context while the catalog was being read again took "not now" for "never": after any DDL it did not
// hit any more.
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';

const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)');

it('sessions that stay hit again after DDL, direct or through pgfresh', async () => {
  const [reader, writer, direct] = [await proxy.session(), await proxy.session(), await proxy.session(proxy.originUrl)];
  const read = () => ask(reader, 'SELECT v FROM t WHERE id = 1');
  for (const [who, ddl] of [
    [direct, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"],
    [writer, 'ALTER TABLE t ADD COLUMN w int DEFAULT 3'],
    [direct, 'CREATE TABLE u (id int PRIMARY KEY)'],
    [writer, 'DROP TABLE u'],
  ] as const) {
    await proxy.warm(read);
    await who.query(ddl);
    // Statements go on while the catalog is read, so that the context is asked for at the worst moment.
    for (let i = 0; i < 40; i++) expect(await read()).toEqual([[1]]);
    await proxy.warm(read, `a hit after ${ddl}`);
    await proxy.warm(() => ask(writer, 'SELECT v FROM t WHERE id = 1'), `a hit of the other session after ${ddl}`);
  }
}, 120_000);
