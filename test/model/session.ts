/** Sessions of the checker: one connection each, reading and writing in every protocol form, each answer judged. */
import pg from 'pg';
import postgres from 'postgres';
import { connectRaw, type Frame, rowFields, rowTexts, serialize } from '../support/raw-client.ts';
import type { History, Route } from './history.ts';
import type { Random } from './random.ts';
import { keyCount, parameterValue, type ReadForm, readForms, singleKeys } from './schema.ts';

export type Rows = readonly (readonly number[])[];
export type Protocol = 'simple' | 'extended' | 'prepared' | 'binary' | 'pipelined';

/** A connection as far as the checker needs it. */
export interface Connection {
  /** What it is used with, at random. */
  readonly protocols: readonly Protocol[];
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
    protocols: ['simple', 'extended', 'prepared'],
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
    protocols: ['pipelined'],
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

/** Messages by hand, to have answers in binary form: node-postgres cannot read those. */
export async function connectBinary(url: string): Promise<Connection> {
  const client = await connectRaw(url);
  async function answer(...messages: readonly Buffer[]): Promise<Frame[]> {
    client.send(...messages);
    const frames = await client.until('Z');
    const error = frames.find(({ code }) => code === 'E');
    if (error !== undefined) throw new Error(error.body.toString('utf8'));
    return frames;
  }
  const integer = (value: Buffer): number =>
    value.length === 8 ? Number(value.readBigInt64BE()) : value.readInt32BE();
  return {
    protocols: ['binary'],
    async read({ sql }, value) {
      const bind = serialize.bind({ values: [String(value)], binary: true });
      const { parse, describe, execute, sync } = serialize;
      const frames = await answer(parse({ text: sql }), bind, describe({ type: 'P' }), execute(), sync());
      return frames.filter(({ code }) => code === 'D').map((row) => rowFields(row).map((field) => integer(field!)));
    },
    async write(statements) {
      let version = 0;
      for (const text of statements) {
        const row = (await answer(serialize.query(text))).findLast(({ code }) => code === 'D');
        if (row !== undefined) version = Number(rowTexts(row)[0]);
      }
      return version;
    },
    close: async () => client.close(),
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

  /** One of those that its connection has. */
  protocol(): Protocol {
    const { protocols } = this.#connection;
    return protocols[this.#random.below(protocols.length)]!;
  }

  /** One read of a random kind in a random protocol form, judged. */
  async readSomething(): Promise<void> {
    const protocol = this.protocol();
    // Half of all reads are of the commonest form; the others share the rest.
    const form = this.#random.next() < 0.5 ? readForms[0]! : readForms[this.#random.below(readForms.length)]!;
    await this.read(form, this.#random.skewed(form.parameters), protocol);
  }

  async read(form: ReadForm, parameter: number, protocol: Protocol): Promise<Rows> {
    const name = `${form.name}, ${protocol}`;
    const bounds = this.#history.beginRead(this.id, form.keys(parameter));
    const rows = await this.#connection.read(form, parameterValue(form, parameter), protocol);
    this.#history.answersChecked++;
    if (form.total !== undefined) this.#history.judgeTotal(this.id, name, bounds, form.total(rows));
    else {
      for (const bound of bounds) {
        this.#history.judge(this.id, name, bound, form.sighting(rows, bound.key, parameter));
      }
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

  /** A READ COMMITTED transaction: each read in it is judged as one outside, and its own write is seen before it commits. */
  async transaction(writes: boolean): Promise<void> {
    await this.#connection.write(['BEGIN']);
    await this.readSomething();
    if (writes) await this.#writeAndRead(this.#random.skewed(singleKeys));
    else {
      await this.readSomething();
      await this.#connection.write([this.#random.next() < 0.5 ? 'COMMIT' : 'ROLLBACK']);
    }
  }

  async #writeAndRead(key: number): Promise<void> {
    const token = this.#history.beginWrite(key, this.id, this.route);
    const version = await this.#connection.write(writeStatements(key, this.#random));
    const form = readForms[0]!;
    const protocol = this.protocol();
    const [row] = await this.#connection.read(form, key, protocol);
    this.#history.judgeOwn(this.id, `${form.name}, ${protocol}, in its transaction`, key, version, Number(row?.[0]));
    await this.#connection.write(['COMMIT']);
    this.#history.acknowledge(token, version);
  }

  chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
