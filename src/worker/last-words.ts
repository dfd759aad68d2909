/** What a session says of its own accord when it ends. */
import type { Upstream } from '../shared/config.ts';
import type { ErrorToSend } from '../shared/wire/backend.ts';
import { WireError } from '../shared/wire/framer.ts';

/** Answer to SSLRequest and GSSENCRequest: go on in the clear. */
export const REFUSED: Buffer = Buffer.from('N');

export const shutdown: ErrorToSend = {
  severity: 'FATAL',
  sqlstate: '57P01',
  message: 'terminating connection due to administrator command',
};

export const startupTimedOut: ErrorToSend = {
  severity: 'FATAL',
  sqlstate: '08P01',
  message: 'startup packet timed out',
};

export function unsupportedProtocol(major: number, minor: number): ErrorToSend {
  const message = `unsupported frontend protocol ${major}.${minor}: server supports 3.0 to 3.2`;
  return { severity: 'FATAL', sqlstate: '0A000', message };
}

/** The origin could not be reached, or went away without a word. */
export function originLost(upstream: Upstream, isConnecting: boolean, error: Error | null): ErrorToSend {
  const what = isConnecting ? 'could not connect to' : 'lost the connection to';
  const why = error === null ? '' : `: ${error.message}`;
  return {
    severity: 'FATAL',
    sqlstate: '08006',
    message: `pgfresh ${what} the origin ${upstream.host}:${upstream.port}${why}`,
  };
}

/** What was thrown while the session's own business was done, or the messages of either side were read. */
export function failed(error: unknown): ErrorToSend {
  const message = error instanceof Error ? error.message : String(error);
  return { severity: 'FATAL', sqlstate: error instanceof WireError ? error.code : 'XX000', message };
}
