// C7: the catalog changed twice while the verdict on a statement was asked for, so none came, and nobody knew what the statement had been resolved to:
// it could neither fill nor hit for as long as it lived. Now the origin is asked, as for what was parsed before pgfresh knew anything.
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { connectRaw, rows, serialize } from '../support/raw-client.ts';

const proxy = useProxy("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one')");

/** Until `ended`: a catalog that changes every few milliseconds. */
async function storm(ended: () => boolean): Promise<void> {
  const direct = new pg.Client({ connectionString: proxy.originUrl });
  await direct.connect();
  for (let i = 0; !ended(); i++) {
    await direct.query(i % 2 === 0 ? 'CREATE TABLE x (id int)' : 'DROP TABLE x');
    await delay(5 + ((i * 17) % 40));
  }
  await direct.end();
}

it('statements prepared while the catalog changes again and again hit when it has come to rest', async () => {
  let isOver = false;
  const stormy = storm(() => isOver);
  const executes: (() => Promise<unknown>)[] = [];
  const clients: { close(): void }[] = [];
  for (let i = 0; i < 30; i++) {
    const client = await connectRaw(proxy.url);
    clients.push(client);
    const text = `SELECT v, ${i} FROM t WHERE id = $1`;
    client.send(serialize.parse({ name: 's', text, types: [] }), serialize.describe({ type: 'S', name: 's' }));
    client.send(serialize.sync());
    await client.until('Z');
    executes.push(async () => {
      client.send(serialize.bind({ statement: 's', values: ['1'] }), serialize.execute({ portal: '', rows: 0 }));
      client.send(serialize.sync());
      expect(rows(await client.until('Z'))).toEqual([['one', String(i)]]);
    });
    await delay((i * 7) % 30);
  }
  isOver = true;
  await stormy;
  for (const [i, execute] of executes.entries()) await proxy.warm(execute, `a hit of statement ${i}`);
  for (const client of clients) client.close();
});
