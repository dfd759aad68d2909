// Lesson 18: a session out of step gives one question's answer to the next. Each question carries a nonce that must come back, under load,
// kills and cancels.
import pg from 'pg';
import { expect, it } from 'vitest';
import { announceSeed, seededRandom } from '../model/random.ts';
import { useProxy } from '../support/fixture.ts';
import { rowsOf } from '../support/origin-state.ts';

const proxy = useProxy(
  "CREATE TABLE t (id int PRIMARY KEY, note text); INSERT INTO t SELECT i, 'note ' || i FROM generate_series(1, 200) AS i",
);

it('every answer belongs to its question while sessions are cancelled and killed', async () => {
  const random = seededRandom(announceSeed('nonces'));
  let [answers, failures] = [0, 0];
  let running = true;
  const pids = new Set<number>();

  async function asker(label: number): Promise<void> {
    const dice = random.fork(label);
    while (running) {
      const client = new pg.Client({ connectionString: proxy.url });
      client.on('error', () => undefined);
      try {
        await client.connect();
        const pid = Number((await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid);
        pids.add(pid);
        for (let i = 0; i < 60 && running; i++) {
          const nonce = dice.below(1_000_000_000);
          const id = 1 + dice.below(200);
          const cached = dice.next() < 0.7;
          const query = cached
            ? client.query('SELECT id, note FROM t WHERE id = $1', [id])
            : client.query(`SELECT ${nonce} AS id, pg_sleep(0.002), 'note ${nonce}' AS note`);
          const { rows } = await query;
          const expected = cached ? id : nonce;
          expect([rows[0].id, rows[0].note]).toEqual([expected, `note ${expected}`]);
          answers++;
        }
        pids.delete(pid);
      } catch (error) {
        // A killed or cancelled session may fail, a wrong answer may not.
        if (error instanceof Error && error.name === 'AssertionError') throw error;
        failures++;
      } finally {
        await client.end().catch(() => undefined);
      }
    }
  }

  async function disturb(): Promise<void> {
    for (let i = 0; i < 120; i++) {
      const pid = [...pids][random.below(Math.max(1, pids.size))] ?? 0;
      const how = random.next() < 0.3 ? 'pg_terminate_backend' : 'pg_cancel_backend';
      await rowsOf(
        proxy.originUrl,
        `SELECT ${how}(pid) FROM pg_stat_activity WHERE pid = ${pid} AND datname = current_database()`,
      );
    }
    running = false;
  }

  await Promise.all([disturb(), ...[1, 2, 3, 4, 5, 6].map(asker)]);
  process.stdout.write(`nonces: ${answers} answers, ${failures} sessions disturbed\n`);
  expect(answers).toBeGreaterThan(500);
  expect(failures).toBeGreaterThan(0);
}, 120_000);
