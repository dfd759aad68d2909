/** Three lines that show what pgfresh does, from what really happened on a connection through it. */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Clock } from '../../shared/clock.ts';

export interface TourPorts {
  readonly clock: Clock;
  /** Statements answered from the cache so far. */
  hits(): number;
}

const read = 'SELECT name, price FROM products WHERE id = 42';
const attemptsMax = 100;
const pauseMs = 50;
const warmReads = 200;

interface Reading {
  readonly price: string;
  readonly hit: boolean;
  readonly ms: string;
}

/** @param url of pgfresh, with the sample shop behind it. */
export async function tour(url: string, admin: string, ports: TourPorts): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const first = await readOnce(client, ports);
    const hit = await readUntilHit(client, ports);
    const price = (Number(first.price) + 1).toFixed(2);
    await client.query(`UPDATE products SET price = ${price} WHERE id = 42`);
    const fresh = await readOnce(client, ports);
    return [
      `try it:  psql ${url}   (what hits and why not: ${admin})`,
      `read:    ${read}  →  ${first.price}: ${shown(first)}; again: ${shown(hit)}`,
      `write:   UPDATE products SET price = ${price} WHERE id = 42  →  the next read says ${fresh.price}, never ${first.price}`,
    ];
  } finally {
    await client.end();
  }
}

const shown = ({ hit, ms }: Reading): string => `${hit ? 'hit' : 'miss'} in ${ms} ms`;

async function readOnce(client: pg.Client, { clock, hits }: TourPorts): Promise<Reading> {
  const before = hits();
  const startMs = clock.nowMs();
  const { rows } = await client.query<{ price: string }>(read);
  const ms = (clock.nowMs() - startMs).toFixed(2);
  return { price: rows[0]!.price, hit: hits() > before, ms };
}

/** The first answers are misses until the statement is analysed, its table published and an answer taken in; the first hits warm up code. */
async function readUntilHit(client: pg.Client, ports: TourPorts): Promise<Reading> {
  let reading = await readOnce(client, ports);
  for (let attempt = 0; attempt < attemptsMax && !reading.hit; attempt++) {
    await delay(pauseMs);
    reading = await readOnce(client, ports);
  }
  for (let i = 0; i < warmReads; i++) reading = await readOnce(client, ports);
  return reading;
}
