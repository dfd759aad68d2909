/** Drivers that are not Node's, by what they report: over every transport, in every form of the protocol that they have, the same as directly, cold and warm. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createAuthority, keyFolder } from '../support/certificates.ts';
import { clientPrograms, type Place, type RunningClient, startClient } from '../support/client-programs.ts';
import type { Form } from '../support/forms.ts';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';
import { shopSql } from '../support/scripts.ts';
import { waitFor } from '../support/wait.ts';

const keys = keyFolder();
/** Of the reads in the programs; the others may miss now and then. */
const hitsMin = 6;
let database: Awaited<ReturnType<typeof createDatabase>>;
let pgfresh: Pgfresh;
let direct: Place;

beforeAll(async () => {
  const { cert, key } = createAuthority(keys, 'clients').issue('localhost');
  database = await createDatabase(inject('pg15'), shopSql);
  pgfresh = await startPgfresh({ upstream: database.url, unix: true, args: ['--tls-cert', cert, '--tls-key', key] });
  direct = { url: new URL(database.url) };
});
afterAll(async () => {
  await pgfresh?.stop();
  await database?.drop();
});

function through(transport: 'tcp' | 'unix' | 'tls'): Place {
  const url = new URL(pgfresh.url);
  if (transport === 'unix') return { url, unixFolder: pgfresh.unixDirectory };
  return { url, encrypted: transport === 'tls' };
}

describe.each(clientPrograms)('$name', (program) => {
  let client: RunningClient;
  const run = (what: 'mixed' | 'reads', form: Form, place: Place) => client.run(what, form, program.conninfo(place));
  const ways = program.forms.flatMap((form) => program.transports.map((transport) => [form, transport] as const));

  beforeAll(() => {
    client = startClient(program);
  });
  afterAll(() => client.stop());

  it.each(program.forms)('does everything it can, %s', async (form) => {
    const expected = await run('mixed', form, direct);
    expect(expected.length).toBeGreaterThan(30);
    const transport = program.transports[program.forms.indexOf(form) % program.transports.length]!;
    const report = await run('mixed', form, through(transport));
    expect({ transport, report }).toEqual({ transport, report: expected });
  });

  it.each(ways)('%s over %s reads what it reads directly, cold and warm, and hits', async (form, transport) => {
    const expected = await run('reads', form, direct);
    const place = through(transport);
    const isHitting = program.hitting.includes(form);
    await waitFor('a pass of hits', async () => {
      const before = (await pgfresh.status()).cache.hits;
      expect(await run('reads', form, place)).toEqual(expected);
      return !isHitting || (await pgfresh.status()).cache.hits - before >= hitsMin;
    });
  });
});
