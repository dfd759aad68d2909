/**
 * Rows fit the description that their client goes by. Sessions prepare statements, keep what they are told of the columns, as drivers do, and read rows in binary
 * format by it, while a table is altered behind pgfresh's back. An answer may be as old as the staleness bound allows, or an error (0A000); but each row has
 * the columns that were told, of the types that were told, with the values that columns of these names have in every committed state.
 */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { rowsOf } from '../support/origin-state.ts';
import { type Pgfresh, reusableLogins, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase } from '../support/postgres.ts';
import { connectRaw, type Frame, type RawClient, rowFields, serialize, sqlState } from '../support/raw-client.ts';
import { waitFor } from '../support/wait.ts';
import { announceSeed, type Random, seededRandom } from './random.ts';

const KEYS = 8;
const SESSIONS = 8;
const levels = ['strong', 'session', 'bounded', 'monotonic'] as const;
const executionsMin = Number(process.env['PGFRESH_EXECUTIONS'] ?? 4_000);

/** In every committed state `v` is the key, `u` what it lacks to zero, and `w`, if it is there, seven. */
const schema = `CREATE TABLE t (id int PRIMARY KEY, v int, u int);
  INSERT INTO t SELECT g, g, -g FROM generate_series(1, ${KEYS}) AS g`;

const swap = `ALTER TABLE t RENAME v TO x; ALTER TABLE t RENAME u TO v; ALTER TABLE t RENAME x TO u;
  UPDATE t SET v = u, u = v`;
const types = ['int', 'int8', 'real', 'float8', 'text'] as const;

function ddl(random: Random): string {
  const column = random.next() < 0.5 ? 'v' : 'u';
  const type = types[random.below(types.length)];
  const choices = [
    ...Array(4).fill(`ALTER TABLE t ALTER ${column} TYPE ${type} USING ${column}::${type}`),
    ...['ALTER TABLE t ADD COLUMN w int DEFAULT 7', 'ALTER TABLE t DROP COLUMN w'],
    // Both columns are of one type then, or it is rolled back.
    ...[swap, swap],
    ...['CREATE INDEX IF NOT EXISTS i ON t (v)', 'DROP INDEX IF EXISTS i', 'COMMENT ON TABLE t IS NULL'],
  ];
  return choices[random.below(choices.length)];
}

interface Column {
  readonly name: string;
  readonly type: number;
}

/** Of the types above, by oid. */
const readers: Readonly<Record<number, readonly [bytes: number | null, read: (bytes: Buffer) => number]>> = {
  23: [4, (bytes) => bytes.readInt32BE()],
  20: [8, (bytes) => Number(bytes.readBigInt64BE())],
  700: [4, (bytes) => bytes.readFloatBE()],
  701: [8, (bytes) => bytes.readDoubleBE()],
  25: [null, (bytes) => Number(bytes.toString())],
};

function columnsOf({ body }: Frame): Column[] {
  const columns: Column[] = [];
  let at = 2;
  for (let left = body.readInt16BE(0); left > 0; left--) {
    const end = body.indexOf(0, at);
    columns.push({ name: body.toString('utf8', at, end), type: body.readUInt32BE(end + 7) });
    at = end + 19;
  }
  return columns;
}

/** Null, or what is wrong with the row. */
function fault(row: Frame, columns: readonly Column[], key: number | null): string | null {
  const fields = rowFields(row);
  const told = columns.map(({ name, type }) => `${name} ${type}`).join(', ');
  if (fields.length !== columns.length) return `${fields.length} columns, told (${told})`;
  const values = new Map<string, number>();
  for (const [i, { name, type }] of columns.entries()) {
    const [bytes, read] = readers[type]!;
    const field = fields[i]!;
    if (field === null || (bytes !== null && field.length !== bytes))
      return `${name}: ${field?.toString('hex')}, told (${told})`;
    values.set(name, read(field));
  }
  const id = key ?? values.get('id')!;
  const right = new Map<string, number>([
    ...([
      ['id', id],
      ['v', id],
      ['u', -id],
      ['w', 7],
    ] as const),
  ]);
  for (const [name, value] of values) {
    if (value !== right.get(name)) return `${name} = ${value} where id = ${id}, told (${told})`;
  }
  return null;
}

const texts = [
  'SELECT * FROM t WHERE id = $1',
  'SELECT v, u FROM t WHERE id = $1',
  'SELECT u, id, v FROM t WHERE id = $1',
  'SELECT * FROM t ORDER BY id',
  'SELECT a.v, b.* FROM t AS a JOIN t AS b ON a.id = b.id WHERE a.id = $1',
] as const;

interface Prepared {
  readonly text: string;
  columns: readonly Column[];
}

interface Tally {
  executions: number;
  rows: number;
  refused: number;
}

/** One client, as a driver: it prepares anew what is refused. */
class Session {
  private readonly client: RawClient;
  private readonly random: Random;
  private readonly tally: Tally;
  private readonly prepared = new Map<string, Prepared>();
  readonly faults: string[] = [];

  constructor(client: RawClient, random: Random, tally: Tally) {
    this.client = client;
    this.random = random;
    this.tally = tally;
  }

  async step(): Promise<void> {
    const { random } = this;
    const inBlock = random.next() < 0.2;
    if (inBlock) await this.command('BEGIN');
    let isOver = false;
    for (let left = inBlock ? 1 + random.below(3) : 1; left > 0 && !isOver; left--) isOver = !(await this.statement());
    if (inBlock) await this.command('COMMIT');
  }

  /** A Query destroys the unnamed statement. */
  private async command(text: string): Promise<void> {
    this.client.send(serialize.query(text));
    await this.client.until('Z');
    this.prepared.delete('');
  }

  /** False: it was refused. */
  private async statement(): Promise<boolean> {
    const { random } = this;
    const name = ['', 's1', 's2', 's3'][random.below(4)]!;
    if (!this.prepared.has(name) || random.next() < (name === '' ? 0.5 : 0.05)) {
      if (!(await this.prepare(name))) return false;
    }
    return this.execute(name);
  }

  private async prepare(name: string): Promise<boolean> {
    const { client, prepared, random } = this;
    const text = texts[random.below(texts.length)]!;
    const inOne = random.next() < 0.7;
    prepared.delete(name);
    const parse = serialize.parse({ name, text, types: text.includes('$1') ? [23] : [] });
    client.send(serialize.close({ type: 'S', name }), parse, ...(inOne ? [] : [serialize.sync()]));
    if (!inOne) {
      const made = await client.until('Z');
      if (made.some(({ code }) => code === 'E')) return this.refused(made);
    }
    client.send(serialize.describe({ type: 'S', name }), serialize.sync());
    const frames = await client.until('Z');
    const description = frames.find(({ code }) => code === 'T');
    if (description === undefined) return this.refused(frames);
    prepared.set(name, { text, columns: columnsOf(description) });
    return true;
  }

  /** Once, or twice in one pipeline; its portal described or not. */
  private async execute(name: string): Promise<boolean> {
    const { client, random, tally } = this;
    const known = this.prepared.get(name)!;
    const keys = Array.from({ length: random.next() < 0.15 ? 2 : 1 }, () => 1 + random.skewed(KEYS));
    const describes = random.next() < 0.25;
    for (const key of keys) {
      const values = known.text.includes('$1') ? [String(key)] : [];
      client.send(
        serialize.bind({ statement: name, values, binary: true }),
        ...(describes ? [serialize.describe({ type: 'P', name: '' })] : []),
        ...[serialize.execute({}), serialize.sync()],
      );
    }
    let isDone = true;
    for (const key of keys) {
      const frames = await client.until('Z');
      tally.executions++;
      const description = frames.find(({ code }) => code === 'T');
      const columns = description === undefined ? known.columns : columnsOf(description);
      for (const row of frames.filter(({ code }) => code === 'D')) {
        tally.rows++;
        const found = fault(row, columns, known.text.includes('$1') ? key : null);
        if (found !== null) this.faults.push(`${name === '' ? 'unnamed' : name} "${known.text}": ${found}`);
      }
      if (frames.some(({ code }) => code === 'E')) isDone = this.refused(frames);
    }
    // Somebody who is refused prepares anew, or tries again: the column may be back.
    if (!isDone && random.next() < 0.7) this.prepared.delete(name);
    return isDone;
  }

  private refused(frames: readonly Frame[]): false {
    const state = sqlState(frames.find(({ code }) => code === 'E'));
    this.tally.refused++;
    if (state !== '0A000' && state !== '25P02') this.faults.push(`refused with ${state}`);
    return false;
  }

  close(): void {
    this.client.close();
  }
}

/** Three connections for eight sessions: each use may be on another one, which has the statement of somebody else, or not yet. */
const pooled = ['--pool-mode', 'transaction', '--pool-size', '3', ...reusableLogins];

describe.each([
  ['session', []],
  ['transaction', pooled],
])('pool.mode = %s', (mode, args) => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let pgfresh: Pgfresh;
  beforeAll(async () => {
    database = await createDatabase(inject('pg18'), schema);
    pgfresh = await startPgfresh({ upstream: database.url, args });
  });
  afterAll(async () => {
    await pgfresh?.stop();
    await database?.drop();
  });

  it('rows have the columns that their client was told, whatever is altered meanwhile', async () => {
    const random = seededRandom(announceSeed(`shapes, ${mode}`));
    const tally: Tally = { executions: 0, rows: 0, refused: 0 };
    const admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
    const clients = await Promise.all(Array.from({ length: SESSIONS }, () => connectRaw(pgfresh.url)));
    for (const [i, client] of clients.entries()) {
      client.send(serialize.query(`SET pgfresh.consistency = ${levels[i % levels.length]}`));
      await client.until('Z');
    }
    // So few executions may be over before the cache is there.
    await waitFor('a hit', async () => {
      await rowsOf(pgfresh.url, 'SELECT v, u FROM t WHERE id = 1');
      return (await pgfresh.status()).cache.hits > 0;
    });
    const sessions = clients.map((client, i) => new Session(client, random.fork(i), tally));
    const isOver = () => tally.executions >= executionsMin || sessions.some(({ faults }) => faults.length > 0);
    let altered = 0;
    const alter = async () => {
      const choices = random.fork(SESSIONS);
      while (!isOver()) {
        await new Promise((resolve) => setTimeout(resolve, choices.skewed(300)));
        await admin.query(ddl(choices)).then(
          () => altered++,
          () => undefined,
        );
      }
    };
    const use = async (session: Session) => {
      while (!isOver()) await session.step();
    };
    await Promise.all([alter(), ...sessions.map(use)]);
    const { hits } = (await pgfresh.status()).cache;
    const { executions, rows, refused } = tally;
    process.stdout.write(
      `shapes, ${mode}: ${executions} executions, ${hits} hits, ${rows} rows, ${refused} refused, ${altered} times altered\n`,
    );
    for (const session of sessions) session.close();
    await admin.end();
    expect(sessions.flatMap(({ faults }) => faults)).toEqual([]);
    expect(Math.min(hits, refused, altered)).toBeGreaterThan(0);
  }, 600_000);
});
