/**
 * Logs: pino, one JSON object a line on stderr (stdout carries only what commands print), readable lines on a terminal.
 * Each thread makes its own logger; lines are written synchronously, so a dying thread's last words are not lost.
 * Statement text is logged at `debug` and below only, and passwords never: `redact` is the second line of defence.
 */
import { createRequire } from 'node:module';
import pino from 'pino';
import type { Config } from './config.ts';

export type Logger = pino.Logger;

const redact = { paths: ['password', '*.password', '*.*.password'], censor: '***' };

/** `thread` appears in every line: 'main', 'worker-1', 'cache'. */
export function createLogger(config: Pick<Config, 'log'>, thread: string): Logger {
  const stderr = pino.destination({ fd: 2, sync: true });
  const target = config.log.pretty ? readable(stderr) : stderr;
  return pino({ level: config.log.level, base: { thread }, redact, timestamp: pino.stdTimeFunctions.isoTime }, target);
}

/** Loaded for terminals alone: each thread has a logger. */
function readable(destination: pino.DestinationStream): pino.DestinationStream {
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
  return pretty({ destination, colorize: true, ignore: 'pid,hostname', messageFormat: '[{thread}] {msg}' });
}

/** For tests and one-shot commands. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
