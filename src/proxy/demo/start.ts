/**
 * `npm start`: pgfresh in front of an embedded PostgreSQL 18 with a sample shop, or of PGFRESH_UPSTREAM when that is set.
 * Ctrl-C ends both and leaves nothing behind.
 */
import { monotonicClock } from '../../shared/clock.ts';
import { PgfreshError, toError } from '../../shared/errors.ts';
import { createLogger } from '../../shared/log.ts';
import { endOnSignal } from '../commands/serve.ts';
import { loadConfig } from '../config.ts';
import { formatAddress } from '../config-text.ts';
import { type RunningProxy, startProxy } from '../main.ts';
import { type DemoOrigin, startDemoOrigin } from './origin.ts';
import { tour } from './tour.ts';

const say = (line: string): boolean => process.stdout.write(`${line}\n`);

let origin: DemoOrigin | undefined;
let starting: Promise<DemoOrigin> | undefined;
let proxy: RunningProxy | undefined;
let ending = false;

/** An origin that is being made is waited for: only then is it known what there is to remove. One that fails removes itself. */
async function stopAll(): Promise<void> {
  ending = true;
  await proxy?.stop();
  const made = await starting?.catch(() => undefined);
  await made?.stop();
}

/** Resolves with the URL of the origin; the embedded one is started when there is no other. */
async function originUrl(): Promise<string> {
  const given = process.env['PGFRESH_UPSTREAM'];
  if (given !== undefined && given !== '') return given;
  say('starting an embedded PostgreSQL 18 with a sample shop …');
  starting = startDemoOrigin();
  origin = await starting;
  return origin.url;
}

async function start(): Promise<void> {
  const upstream = await originUrl();
  if (ending) return;
  const config = loadConfig({
    flags: { upstream },
    // Ctrl-C reaches the embedded server too: that it goes away meanwhile is no news.
    env: { PGFRESH_LOG_LEVEL: origin === undefined ? 'info' : 'error', PGFRESH_WORKERS: '2', ...process.env },
    file: undefined,
    terminal: process.stderr.isTTY === true,
  });
  const log = createLogger(config, 'main');
  let ready = (): void => undefined;
  const untilReady = new Promise<void>((resolve) => {
    ready = resolve;
  });
  proxy = await startProxy(config, { clock: monotonicClock, log, onReady: () => ready() });
  await untilReady;
  const { listener, supervisor, admin } = proxy;
  const address = formatAddress(listener.addresses[0]!);
  say(`pgfresh ready on ${address}`);
  const adminUrl = admin === undefined ? '' : `http://${formatAddress(admin.address)}`;
  if (origin === undefined) {
    say(`connect to ${address} instead of your database; what hits and why not: ${adminUrl}`);
    return;
  }
  const url = `postgres://postgres:secret@${address}/shop`;
  const hits = (): number => supervisor.counters.total('hits');
  for (const line of await tour(url, adminUrl, { clock: monotonicClock, hits })) say(`  ${line}`);
  say('Ctrl-C stops everything.');
}

endOnSignal({ stop: stopAll });
try {
  await start();
} catch (thrown) {
  // Interrupted: what failed for that reason is no news, and whoever interrupted is waiting for the end.
  if (ending) await new Promise(() => undefined);
  const error = toError(thrown);
  process.stderr.write(`pgfresh: ${error instanceof PgfreshError ? error.message : error.stack}\n`);
  await stopAll();
  process.exit(error instanceof PgfreshError ? error.exitCode : 70);
}
