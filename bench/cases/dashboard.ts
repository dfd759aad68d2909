import type { BenchCase } from '../case.ts';
import { shopSql } from '../data.ts';
import { direct } from '../peers/direct.ts';
import { everyPgfresh } from '../peers/pgfresh.ts';
import { pgpool } from '../peers/pgpool.ts';

const statements = [
  'SELECT count(*), sum(total) FROM orders',
  'SELECT status, count(*) FROM orders GROUP BY status ORDER BY status',
  "SELECT count(*) FROM orders WHERE placed_on >= DATE '2025-06-01'",
  `SELECT p.name, sum(l.quantity) FROM order_lines l JOIN products p ON p.id = l.product_id
     GROUP BY p.name ORDER BY 2 DESC, 1 LIMIT 10`,
  `SELECT c.city, sum(o.total) FROM orders o JOIN customers c ON c.id = o.customer_id
     GROUP BY c.city ORDER BY 2 DESC, 1 LIMIT 10`,
  'SELECT id, customer_id, total FROM orders ORDER BY total DESC, id LIMIT 20',
  'SELECT category, count(*), avg(price) FROM products GROUP BY category ORDER BY category',
  `SELECT count(*) FROM customers c WHERE NOT EXISTS
     (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.status = 'new')`,
];

export const dashboard: BenchCase = {
  name: 'dashboard',
  shows: 'A page of eight statements over whole tables, loaded by 8 clients; the figure is pages, not statements.',
  setup: shopSql,
  unit: 'rate',
  peers: ({ workers, quick }) =>
    quick ? [direct, ...everyPgfresh(workers.slice(0, 1))] : [direct, pgpool, ...everyPgfresh(workers)],
  cells: (['simple', 'prepared'] as const).map((mode) => ({
    name: mode,
    load: { mode, clients: 8, transport: 'tcp', scripts: [{ sql: statements.map((sql) => `${sql};`).join('\n') }] },
    quick: mode === 'prepared',
  })),
};
