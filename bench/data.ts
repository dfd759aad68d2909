/** Tables that several cases share, and how pgbench draws from them. */

export const keyCount = 1_000;

/** accounts (id, balance, token): `rows` rows. */
export const accountsSql = (rows = keyCount): readonly string[] => [
  'CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL, token bigint NOT NULL)',
  `INSERT INTO accounts SELECT i, i * 7 % 1000, 0 FROM generate_series(1, ${rows}) AS i`,
];

const drawId = (from = 1, to = keyCount): string => `\\set id random(${from}, ${to})`;

/** A key out of a thousand: all of them are in the cache after a second. */
export const pointSql = `${drawId()}\nSELECT balance FROM accounts WHERE id = :id;`;

/** Cacheable, and never asked before: the token makes each statement one of its own. */
export const newKeySql = `${drawId()}\n\\set nonce random(1, 9000000000000000)
SELECT balance FROM accounts WHERE id = :id AND token <> :nonce;`;

/** The same statement with keys that come again. */
export const knownKeySql = `${drawId()}\n\\set nonce 1\nSELECT balance FROM accounts WHERE id = :id AND token <> :nonce;`;

/** A volatile function: never cached. */
export const uncacheableSql = `${drawId()}\nSELECT balance FROM accounts WHERE id = :id AND random() >= 0;`;

export const updateSql = (from = 1, to = keyCount, table = 'accounts'): string =>
  `${drawId(from, to)}\nUPDATE ${table} SET balance = balance + 1 WHERE id = :id;`;

/** Beside writes a peer is warm when its code for changes is compiled, too. */
export const warmSecondsOfWrites = 6;

/** Where most statements reach the origin it takes so long until the code for that is compiled, of a bare relay as well. */
export const warmSecondsOfMisses = 5;
/** One client sends a quarter of what eight do. */
export const warmSecondsOfLonelyMisses = 12;

export const shopCustomers = 2_000;

/** A shop: 2,000 customers, 500 products, 20,000 orders with 60,000 lines. */
export const shopSql: readonly string[] = [
  'CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, city text NOT NULL)',
  'CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, category int NOT NULL, price int NOT NULL)',
  `CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, placed_on date NOT NULL, status text NOT NULL,
     total int NOT NULL)`,
  'CREATE TABLE order_lines (id int PRIMARY KEY, order_id int NOT NULL, product_id int NOT NULL, quantity int NOT NULL)',
  `INSERT INTO customers SELECT i, 'customer ' || i, 'city ' || i % 50 FROM generate_series(1, ${shopCustomers}) AS i`,
  "INSERT INTO products SELECT i, 'product ' || i, i % 12, 100 + i * 37 % 9000 FROM generate_series(1, 500) AS i",
  `INSERT INTO orders SELECT i, 1 + i * 7919 % ${shopCustomers}, DATE '2024-01-01' + i % 700,
     (ARRAY['new', 'paid', 'sent', 'back'])[1 + i % 4], i * 31 % 50000 FROM generate_series(1, 20000) AS i`,
  `INSERT INTO order_lines SELECT i, 1 + i % 20000, 1 + i * 13 % 500, 1 + i % 5 FROM generate_series(1, 60000) AS i`,
  'CREATE INDEX ON orders (customer_id)',
  'CREATE INDEX ON order_lines (order_id)',
  'CREATE INDEX ON order_lines (product_id)',
];
