import type { BenchCase } from '../case.ts';
import { shopSql } from '../data.ts';
import { direct } from '../peers/direct.ts';
import { pgfreshOne } from '../peers/pgfresh.ts';
import { pgpool } from '../peers/pgpool.ts';

/** Ten shapes by name; `:id` is one of 200 customers. */
const shapes: Readonly<Record<string, string>> = {
  'primary key': 'SELECT name, city FROM customers WHERE id = :id',
  'secondary index': 'SELECT id, total FROM orders WHERE customer_id = :id',
  in: 'SELECT id, name FROM customers WHERE id IN (:id, :id + 1, :id + 2, :id + 3)',
  'order by limit': 'SELECT id, total FROM orders WHERE customer_id = :id ORDER BY total DESC LIMIT 5',
  count: 'SELECT count(*) FROM orders WHERE customer_id = :id',
  'group by':
    'SELECT status, count(*), sum(total) FROM orders WHERE customer_id BETWEEN :id AND :id + 20 GROUP BY status',
  'two-table join':
    'SELECT c.name, o.id, o.total FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id = :id',
  'three-table join': `SELECT o.id, p.name, l.quantity FROM orders o JOIN order_lines l ON l.order_id = o.id
    JOIN products p ON p.id = l.product_id WHERE o.customer_id = :id`,
  exists: `SELECT c.id, c.name FROM customers c WHERE c.id BETWEEN :id AND :id + 50
    AND EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.status = 'back')`,
  'sub-query': `SELECT id, total FROM orders WHERE customer_id = :id
    AND total > (SELECT avg(total) FROM orders WHERE customer_id = :id)`,
};

const quickShapes = new Set(['primary key', 'three-table join']);

export const shapesCase: BenchCase = {
  name: 'shapes',
  shows:
    'Ten shapes of statements, from the look-up by key to a join of three tables, each with 200 parameter values: all hits cost the same.',
  setup: shopSql,
  unit: 'rate',
  peers: ({ quick }) => (quick ? [direct, pgfreshOne] : [direct, pgpool, pgfreshOne]),
  cells: Object.entries(shapes).map(([name, sql]) => ({
    name,
    load: { mode: 'prepared', clients: 8, transport: 'tcp', scripts: [{ sql: `\\set id random(1, 200)\n${sql};` }] },
    quick: quickShapes.has(name),
  })),
};
