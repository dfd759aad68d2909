// A statement whose Parse was answered here is the session's all the same: whoever asks for the session's statements, in whatever form, finds it. Found by the
// protocol differential: a listing that was parsed and run in one batch was not recognised as one.
import { afterAll, expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { forms, messagesAs } from '../support/forms.ts';
import { connectRaw, type RawClient, rows, serialize, statement } from '../support/raw-client.ts';

const hit = 'SELECT v FROM t WHERE id = $1';
const listing = 'SELECT name, statement FROM pg_prepared_statements';
const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)');
const clients: RawClient[] = [];
afterAll(() => {
  for (const client of clients) client.close();
});

/** A session that has prepared `kept`, and hit by it. */
async function withHit(): Promise<RawClient> {
  const client = await connectRaw(proxy.url);
  clients.push(client);
  client.send(statement(hit, ['1'], 'kept'), serialize.sync());
  await client.until('Z');
  return client;
}

it.each(forms)('a statement prepared here is listed: %s', async (form) => {
  await proxy.warm(withHit);
  for (let i = 0; i < 3; i++) {
    const client = await withHit();
    client.send(messagesAs(form, listing));
    expect(rows(await client.until('Z'))).toContainEqual(['kept', hit]);
  }
});

it.each(forms)('DEALLOCATE of one leaves the others as they are, hits included: %s', async (form) => {
  await proxy.warm(withHit);
  const client = await withHit();
  const use = async (name: string) => {
    client.send(serialize.bind({ statement: name, values: ['1'] }), serialize.execute({}), serialize.sync());
    return rows(await client.until('Z'));
  };
  client.send(statement(hit, ['1'], 'away'), messagesAs(form, ' Deallocate "away";'));
  await client.until('Z');
  expect([await use('kept'), await use('away')]).toEqual([[['0']], []]);
  await proxy.warm(() => use('kept'));
});
