/** `pgfresh doctor`: what the origin needs, what is left on it, which tables cannot be cached; each with the remedy. Exit code 1 on a fault. */
import type pg from 'pg';
import type { Config } from '../../shared/config.ts';
import { ddlTriggerSql } from '../../shared/ddl-trigger.ts';
import { type Check, diagnose } from '../../shared/diagnose.ts';
import type { StatusDocument } from '../admin/report.ts';
import { findLeftovers, type Leftovers } from '../leftovers.ts';
import { describeUpstream, withOrigin } from '../origin.ts';
import { installDdlTrigger, uninstallDdlTrigger } from './ddl-trigger.ts';
import { redisLines } from './doctor-redis.ts';

interface PlainTable {
  readonly name: string;
  readonly kind: string;
}

/** Ordinary tables of users whose UPDATE and DELETE the stream could not describe, and those that are in no stream. */
const uncacheableSql = `SELECT c.oid::regclass::text AS name, CASE WHEN c.relpersistence = 'u' THEN 'unlogged' ELSE 'identity' END AS kind
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname NOT LIKE 'pg\\_toast%'
    AND (c.relpersistence = 'u' OR c.relreplident = 'n'
      OR c.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
      OR c.relreplident = 'i' AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisreplident))
  ORDER BY 1`;

export interface DoctorOptions {
  /** The event triggers for DDL: put in, taken out, or left as they are. */
  readonly ddlTrigger?: 'install' | 'uninstall';
}

export async function doctor(config: Config, { ddlTrigger }: DoctorOptions = {}): Promise<void> {
  if (ddlTrigger !== undefined) {
    const { user } = config.cdcUpstream;
    await withOrigin(config.cdcUpstream, config.limits.originConnectTimeoutMs, (client) =>
      ddlTrigger === 'install' ? installDdlTrigger(client, user) : uninstallDdlTrigger(client, user),
    );
    return;
  }
  const connectMsMax = config.limits.originConnectTimeoutMs;
  const report = await withOrigin(config.cdcUpstream, connectMsMax, async (client) => ({
    checks: await diagnose((sql) => texts(client, sql), 'pgfresh_doctor'),
    hasDdlTrigger: (await texts(client, ddlTriggerSql))[0]?.[0] === 't',
    tables: (await client.query<PlainTable>(uncacheableSql)).rows,
    leftovers: await findLeftovers(client),
  }));
  const lines = [
    `origin ${describeUpstream(config.cdcUpstream)}, database ${config.cdcUpstream.database}`,
    ...report.checks.filter(({ name }) => name !== 'publication').flatMap(checkLines),
    ddlTriggerLine(report.hasDdlTrigger),
    ...tableLines(report.tables),
    ...(await impreciseLines(config.admin)),
    ...(await redisLines(config.tier2)),
    ...leftoverLines(report.leftovers),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  if (report.checks.some(({ ok }) => !ok)) process.exitCode = 1;
}

async function texts(client: pg.Client, sql: string): Promise<(string | null)[][]> {
  const types = { getTypeParser: () => (text: string) => text };
  const { rows } = await client.query<(string | null)[]>({ text: sql, rowMode: 'array', types });
  return rows;
}

function checkLines({ name, ok, found, remedy }: Check): string[] {
  const line = `${ok ? '  ok  ' : 'FAULT '} ${name}: ${found}`;
  return ok ? [line] : [line, `         remedy: ${remedy}`];
}

function ddlTriggerLine(has: boolean): string {
  return has
    ? '  ok   DDL tells of itself (event trigger pgfresh_ddl)'
    : '  note DDL is noticed a round later; pgfresh doctor --install makes an event trigger that tells of it (superuser)';
}

function tableLines(tables: readonly PlainTable[]): string[] {
  if (tables.length === 0) return ['  ok   every table has a replica identity'];
  return tables.map(({ name, kind }) =>
    kind === 'unlogged'
      ? `  note ${name}: not cached, unlogged; remedy: ALTER TABLE ${name} SET LOGGED`
      : `  note ${name}: not cached, no replica identity; remedy: add a primary key, or ALTER TABLE ${name} REPLICA IDENTITY FULL`,
  );
}

const statusMsMax = 1_000;

/** What a pgfresh that runs here with this configuration has counted; nothing when none answers. */
async function impreciseLines(admin: Config['admin']): Promise<string[]> {
  if (admin === undefined) return [];
  const host = admin.host.includes(':') ? `[${admin.host}]` : admin.host;
  const signal = AbortSignal.timeout(statusMsMax);
  const tables = await fetch(`http://${host}:${admin.port}/status`, { signal })
    .then((response) => response.json() as Promise<Partial<StatusDocument>>)
    .then((status) => status.tables?.imprecise ?? [])
    .catch((): StatusDocument['tables']['imprecise'] => []);
  return tables.map(
    ({ table, changes, entries, remedy }) =>
      `  note ${table}: ${changes} changes without a whole old row invalidated ${entries} answers that may have been right; remedy: ${remedy}`,
  );
}

function leftoverLines({ slots, publications, inUse }: Leftovers): string[] {
  return [
    ...slots.map((name) => `  note slot ${name} is used by nobody and holds back WAL; remedy: pgfresh cleanup`),
    ...publications.map((name) => `  note publication ${name} is used by nobody; remedy: pgfresh cleanup`),
    ...inUse.map((name) => `  ok   ${name} is in use`),
  ];
}
