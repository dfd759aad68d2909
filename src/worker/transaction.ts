/**
 * The origin's transaction status, and what the transaction wrote until it ends.
 *
 * A write becomes visible with its commit, so its fences are raised then, before the client can know of it (C15): at
 * ReadyForQuery outside a block, and at the CommandComplete of a statement that ends a transaction inside a batch.
 */

import type { Writes } from '../shared/messages.ts';
import { TransactionStatus } from '../shared/wire/codes.ts';
import type { SyncGroup, Work } from './owed.ts';

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

/** Tables written since the last end of a transaction. */
export class Written {
  private readonly tables = new Set<number>();
  private unknown = false;
  /** Something was written, or notified, or drawn from a sequence. */
  private any = false;

  add(work: Work): void {
    const verdict = work.suspect ? null : (work.slot?.verdict ?? null);
    if (verdict === null) this.addWrites('unknown');
    else if (!verdict.readOnly) this.addWrites(verdict.writes);
  }

  private addWrites(writes: Writes): void {
    this.any = true;
    if (writes === 'unknown') this.unknown = true;
    else if (writes !== 'none') for (const table of writes) this.tables.add(table);
  }

  get isEmpty(): boolean {
    return !this.any;
  }

  get isUnknown(): boolean {
    return this.unknown;
  }

  list(): number[] {
    return [...this.tables];
  }

  clear(): void {
    this.tables.clear();
    this.unknown = false;
    this.any = false;
  }
}

export class Transaction {
  /** Of the last ReadyForQuery. */
  status: number = TransactionStatus.idle;
  readonly written = new Written();

  get isIdle(): boolean {
    return this.status === TransactionStatus.idle;
  }

  /** ReadyForQuery: what the group wrote counts from here on. */
  ready(status: number, group: SyncGroup): void {
    for (const work of group.works) this.written.add(work);
    this.status = status;
  }
}
