/** Sessions of the checker: one connection each, reading and writing in every protocol form, each answer judged. */
import pg from 'pg';
import postgres from 'postgres';
import type { History, Route } from './history.ts';
import type { Random } from './random.ts';
import { keyCount, parameterValue, type ReadForm, readForms, singleKeys } from './schema.ts';

export type Rows = readonly (readonly number[])[];
export const Protocols = ['simple', 'extended', 'prepared', 'pipelined'] as const;
export type Protocol = (typeof Protocols)[number];

/** A connection as far as the checker needs it. */
export interface Connection {
  read(form: ReadForm, value: number, protocol: Protocol): Promise<Rows>;
  /** Statements one after the other in one session; resolves with the last one's first value. */
  write(statements: readonly string[]): Promise<number>;
  close(): Promise<void>;
}

/** node-postgres: one statement at a time, in the simple protocol, unnamed, or prepared. */
export async function connectPg(url: string): Promise<Connection> {
  const client = new pg.Client({ connectionString: url });
  // An end that nobody waits for is reported by the next statement.
  client.on('error', () => undefined);
  await client.connect();
  return {
    async read(form, value, protocol) {
      const prepared = protocol === 'prepared' ? { name: form.name } : {};
      const query =
        protocol === 'simple'
          ? { text: form.sql.replaceAll('$1', String(value)) }
          : { text: form.sql, values: [value], ...prepared };
      return (await client.query<number[]>({ ...query, rowMode: 'array' })).rows;
    },
    async write(statements) {
      let version = 0;
      for (const text of statements) {
        const { rows } = await client.query<number[]>({ text, rowMode: 'array' });
        if (rows.length > 0) version = Number(rows[0]![0]);
      }
      return version;
    },
    close: () => client.end(),
  };
}

/** postgres.js: prepared statements described first, several in flight on one connection. */
export async function connectPostgresJs(url: string): Promise<Connection> {
  const sql = postgres(url, {
    max: 1,
    prepare: true,
    onnotice: () => undefined,
    connect_timeout: 10,
    fetch_types: false,
  });
  await sql`SELECT 1`;
  return {
    read: async (form, value) => (await sql.unsafe(form.sql, [value], { prepare: true }).values()) as unknown as Rows,
    async write(statements) {
      let version = 0;
      for (const text of statements) {
        const rows = await sql.unsafe(text).values();
        if (rows.length > 0) version = Number(rows[0]![0]);
      }
      return version;
    },
    close: () => sql.end({ timeout: 5 }),
  };
}

function writeStatements(key: number, random: Random): readonly string[] {
  if (key < singleKeys) {
    if (random.next() < 0.2) return [`SELECT bump(${key})`];
    return [`UPDATE item SET version = version + 1, bucket = (version + 1) % 4 WHERE id = ${key} RETURNING version`];
  }
  // In odd versions the row is there, in even ones it is not; the first statement's lock orders the writers of a key.
  return [
    'BEGIN',
    `UPDATE linked SET version = version + 1 WHERE id = ${key} RETURNING version`,
    `UPDATE shadow SET version = version + 1 WHERE id = ${key}`,
    `DELETE FROM coming WHERE id = ${key}`,
    `INSERT INTO coming SELECT id, version FROM linked WHERE id = ${key} AND version % 2 = 1`,
    'COMMIT',
  ];
}

/** Writes that never commit: nobody may ever see them. */
const abandonedWrite = (key: number): readonly string[] => [
  'BEGIN',
  `UPDATE item SET version = version + 1000000 WHERE id = ${key % singleKeys}`,
  'ROLLBACK',
];

export class CheckedSession {
  readonly id: number;
  readonly route: Route;
  readonly #connection: Connection;
  readonly #history: History;
  readonly #random: Random;

  constructor(id: number, route: Route, connection: Connection, history: History, random: Random) {
    this.id = id;
    this.route = route;
    this.#connection = connection;
    this.#history = history;
    this.#random = random;
  }

  /** One read of a random kind in a random protocol form, judged. */
  async readSomething(pipelined: boolean): Promise<void> {
    const protocol = pipelined ? 'pipelined' : Protocols[this.#random.below(3)]!;
    // Half of all reads are of the commonest form; the others share the rest.
    const form = this.#random.next() < 0.5 ? readForms[0]! : readForms[this.#random.below(readForms.length)]!;
    await this.read(form, this.#random.skewed(form.parameters), protocol);
  }

  async read(form: ReadForm, parameter: number, protocol: Protocol): Promise<Rows> {
    const name = `${form.name}, ${protocol}`;
    const bounds = this.#history.beginRead(this.id, form.keys(parameter));
    const rows = await this.#connection.read(form, parameterValue(form, parameter), protocol);
    this.#history.answersChecked++;
    for (const bound of bounds) {
      this.#history.judge(this.id, name, bound, form.sighting(rows, bound.key, parameter));
    }
    if (form.whole !== undefined) this.#history.judgeWhole(this.id, name, bounds[0]!, form.whole(rows));
    return rows;
  }

  async writeSomething(): Promise<void> {
    const key = this.#random.skewed(keyCount);
    if (this.#random.next() < 0.05) {
      await this.#connection.write(abandonedWrite(key));
      return;
    }
    const token = this.#history.beginWrite(key, this.id, this.route);
    this.#history.acknowledge(token, await this.#connection.write(writeStatements(key, this.#random)));
  }

  chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
