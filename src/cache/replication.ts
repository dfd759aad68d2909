/**
 * One life of the change stream: a replication connection, a slot, and the messages that come out of it, applied to a sink in
 * order. It never reconnects: the feed makes a new one, since a new stream means a new epoch, a barrier and an empty store.
 *
 * The slot is temporary unless it has a configured name: it is made on this very connection and goes with it, so a dead pgfresh
 * holds back no WAL. Manual: Streaming Replication Protocol; Logical Streaming Replication Parameters.
 */
import { EventEmitter } from 'node:events';
import type pg from 'pg';
import type { Clock } from '../shared/clock.ts';
import type { Upstream } from '../shared/config.ts';
import { toError } from '../shared/errors.ts';
import { formatLsn, type Lsn, parseLsn } from '../shared/lsn.ts';
import { originFacts } from './catalog-query.ts';
import type { ChangeSink } from './change.ts';
import { connectClient, endClient, type TextRow } from './control-connection.ts';
import { Intake } from './intake.ts';
import { PgoutputDecoder } from './pgoutput.ts';
import {
  AppliedPosition,
  isOver,
  judgeSilence,
  nextStreamState,
  readStreamFrame,
  type SilenceLimits,
  type StreamEvent,
  type StreamState,
  statusUpdate,
} from './replication-state.ts';
import { prepareSlot, type SlotOptions } from './slot.ts';
import { StreamError, withDeadline } from './stream-error.ts';

export interface ReplicationOptions extends SlotOptions {
  readonly upstream: Upstream;
  readonly applicationName: string;
  readonly publication: string;
  readonly sink: ChangeSink;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** The stream ends when it is further behind than this (C24). */
  readonly lagBytesMax: number;
  readonly silence: SilenceLimits;
  /** How often progress is confirmed to the origin. */
  readonly statusMs: number;
  /** Also receive logical messages (`pg_logical_emit_message`), everybody's. */
  readonly messages: boolean;
}

/** The server at the other end: a failover or a restore from backup shows here (C9). */
export interface StreamIdentity {
  readonly systemId: string;
  readonly timeline: string;
  /** As `originFacts` has it: no two starts of servers are alike, not even those of a primary and its standbys. */
  readonly postmasterStart: string;
  /** Where the origin's log stood when the stream was begun. */
  readonly startLsn: Lsn;
}

interface ReplicationEvents {
  state: [StreamState];
  /** The applied position rose, and by which transaction, if it was one (32 bits). */
  applied: [Lsn, xid: number | null];
  /** Once: the stream ended without `stop`. */
  failed: [Error];
}

/** What an administrator may have put on our role and would end the stream or change the text of its values. */
const settings = [
  'lock_timeout = 0',
  'statement_timeout = 0',
  'idle_session_timeout = 0',
  "DateStyle = 'ISO, MDY'",
  'IntervalStyle = postgres',
  'extra_float_digits = 1',
  'bytea_output = hex',
  "TimeZone = 'UTC'",
];

export class ReplicationStream extends EventEmitter<ReplicationEvents> {
  readonly #options: ReplicationOptions;
  readonly #decoder: PgoutputDecoder;
  readonly #position = new AppliedPosition();
  #state: StreamState = 'connecting';
  #client: pg.Client | null = null;
  #identity: StreamIdentity | null = null;
  #timer: NodeJS.Timeout | null = null;
  #heardMs = 0;
  #askedMs: number | null = null;
  readonly #intake: Intake;
  #awaitedLsn: Lsn = 0n;
  #transactions = 0;
  /** Of the transaction that is being taken in. */
  #xid = 0;

  constructor(options: ReplicationOptions) {
    super();
    this.#options = options;
    this.#decoder = new PgoutputDecoder(this.#countCommits(options.sink));
    this.#intake = new Intake({
      sink: options.sink,
      take: (frame) => this.#take(frame),
      pause: () => void this.#client?.connection.stream.pause(),
      resume: () => void this.#client?.connection.stream.resume(),
      isOver: () => !this.#isOpen,
      isAwaited: () => this.appliedLsn < this.#awaitedLsn,
      onError: (thrown) => this.#fail(toError(thrown)),
    });
  }

  get state(): StreamState {
    return this.#state;
  }

  /** Every commit up to here has gone through the sink. */
  get appliedLsn(): Lsn {
    return this.#position.applied;
  }

  get identity(): StreamIdentity | null {
    return this.#identity;
  }

  get transactions(): number {
    return this.#transactions;
  }

  get rows(): number {
    return this.#decoder.rows;
  }

  /** Milliseconds since the walsender was last heard. */
  get silentMs(): number {
    return this.#options.clock.nowMs() - this.#heardMs;
  }

  /** Connects, makes the slot and resolves when the stream has begun.
   * @throws StreamError, or the origin's own error. The stream is over then, and `failed` has been emitted. */
  async start(): Promise<void> {
    try {
      await this.#connect();
      await this.#identify();
      await this.#prepareSlot();
      await this.#begin();
    } catch (error) {
      this.#fail(toError(error));
      throw error;
    }
  }

  /** Ends the stream; resolves when the origin has closed the connection, and with it dropped a temporary slot. */
  async stop(): Promise<void> {
    if (!isOver(this.#state)) this.#move('stop');
    this.#stopTimer();
    if (this.#client === null) return;
    this.#client.connection.stream.resume();
    await endClient(this.#client);
  }

  /** Somebody waits until everything up to here has been applied. */
  awaited(lsn: Lsn): void {
    if (lsn <= this.#awaitedLsn) return;
    this.#awaitedLsn = lsn;
    this.#intake.hurry();
  }

  /** Tells the stream where the origin's log stands, so that a lag beyond the limit ends it. */
  observeOrigin(originLsn: Lsn): void {
    const lagBytes = originLsn - this.appliedLsn;
    if (this.#state !== 'streaming' || lagBytes <= BigInt(this.#options.lagBytesMax)) return;
    this.#fail(
      new StreamError(
        'STREAM_LAG',
        `the change stream is ${lagBytes} bytes behind`,
        'raise cdc.max_slot_lag, or find out what keeps the origin from decoding (a very large transaction?)',
      ),
    );
  }

  async #connect(): Promise<void> {
    const { upstream, applicationName, connectTimeoutMs } = this.#options;
    const client = await connectClient({ upstream, applicationName, connectTimeoutMs, replication: true });
    if (isOver(this.#state)) {
      // Stopped while connecting.
      await endClient(client);
      throw new StreamError('STREAM_STOPPED', 'stopped while connecting', null);
    }
    this.#client = client;
    client.on('error', (error) => this.#fail(error));
    client.on('end', () => this.#fail(new StreamError('STREAM_CLOSED', 'the origin closed the change stream', null)));
    this.#move('connected');
  }

  async #identify(): Promise<void> {
    const [row] = await this.#run('IDENTIFY_SYSTEM');
    const [start] = await this.#run(`SELECT ${originFacts.postmasterStart}`);
    this.#identity = {
      systemId: row![0]!,
      timeline: row![1]!,
      postmasterStart: start![0]!,
      startLsn: parseLsn(row![2]!),
    };
    this.#move('identified');
  }

  async #prepareSlot(): Promise<void> {
    await this.#run(
      [...settings, `wal_sender_timeout = ${Math.max(1_000, this.#options.silence.deadMs)}`]
        .map((each) => `SET ${each}`)
        .join('; '),
    );
    await prepareSlot((command, extraMs) => this.#run(command, extraMs), this.#options);
    this.#move('slotReady');
  }

  /** A named slot is begun at the present: the store is empty, so what happened before matters to nobody. */
  async #begin(): Promise<void> {
    const { slotName, publication, temporary, messages } = this.#options;
    const client = this.#client!;
    const from = temporary ? '0/0' : formatLsn(this.#identity!.startLsn);
    const options = [`proto_version '1'`, `publication_names '${quotedName(publication)}'`];
    if (messages) options.push(`messages 'true'`);
    const started = new Promise<void>((resolve) => client.connection.once('replicationStart', () => resolve()));
    client.connection.on('copyData', ({ chunk }: { chunk: Buffer }) => this.#receive(chunk));
    client.connection.stream.on('data', () => this.#heard());
    this.#heard();
    // Settles only when the stream ends: with the origin's reason, or with the end of the connection.
    const over = client.query(`START_REPLICATION SLOT ${slotName} LOGICAL ${from} (${options.join(', ')})`);
    over.then(
      () => this.#fail(new StreamError('STREAM_CLOSED', 'the origin ended the change stream', null)),
      (error: Error) => this.#fail(error),
    );
    await withDeadline(Promise.race([started, over]), this.#options.connectTimeoutMs, 'START_REPLICATION');
    this.#move('started');
    this.#timer = setInterval(() => setImmediate(() => this.#tick()), this.#options.statusMs);
    this.#timer.unref();
  }

  /** Never throws: it runs inside the socket's event. */
  #receive(chunk: Buffer): void {
    // C14: at once, also while the frame has to wait.
    if (this.#intake.isHolding && this.#isOpen) this.#answerKeepalive(chunk);
    this.#intake.receive(chunk);
  }

  get #isOpen(): boolean {
    return this.#state === 'streaming' || this.#state === 'starting';
  }

  #answerKeepalive(chunk: Buffer): void {
    try {
      const frame = readStreamFrame(chunk);
      if (frame.kind === 'keepalive' && frame.replyRequested) this.#sendStatus(false);
    } catch (error) {
      this.#fail(toError(error));
    }
  }

  /** One frame. The bytes are only ours during the call. Never throws. */
  #take(chunk: Buffer): void {
    if (!this.#isOpen) return;
    try {
      const frame = readStreamFrame(chunk);
      if (frame.kind === 'data') {
        this.#decoder.decode(chunk, frame.start);
      } else {
        const rose = this.#position.keepalive(frame.walEnd, this.#decoder.transaction?.finalLsn ?? null);
        if (rose) this.emit('applied', this.appliedLsn, null);
        if (frame.replyRequested) this.#sendStatus(false); // C14: at once
      }
    } catch (error) {
      this.#fail(toError(error));
    }
  }

  #countCommits(sink: ChangeSink): ChangeSink {
    return {
      begin: (xid) => {
        this.#xid = xid;
        sink.begin(xid);
      },
      change: (change) => sink.change(change),
      truncate: (relations) => sink.truncate(relations),
      message: (prefix, content) => sink.message(prefix, content),
      commit: (endLsn) => {
        sink.commit(endLsn);
        this.#transactions++;
        if (this.#position.commit(endLsn)) this.emit('applied', this.appliedLsn, this.#xid);
      },
    };
  }

  /** Confirms progress and listens for silence. Runs after the sockets had their turn, so that a thread that slept hears first. */
  #tick(): void {
    if (this.#state !== 'streaming') return;
    if (this.#intake.isHolding) this.#heard();
    const nowMs = this.#options.clock.nowMs();
    const sinceAskedMs = this.#askedMs === null ? null : nowMs - this.#askedMs;
    const verdict = judgeSilence(nowMs - this.#heardMs, sinceAskedMs, this.#options.silence);
    if (verdict === 'dead') {
      const seconds = Math.round((nowMs - this.#heardMs) / 1000);
      this.#fail(new StreamError('STREAM_SILENT', `the walsender has not answered for ${seconds} s`, null));
      return;
    }
    if (verdict === 'ask') this.#askedMs = nowMs;
    this.#sendStatus(verdict === 'ask');
  }

  #heard(): void {
    this.#heardMs = this.#options.clock.nowMs();
    this.#askedMs = null;
  }

  #sendStatus(replyRequested: boolean): void {
    const connection = this.#client!.connection as unknown as { sendCopyFromChunk(chunk: Buffer): void };
    connection.sendCopyFromChunk(statusUpdate(this.appliedLsn, replyRequested));
  }

  /** One command of the walsender, simple protocol. */
  async #run(command: string, extraMs = 0): Promise<TextRow[]> {
    const answer = this.#client!.query<TextRow>({ text: command, rowMode: 'array' });
    const { rows } = await withDeadline(answer, this.#options.connectTimeoutMs + extraMs, command.split(' ')[0]!);
    return rows;
  }

  #move(event: StreamEvent): void {
    this.#state = nextStreamState(this.#state, event);
    this.emit('state', this.#state);
  }

  #fail(error: Error): void {
    if (isOver(this.#state)) return;
    this.#move('error');
    this.#stopTimer();
    this.#client?.connection.stream.destroy();
    this.emit('failed', error);
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}

/** Names in publication_names are a list of identifiers inside a literal. */
function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`.replaceAll("'", "''");
}
