import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Pgfresh, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';
import { pgScript, postgresJsScript, psqlSession, readStatements, shopSql } from '../support/scripts.ts';
import { startTap, type Tap } from '../support/tap.ts';
import { waitFor } from '../support/wait.ts';

const scripts = [
  ['node-postgres', pgScript],
  ['postgres.js', postgresJsScript],
  ['psql', psqlSession],
] as const;

describe.each(['pg15', 'pg18'] as const)('on %s', (origin) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let pgfresh: Pgfresh;
  let directTap: Tap;
  let pgfreshTap: Tap;
  let through: (tap: Tap) => string;

  beforeAll(async () => {
    database = await createDatabase(inject(origin), shopSql);
    pgfresh = await startPgfresh({ upstream: database.url, unix: true });
    directTap = await startTap(Number(new URL(database.url).port));
    pgfreshTap = await startTap(pgfresh.port);
    through = (tap) => {
      const url = new URL(database.url);
      url.port = String(tap.port);
      return url.href;
    };
  });

  afterAll(async () => {
    await directTap.close();
    await pgfreshTap.close();
    await pgfresh.stop();
    await database.drop();
  });

  it.each(scripts)('%s gets the same bytes through pgfresh, cold and warm, as direct', async (_name, script) => {
    const reported = await script(through(directTap));
    const bytes = directTap.take();
    // The script itself must not depend on who ran before.
    expect(await script(through(directTap))).toEqual(reported);
    expect(directTap.take()).toEqual(bytes);
    for (const pass of ['cold', 'warm', 'warmer']) {
      expect({ pass, reported: await script(through(pgfreshTap)) }).toEqual({ pass, reported });
      expect({ pass, bytes: pgfreshTap.take() }).toEqual({ pass, bytes });
    }
  });

  it('hits are byte for byte what the origin sends, in every protocol form', async () => {
    const readSimple = readStatements.map(({ text, values }) => {
      const literal = (n: number) => (typeof values[n] === 'number' ? String(values[n]) : `'${values[n]}'`);
      return `${text.replace(/\$(\d)/g, (_all, n: string) => literal(Number(n) - 1))};`;
    });
    const script = readSimple.join('\n');
    await psqlSession(through(directTap), script);
    const bytes = directTap.take();
    let hits = 0;
    await waitFor('a pass of hits', async () => {
      const before = (await pgfresh.status()).cache.hits;
      await psqlSession(through(pgfreshTap), script);
      expect(pgfreshTap.take()).toEqual(bytes);
      hits = (await pgfresh.status()).cache.hits - before;
      return hits >= readSimple.length - 1;
    });
  });

  it('the Unix socket serves the same as TCP', async () => {
    const url = new URL(database.url);
    const unixUrl = `postgres://${url.username}:${url.password}@/${database.name}?host=${pgfresh.unixDirectory}&port=${pgfresh.port}`;
    const direct = await psqlSession(database.url, 'SELECT * FROM shop WHERE id = 3;\nSELECT nonsense;');
    for (let pass = 0; pass < 3; pass++) {
      expect(await psqlSession(unixUrl, 'SELECT * FROM shop WHERE id = 3;\nSELECT nonsense;')).toEqual(direct);
    }
  });
});
