/** `pgfresh doctor --install` and `--uninstall`: the event trigger by which DDL tells of itself (shared/ddl-trigger.ts). Says what it does. */
import type pg from 'pg';
import { findDdlTriggerSql, installStatements, uninstallStatements } from '../../shared/ddl-trigger.ts';
import { ConfigError } from '../../shared/errors.ts';

const say = (line: string): boolean => process.stdout.write(`${line}\n`);

/** @throws ConfigError with the statements when the role may not. */
export async function installDdlTrigger(client: pg.Client, role: string): Promise<void> {
  await requireSuperuser(client, role, installStatements, 'installs');
  say('installing the event triggers pgfresh_ddl and pgfresh_drop, with two functions in schema pgfresh:');
  await runAll(client, installStatements);
  say(
    'installed: DDL now empties the cache at its commit, and a table that loses its key leaves the publication at once',
  );
}

export async function uninstallDdlTrigger(client: pg.Client, role: string): Promise<void> {
  await requireSuperuser(client, role, uninstallStatements, 'removes');
  await runAll(client, uninstallStatements);
  say('removed the event triggers pgfresh_ddl and pgfresh_drop and their functions');
}

/** For `cleanup`: whether there was one, and it is gone. */
export async function removeDdlTrigger(client: pg.Client, role: string): Promise<boolean> {
  const { rowCount } = await client.query(findDdlTriggerSql);
  if (rowCount === 0) return false;
  await uninstallDdlTrigger(client, role);
  return true;
}

async function runAll(client: pg.Client, statements: readonly string[]): Promise<void> {
  for (const statement of statements) say(`  ${statement.split('\n')[0]}`);
  await client.query(['BEGIN', ...statements, 'COMMIT'].join(';\n'));
}

async function requireSuperuser(
  client: pg.Client,
  role: string,
  statements: readonly string[],
  what: string,
): Promise<void> {
  const { rows } = await client.query<{ super: boolean }>(
    'SELECT rolsuper AS super FROM pg_catalog.pg_roles WHERE rolname = current_user',
  );
  if (rows[0]?.super === true) return;
  const sql = statements.map((statement) => `${statement};`).join('\n');
  say(`-- a superuser ${what} the event triggers with\n${sql}`);
  throw new ConfigError(`only a superuser may make or remove event triggers, and ${role} is none`);
}
