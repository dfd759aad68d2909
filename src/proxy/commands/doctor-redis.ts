/** Whether the Redis of several nodes answers (ADR-025): a note and no fault, since a node does without. */
import { once } from 'node:events';
import type { SecondTierConfig } from '../../shared/config.ts';
import { toError } from '../../shared/errors.ts';
import { connectRedis } from '../../shared/redis-client.ts';

const answerMsMax = 2_000;

export async function redisLines(tier2: SecondTierConfig | null): Promise<string[]> {
  if (tier2 === null) return [];
  const name = `redis ${tier2.nodes.map(({ host, port }) => `${host}:${port}`).join(', ')}`;
  // Not with the impatience of a statement that waits.
  const client = connectRedis({ ...tier2, timeoutMs: answerMsMax });
  try {
    await once(client, 'ready', { signal: AbortSignal.timeout(answerMsMax) });
    return [`  ok   ${name} answers`];
  } catch (thrown) {
    return [
      `  note ${name} does not answer (${problemOf(toError(thrown))}), so nodes share no answers; remedy: start it, or correct tier2.redis`,
    ];
  } finally {
    client.on('error', () => undefined);
    client.disconnect();
  }
}

/** That of the node, where a cluster only says that it has none. */
function problemOf(error: Error & { readonly lastNodeError?: Error }): string {
  if (error.name === 'AbortError') return `nothing in ${answerMsMax} ms`;
  return (error.lastNodeError ?? error).message;
}
