/** Row changes as they come off the change stream (pgoutput), before anything is made of them. */
import type { Lsn } from '../shared/lsn.ts';

export interface StreamColumn {
  readonly name: string;
  readonly typeOid: number;
  /** Part of the replica identity. */
  readonly isKey: boolean;
}

/** A Relation message. Manual: Logical Replication Message Formats. */
export interface StreamRelation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** 'd' default, 'n' nothing, 'f' full, 'i' index. */
  readonly replicaIdentity: string;
  readonly columns: readonly StreamColumn[];
}

/** Text per column in the order of `StreamRelation.columns`; null is NULL, undefined is unknown (unchanged TOAST, or a
 * column outside the key in a key-only old row: C22). */
export type StreamRow = readonly (string | null | undefined)[];

export interface RowChange {
  readonly relation: StreamRelation;
  readonly kind: 'insert' | 'update' | 'delete';
  /** Null for inserts, and for updates that changed no key column under a key identity: then the new row's key is the old one's. */
  readonly oldRow: StreamRow | null;
  readonly newRow: StreamRow | null;
}

/**
 * What a stream is read into, in stream order. Changes of a transaction arrive after it committed, so they may be acted on
 * at once: invalidating early is never wrong.
 */
export interface ChangeSink {
  begin(xid: number): void;
  change(change: RowChange): void;
  truncate(relations: readonly StreamRelation[]): void;
  /** A logical message of ours or somebody's (`pg_logical_emit_message`). */
  message(prefix: string, content: Buffer): void;
  /** `endLsn` is the end of the commit record (C14). */
  commit(endLsn: Lsn): void;
  /** Something is left to do of what was told last: nothing more may be told until `proceed` has done it. Missing: never. */
  readonly isBusy?: boolean;
  /** Does a bounded part of that. */
  proceed?(): void;
}

/** An applied transaction on its way to being visible to every new snapshot. */
export interface SettlingTransaction {
  readonly xid: number;
  /** Infinity until settled, then the SETTLE_STAMP published with it. */
  settledStamp: number;
}
