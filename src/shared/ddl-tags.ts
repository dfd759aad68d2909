/** Command tags of DDL, by what has to be done about it. Manual: Event Trigger Firing Matrix. */

/** It mostly changes nothing of what a statement means. A round says what it was, and comes once the commit is visible. */
export const rowsOnlyTags: ReadonlySet<string> = new Set([
  ...['REFRESH MATERIALIZED VIEW', 'CREATE INDEX', 'DROP INDEX', 'ALTER INDEX', 'REINDEX'],
]);

/** It may take the replica identity from a table that goes on existing; what is dropped may have columns and indexes that go with it (CASCADE). */
export const identityTags: ReadonlySet<string> = new Set([
  ...['ALTER TABLE', 'DROP INDEX', 'DROP TYPE', 'DROP DOMAIN', 'DROP COLLATION', 'DROP FUNCTION', 'DROP SCHEMA'],
  ...['DROP EXTENSION', 'DROP OWNED', 'DROP OPERATOR CLASS', 'DROP OPERATOR FAMILY', 'DROP ACCESS METHOD'],
]);
