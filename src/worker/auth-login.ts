/**
 * The exchange between a client and the origin from the first Authentication message to AuthenticationOk (ADR-006).
 *
 *   relaying      what the origin asks goes to the client, what the client answers to the origin. SCRAM too, with -PLUS
 *                 taken from the offer: the client's channel is ours, not the origin's.
 *   password      both channels are encrypted, so libpq would say "I could bind and you cannot" and the origin, which can,
 *                 would refuse: the client is asked for its password instead, and pgfresh does SCRAM with it.
 *   verifying     in the same case, and wherever the origin could bind, when verifiers are configured: pgfresh is the SCRAM server (with -PLUS, bound to its own
 *                 certificate), takes the client's key from its proof, and is the SCRAM client with that key.
 *
 * A wrong password is refused by the origin in its own words, in every mode.
 */
import { randomBytes } from 'node:crypto';
import type { AuthConfig } from '../shared/config.ts';
import type { Logger } from '../shared/log.ts';
import type { ErrorToSend } from '../shared/wire/backend.ts';
import { WireError } from '../shared/wire/framer.ts';
import {
  AuthRequest,
  decodeAuthRequest,
  decodeInitialResponse,
  decodeMechanisms,
  decodePassword,
  decodeResponse,
  decodeSaslData,
  encodeAuthRequest,
  encodeInitialResponse,
  encodeMechanisms,
  encodeResponse,
} from './auth-messages.ts';
import {
  keysOf,
  mockVerifier,
  SCRAM,
  SCRAM_PLUS,
  ScramClient,
  ScramError,
  type ScramKeys,
  ScramServer,
} from './auth-scram.ts';
import type { Verifiers } from './auth-verifiers.ts';
import type { Credentials } from './pool-login.ts';

/** One end of the session, as far as logins care. */
export interface LoginChannel {
  readonly isEncrypted: boolean;
  /** Hash of the certificate that the server of this channel showed; null: nothing to bind to. */
  readonly endPoint: Buffer | null;
}

export interface LoginPorts {
  toClient(frame: Buffer): void;
  toOrigin(frame: Buffer): void;
  refuse(error: ErrorToSend): void;
  /** Runs an effect that comes later; not at all when the session has ended meanwhile. */
  later(effect: () => void): void;
}

export interface LoginContext {
  readonly user: string;
  readonly client: LoginChannel & {
    /** Common name of the verified certificate of the client; null: none. */
    readonly certificateName: string | null;
  };
  readonly origin: LoginChannel & {
    /** We showed a certificate of ours, so that being let in unasked proves nothing about the client. */
    readonly presentsCertificate: boolean;
  };
  /** What it proves must do for logins of ours: nothing is relayed that cannot be used again. */
  readonly mustReuse: boolean;
  readonly auth: AuthConfig;
  readonly verifiers: Verifiers | null;
  /** Makes up salts for unknown roles; the same within a worker. */
  readonly mockSecret: Buffer;
  readonly log: Logger;
}

const newNonce = (): string => randomBytes(18).toString('base64');

/** What cannot be passed on, and what to do. */
const unrelayable: ReadonlyMap<number, string> = new Map([
  [AuthRequest.kerberosV5, 'Kerberos V5'],
  [AuthRequest.gss, 'GSSAPI'],
  [AuthRequest.gssContinue, 'GSSAPI'],
  [AuthRequest.sspi, 'SSPI'],
]);

type Stage = 'relaying' | 'password' | 'clientFirst' | 'clientFinal' | 'busy' | 'originFirst' | 'originFinal';

export class Login {
  private readonly context: LoginContext;
  private readonly ports: LoginPorts;
  private stage: Stage = 'relaying';
  private challenged = false;
  private password = '';
  private keys: ScramKeys | null = null;
  private used: Credentials | null = null;
  /** What logged in, once it has. */
  credentials: Credentials | null = null;
  private originBinds = false;
  private client: ScramClient | null = null;
  private server: ScramServer | null = null;

  constructor(context: LoginContext, ports: LoginPorts) {
    this.context = context;
    this.ports = ports;
  }

  // ── the origin's side ──────────────────────────────────────────────────────────────────────────────────────────

  /** An Authentication message; true: it goes on to the client. @throws WireError */
  request(bytes: Buffer, start: number, end: number): boolean {
    const type = decodeAuthRequest(bytes, start, end);
    if (type === AuthRequest.ok) return this.accepted();
    this.challenged = true;
    switch (type) {
      case AuthRequest.sasl:
        return this.sasl(decodeMechanisms(bytes, start, end));
      case AuthRequest.saslContinue:
        if (this.stage === 'relaying') return true;
        this.originFirst(decodeSaslData(bytes, start, end));
        return false;
      case AuthRequest.saslFinal:
        if (this.stage === 'relaying') return true;
        this.originFinal(decodeSaslData(bytes, start, end));
        return false;
      case AuthRequest.cleartextPassword:
      case AuthRequest.md5Password:
        if (!this.context.mustReuse) return true;
        this.refuseUnusable();
        return false;
      default:
        this.refuseMethod(unrelayable.get(type) ?? `method ${type}`);
        return false;
    }
  }

  private accepted(): boolean {
    const { client, origin, user } = this.context;
    if (!this.challenged) this.credentials = { kind: 'trust' };
    if (this.challenged || !origin.presentsCertificate || client.certificateName === user) return true;
    this.ports.refuse({
      severity: 'FATAL',
      sqlstate: '28000',
      message: `the origin let role "${user}" in by pgfresh's own certificate, which says nothing about the client`,
      hint: 'Use SCRAM for this role in the pg_hba.conf of the origin, or client_tls = verify and a client certificate whose common name is the role.',
    });
    return false;
  }

  private refuseUnusable(): void {
    this.ports.refuse({
      severity: 'FATAL',
      sqlstate: '28000',
      message:
        'pool.mode = transaction needs a login that pgfresh can use again, and what the origin asks for cannot be',
      hint: 'Use scram-sha-256 in the pg_hba.conf of the origin, and set auth.query or auth.file in pgfresh, or have clients connect over TLS (auth.ask_password).',
    });
  }

  private refuseMethod(method: string): void {
    this.ports.refuse({
      severity: 'FATAL',
      sqlstate: '28000',
      message: `the origin asks for ${method} authentication, which pgfresh cannot relay`,
      hint: 'Use scram-sha-256 for connections from pgfresh in the pg_hba.conf of the origin, or connect to the origin directly.',
    });
  }

  private sasl(mechanisms: readonly string[]): boolean {
    const { client, origin, auth, verifiers, mustReuse } = this.context;
    if (!mechanisms.includes(SCRAM)) {
      this.refuseMethod(mechanisms.filter((each) => each !== SCRAM_PLUS).join(', ') || 'SASL');
      return false;
    }
    this.originBinds = mechanisms.includes(SCRAM_PLUS);
    // Some drivers claim that they could bind even in the clear, which an origin that can bind does not take either.
    if (verifiers !== null && (client.isEncrypted || this.originBinds || mustReuse)) {
      this.stage = 'busy';
      void this.findVerifier(verifiers);
    } else if (client.isEncrypted && (origin.isEncrypted || mustReuse) && auth.askPassword) {
      this.stage = 'password';
      this.ports.toClient(encodeAuthRequest(AuthRequest.cleartextPassword));
    } else if (mustReuse) this.refuseUnusable();
    else this.relayScram();
    return false;
  }

  private async findVerifier(verifiers: Verifiers): Promise<void> {
    const { user, mockSecret, client, log, mustReuse } = this.context;
    try {
      const verifier = (await verifiers.find(user)) ?? mockVerifier(mockSecret, user);
      this.ports.later(() => {
        this.server = new ScramServer(verifier, client.endPoint, newNonce());
        this.stage = 'clientFirst';
        this.ports.toClient(encodeMechanisms(this.server.mechanisms));
      });
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      log.error({ user, reason }, 'the verifier of a role could not be looked up (auth.query, auth.file)');
      this.ports.later(() => (client.isEncrypted || mustReuse ? this.refuseLookUp() : this.relayScram()));
    }
  }

  private refuseLookUp(): void {
    this.ports.refuse({
      severity: 'FATAL',
      sqlstate: '28000',
      message: `pgfresh could not look up the verifier of role "${this.context.user}"`,
      hint: 'The log of pgfresh says why.',
    });
  }

  private relayScram(): void {
    this.stage = 'relaying';
    this.ports.toClient(encodeMechanisms([SCRAM]));
  }

  /** server-first-message: now it is known how the password is stretched. */
  private originFirst(serverFirst: string): void {
    if (this.stage !== 'originFirst') throw new WireError('the origin went on with SASL out of turn');
    const { salt, iterations } = this.guard(() => this.client!.challenge(serverFirst));
    this.stage = 'busy';
    const answer = (keys: ScramKeys): void => {
      this.stage = 'originFinal';
      this.used = { kind: 'scram', keys, salt, iterations };
      this.ports.toOrigin(encodeResponse(this.client!.final(serverFirst, keys)));
    };
    if (this.keys !== null) {
      answer(this.keys);
      return;
    }
    const { password } = this;
    this.password = '';
    void keysOf(password, salt, iterations).then((keys) => this.ports.later(() => answer(keys)));
  }

  private originFinal(serverFinal: string): void {
    if (this.stage !== 'originFinal') throw new WireError('the origin went on with SASL out of turn');
    if (!this.client!.isAuthentic(serverFinal)) {
      throw new WireError("the origin did not prove that it knows the role's password");
    }
    if (this.server !== null) this.ports.toClient(encodeAuthRequest(AuthRequest.saslFinal, this.server.final()));
    this.keys = null;
    this.credentials = this.used;
  }

  private beginOrigin(): void {
    const { endPoint } = this.context.origin;
    this.client = new ScramClient(this.originBinds ? endPoint : null, newNonce());
    this.stage = 'originFirst';
    this.ports.toOrigin(encodeInitialResponse(this.client.mechanism, this.client.first()));
  }

  // ── the client's side ──────────────────────────────────────────────────────────────────────────────────────────

  /** Whether the client's next message may be relayed in pieces, unseen. */
  get isRelaying(): boolean {
    return this.stage === 'relaying';
  }

  /** A password message; true: it goes on to the origin. @throws WireError */
  response(bytes: Buffer, start: number, end: number): boolean {
    switch (this.stage) {
      case 'relaying':
        return this.mayRelay(bytes, start, end);
      case 'password':
        this.password = decodePassword(bytes, start, end);
        this.beginOrigin();
        return false;
      case 'clientFirst':
        this.clientFirst(bytes, start, end);
        return false;
      case 'clientFinal':
        this.clientFinal(decodeResponse(bytes, start, end));
        return false;
      default:
        throw new WireError('unexpected password message');
    }
  }

  /** "y": the client could bind its channel and takes it that the server cannot. An origin that can refuses, in riddles. */
  private mayRelay(bytes: Buffer, start: number, end: number): boolean {
    if (!this.originBinds) return true;
    const initial = decodeInitialResponse(bytes, start, end);
    if (initial?.mechanism !== SCRAM || !initial.data.startsWith('y,')) return true;
    this.ports.refuse({
      severity: 'FATAL',
      sqlstate: '28000',
      message: 'SCRAM with channel binding cannot be relayed: the channel of the client ends at pgfresh',
      hint: 'Connect with channel_binding=disable, or configure auth.query, auth.file or auth.ask_password in pgfresh.',
    });
    return false;
  }

  private clientFirst(bytes: Buffer, start: number, end: number): void {
    const initial = decodeInitialResponse(bytes, start, end);
    if (initial === null) throw new WireError('malformed SASLInitialResponse');
    const reply = this.guard(() => this.server!.first(initial.mechanism, initial.data));
    this.stage = 'clientFinal';
    this.ports.toClient(encodeAuthRequest(AuthRequest.saslContinue, reply));
  }

  /** With a wrong password the origin gets a proof that is wrong as well, so that it says so itself (and counts it). */
  private clientFinal(data: string): void {
    this.keys = this.guard(() => this.server!.keys(data)) ?? {
      clientKey: randomBytes(32),
      serverKey: randomBytes(32),
    };
    this.beginOrigin();
  }

  private guard<R>(step: () => R): R {
    try {
      return step();
    } catch (thrown) {
      if (thrown instanceof ScramError) throw new WireError(thrown.message);
      throw thrown;
    }
  }
}
