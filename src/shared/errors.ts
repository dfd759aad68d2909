/**
 * Failures that have a name. "Ours" (a broken invariant) is an `AssertionFailure` and ends the session or the thread;
 * "theirs" (configuration, origin) is one of the others, with a stable `code` and the process exit code it leads to.
 */
export class PgfreshError extends Error {
  readonly code: string;
  readonly exitCode: number;

  constructor(code: string, exitCode: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.exitCode = exitCode;
  }
}

/** The configuration cannot be used; the message names the key and what would be right. Exit code 2. */
export class ConfigError extends PgfreshError {
  constructor(message: string, cause?: unknown) {
    super('CONFIG', 2, message, cause);
  }
}

/** The origin cannot be reached; the message names host and port, never the password. Exit code 1. */
export class OriginUnreachableError extends PgfreshError {
  constructor(message: string, cause?: unknown) {
    super('ORIGIN_UNREACHABLE', 1, message, cause);
  }
}

/** An address cannot be listened on (in use, not ours, not permitted). Exit code 1. */
export class ListenError extends PgfreshError {
  constructor(message: string, cause?: unknown) {
    super('LISTEN', 1, message, cause);
  }
}

/** A thread ended, or would not start. */
export class ThreadError extends PgfreshError {
  constructor(message: string, cause?: unknown) {
    super('THREAD', 1, message, cause);
  }
}

class AssertionFailure extends PgfreshError {
  constructor(message: string) {
    super('ASSERTION', 70, message);
  }
}

/** @throws AssertionFailure when our own reasoning was wrong. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/** Whatever was thrown, as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
