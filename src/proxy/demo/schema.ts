/** The sample shop: 105,000 rows, made by the server itself in a second or two. */
export const schemaSql = `
CREATE TABLE customers (
  id int PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, country text NOT NULL);
CREATE TABLE products (
  id int PRIMARY KEY, name text NOT NULL, category text NOT NULL, price numeric(8,2) NOT NULL, stock int NOT NULL);
CREATE TABLE orders (
  id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, status text NOT NULL, ordered_at timestamptz NOT NULL);
CREATE TABLE order_items (
  order_id int REFERENCES orders, line int, product_id int NOT NULL REFERENCES products, quantity int NOT NULL,
  PRIMARY KEY (order_id, line));

INSERT INTO customers SELECT i, 'Customer ' || i, 'customer' || i || '@example.com', (ARRAY['DE','FR','GB','JP','US'])[1 + i % 5]
  FROM generate_series(1, 10000) i;
INSERT INTO products SELECT i, 'Product ' || i, (ARRAY['books','garden','kitchen','music','tools'])[1 + i % 5],
  round((5 + i % 200 + (i % 10) / 10.0)::numeric, 2), 10 + i % 90 FROM generate_series(1, 5000) i;
INSERT INTO orders SELECT i, 1 + i * 7919 % 10000, (ARRAY['new','paid','shipped','done'])[1 + i % 4],
  timestamptz '2026-01-01' + i * interval '7 minutes' FROM generate_series(1, 30000) i;
INSERT INTO order_items SELECT o, line, 1 + (o * 31 + line * 977) % 5000, 1 + o % 3
  FROM generate_series(1, 30000) o, generate_series(1, 2) line;
CREATE INDEX ON orders (customer_id);
CREATE INDEX ON order_items (product_id);
ANALYZE;
`;
