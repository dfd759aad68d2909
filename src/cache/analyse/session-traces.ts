/**
 * What statements leave behind in the session that runs them, as far as transaction pooling cares (ADR-020): settings can be carried to another
 * connection, everything else keeps the session on its own.
 */
import type { CreateStmt, DeclareCursorStmt, Node, VariableSetStmt } from 'libpg-query';
import type { PinReason } from '../../shared/reasons.ts';
import { type Effects, harmless } from './verdict.ts';

const CURSOR_OPT_HOLD = 0x20;

/** Functions of PostgreSQL's own that leave something, or show what another connection does not have. */
const traces: ReadonlyMap<string, PinReason> = new Map([
  ['nextval', 'pool.sequence'],
  ['setval', 'pool.sequence'],
  ['currval', 'pool.sequence'],
  ['lastval', 'pool.sequence'],
  ['setseed', 'pool.settings'],
  ['pg_backend_pid', 'pool.backend'],
  ['pg_listening_channels', 'pool.listen'],
  ['pg_prepared_statement', 'pool.prepare'],
  ['pg_advisory_lock', 'pool.advisoryLock'],
  ['pg_advisory_lock_shared', 'pool.advisoryLock'],
  ['pg_try_advisory_lock', 'pool.advisoryLock'],
  ['pg_try_advisory_lock_shared', 'pool.advisoryLock'],
]);

/** Views of the catalog that show the connection itself. */
const viewTraces: ReadonlyMap<string, PinReason> = new Map([
  ['pg_prepared_statements', 'pool.prepare'],
  ['pg_cursors', 'pool.cursor'],
]);

const roleSettings: ReadonlySet<string> = new Set(['role', 'session_authorization']);

export function callLeaves(name: string): PinReason | null {
  return traces.get(name) ?? null;
}

export function viewLeaves(name: string | undefined): PinReason | null {
  return viewTraces.get(name ?? '') ?? null;
}

/** A setting given a value: for the transaction it is over with that, but a name with a dot is defined from then on. */
function changed(name: string, isLocal: boolean): Effects {
  const setting = name.toLowerCase();
  const pin: PinReason | null = isLocal ? null : roleSettings.has(setting) ? 'pool.role' : null;
  return {
    ...{ ...harmless, changesContext: true, settings: [setting] },
    // `SET seed`: what random() gives next is no value that could be read.
    pin: setting === 'seed' ? 'pool.settings' : pin,
  };
}

/** `set_config(name, value, is_local)`: the name must be there to be read. */
export function setsSetting([name, , local]: readonly (Node | undefined)[]): Effects {
  const text = name !== undefined && 'A_Const' in name ? name.A_Const.sval?.sval : undefined;
  const isLocal = local !== undefined && 'A_Const' in local && local.A_Const.boolval?.boolval === true;
  if (text === undefined) return { ...harmless, changesContext: true, pin: 'pool.settings' };
  return changed(text, isLocal);
}

/** SET and RESET. What SESSION CHARACTERISTICS and RESET ALL change is read from the origin afterwards. */
export function setLeaves({ name, kind, is_local: isLocal }: VariableSetStmt): Pick<Effects, 'pin' | 'settings'> {
  if (name === undefined || kind === 'VAR_SET_MULTI' || kind === 'VAR_RESET_ALL') return { pin: null, settings: [] };
  const isBack = kind === 'VAR_RESET' || kind === 'VAR_SET_DEFAULT';
  // Back to what it was: only a session that has left it has something to go back from.
  const { pin, settings } = changed(name, isLocal === true || isBack);
  return { pin, settings };
}

/** WITH HOLD: it outlives its transaction. */
export function cursorLeaves({ options }: DeclareCursorStmt): PinReason | null {
  return ((options ?? 0) & CURSOR_OPT_HOLD) === 0 ? null : 'pool.cursor';
}

/** DDL of which something is known; else an event trigger may do anything. */
export function definitionLeaves(kind: string, value: unknown): PinReason {
  if (kind === 'LoadStmt') return 'pool.load';
  const isTemporary = kind === 'CreateStmt' && (value as CreateStmt).relation?.relpersistence === 't';
  return isTemporary ? 'pool.temporary' : 'pool.unknown';
}
