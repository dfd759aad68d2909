/**
 * The event trigger that `pgfresh doctor --install` puts into a database (ADR-014): DDL then tells of itself on the change stream, at its commit,
 * and a table that loses its replica identity leaves pgfresh's publications in the same transaction, before a write of it can fail (C23).
 * Everything works without it, only a round later. Manual: Event Triggers; Replication Management Functions.
 */
import { identitySql } from './replica-identity.ts';

/** Prefix of the logical messages that the trigger emits. */
export const DDL_MESSAGE_PREFIX = 'pgfresh.ddl';

const SCHEMA = 'pgfresh';
const TRIGGERS = { ddl: 'pgfresh_ddl', drop: 'pgfresh_drop' } as const;

/** One row, one column: whether the triggers are there and enabled for every session. */
export const ddlTriggerSql = `SELECT pg_catalog.count(*) = 2 FROM pg_catalog.pg_event_trigger
  WHERE evtname IN ('${TRIGGERS.ddl}', '${TRIGGERS.drop}') AND evtenabled = 'A'`;

/** A row for each trigger, enabled or not. */
export const findDdlTriggerSql = `SELECT evtname FROM pg_catalog.pg_event_trigger
  WHERE evtname IN ('${TRIGGERS.ddl}', '${TRIGGERS.drop}')`;

/** Nothing in it may make the DDL fail that it is called for. Our own changes of publications, and what changes no answer, are no news. */
const functionBody = (isNews: string): string => `
DECLARE unfit record;
BEGIN
  IF tg_tag IN ('CREATE PUBLICATION', 'ALTER PUBLICATION', 'DROP PUBLICATION', 'COMMENT', 'SECURITY LABEL') THEN RETURN; END IF;
  IF NOT ${isNews} THEN RETURN; END IF;
  FOR unfit IN SELECT p.pubname, n.nspname, c.relname
    FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
    JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE p.pubname LIKE 'pgfresh\\_%' AND c.relkind = 'r' AND NOT ${identitySql}
  LOOP
    EXECUTE format('ALTER PUBLICATION %I DROP TABLE ONLY %I.%I', unfit.pubname, unfit.nspname, unfit.relname);
  END LOOP;
  PERFORM pg_logical_emit_message(true, '${DDL_MESSAGE_PREFIX}', tg_tag);
EXCEPTION WHEN OTHERS THEN
  RAISE DEBUG 'pgfresh: %', SQLERRM;
END`;

const makeFunction = (name: string, isNews: string): string =>
  `CREATE OR REPLACE FUNCTION ${SCHEMA}.${name}() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $pgfresh$${functionBody(isNews)} $pgfresh$`;

const makeTrigger = (name: string, event: string, functionName: string): string[] => [
  `DROP EVENT TRIGGER IF EXISTS ${name}`,
  `CREATE EVENT TRIGGER ${name} ON ${event} EXECUTE FUNCTION ${SCHEMA}.${functionName}()`,
  `ALTER EVENT TRIGGER ${name} ENABLE ALWAYS`,
];

/** To be run in one transaction, by a superuser (who may make event triggers). The triggers come last: they see nothing of their own making. */
export const installStatements: readonly string[] = [
  `CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`,
  // Temporary objects come and go all day; sessions that have some are not served.
  makeFunction(
    'ddl_end',
    `EXISTS (SELECT FROM pg_event_trigger_ddl_commands() d WHERE d.schema_name IS DISTINCT FROM 'pg_temp')`,
  ),
  makeFunction('dropped', 'EXISTS (SELECT FROM pg_event_trigger_dropped_objects() d WHERE NOT d.is_temporary)'),
  ...makeTrigger(TRIGGERS.ddl, 'ddl_command_end', 'ddl_end'),
  ...makeTrigger(TRIGGERS.drop, 'sql_drop', 'dropped'),
];

export const uninstallStatements: readonly string[] = [
  `DROP EVENT TRIGGER IF EXISTS ${TRIGGERS.ddl}`,
  `DROP EVENT TRIGGER IF EXISTS ${TRIGGERS.drop}`,
  `DROP FUNCTION IF EXISTS ${SCHEMA}.ddl_end(), ${SCHEMA}.dropped()`,
  // Refused when somebody keeps something of theirs there.
  `DO $$ BEGIN DROP SCHEMA IF EXISTS ${SCHEMA} RESTRICT; EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END $$`,
];
