/** PostgreSQL itself. */
import type { PeerSpec } from '../case.ts';
import { startOrigin } from '../origin.ts';

export const direct: PeerSpec = {
  name: 'direct',
  start: async ({ origin }) => ({
    name: 'direct',
    version: `PostgreSQL ${origin.fullVersion}`,
    child: null,
    port: origin.port,
    unixFolder: origin.unixFolder,
    stop: async () => undefined,
  }),
};

/**
 * A server of its own with the same settings and tables: nobody reads its changes, so those who read the origin's may run on beside it, and stay warm.
 * @param setup of the case
 */
export const directApart = (setup: readonly string[]): PeerSpec => ({
  name: 'direct',
  async start({ household, origin: { version }, database }) {
    const origin = await startOrigin(household, version);
    await origin.createDatabase(database, setup);
    const { fullVersion, port, unixFolder } = origin;
    const stop = () => origin.stop();
    return { name: 'direct', version: `PostgreSQL ${fullVersion}`, child: null, origin, port, unixFolder, stop };
  },
});
