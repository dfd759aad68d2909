/**
 * Random statements, written and read in lockstep: after each change nobody writes, so that under `strong` an answer through pgfresh must be the
 * origin's own, whatever the statement, and whether or not the change stream has been heard from.
 */
import pg from 'pg';
import { Author } from './author.ts';
import { type Random, seededRandom } from './random.ts';

export interface LockstepOptions {
  readonly pgfreshUrl: string;
  /** Holds `authorSchemaSql`. */
  readonly originUrl: string;
  readonly seed: number;
  /** Answers to compare. */
  readonly answers: number;
  readonly sessions: number;
  /** Statements that are asked again and again. */
  readonly statements: number;
  /** Share of changes that are DDL or TRUNCATE. */
  readonly ddlShare: number;
  /** Gives up before, without failing. */
  readonly isOver?: () => boolean;
}

export interface LockstepResult {
  readonly compared: number;
  readonly changes: number;
  readonly ddl: number;
  /** Statement, what was changed before, both answers. */
  readonly differences: string[];
}

type Statement = ReturnType<Author['statement']>;

/** An answer in which the order of rows does not matter: the statements ask for none. Errors count by their code. */
async function answer(client: pg.Client, { sql, values }: Statement, name: string | undefined): Promise<string> {
  const prepared = name === undefined ? {} : { name };
  try {
    const { rows } = await client.query<unknown[]>({ text: sql, values: [...values], rowMode: 'array', ...prepared });
    return rows
      .map((row) => JSON.stringify(row))
      .sort()
      .join('\n');
  } catch (error) {
    if (error instanceof pg.DatabaseError) return `error ${error.code}`;
    throw error;
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** A few changes, by one session or another, some in one transaction. */
async function change(writers: readonly pg.Client[], author: Author, random: Random, ddl: boolean): Promise<string> {
  const writer = writers[random.below(writers.length)]!;
  const count = 1 + random.below(3);
  const statements = ddl ? [author.ddl()] : Array.from({ length: count }, () => author.change().sql);
  const whole =
    random.below(2) === 0 ? statements : ['BEGIN', ...statements, random.below(8) === 0 ? 'ROLLBACK' : 'COMMIT'];
  for (const sql of whole) await writer.query(sql);
  return whole.join('; ');
}

export async function runLockstep(options: LockstepOptions): Promise<LockstepResult> {
  const random = seededRandom(options.seed);
  const author = new Author(random.fork(1));
  const statements = Array.from({ length: options.statements }, () => author.statement());
  const clients = await Promise.all(Array.from({ length: options.sessions }, () => connect(options.pgfreshUrl)));
  const direct = await connect(options.originUrl);
  const differences: string[] = [];
  let [compared, changes, ddl] = [0, 0, 0];
  try {
    while (compared < options.answers && differences.length === 0 && options.isOver?.() !== true) {
      const isDdl = random.next() < options.ddlShare;
      const what = await change(clients, author, random, isDdl);
      changes++;
      if (isDdl) ddl++;
      for (let i = 0; i < 20; i++) {
        const number = random.skewed(statements.length);
        const statement = statements[number]!;
        const name = random.below(2) === 0 ? `s${number}` : undefined;
        const expected = await answer(direct, statement, undefined);
        // Every session, at once: one may fill what the next one is served.
        const seen = await Promise.all(clients.map((client) => answer(client, statement, name)));
        compared += seen.length;
        for (const each of seen) {
          // A statement that was prepared before its columns changed is refused, as by PostgreSQL itself.
          if (each === expected || (name !== undefined && each === 'error 0A000')) continue;
          differences.push(`${statement.sql} [${statement.values}] after ${what}:\n${each}\n≠\n${expected}`);
        }
      }
    }
  } finally {
    await Promise.all([...clients, direct].map((client) => client.end().catch(() => undefined)));
  }
  return { compared, changes, ddl, differences };
}
