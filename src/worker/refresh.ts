/**
 * Asking again for hot answers that a change took out (ADR-019), on the origin's connection of a session that has the very context of the answer
 * and nothing to do: its role and settings are those that the answer depends on, and nobody else's would do.
 *
 *   told ─▶ in line ─▶ verdict, not stored, worth it, idle session ─▶ key claimed ─▶ sent ─▶ answer captured ─▶ offered
 *              └ too many, origin busy: dropped, the next miss sees to it       └ error, out of time: dropped
 *
 * The client of that session notices nothing. The statement has a name of ours and its replies are swallowed (`ReplyOrder.oweBackground`); hits
 * are answered meanwhile, and a statement for the origin is sent behind it at once, and waits for `refreshMsMax` at most: the
 * origin is told so by settings that end with the pipeline.
 */
import { Limits } from '../shared/limits.ts';
import { currentGeneration } from '../shared/memory/control.ts';
import { countReason } from '../shared/memory/counters.ts';
import { enterEpoch, leaveEpoch } from '../shared/memory/epochs.ts';
import { Counter } from '../shared/memory/layout.ts';
import type { CacheNotice, RefreshRequest } from '../shared/messages.ts';
import { KeyForm } from '../shared/query-key.ts';
import type { Reason } from '../shared/reasons.ts';
import { encodeRefresh } from '../shared/wire/frontend.ts';
import type { AttachedCache } from './cache-link.ts';
import { Capture } from './capture.ts';
import type { MovableSession } from './moving-session.ts';
import { Background, refreshKinds } from './owed.ts';
import type { Runtime } from './runtime.ts';
import type { VerdictSlot } from './verdicts.ts';

const NOTHING = Buffer.alloc(0);
const CONTEXT_BYTES_AND_FORM = 5;
/** No formats of parameters, no parameters, rows as text. */
const PLAIN_BIND = Buffer.alloc(6);
const NO_TYPES = Buffer.alloc(3);

export class Refresher {
  private readonly runtime: Runtime;
  private readonly sessions: () => Iterable<MovableSession>;
  private generation = 0;
  private line: RefreshRequest[] = [];
  private inFlight = 0;
  /** Of these, what waits for a verdict: a cache thread that died gives none. */
  private deciding = 0;
  private isScheduled = false;

  constructor(runtime: Runtime, sessions: () => Iterable<MovableSession>) {
    this.runtime = runtime;
    this.sessions = sessions;
  }

  /** Contexts have other numbers in another generation. */
  attached(generation: number): void {
    this.generation = generation;
    this.line = [];
    this.inFlight -= this.deciding;
    this.deciding = 0;
  }

  told(generation: number, notice: CacheNotice): void {
    if (generation !== this.generation) return;
    for (const request of notice) {
      if (this.line.length < Limits.refreshesInLineMax) this.line.push(request);
      else this.refuse('refresh.busy');
    }
    this.next();
  }

  private next(): void {
    while (this.line.length > 0 && this.inFlight < Limits.refreshesInFlightMax) this.begin(this.line.shift()!);
  }

  /** Never within a session's turn: outgoing buffers are shared. */
  private ended(): void {
    this.inFlight--;
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      this.next();
    });
  }

  private refuse(reason: Reason): void {
    countReason(this.runtime.counters, reason);
  }

  private begin(request: RefreshRequest): void {
    const { runtime } = this;
    if (runtime.counters[Counter.originPending]! - this.inFlight >= Limits.refreshPendingMax) {
      this.refuse('refresh.busy');
      return;
    }
    const session = this.idleSession(request.contextId);
    const cache = session?.liveCache ?? null;
    if (session === null || cache === null) {
      this.refuse('refresh.noSession');
      return;
    }
    const { contextId, text, parameterTypes, protocol } = request;
    const asked = { contextId, text, parameterTypes, protocol } as const;
    const slot = cache.verdicts.lookup(asked, cache.reader.catalogVersion());
    if (slot.isDecided) this.decided(request, session, cache, slot);
    else this.whenDecided(request, slot);
  }

  /** Another worker's statement: not known here yet. */
  private whenDecided(request: RefreshRequest, slot: VerdictSlot): void {
    const { generation } = this;
    this.inFlight++;
    this.deciding++;
    slot.whenDecided(() => {
      if (generation !== this.generation) return;
      this.deciding--;
      this.line.push(request);
      this.ended();
    });
  }

  private decided(request: RefreshRequest, session: MovableSession, cache: AttachedCache, slot: VerdictSlot): void {
    const { verdict, costMs } = slot;
    const token = cache.token();
    const isSure = verdict?.cacheable === true && verdict.readOnly && verdict.catalogVersion === token.catalogVersion;
    const isQuick = costMs === null || costMs < Limits.refreshMsMax / 2;
    const isWanted = isSure && isQuick && !this.isStored(cache, request);
    const isWorth = () =>
      request.pin || cache.worth.judge(verdict!.shape, request.hash, cache.reader.isFull()) === null;
    if (!isWanted || !isWorth()) {
      this.refuse('refresh.needless');
      return;
    }
    const nowMs = this.runtime.clock.nowMs();
    const flight = this.runtime.flights.beginRefresh(request.hash, slot, nowMs);
    if (flight === null || !cache.outbox.hasRoom) {
      flight?.end();
      this.refuse(flight === null ? 'refresh.needless' : 'refresh.busy');
      return;
    }
    const key = { hash: request.hash, prefix: request.key, tail: NOTHING, tailStart: 0, tailEnd: 0 };
    const { entryBytesMax } = this.runtime.config.cache;
    const capture = new Capture(slot, request.contextId, token, key, entryBytesMax, false);
    capture.isRefresh = true;
    capture.pin = request.pin;
    capture.sentMs = nowMs;
    capture.flight = flight;
    this.send(request, session, capture);
  }

  private send(request: RefreshRequest, session: MovableSession, capture: Capture): void {
    const { runtime } = this;
    this.inFlight++;
    runtime.count(Counter.refreshes);
    const background = new Background(capture.sentMs + Limits.refreshMsMax, (isFailed, nowMs) => {
      this.ended();
      if (!isFailed) return;
      capture.slot.took(nowMs - capture.sentMs);
      runtime.log.debug({ text: request.text }, 'an answer was not refreshed');
      this.refuse('refresh.failed');
    });
    session.turn(() => {
      const owed = session.order.oweBackground(refreshKinds, background);
      for (const each of owed.slice(-3, -1)) each.capture = capture;
      owed[0]!.group.captures.push(capture);
      runtime.originOut.appendAll(encodeRefresh(Limits.refreshMsMax, ...definitionOf(request)));
    });
  }

  /** Of those with the very context, the one whose client has not spoken for longest: it will hardly speak now. */
  private idleSession(contextId: number): MovableSession | null {
    if (currentGeneration(this.runtime.control) !== this.generation) return null;
    let longest: MovableSession | null = null;
    let left = Limits.refreshSessionsMax;
    for (const session of this.sessions()) {
      if (left-- === 0) break;
      if (longest !== null && longest.activity.turn <= session.activity.turn) continue;
      const cache = session.liveCache;
      if (cache === null || cache.generation !== this.generation || !session.isSpare) continue;
      if (session.settings.current(cache)?.contextId === contextId) longest = session;
    }
    return longest;
  }

  private isStored({ reader }: AttachedCache, { hash, key }: RefreshRequest): boolean {
    const { control, epochWord } = this.runtime;
    enterEpoch(control, epochWord, reader.words);
    const block = reader.find(hash, key, NOTHING, 0, 0);
    leaveEpoch(control, epochWord);
    return block !== 0;
  }
}

/** The text, NUL and parameter types of a Parse, and what follows the names in a Bind. */
function definitionOf({ key, tailStart }: RefreshRequest): [definition: Buffer, tail: Buffer] {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  const definition = bytes.subarray(CONTEXT_BYTES_AND_FORM, tailStart);
  if (bytes[CONTEXT_BYTES_AND_FORM - 1] === KeyForm.portal) return [definition, bytes.subarray(tailStart)];
  return [Buffer.concat([definition, NO_TYPES]), PLAIN_BIND];
}
