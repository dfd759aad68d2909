/** What a session's login needs to know of its two connections. */
import { decodeError, type ErrorToSend } from '../shared/wire/backend.ts';
import { Backend } from '../shared/wire/codes.ts';
import { HEADER_BYTES } from '../shared/wire/framer.ts';
import { encodeFrame } from '../shared/wire/frontend.ts';
import { Login } from './auth-login.ts';
import type { Origin } from './origin.ts';
import { originEndPoint } from './origin-tls.ts';
import type { ReplyOrder } from './reply-order.ts';
import type { Runtime } from './runtime.ts';
import type { SessionState } from './session-state.ts';
import type { ClientLink } from './tls-link.ts';

/** The session, as far as its login acts on it. */
export interface LoginSession {
  readonly state: SessionState;
  readonly user: string;
  readonly reusesLogin: boolean;
  readonly order: ReplyOrder;
  finish(error: ErrorToSend): void;
  turn(effect: () => void): void;
}

export function beginLogin(session: LoginSession, runtime: Runtime, link: ClientLink, origin: Origin): Login {
  const { secured } = link;
  const { upstream } = runtime.originTarget;
  const context = {
    user: session.user,
    client: {
      isEncrypted: secured !== null,
      endPoint: secured === null ? null : link.endPoint,
      certificateName: runtime.tls.certificateName(secured),
    },
    origin: {
      isEncrypted: origin.isEncrypted,
      endPoint: originEndPoint(origin.socket),
      presentsCertificate: origin.isEncrypted && upstream.sslcert !== undefined,
    },
    mustReuse: session.reusesLogin,
    auth: runtime.config.auth,
    verifiers: runtime.verifiers,
    mockSecret: runtime.mockSecret,
    log: runtime.log,
  };
  return new Login(context, {
    toClient: (frame) => session.order.say(frame),
    toOrigin: (frame) => runtime.originOut.appendAll(frame),
    refuse: (error) => session.finish(error),
    later: (effect) =>
      session.turn(() => {
        if (session.state === 'authenticating') effect();
      }),
  });
}

/** SQLSTATE 28000: no entry of pg_hba.conf fits this user, address and kind of connection. */
export function isRefusal(bytes: Buffer, start: number, end: number): boolean {
  return decodeError(bytes, start, end).sqlstate === '28000';
}

const certificateHint =
  'The origin saw the certificate of pgfresh, or none. See "Certificates of clients" in docs/tls.md, or use scram-sha-256 for this role in its pg_hba.conf.';

/** The origin's own words; where it asks for a certificate, which nobody can pass on, a hint is added to them. */
export function explainRefusal(bytes: Buffer, start: number, end: number): Buffer {
  const { sqlstate, message } = decodeError(bytes, start, end);
  if (sqlstate !== '28000' || !/certificate/i.test(message)) return bytes.subarray(start, end);
  const hint = Buffer.from(`H${certificateHint}\0\0`);
  return encodeFrame(Backend.errorResponse, Buffer.concat([bytes.subarray(start + HEADER_BYTES, end - 1), hint]));
}
