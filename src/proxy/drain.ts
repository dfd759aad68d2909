/**
 * An orderly end: no new connections, running statements finish within the grace, the origin is left as it was found.
 * Every step is bounded, and a step that fails does not keep the next from happening.
 */
import type { Config } from '../shared/config.ts';
import type { Logger } from '../shared/log.ts';
import type { Admin } from './admin/http.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Listener } from './listener.ts';
import { within } from './supervised.ts';
import type { Supervisor } from './supervisor.ts';

/** Beyond the grace, for workers to say that they are done. */
const workerAnswerMs = 1_000;
/** For the cache thread to drop its publication and slot. */
const originCleanupMs = 5_000;
const closeMs = 2_000;

export interface DrainParts {
  readonly config: Config;
  readonly listener: Listener;
  readonly dispatcher: Dispatcher;
  readonly supervisor: Supervisor;
  readonly admin: Admin | undefined;
  readonly log: Logger;
}

/** Never rejects. */
export async function drain(parts: DrainParts): Promise<void> {
  const { config, listener, dispatcher, supervisor, admin, log } = parts;
  const { graceMs } = config.drain;
  const step = async (what: string, msMax: number, work: () => Promise<unknown>): Promise<void> => {
    try {
      await within(work(), msMax, what);
    } catch (err) {
      log.warn({ err }, `shutdown: ${what} did not complete`);
    }
  };
  log.info({ graceMs, sessions: supervisor.counters.total('sessionsOpen') }, 'draining');
  const listenerClosed = listener.close();
  dispatcher.close();
  await step('draining sessions', graceMs + workerAnswerMs, () => supervisor.drainWorkers(graceMs));
  if (supervisor.cacheRuns()) {
    await step('removing publication and slot', originCleanupMs, async () => supervisor.cacheCalls().stop());
  }
  await step('ending threads', closeMs, () => supervisor.stop());
  await step('closing the listeners', closeMs, () => listenerClosed);
  if (admin !== undefined) await step('closing the admin page', closeMs, () => admin.close());
  log.info('stopped');
}
