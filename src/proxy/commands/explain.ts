/** `pgfresh explain "SQL"`: starts a cache thread as `serve` would, asks it, and removes what it made on the origin. */
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicClock } from '../../shared/clock.ts';
import type { Config } from '../../shared/config.ts';
import { CONTROL_BYTES } from '../../shared/memory/layout.ts';
import type { CacheControl, Explanation } from '../../shared/messages.ts';
import { withOrigin } from '../origin.ts';
import { within } from '../supervised.ts';
import { spawnThread, type Thread, threadFile } from '../thread.ts';

const startMsMax = 30_000;
const streamMsMax = 15_000;
const stopMsMax = 5_000;
const pollMs = 50;
/** The store is not used: the least there is. */
const memoryBytes = 4 * 2 ** 20;

export async function explain(config: Config, sql: string, json: boolean): Promise<void> {
  await withOrigin(config.upstream, config.limits.originConnectTimeoutMs, async () => undefined);
  const cache = await spawnThread<CacheControl>({
    name: 'cache',
    file: threadFile('cache'),
    startTimeoutMs: startMsMax,
  });
  try {
    const small = { ...config, cache: { ...config.cache, memoryBytes, entryBytesMax: memoryBytes / 4 } };
    const control = new SharedArrayBuffer(CONTROL_BYTES);
    const nodeName = `explain_${process.pid}`;
    await within(cache.calls.start({ generation: 1, config: small, control, nodeName }), startMsMax, 'start');
    await untilConnected(cache);
    const explanation = await cache.calls.explain(sql);
    process.stdout.write(json ? `${JSON.stringify(explanation)}\n` : readable(explanation));
    await within(cache.calls.stop(), stopMsMax, 'removing the publication');
  } finally {
    await cache.terminate();
  }
}

/** Until the catalog is known: with a stream, or without one when the origin cannot give it. */
async function untilConnected(cache: Thread<CacheControl>): Promise<void> {
  const deadlineMs = monotonicClock.nowMs() + streamMsMax;
  for (;;) {
    const { cdc } = await cache.calls.status();
    if (cdc.state === 'streaming' || cdc.state === 'failed' || monotonicClock.nowMs() > deadlineMs) return;
    await delay(pollMs);
  }
}

function readable(explanation: Explanation): string {
  const { cacheable, reason, meaning, detail, remedy, relations, constraints, readOnly, writes } = explanation;
  const settings = explanation.keySettings.map(({ name }) => name).join(', ');
  const lines = [
    cacheable ? 'cacheable' : `not cacheable: ${reason === null ? detail : `${reason} (${meaning})`}`,
    detail === '' || (reason === null && !cacheable) ? '' : `  detail       ${detail}`,
    remedy === null ? '' : `  remedy       ${remedy}`,
    relations.length === 0 ? '' : `  reads        ${relations.join(', ')}`,
    ...constraints.map((constraint) => `  depends on   ${constraint}`),
    readOnly ? '' : `  writes       ${typeof writes === 'string' ? writes : writes.join(', ')}`,
    cacheable && settings !== '' ? `  shared by    sessions that agree in ${settings}` : '',
  ];
  return `${lines.filter(Boolean).join('\n')}\n`;
}
