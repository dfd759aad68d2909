// Lesson 1, through views, policies and functions: whatever decides what a role may see, and whenever it changes, two roles
// get through pgfresh what PostgreSQL itself gives them: the same rows, or the same refusal.
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { askAs, type Form, forms } from '../support/forms.ts';
import { run } from '../support/postgres.ts';

const suffix = Math.floor(performance.timeOrigin % 1e9);
const [ann, bob, owner, team] = ['ann', 'bob', 'owner', 'team'].map((name) => `${name}_${suffix}`) as [
  string,
  string,
  string,
  string,
];

const proxy = useProxy(
  `
  CREATE TABLE salary (id int PRIMARY KEY, who text, team text, amount int);
  INSERT INTO salary SELECT i, CASE i % 2 WHEN 0 THEN '${ann}' ELSE '${bob}' END, 't' || i % 3, i * 100 FROM generate_series(1, 12) i;
  CREATE TABLE policed (id int PRIMARY KEY, who text, team text);
  INSERT INTO policed SELECT id, who, team FROM salary;
  ALTER TABLE policed ENABLE ROW LEVEL SECURITY;
  CREATE POLICY own ON policed USING (who = current_user);
  CREATE VIEW as_owner AS SELECT id, who FROM salary WHERE amount < 1000;
  CREATE VIEW as_caller WITH (security_invoker = on) AS SELECT id, who FROM salary;
  CREATE VIEW nested AS SELECT count(*) FROM as_owner JOIN policed USING (id);
  CREATE VIEW nested_caller WITH (security_invoker = on) AS SELECT count(*) FROM as_owner JOIN policed USING (id);
  CREATE VIEW mine AS SELECT id FROM salary WHERE who = current_user;
  CREATE FUNCTION total_as_caller() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT sum(amount) FROM salary';
  CREATE FUNCTION total_as_owner() RETURNS bigint STABLE SECURITY DEFINER RETURN (SELECT sum(amount) FROM salary);
  CREATE MATERIALIZED VIEW summed AS SELECT who, sum(amount) FROM salary GROUP BY who;`,
  { origin: 'pg18roles' },
);

const reads = [
  'SELECT id, who FROM as_owner ORDER BY id',
  'SELECT count(*) FROM as_caller',
  'SELECT * FROM nested',
  'SELECT * FROM nested_caller',
  'SELECT id FROM mine ORDER BY id',
  'SELECT id FROM policed ORDER BY id',
  'SELECT id, amount FROM salary WHERE id < 4 ORDER BY id',
  'SELECT who FROM salary WHERE id = 2',
  'SELECT total_as_caller()',
  'SELECT total_as_owner()',
  'SELECT * FROM summed ORDER BY who',
] as const;

/** Each is run through pgfresh; what they allow or take away holds from the next statement on. */
const changes = [
  `GRANT SELECT ON as_owner TO ${bob}`,
  `REVOKE SELECT ON as_owner FROM ${ann}`,
  `GRANT SELECT ON salary TO ${bob}`,
  `REVOKE SELECT ON salary FROM ${bob}; GRANT SELECT (id, who) ON salary TO ${bob}`,
  'ALTER VIEW as_owner SET (security_invoker = on)',
  `ALTER VIEW as_owner OWNER TO ${owner}`,
  'ALTER VIEW as_owner RESET (security_invoker)',
  `GRANT SELECT ON salary TO ${owner}`,
  `REVOKE SELECT ON salary FROM ${owner}`,
  "ALTER POLICY own ON policed USING (who = current_user AND team <> 't1')",
  `ALTER POLICY own ON policed TO ${ann}`,
  `ALTER POLICY own ON policed TO ${team}`,
  `GRANT ${team} TO ${bob}`,
  `REVOKE ${team} FROM ${bob}`,
  `CREATE POLICY also ON policed FOR SELECT TO ${bob} USING (team = current_setting('app.team', true))`,
  `CREATE POLICY strict ON policed AS RESTRICTIVE USING (id > 2)`,
  'DROP POLICY own ON policed',
  `ALTER ROLE ${bob} BYPASSRLS`,
  `ALTER ROLE ${bob} NOBYPASSRLS`,
  'ALTER TABLE policed DISABLE ROW LEVEL SECURITY',
  `ALTER FUNCTION total_as_caller() SECURITY DEFINER`,
  `REVOKE EXECUTE ON FUNCTION total_as_owner() FROM PUBLIC; GRANT EXECUTE ON FUNCTION total_as_owner() TO ${ann}`,
  `CREATE OR REPLACE VIEW mine AS SELECT id FROM salary WHERE who <> current_user`,
  `GRANT SELECT ON summed TO ${bob}`,
  `REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM ${ann}, ${bob}`,
];

interface Pair {
  readonly direct: pg.Client;
  readonly proxied: pg.Client;
}
const pairs: Pair[] = [];

async function answer(client: pg.Client, form: Form, sql: string): Promise<string> {
  try {
    return JSON.stringify(await askAs(client, form, sql));
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** What anybody gets otherwise than from PostgreSQL, with a statement made now or, for one that was prepared, with one that was prepared before. */
async function differences(...asked: readonly Form[]): Promise<object[]> {
  const found: object[] = [];
  for (const [i, { direct, proxied }] of pairs.entries()) {
    for (const sql of reads) {
      const expected = await answer(direct, 'simple', sql);
      for (const form of asked) {
        const got = await answer(proxied, form, sql);
        const held = form === 'prepared' ? await answer(direct, form, sql) : expected;
        if (got !== expected && got !== held) found.push({ session: i, form, sql, expected, got });
      }
    }
  }
  return found;
}

beforeAll(async () => {
  await run(
    proxy.originUrl,
    `CREATE ROLE ${owner}; CREATE ROLE ${team}; GRANT CREATE ON SCHEMA public TO ${owner};
     CREATE ROLE ${ann} LOGIN PASSWORD 'pw'; CREATE ROLE ${bob} LOGIN PASSWORD 'pw';
     GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${ann}; GRANT SELECT ON policed, nested, mine TO ${bob};`,
  );
  for (const role of [ann, bob]) {
    const [direct, proxied] = [
      await proxy.session(proxy.as(role, 'pw', true)),
      await proxy.session(proxy.as(role, 'pw')),
    ];
    pairs.push({ direct, proxied });
  }
  // Two more that become another role on their way, and one for whom a setting decides.
  for (const becoming of [`SET ROLE ${bob}`, `SET SESSION AUTHORIZATION ${ann}; SET app.team = 't2'`]) {
    const [direct, proxied] = [await proxy.session(proxy.originUrl), await proxy.session()];
    for (const client of [direct, proxied]) await client.query(becoming);
    pairs.push({ direct, proxied });
  }
});
afterAll(async () => {
  const roles = [ann, bob, owner, team];
  await run(proxy.originUrl, `REASSIGN OWNED BY ${owner} TO postgres; DROP OWNED BY ${roles}`).catch(() => undefined);
  await run(inject('pg18roles'), `DROP ROLE IF EXISTS ${roles}`).catch(() => undefined);
});

describe('two roles, views, policies and functions', () => {
  it('see what PostgreSQL shows them, from the cache too', async () => {
    const hits = async () => {
      const before = await proxy.hits();
      expect(await differences(...forms)).toEqual([]);
      return (await proxy.hits()) - before;
    };
    // Of 4 sessions, 11 reads and 3 forms those that PostgreSQL does not refuse.
    await expect.poll(hits, { timeout: 20_000 }).toBeGreaterThan(60);
  });

  it.each(changes)('after %s', async (change) => {
    await run(proxy.url, change);
    expect(await differences('simple')).toEqual([]);
    // PostgreSQL itself keeps the plan of a prepared statement over changes of memberships and of BYPASSRLS, as long as the session lasts.
    await expect.poll(() => differences('prepared'), { timeout: 10_000 }).toEqual([]);
    // Nobody else gets what such a plan gave.
    expect(await differences('unnamed')).toEqual([]);
  });

  it('each setting of a policy has its own answers', async () => {
    const { direct, proxied } = pairs[1]!;
    await run(
      proxy.url,
      `GRANT SELECT ON policed TO ${bob}; ALTER TABLE policed ENABLE ROW LEVEL SECURITY; DROP POLICY strict ON policed`,
    );
    for (const value of ['t0', 't1', 't0']) {
      for (const client of [direct, proxied]) await client.query(`SET app.team = '${value}'`);
      for (let i = 0; i < 2; i++) expect(await differences(...forms)).toEqual([]);
      const { rows } = await proxied.query<{ n: string }>('SELECT count(*) AS n FROM policed');
      expect(Number(rows[0]!.n)).toBeGreaterThan(0);
    }
  });
});
