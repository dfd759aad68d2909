/** What pgfresh made on the origin and nobody uses any more: after SIGKILL a publication, with `cdc.slot` also a slot. */
import type pg from 'pg';

export interface Leftovers {
  /** Logical slots named pgfresh_* of this database that no connection uses; such a slot holds back WAL. */
  readonly slots: readonly string[];
  /** Publications named pgfresh_* of this database that no change stream reads. */
  readonly publications: readonly string[];
  /** The same, in use: left alone. */
  readonly inUse: readonly string[];
}

const slotsSql = `SELECT slot_name AS name, active FROM pg_catalog.pg_replication_slots
  WHERE slot_name LIKE 'pgfresh\\_%' AND database = pg_catalog.current_database() ORDER BY 1`;

/** A walsender's query text is its START_REPLICATION command, which names the publications that it reads. */
const publicationsSql = `SELECT p.pubname AS name, EXISTS (
    SELECT FROM pg_catalog.pg_stat_activity a
    WHERE a.backend_type = 'walsender' AND a.query LIKE 'START_REPLICATION%' AND strpos(a.query, p.pubname) > 0
  ) AS active
  FROM pg_catalog.pg_publication p WHERE p.pubname LIKE 'pgfresh\\_%' ORDER BY 1`;

interface Found {
  readonly name: string;
  readonly active: boolean;
}

export async function findLeftovers(client: pg.Client): Promise<Leftovers> {
  const slots = (await client.query<Found>(slotsSql)).rows;
  const publications = (await client.query<Found>(publicationsSql)).rows;
  const names = (rows: readonly Found[], active: boolean): string[] =>
    rows.filter((row) => row.active === active).map(({ name }) => name);
  return {
    slots: names(slots, false),
    publications: names(publications, false),
    inUse: [...names(slots, true), ...names(publications, true)],
  };
}

export async function dropSlot(client: pg.Client, name: string): Promise<void> {
  await client.query('SELECT pg_catalog.pg_drop_replication_slot($1)', [name]);
}

export async function dropPublication(client: pg.Client, name: string): Promise<void> {
  await client.query(`DROP PUBLICATION IF EXISTS ${client.escapeIdentifier(name)}`);
}
