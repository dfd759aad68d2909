/** Whether our connections have reached one server. */
import type { Catalog } from './catalog.ts';
import { originFacts } from './catalog-query.ts';
import type { SqlPort } from './control-connection.ts';
import type { StreamIdentity } from './replication.ts';
import { StreamError } from './stream-error.ts';

/**
 * The stream and the rounds must come from the server whose catalog was read: behind one name there may be several, as a primary and the
 * standby that was promoted in its place, which have one system identifier (C9).
 * @returns what names the history that the server's transaction ids are of. @throws StreamError
 */
export async function eraOfOneServer(
  { systemIdentifier, postmasterStart }: Catalog,
  { systemId, timeline, postmasterStart: streamStart }: StreamIdentity,
  rounds: SqlPort,
): Promise<string> {
  const facts = [originFacts.postmasterStart, 'pg_catalog.pg_is_in_recovery()', originFacts.statisticsReset];
  const [row] = await rounds.query(`SELECT ${facts.join(', ')}`);
  const isSame =
    (systemIdentifier === null || systemIdentifier === systemId) &&
    streamStart === postmasterStart &&
    row![0] === postmasterStart &&
    row![1] === 'f';
  if (isSame) return `${systemId} ${timeline} ${streamStart} ${row![2]}`;
  const which = `system ${systemId}, timeline ${timeline}`;
  throw new StreamError(
    'OTHER_SERVER',
    `our connections reached different servers (the change stream: ${which})`,
    null,
  );
}
