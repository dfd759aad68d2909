import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Catalog, familyOf, hasUsableIdentity, loadCatalog, type Relation } from '../../src/cache/catalog.ts';
import { Bench, catalogOf, connect } from '../support/analysis.ts';
import { createDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';
import { schema } from '../unit/analyse-corpus.ts';

describe.each(['pg15', 'pg18'] as const)('the catalog of %s', (version) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let client: pg.Client;
  let catalog: Catalog;
  beforeAll(async () => {
    const more = `
      CREATE TABLE full_generated (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
      ALTER TABLE full_generated REPLICA IDENTITY FULL;
      CREATE VIEW odd AS SELECT '%' AS "per cent";`;
    database = await createDatabase(inject(version), schema + more);
    client = await connect(database.url);
    catalog = await loadCatalog(client, `SELECT 'finger' || 'print'`);
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  const table = (name: string, inSchema = 'public'): Relation => catalog.relationNames.get(inSchema)!.get(name)!;

  it('knows where it is from', async () => {
    const { rows } = await client.query<{ oid: string; v: string; s: string }>(
      `SELECT (SELECT oid FROM pg_database WHERE datname = current_database()) AS oid,
         current_setting('server_version_num') AS v, (SELECT system_identifier::text FROM pg_control_system()) AS s`,
    );
    expect(catalog).toMatchObject({
      fingerprint: 'fingerprint',
      database: database.name,
      databaseOid: Number(rows[0]!.oid),
      serverVersion: Number(rows[0]!.v),
      systemIdentifier: rows[0]!.s,
      encoding: 'UTF8',
    });
    expect(catalog.postmasterStart).toMatch(/^[0-9a-f]{16}$/);
  });

  it('has the columns of tables, and what each is', () => {
    const customers = table('customers');
    expect(customers.column.get('twice')).toMatchObject({ generated: true, type: 23 });
    expect(customers.column.get('id')).toMatchObject({ notNull: true, generated: false });
    expect(customers.primaryKey).toEqual(['id']);
    expect(table('words').columns.map((c) => [c.name, c.deterministic])).toEqual([
      ['id', true],
      ['plain', true],
      ['loose', false],
    ]);
  });

  it('tells which tables the origin can publish without refusing writes', async () => {
    const usable = ['customers', 'whole', 'indexed', 'lines', 'nokey', 'nothing', 'deferred', 'full_generated'].filter(
      (name) => hasUsableIdentity(table(name)),
    );
    const expected = ['customers', 'whole', 'indexed', 'lines', ...(version === 'pg15' ? ['full_generated'] : [])];
    expect(usable).toEqual(expected);
    // The origin agrees.
    await client.query('SET search_path = public');
    for (const name of ['customers', 'whole', 'indexed', 'lines', 'nokey', 'nothing', 'deferred', 'full_generated']) {
      await client.query(`BEGIN; CREATE PUBLICATION p FOR TABLE ONLY ${name}`);
      const refused = await client.query(`DELETE FROM ${name}`).then(
        () => false,
        () => true,
      );
      await client.query('ROLLBACK');
      expect([name, !refused]).toEqual([name, expected.includes(name)]);
    }
    await client.query('SET search_path = pg_catalog');
  });

  it('knows relatives and what foreign keys write', () => {
    const names = (oids: Iterable<number>) => [...oids].map((oid) => catalog.relations.get(oid)!.name).sort();
    expect(names(familyOf(catalog, table('parts_1').oid))).toEqual(['parts', 'parts_1']);
    expect(names(familyOf(catalog, table('base').oid))).toEqual(['base', 'derived']);
    expect(names(table('customers').cascadesTo)).toEqual(['orders']);
  });

  it('knows whose expressions call users’ functions', () => {
    const callers = [...catalog.relations.values()].filter((r) => r.writesCallUser).map((r) => r.name);
    expect(callers).toEqual(['computed']);
    expect(table('triggered').hasTriggers).toBe(true);
    expect(table('ruled').hasRules).toBe(true);
  });

  it('leaves other sessions’ temporary tables out', async () => {
    await client.query('CREATE TEMP TABLE customers (x int)');
    const seen = await catalogOf(database.url);
    expect([...seen.relationNames.keys()].filter((name) => name.startsWith('pg_temp'))).toEqual([]);
    await client.query('DROP TABLE pg_temp.customers');
  });

  it('is loaded again when a view is dropped while it is being described', async () => {
    await client.query('CREATE VIEW public.doomed AS SELECT 1 AS one');
    const loader = await connect(database.url);
    const [{ pid }] = (await loader.query('SELECT pg_backend_pid() AS pid')).rows as [{ pid: number }];
    await client.query('BEGIN; DROP VIEW public.doomed');
    const loading = loadCatalog(loader, `'x'`);
    await waitFor('the loader to wait for the view', async () => {
      const { rows } = await client.query('SELECT cardinality(pg_blocking_pids($1)) AS blocking', [pid]);
      return (rows[0] as { blocking: number }).blocking > 0;
    });
    await client.query('COMMIT');
    expect((await loading).relationNames.get('public')!.has('doomed')).toBe(false);
    await loader.end();
  });

  it('is given up when the origin cannot describe it', async () => {
    const said = Object.assign(new Error('could not open relation with OID 1'), { code: 'XX000' });
    let asked = 0;
    const query = async (): Promise<never[][] | string[][]> => {
      if (asked++ === 0) return [['true']];
      throw said;
    };
    await expect(loadCatalog({ query }, `'x'`)).rejects.toThrow(said);
    expect(asked).toBe(6);
    said.code = '42501';
    asked = 0;
    await expect(loadCatalog({ query }, `'x'`)).rejects.toThrow(said);
    expect(asked).toBe(2);
  });

  it('reads rows given as arrays, too', async () => {
    const port = {
      async query(text: string): Promise<unknown> {
        return (await client.query<string[]>({ text, rowMode: 'array' })).rows;
      },
    };
    expect((await loadCatalog(port, `'x'`)).relations.size).toBe(catalog.relations.size);
    await expect(loadCatalog({ query: async () => [] }, `'x'`)).rejects.toThrow(TypeError);
  });
});

describe.each(['pg15', 'pg18'] as const)(
  'with extensions that overload operators and functions in public, on %s',
  (version) => {
    let database: Awaited<ReturnType<typeof createDatabase>>;
    let bench: Bench;
    beforeAll(async () => {
      database = await createDatabase(
        inject(version),
        `CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION pg_trgm; CREATE EXTENSION intarray;
       CREATE TABLE t (id int PRIMARY KEY, name text, mail citext, props hstore, path ltree, numbers int[], doc jsonb);`,
      );
      bench = await Bench.open(database.url);
    });
    afterAll(() => database.drop());

    it.each([
      ['SELECT id, name, numbers FROM t WHERE id = 1', 't(id=1)'],
      ["SELECT id FROM t WHERE id = $1 AND name = 'x'", 't(id=$1 name=x)'],
      ["SELECT doc->>'a' FROM t WHERE doc ? 'a' AND name < 'x'", 't(name<x)'],
      // intarray's @> is for arrays of int, which the analysis does not tell from jsonb: passed through, though it need not.
      ["SELECT id FROM t WHERE doc @> '{}'", 'uncacheable.userType'],
      ['SELECT max(id), min(name), count(*) FROM t', 't'],
      ['SELECT replace(name, name, name) FROM t', 't'],
      ["SELECT replace($1, 'a', 'b') FROM t", 'uncacheable.userFunction'],
      ["SELECT id FROM t WHERE 'a' = $1", 'uncacheable.userType'],
      ['SELECT * FROM t', 'uncacheable.userType'],
      ['SELECT mail FROM t', 'uncacheable.userType'],
      ["SELECT id FROM t WHERE mail = 'X'", 'uncacheable.userType'],
      ["SELECT id FROM t WHERE name = 'x'::citext", 'uncacheable.userType'],
      ["SELECT props->'a' FROM t", 'uncacheable.userType'],
      ["SELECT id FROM t WHERE name % 'x'", 'uncacheable.userType'],
      ["SELECT id FROM t WHERE numbers @> '{1}'", 'uncacheable.userType'],
      ["SELECT similarity(name, 'x') FROM t", 'uncacheable.userFunction'],
      ['SELECT max(mail) FROM t', 'uncacheable.userType'],
    ])('%s', (sql, verdict) => {
      expect(bench.verdict(sql)).toBe(verdict);
    });

    it('a parameter declared with a type of an extension is not taken for text', () => {
      const citext = [...bench.catalog.relations.values()].find((r) => r.name === 't')!.column.get('mail')!.type;
      expect(bench.verdict('SELECT id FROM t WHERE name = $1', { parameterTypes: [citext] })).toBe(
        'uncacheable.userType',
      );
    });
  },
);
