import pg from 'pg';
import { expect, inject, it } from 'vitest';
import { formatLsn, parseLsn } from '../../src/shared/lsn.ts';

it('prints and reads positions as the origin does', async () => {
  expect(formatLsn(parseLsn('16/B374D848'))).toBe('16/B374D848');
  const client = new pg.Client({ connectionString: inject('pg18') });
  await client.connect();
  const { rows } = await client.query('SELECT pg_current_wal_lsn()::text AS lsn');
  await client.end();
  expect(formatLsn(parseLsn(rows[0].lsn))).toBe(rows[0].lsn);
});

it('refuses what is no position', () => {
  expect(() => parseLsn('16')).toThrow(RangeError);
  expect(() => parseLsn('16/B374D8481')).toThrow(RangeError);
});
