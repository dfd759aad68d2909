/** `pgfresh serve`: runs until SIGTERM or SIGINT; a second signal ends it at once. */
import { monotonicClock } from '../../shared/clock.ts';
import type { Config } from '../../shared/config.ts';
import { createLogger } from '../../shared/log.ts';
import { collectWhenSettled } from '../../shared/settled-heap.ts';
import { type RunningProxy, startProxy } from '../main.ts';
import { describeUpstream } from '../origin.ts';
import { trimRegularly, whenSettled } from '../process-memory.ts';
import { usesTlsFiles } from '../tls-material.ts';
import { version } from '../version.ts';

export async function serve(config: Config): Promise<void> {
  const log = createLogger(config, 'main');
  const proxy = await startProxy(config, {
    clock: monotonicClock,
    log,
    onReady: (address) => {
      whenSettled();
      collectWhenSettled();
      trimRegularly();
      process.stdout.write(`pgfresh ready on ${address}\n`);
    },
  });
  const { addresses, unixPath } = proxy.listener;
  const admin = proxy.admin?.address;
  log.info({ version, addresses, unixPath, admin, origin: describeUpstream(config.upstream) }, 'accepting');
  endOnSignal(proxy);
  // Without files to read again, a hangup means what it means by default.
  if (usesTlsFiles(config)) process.on('SIGHUP', () => void proxy.reloadTls());
}

/** First signal: drain, exit 0. Second: at once, exit 1. */
export function endOnSignal(
  proxy: Pick<RunningProxy, 'stop'>,
  afterwards: () => Promise<void> = async () => undefined,
): void {
  let ending = false;
  const end = (): void => {
    if (ending) process.exit(1);
    ending = true;
    void proxy
      .stop()
      .then(afterwards)
      .finally(() => process.exit(0));
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}
