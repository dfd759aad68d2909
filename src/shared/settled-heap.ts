/** The heap of a thread that has loaded what it needs. ADR-026. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Limits } from './limits.ts';

/**
 * One full collection (14 to 22 ms, once). Before its first, V8 lets a heap grow to several times what is alive, whatever the limits are, and gives
 * nothing back while the thread is idle; from it on it does both.
 */
export function collectWhenSettled(): void {
  setTimeout(() => {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
  }, Limits.heapSettledMs).unref();
}
