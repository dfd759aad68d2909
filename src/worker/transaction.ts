/**
 * The origin's transaction status, and what the transaction wrote until it ends.
 *
 * A write becomes visible with its commit, so its fences are raised then, before the client can know of it (C15): at
 * ReadyForQuery outside a block, and at the CommandComplete of a statement that ends a transaction inside a batch.
 */

import { Limits } from '../shared/limits.ts';
import type { Writes } from '../shared/messages.ts';
import { TransactionStatus } from '../shared/wire/codes.ts';
import { isHarmless, type SyncGroup, type Work } from './owed.ts';
import type { CatalogStamp, Points } from './points.ts';
import type { Statement } from './statement.ts';
import { UnnamedPortal } from './unnamed-portal.ts';
import type { VerdictSlot } from './verdicts.ts';

const transactionEndTags = new Set([
  'COMMIT',
  'ROLLBACK',
  'PREPARE TRANSACTION',
  'COMMIT PREPARED',
  'ROLLBACK PREPARED',
  'CALL',
  'DO',
]);

/** Tags of statements after which a transaction may have ended in the middle of a batch. */
export function mayEndTransaction(tag: string): boolean {
  return transactionEndTags.has(tag);
}

/** The verdict, if there is one to come that says what it wrote. */
function undecidedSlot({ slot, past, suspect }: Work): VerdictSlot | null {
  if (suspect || slot === null) return null;
  return [slot, ...past].find((each) => !each.isDecided) ?? null;
}

/** What was written since the last end of a transaction. */
export class Written {
  /** By relation, the fence slots of the rows written; null: any row. Bounded per table. */
  private readonly tables = new Map<number, Set<number> | null>();
  /** Of all points in `tables`. */
  private stamp: CatalogStamp | null = null;
  private unknown = false;
  /** Something was written, or notified, or drawn from a sequence. */
  private any = false;
  /** Something that is no write to a table, or may have been more than that: a lock taken, a notification, a sequence. */
  private order = false;
  /** Statements whose verdict is on its way. */
  private undecided: Work[] = [];

  add(work: Work): void {
    this.decide();
    if (undecidedSlot(work) === null) this.addDecided(work);
    else this.undecided.push(work);
  }

  /** What is known by now of statements that were undecided. */
  private decide(): void {
    if (this.undecided.length === 0) return;
    const works = this.undecided;
    this.undecided = works.filter((work) => undecidedSlot(work) !== null);
    for (const work of works) if (undecidedSlot(work) === null) this.addDecided(work);
  }

  /** A verdict that is to come, without which it is not known what was written. */
  get awaited(): VerdictSlot | null {
    this.decide();
    return this.undecided.length === 0 ? null : undecidedSlot(this.undecided[0]!);
  }

  /** Nobody waits for verdicts any more: what is undecided may have written anything. */
  giveUp(): void {
    this.decide();
    for (const work of this.undecided) this.addDecided(work);
    this.undecided = [];
  }

  private addDecided(work: Work): void {
    const { slot, past, suspect, points } = work;
    for (const each of [slot, ...past]) {
      const verdict = suspect ? null : (each?.verdict ?? null);
      if (verdict === null) this.addWrites('unknown', null);
      else if (!verdict.readOnly) this.addWrites(verdict.writes, points?.verdict === verdict ? points : null);
    }
  }

  private addWrites(writes: Writes, points: Points | null): void {
    this.any = true;
    if (typeof writes === 'string') this.order = true;
    if (writes === 'unknown') this.unknown = true;
    else if (writes !== 'none') for (const { relation } of writes) this.addTable(relation, points);
  }

  private addTable(relation: number, points: Points | null): void {
    const slots = points === null ? undefined : points.slots.get(relation);
    const known = this.tables.get(relation);
    if (slots === undefined || known === null || !this.isOfStamp(points!.stamp)) {
      this.tables.set(relation, null);
      return;
    }
    const all = known ?? new Set<number>();
    for (const slot of slots) all.add(slot);
    this.tables.set(relation, all.size > Limits.fencePointsPerTableMax ? null : all);
  }

  /** The first point decides: what follows under another catalog is no point. */
  private isOfStamp(stamp: CatalogStamp): boolean {
    this.stamp ??= stamp;
    return stamp.generation === this.stamp.generation && stamp.catalogVersion === this.stamp.catalogVersion;
  }

  get isEmpty(): boolean {
    return !this.any;
  }

  get isUnknown(): boolean {
    return this.unknown;
  }

  /** Whether the session must see from now on whatever was committed before: more than fences of tables say. */
  get isOrder(): boolean {
    return this.order;
  }

  /** Tables with the slots of the rows written, null for any row. @param now the catalog that entries are pointed by */
  rows(now: CatalogStamp | null): [relation: number, slots: ReadonlySet<number> | null][] {
    const holds = now !== null && (this.stamp === null || this.isOfStamp(now));
    return [...this.tables].map(([relation, slots]) => [relation, holds ? slots : null]);
  }

  clear(): void {
    this.tables.clear();
    this.stamp = null;
    this.unknown = false;
    this.any = false;
    this.undecided = [];
    this.order = false;
  }
}

/**
 * The block that the client is in:
 *
 *   idle ─BEGIN, answered here─▶ held ─something for the origin─▶ open, plain ─a write, SET, savepoint …─▶ open
 *    ▲ └──── BEGIN at the origin ──────────────────────────────────────▲                                     │
 *    └───────────────────────────── COMMIT, ROLLBACK ──────────────────┴─────────────────────────────────────┘
 *
 * As long as it is plain (READ COMMITTED, nothing in it but proven reads), each statement in it sees what it would see outside: reads
 * hit and fill (adr/007).
 */
export class Transaction {
  /** As the client knows it: of the last ReadyForQuery. */
  status: number = TransactionStatus.idle;
  readonly written = new Written();
  readonly portal = new UnnamedPortal();
  /** The BEGIN that the origin has not got yet. */
  private heldText: string | null = null;
  private isPlain = false;
  /** The session may be told of notifications, which come between transactions alone: no BEGIN is kept from the origin. */
  listens = false;
  /** A query of the block was answered or analysed here, and none by the origin that is known of (`first-snapshot.ts`). */
  owesSnapshot = false;

  get isIdle(): boolean {
    return this.status === TransactionStatus.idle;
  }

  /** The origin lacks the statement, and a failed block takes no Parse but of what ends it. */
  cannotMake({ origin, name, command }: Statement): boolean {
    return this.status === TransactionStatus.failed && origin === 'absent' && name !== '' && command === null;
  }

  get held(): string | null {
    return this.heldText;
  }

  /** Whether the origin is outside a block. */
  get isOriginIdle(): boolean {
    return this.isIdle || this.heldText !== null;
  }

  /** Whether reads may be answered from the cache, and their answers stored. */
  get mayHit(): boolean {
    return this.isIdle || this.isPlain;
  }

  /** BEGIN was answered here. */
  hold(text: string): void {
    this.heldText = text;
    this.isPlain = true;
    this.status = TransactionStatus.inBlock;
  }

  /** COMMIT or ROLLBACK of such a block was answered here. */
  drop(): void {
    this.portal.reset();
    this.heldText = null;
    this.owesSnapshot = false;
    this.isPlain = false;
    this.status = TransactionStatus.idle;
  }

  /** The held BEGIN was sent. */
  opened(): void {
    this.heldText = null;
  }

  /** ReadyForQuery: what the group wrote counts from here on. */
  ready(status: number, group: SyncGroup): void {
    let isInBlock = !this.isIdle;
    let isPlain = this.isPlain;
    let isTouched = false;
    for (const work of group.works) {
      this.written.add(work);
      if (work.begins === true && !isInBlock) {
        isInBlock = true;
        isPlain = true;
      } else if (!isHarmless(work)) isTouched = true;
    }
    this.isPlain = isPlain && !isTouched && status === TransactionStatus.inBlock;
    this.status = status;
    if (!this.isIdle) return;
    this.owesSnapshot = false;
    this.portal.answered(null);
  }
}
