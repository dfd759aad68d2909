/**
 * A session that may go on in another worker (concurrency.model = work-stealing). Only one that stands between two statements with nothing
 * under way on either side moves, so what has to be carried is what the client and the origin believe of each other:
 *
 *   depart   both descriptors are duplicated, our handles closed without a word to the peers; bytes that have come meanwhile stay in the kernel
 *   arrive   the sockets are opened again; the settings are asked for before the next hit, as after a login
 *
 * Not movable: TLS on either side (its state is inside OpenSSL), relayed bytes, a block, anything owed, held back or half received, commands of
 * ours that were prepared, statements made by SQL's PREPARE, and more statements than are worth carrying.
 */
import { closeSync } from 'node:fs';
import net from 'node:net';
import type { CarriedStatement, MovingSession, SessionBaggage } from '../shared/baggage.ts';
import type { Descriptors } from '../shared/descriptors.ts';
import { Limits } from '../shared/limits.ts';
import { Counter } from '../shared/memory/layout.ts';
import { decodeParse, type ParseView } from '../shared/wire/frontend.ts';
import type { AttachedCache } from './cache-link.ts';
import { SessionConsistency } from './consistency.ts';
import { Origin } from './origin.ts';
import { Session } from './session.ts';
import { type Resolution, Statement, sameResolution } from './statement.ts';
import { VerdictSlot } from './verdicts.ts';

export class MovableSession extends Session {
  /** Statements seen when it was last looked at. */
  private statementsBefore = 0;

  /** Statements since the last call: how hot it is. */
  takeActivity(): number {
    const activity = this.statementsSeen - this.statementsBefore;
    this.statementsBefore = this.statementsSeen;
    return activity;
  }

  /** Gives the session up; null, and nothing has changed, when it cannot move now. */
  depart(descriptors: Descriptors): MovingSession | null {
    const { origin, link } = this;
    const baggage = origin === null || !this.isStill(origin) ? null : this.pack();
    if (origin === null || baggage === null) return null;
    const fds = duplicate(descriptors, [descriptorOf(this.client), descriptorOf(origin.socket)]);
    if (fds === null) return null;
    clearTimeout(this.timer);
    this.origin = null;
    this.state = 'closed';
    this.input.stop();
    this.framer.stop();
    origin.detach();
    link.socket.destroy();
    this.runtime.count(Counter.originConnections, -1);
    this.runtime.sessionClosed(this);
    return { clientFd: fds[0]!, originFd: fds[1]!, transport: link.transport, peer: link.peer, baggage };
  }

  /** Goes on where the other worker left it. Called once, on a session just made. */
  arrive(originFd: number, baggage: SessionBaggage): void {
    if (this.state !== 'startup') {
      closeSync(originFd); // this worker is draining, and the client was told so
      return;
    }
    clearTimeout(this.timer);
    this.state = 'ready';
    this.user = baggage.user;
    this.database = baggage.database;
    this.home = this.runtime.databases.enter(baggage.database);
    this.settings.backendPid = baggage.backendPid;
    this.settings.utf8 = baggage.utf8;
    if (baggage.cancelPacket !== null) this.lateCancel.packet = Buffer.from(baggage.cancelPacket);
    this.consistency = SessionConsistency.from(baggage.consistency);
    this.transaction.listens = baggage.listens;
    this.statementsSeen = this.statementsBefore = baggage.statementsSeen;
    this.unpack(baggage);
    this.runtime.count(Counter.originConnections, 1);
    this.origin = new Origin(this.runtime.originTarget, this.runtime.readBuffer, this, originFd);
    this.turn();
  }

  /** Nothing is under way, on neither side, and both ends can go elsewhere. */
  private isStill(origin: Origin): boolean {
    return (
      this.isResting && !this.settings.inDoubt && [this.client, origin.socket].every(isPlainSocket) && origin.isOpen
    );
  }

  /** The origin's connection may be used for something that is none of the client's: nobody would notice. */
  get isSpare(): boolean {
    const { origin, settings, consistency } = this;
    if (origin?.isOpen !== true || origin.socket.writableEnded || origin.socket.writableNeedDrain) return false;
    // The origin's patience with an idle session would begin anew.
    return this.isResting && settings.originIdleMsMax === 0 && consistency.level !== 'off';
  }

  private get isResting(): boolean {
    const { order, input, framer, transaction, lateCancel } = this;
    if (this.state !== 'ready' || this.draining || this.clientEnded) return false;
    if (!order.isQuiet || !order.isSynced || input.isBlocked || !input.atBoundary || !framer.atBoundary) return false;
    if (!transaction.isIdle || transaction.held !== null || !transaction.written.isEmpty) return false;
    return transaction.portal.isAsAtOrigin && !lateCancel.isDue && this.router.isPlain;
  }

  private pack(): SessionBaggage | null {
    const held = this.statements.settled;
    if (held === null || held.statements.length > Limits.movedStatementsMax) return null;
    const cache = this.liveCache;
    const { consistency, settings } = this;
    return {
      ...{ user: this.user, database: this.database, backendPid: settings.backendPid, utf8: settings.utf8 },
      ...{ cancelPacket: this.lateCancel.packet, consistency: consistency.carried },
      ...{ statementsSeen: this.statementsSeen, listens: this.transaction.listens },
      generation: cache?.generation ?? 0,
      statements: held.statements.map((statement) => carry(statement, cache, cache && settings.current(cache))),
      unnamed: held.unnamed === null ? -1 : held.statements.indexOf(held.unnamed),
      unnamedAtOrigin: held.unnamedAtOrigin === null ? -1 : held.statements.indexOf(held.unnamedAtOrigin),
    };
  }

  private unpack({ statements, unnamed, unnamedAtOrigin, generation }: SessionBaggage): void {
    const { cache } = this.home;
    const link = cache !== null && cache.generation === generation ? cache : null;
    const made = statements.map((carried) => restore(carried, link));
    this.statements.restore(
      made.filter(({ name }) => name !== ''),
      made[unnamed] ?? null,
      made[unnamedAtOrigin] ?? null,
    );
    for (const statement of made) {
      if (statement.resolution === null && statement.origin !== 'absent') this.unresolved.add(statement);
    }
  }
}

function carry(statement: Statement, cache: AttachedCache | null, context: Resolution | null): CarriedStatement {
  const { resolution, proof, parse, origin, told } = statement;
  const isCurrent = cache !== null && context !== null && sameResolution(resolution, context);
  return {
    parse: Uint8Array.from(parse),
    origin: origin === 'sent' ? 'held' : origin,
    told: { ...told },
    resolution: isCurrent
      ? {
          ...{ contextId: context.contextId, catalogVersion: context.catalogVersion, row: context.row },
          verdict: proof?.verdict ?? null,
        }
      : null,
  };
}

function restore({ parse, origin, told, resolution }: CarriedStatement, link: AttachedCache | null): Statement {
  const bytes = Buffer.from(parse.buffer, parse.byteOffset, parse.byteLength);
  const view: ParseView = { name: '', textStart: 0, textEnd: 0 };
  decodeParse(bytes, 0, bytes.length, view);
  const statement = new Statement(view, bytes, 0, bytes.length);
  statement.origin = origin;
  Object.assign(statement.told, told);
  if (resolution === null || link === null) return statement;
  const { verdict, ...where } = resolution;
  const context: Resolution = { link, ...where };
  if (verdict !== null) {
    const slot = new VerdictSlot();
    slot.verdict = verdict;
    statement.judged(slot, context);
  }
  statement.resolvedAt(context);
  return statement;
}

/** In the clear, with nothing waiting to be written, and open both ways. */
function isPlainSocket(socket: unknown): boolean {
  if (!(socket instanceof net.Socket) || 'encrypted' in socket) return false;
  return (
    socket.writableLength === 0 &&
    socket.readableLength === 0 &&
    !socket.writableEnded &&
    !socket.readableEnded &&
    descriptorOf(socket) >= 0
  );
}

function descriptorOf(socket: unknown): number {
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd ?? -1;
}

/** Both or none. */
function duplicate(descriptors: Descriptors, fds: readonly number[]): number[] | null {
  const copies: number[] = [];
  try {
    for (const fd of fds) copies.push(descriptors.dup(fd));
    return copies;
  } catch {
    for (const copy of copies) descriptors.close(copy);
    return null; // out of descriptors: the session stays where it is
  }
}
