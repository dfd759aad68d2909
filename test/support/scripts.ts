/** What drivers do in the mixed script: each step is recorded as the driver reports it, the bytes as the tap sees them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import postgres from 'postgres';

export const shopSql = `
  CREATE TABLE shop (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2), at timestamptz, tags text[], big int8, data jsonb, raw bytea);
  CREATE TABLE log (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, line text);
  CREATE FUNCTION fail(x int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE WARNING ''about to fail %'', x; RETURN 1 / (x - x); END';
`;

/** Brings the tables to one state, whoever ran before. */
export const resetSql = `
  TRUNCATE shop, log RESTART IDENTITY;
  INSERT INTO shop SELECT i, 'thing ' || i, i * 1.10, '2024-01-01 00:00+00'::timestamptz + i * interval '1 hour',
    ARRAY['a' || i, NULL], 9007199254740993 + i, jsonb_build_object('n', i), decode(lpad(to_hex(i), 4, '0'), 'hex')
  FROM generate_series(1, 200) AS i;`;

/** Only reads, so that a second pass can hit. */
export const readStatements: readonly { readonly text: string; readonly values: readonly unknown[] }[] = [
  { text: 'SELECT * FROM shop WHERE id = $1', values: [7] },
  { text: 'SELECT * FROM shop WHERE id = $1', values: [100_000] },
  { text: 'SELECT name, price, big FROM shop WHERE id IN ($1, $2) ORDER BY id', values: [3, 5] },
  { text: 'SELECT count(*), sum(price), max(big) FROM shop WHERE price > $1', values: ['100.00'] },
  { text: 'SELECT id, tags, data, raw FROM shop ORDER BY id LIMIT 20', values: [] },
  { text: 'SELECT a.id FROM shop a JOIN shop b ON b.id = a.id + 1 WHERE a.id < $1 ORDER BY 1', values: [9] },
  { text: 'SELECT name AS "Ünïcode" FROM shop WHERE name = $1', values: ['thing 11'] },
];

type Report = (what: string, result: unknown) => void;
const toText = (value: unknown): string =>
  JSON.stringify(value, (_key, each) => (typeof each === 'bigint' ? `${each}n` : each)) ?? String(value);

function recorder(): { steps: string[]; report: Report } {
  const steps: string[] = [];
  return { steps, report: (what, result) => void steps.push(`${what}: ${toText(result)}`) };
}

const failure = (error: unknown): unknown => {
  const { code, message, detail, position } = error as Record<string, unknown>;
  return { code, message, detail, position };
};

/** Runs what pg reports of a statement: rows, types, tag, or the error. */
async function pgStep(client: pg.Client, report: Report, text: string, values?: readonly unknown[], name?: string) {
  try {
    const named = name === undefined ? {} : { name };
    const result = await client.query({ text, rowMode: 'array', ...named, ...(values ? { values: [...values] } : {}) });
    const all = (Array.isArray(result) ? result : [result]) as pg.QueryArrayResult[];
    for (const each of all) {
      report(text, [
        each.command,
        each.rowCount,
        each.fields.map((field) => [field.name, field.dataTypeID]),
        each.rows,
      ]);
    }
  } catch (error) {
    report(text, failure(error));
  }
}

async function pgTransactions(client: pg.Client, report: Report): Promise<void> {
  for (const text of [
    ...['BEGIN', "INSERT INTO log (line) VALUES ('one') RETURNING id, line", 'SELECT count(*) FROM log', 'COMMIT'],
    ...[
      'BEGIN ISOLATION LEVEL REPEATABLE READ',
      'UPDATE shop SET name = upper(name) WHERE id = 7 RETURNING *',
      'ROLLBACK',
    ],
    ...[
      'SELECT name FROM shop WHERE id = 7',
      'BEGIN',
      'SAVEPOINT s',
      'SELECT 1/0',
      'SELECT 2',
      'ROLLBACK TO s',
      'SELECT 3',
      'COMMIT',
    ],
    ...[
      'BEGIN',
      'DECLARE c CURSOR FOR SELECT id FROM shop ORDER BY id',
      'FETCH 3 FROM c',
      'MOVE 5 FROM c',
      'FETCH 2 FROM c',
      'CLOSE c',
      'COMMIT',
    ],
    ...[
      "SET TimeZone = 'Asia/Tokyo'",
      'SELECT at FROM shop WHERE id = 1',
      'RESET TimeZone',
      'SELECT at FROM shop WHERE id = 1',
    ],
    ...['PREPARE p (int) AS SELECT name FROM shop WHERE id = $1', 'EXECUTE p (4)', 'DEALLOCATE p', 'EXECUTE p (4)'],
    ...[
      'SELECT fail(1)',
      'SELEC 1',
      'SELECT * FROM nowhere',
      'SELECT 1; SELECT 2; SELECT 1/0; SELECT 3',
      '',
      ';',
      '/* only a comment */',
    ],
    ...[
      'CREATE TEMP TABLE shop (id int)',
      'SELECT count(*) FROM shop WHERE id = 7',
      'DROP TABLE pg_temp.shop',
      'SELECT id FROM shop WHERE id = 7',
    ],
    ...[
      "UPDATE shop SET price = 1 WHERE id = 9 AND name = 'nobody'",
      'DELETE FROM shop WHERE id > 195',
      'SELECT count(*) FROM shop',
    ],
    ...[
      'SHOW server_encoding',
      // One plan is possible, whatever the statistics.
      'EXPLAIN (COSTS OFF) SELECT * FROM shop',
      'DISCARD ALL',
      'SELECT name FROM shop WHERE id = 2',
    ],
  ]) {
    await pgStep(client, report, text);
  }
}

/** node-postgres, every protocol form it has. */
export async function pgScript(url: string): Promise<string[]> {
  const { steps, report } = recorder();
  const client = new pg.Client({ connectionString: url });
  client.on('notice', (notice) => report('notice', [notice.severity, notice.message]));
  await client.connect();
  await client.query(resetSql);
  await pgTransactions(client, report);
  for (const { text, values } of readStatements) {
    await pgStep(client, report, text, values);
    await pgStep(client, report, text, values, `named ${text.length}`);
    await pgStep(client, report, text, values, `named ${text.length}`);
  }
  await pgStep(client, report, 'SELECT $1::int / $2::int', [1, 0]);
  await pgStep(client, report, 'SELECT $1::int', ['no number']);
  await pgStep(client, report, 'INSERT INTO shop (id, name) VALUES ($1, $2) RETURNING id', [900, 'new']);
  await pgStep(client, report, 'INSERT INTO shop (id, name) VALUES ($1, $2)', [900, 'again']);
  const notified = once(client, 'notification');
  await client.query('LISTEN news');
  await client.query("NOTIFY news, 'hello'");
  const [message] = (await notified) as [pg.Notification];
  report('notification', [message.channel, message.payload]);
  await client.end();
  return steps;
}

/** postgres.js, over the Unix socket at `path` if there is one: Describe first, named statements, pipelines, COPY both ways, cursors, transactions, LISTEN. */
export async function postgresJsScript(url: string, path?: string): Promise<string[]> {
  const { steps, report } = recorder();
  const sql = postgres(url, {
    max: 1,
    onnotice: (notice) => report('notice', notice['message']),
    fetch_types: false,
    ...(path === undefined ? {} : { path }),
  });
  await sql.unsafe(resetSql);
  for (const { text, values } of [...readStatements, ...readStatements]) {
    report(text, await sql.unsafe(text, values as never[], { prepare: true }));
    report(`${text} raw`, await sql.unsafe(text, values as never[], { prepare: false }).raw());
  }
  report('pipeline', await Promise.all([1, 2, 3, 4].map((id) => sql`SELECT name FROM shop WHERE id = ${id}`)));
  const outcomes = await Promise.allSettled([
    sql`SELECT name FROM shop WHERE id = ${1}`,
    sql`SELECT 1 / (id - ${5}) FROM shop WHERE id = 5`,
    sql`SELECT name FROM shop WHERE id = ${2}`,
  ]);
  report(
    'pipeline with an error',
    outcomes.map((each) => (each.status === 'fulfilled' ? each.value : failure(each.reason))),
  );
  const transaction = sql.begin(async (inside) => {
    await inside`INSERT INTO log (line) VALUES ('kept')`;
    await inside
      .savepoint(async (deeper) => void (await deeper`SELECT 1 / 0`))
      .catch((error) => report('savepoint', failure(error)));
    return inside`SELECT line FROM log ORDER BY id`;
  });
  report('transaction', await transaction);
  for await (const rows of sql`SELECT id FROM shop ORDER BY id`.cursor(60)) report('cursor', rows);
  const writable = await sql`COPY log (line) FROM STDIN`.writable();
  for (let i = 0; i < 500; i++) writable.write(`line ${i}\n`);
  writable.end();
  await once(writable, 'finish');
  report('copied in', await sql`SELECT count(*), max(line) FROM log`);
  const readable = await sql`COPY (SELECT id, raw FROM shop ORDER BY id) TO STDOUT`.readable();
  const chunks: Buffer[] = [];
  for await (const chunk of readable) chunks.push(chunk as Buffer);
  report('copied out', Buffer.concat(chunks).toString('latin1'));
  await sql.end({ timeout: 5 });
  return steps;
}

const psqlScript = `
\\set ON_ERROR_STOP off
${resetSql}
SELECT * FROM shop WHERE id = 7;
SELECT name FROM shop WHERE id = 7 \\gdesc
SELECT name FROM shop WHERE id = $1 \\bind 8 \\g
BEGIN; INSERT INTO log (line) VALUES ('psql'); SELECT count(*) FROM log; ROLLBACK;
\\set FETCH_COUNT 50
SELECT id FROM shop ORDER BY id;
\\unset FETCH_COUNT
COPY log (line) FROM STDIN;
first
second
\\.
COPY log (line) FROM STDIN WITH (FORMAT csv, FORCE_NULL (nowhere));
SELECT fail(3);
COPY (SELECT id, line FROM log ORDER BY id) TO STDOUT;
COPY shop (id) FROM STDIN;
not a number
\\.
LISTEN news;
NOTIFY news, 'from psql';
SELECT 'after' AS notify;
\\d shop
SELECT 1 \\; SELECT 2 \\; SELECT 1/0;
SELECT name FROM shop WHERE id = 7;
`;

/** psql (libpq): what it prints, notices and errors among it. `options` such as -X are added here. */
export async function psqlSession(url: string, script = psqlScript): Promise<string[]> {
  const child = spawn('psql', ['-X', '--no-password', '-v', 'VERBOSITY=verbose', '-d', url], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, PGSSLMODE: 'prefer', PGAPPNAME: 'script' },
  });
  const output: string[] = [];
  child.stdout.on('data', (chunk: Buffer) => void output.push(chunk.toString()));
  const errors: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => void errors.push(chunk.toString()));
  child.stdin.end(script);
  const [code] = (await once(child, 'close')) as [number];
  // The pid in "Asynchronous notification … received from server process with PID 123" is the session's own.
  const text = `${output.join('')}\n--- stderr\n${errors.join('')}`.replace(/(with PID) \d+/g, '$1 N');
  return [...text.split('\n'), `exit code ${code}`];
}
