/** PostgreSQL itself. */
import type { PeerSpec } from '../case.ts';

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
