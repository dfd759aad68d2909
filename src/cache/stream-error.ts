/** Why there is no change stream. */
import type { Upstream } from '../shared/config.ts';
import { PgfreshError } from '../shared/errors.ts';

/** The stream ended, or could not be begun. `remedy` says what a person can do about it; null when it heals by itself. */
export class StreamError extends PgfreshError {
  readonly remedy: string | null;

  constructor(code: string, message: string, remedy: string | null, cause?: unknown) {
    super(code, 1, message, cause);
    this.remedy = remedy;
  }
}

export function publicationAltered(missing: readonly number[]): StreamError {
  return new StreamError(
    'PUBLICATION_ALTERED',
    `somebody took tables out of pgfresh's publication, or dropped it (oids ${missing.slice(0, 10).join(', ')})`,
    'leave the publications that begin with pgfresh_ alone while pgfresh runs',
  );
}

/** @throws StreamError when `work` takes longer than `deadlineMs`; a later failure of it is then nobody's. */
export async function withDeadline<T>(work: Promise<T>, deadlineMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new StreamError('STREAM_TIMEOUT', `${what} took longer than ${deadlineMs} ms`, null)),
      deadlineMs,
    );
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** One line that says what is wrong and what to do. Never the password: pg puts none into messages. */
export function problemOf(error: Error, upstream: Upstream): string {
  const code = (error as { code?: unknown }).code;
  const message = error.message === '' ? String(code ?? error.name) : error.message;
  const isNetwork = typeof code === 'string' && /^E[A-Z]+$/.test(code);
  const text = isNetwork ? `origin ${upstream.host}:${upstream.port} cannot be reached: ${message}` : message;
  const remedy = error instanceof StreamError ? error.remedy : null;
  return remedy === null || remedy === '' ? text : `${text}. Remedy: ${remedy}`;
}
