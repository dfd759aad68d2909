import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { BenchCase, Sample, Stage } from '../case.ts';
import { everyPgfresh } from '../peers/pgfresh.ts';

/** One write for each nine reads of the answers that are kept warm. */
const writesQuick = 40;
const writesFull = 200;
const warmMsMax = 60_000;

const setupOf = (identity: string): readonly string[] => [
  `CREATE TABLE products (id int PRIMARY KEY, category int NOT NULL, name text NOT NULL, price numeric(8, 2) NOT NULL, stock int NOT NULL)`,
  `CREATE TABLE orders (id int PRIMARY KEY, product int NOT NULL, customer int NOT NULL, placed date NOT NULL, total numeric(8, 2) NOT NULL)`,
  `INSERT INTO products SELECT n, n % 20, 'product ' || n, n % 100 + 0.5, 100 FROM generate_series(1, 1000) n`,
  `INSERT INTO orders SELECT n, n % 1000 + 1, n % 200, date '2026-01-01' + n % 300, n % 50 FROM generate_series(1, 10000) n`,
  `CREATE TABLE mark (id int PRIMARY KEY, n int NOT NULL)`,
  `INSERT INTO mark VALUES (1, 0)`,
  `ALTER TABLE products REPLICA IDENTITY ${identity}`,
  `ALTER TABLE orders REPLICA IDENTITY ${identity}`,
];

const times = (count: number, sql: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => sql(i + 1));

const days = (i: number): string => {
  const month = `2026-${String((i % 9) + 1).padStart(2, '0')}`;
  return `placed BETWEEN '${month}-10' AND '${month}-${10 + (i % 7)}'`;
};

/**
 * Points, ranges, joins and aggregates, of which each shows some of the rows that are written. As applications ask them: some lists come in no
 * order, sub-queries are among the joins, averages and extremes among the aggregates.
 */
const answers: readonly string[] = [
  ...times(60, (i) => `SELECT name, price, stock FROM products WHERE id = ${i * 16}`),
  ...times(25, (i) => `SELECT id, total FROM orders WHERE ${days(i)} ORDER BY id`),
  ...times(5, (i) => `SELECT id, total FROM orders WHERE ${days(i + 25)}`),
  ...times(30, (i) => `SELECT id, name FROM products WHERE price >= ${i * 3} AND price < ${i * 3 + 2} ORDER BY id`),
  ...times(
    20,
    (i) =>
      `SELECT o.id, p.name, p.price FROM orders o JOIN products p ON p.id = o.product WHERE p.id = ${i * 48} ORDER BY o.id`,
  ),
  ...times(
    10,
    (i) =>
      `SELECT name FROM products p WHERE id = ${i * 96} AND EXISTS (SELECT FROM orders o WHERE o.product = p.id AND total > 20)`,
  ),
  ...times(20, (i) => `SELECT count(*), sum(total) FROM orders WHERE customer = ${i * 9}`),
  ...times(10, (i) => `SELECT avg(total), max(placed) FROM orders WHERE customer = ${i * 6}`),
  ...times(20, (i) => `SELECT count(*), avg(price) FROM products WHERE category = ${i - 1}`),
];

/** Pseudo-random numbers: the same writes for each run of a seed. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function writeSql(below: (n: number) => number, i: number): string {
  const [product, order] = [1 + below(1000), 1 + below(10_000)];
  const day = `2026-${String(1 + below(9)).padStart(2, '0')}-${String(1 + below(28)).padStart(2, '0')}`;
  const choices = [
    `UPDATE products SET stock = stock - 1 WHERE id = ${product}`,
    `UPDATE products SET price = ${below(100)}.25 WHERE id = ${product}`,
    `UPDATE orders SET total = total + 1 WHERE id = ${order}`,
    `UPDATE orders SET placed = '${day}' WHERE id = ${order}`,
    `DELETE FROM orders WHERE id = ${order}`,
    `INSERT INTO orders VALUES (${20_000 + i}, ${product}, ${below(200)}, '${day}', 7)`,
  ];
  return choices[below(choices.length)]!;
}

async function ask(client: pg.Client, sql: string): Promise<string> {
  const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' });
  return rows.map((row) => JSON.stringify(row)).join('\n');
}

class Shop {
  readonly #stage: Stage;
  readonly #through: pg.Client;
  readonly #direct: pg.Client;

  constructor(stage: Stage) {
    const { peer, origin, database } = stage;
    this.#stage = stage;
    this.#through = new pg.Client({ host: '127.0.0.1', port: peer.port, user: 'postgres', database });
    this.#direct = new pg.Client({ connectionString: origin.url(database) });
  }

  async open(): Promise<void> {
    await Promise.all([this.#through.connect(), this.#direct.connect()]);
  }

  async close(): Promise<void> {
    await Promise.all([this.#through.end(), this.#direct.end()]);
  }

  async truth(): Promise<string[]> {
    const all: string[] = [];
    for (const sql of answers) all.push(await ask(this.#direct, sql));
    return all;
  }

  /** Answers as they were served last. */
  readonly served: string[] = [];

  /** Asks each answer once; numbers of those that were not in the cache. */
  async missing(statements: readonly number[]): Promise<number[]> {
    const missing: number[] = [];
    let { hits } = await this.#stage.peer.counters!();
    for (const i of statements) {
      this.served[i] = await ask(this.#through, answers[i]!);
      const after = (await this.#stage.peer.counters!()).hits;
      if (after === hits) missing.push(i);
      hits = after;
    }
    return missing;
  }

  /** Until every answer is in the cache. */
  async warm(statements: readonly number[]): Promise<void> {
    const endMs = performance.now() + warmMsMax;
    for (let left = await this.missing(statements); left.length > 0; left = await this.missing(left)) {
      if (performance.now() > endMs) throw new Error(`never cached: ${answers[left[0]!]}`);
      await delay(20);
    }
  }

  /** Writes past the proxy, and waits until the proxy has applied it. */
  async write(sql: string, n: number): Promise<void> {
    await this.#direct.query(`BEGIN; ${sql}; UPDATE mark SET n = ${n} WHERE id = 1; COMMIT`);
    while ((await ask(this.#through, 'SELECT n FROM mark WHERE id = 1')) !== JSON.stringify([n])) await delay(2);
  }
}

async function measure(stage: Stage): Promise<Sample> {
  const below = generator(stage.seed);
  const shop = new Shop(stage);
  const all = answers.map((_, i) => i);
  const seen = { invalidated: 0, needed: 0, corrected: 0, wrong: 0 };
  await shop.open();
  try {
    await shop.warm(all);
    let before = await shop.truth();
    for (let i = 1; i <= (stage.quick ? writesQuick : writesFull); i++) {
      await shop.write(writeSql(below, i), i + below(1_000_000) * 1000);
      const after = await shop.truth();
      const changed = all.filter((n) => after[n] !== before[n]);
      const missing = await shop.missing(all);
      // What is in the cache and has changed was corrected in place, or is stale.
      const kept = changed.filter((n) => !missing.includes(n));
      const corrected = kept.filter((n) => shop.served[n] === after[n]).length;
      seen.invalidated += missing.length + corrected;
      seen.needed += missing.filter((n) => changed.includes(n)).length + corrected;
      seen.corrected += corrected;
      seen.wrong += kept.length - corrected;
      await shop.warm(missing);
      before = after;
    }
  } finally {
    await shop.close();
  }
  if (seen.wrong > 0) throw new Error(`${seen.wrong} answers had changed and were still in the cache as they were`);
  return {
    value: (100 * seen.needed) / seen.invalidated,
    extra: { invalidated: seen.invalidated, needed: seen.needed, corrected: seen.corrected },
  };
}

const precisionOf = (name: string, identity: string): BenchCase => ({
  name,
  shows: `Of the answers that a write removed, how many had really changed: 200 points, ranges, joins and aggregates kept warm under random writes, REPLICA IDENTITY ${identity}.`,
  setup: setupOf(identity),
  unit: 'percent',
  lifetime: 'measurement',
  roundsMax: 1,
  peers: ({ workers }) => everyPgfresh(workers.slice(0, 1)),
  cells: [
    { name: `${identity}, 10 % writes`, load: measure, cold: true, quick: identity === 'FULL', secondsPlanned: 10 },
  ],
});

export const precision: readonly BenchCase[] = [
  precisionOf('precision-full', 'FULL'),
  precisionOf('precision-default', 'DEFAULT'),
];
