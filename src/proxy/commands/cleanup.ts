/** `pgfresh cleanup`: removes from the origin's database what a pgfresh that was killed left there. */
import type { Config } from '../../shared/config.ts';
import { dropPublication, dropSlot, findLeftovers } from '../leftovers.ts';
import { withOrigin } from '../origin.ts';
import { removeDdlTrigger } from './ddl-trigger.ts';

export async function cleanup(config: Config): Promise<void> {
  await withOrigin(config.cdcUpstream, config.limits.originConnectTimeoutMs, async (client) => {
    const { slots, publications, inUse } = await findLeftovers(client);
    const say = (line: string): boolean => process.stdout.write(`${line}\n`);
    for (const name of slots) {
      await dropSlot(client, name);
      say(`dropped slot ${name}`);
    }
    for (const name of publications) {
      await dropPublication(client, name);
      say(`dropped publication ${name}`);
    }
    for (const name of inUse) say(`left alone, in use: ${name}`);
    const removed = inUse.length === 0 && (await removeDdlTrigger(client, config.cdcUpstream.user));
    if (slots.length + publications.length === 0 && !removed)
      say(`nothing to remove in database ${config.cdcUpstream.database}`);
  });
}
