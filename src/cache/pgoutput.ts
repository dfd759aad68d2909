/**
 * Decodes pgoutput, protocol version 1, into a `ChangeSink`. No socket and no timer: one call per message.
 * Manual: Logical Replication Message Formats.
 *
 *   B egin · R elation · Y type · O rigin · I nsert · U pdate · D elete · T runcate · M essage · C ommit
 *
 *   tuple = int16 columns, then per column:  'n' NULL | 'u' unchanged TOAST | 't' int32 length, text
 *
 * What does not decode is never guessed: a `DecodeError` ends the stream, and the cache with it. The bytes belong to the
 * caller and are reused after the call, so nothing here keeps a view of them.
 */
import { PgfreshError } from '../shared/errors.ts';
import type { Lsn } from '../shared/lsn.ts';
import type { ChangeSink, StreamColumn, StreamRelation, StreamRow } from './change.ts';

/** The stream holds something that this decoder does not understand. */
export class DecodeError extends PgfreshError {
  constructor(message: string) {
    super('STREAM_UNDECODABLE', 1, message);
  }
}

const Message = {
  begin: 0x42, // B
  commit: 0x43, // C
  delete: 0x44, // D
  insert: 0x49, // I
  logical: 0x4d, // M
  origin: 0x4f, // O
  relation: 0x52, // R
  truncate: 0x54, // T
  update: 0x55, // U
  type: 0x59, // Y
} as const;

const Tuple = {
  key: 0x4b, // K
  new: 0x4e, // N
  old: 0x4f, // O
  null: 0x6e, // n
  text: 0x74, // t
  unchanged: 0x75, // u
} as const;

const RELATION_COLUMN_IS_KEY = 1;

export interface OpenTransaction {
  readonly xid: number;
  /** Start of the commit record; every position up to it is before this transaction's commit. */
  readonly finalLsn: Lsn;
}

export class PgoutputDecoder {
  readonly #sink: ChangeSink;
  readonly #relations = new Map<number, StreamRelation>();
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #transaction: OpenTransaction | null = null;
  #rows = 0;
  /** End of the last transaction. */
  #endLsn: Lsn = 0n;

  constructor(sink: ChangeSink) {
    this.#sink = sink;
  }

  /** The transaction whose changes are arriving, null between transactions. */
  get transaction(): OpenTransaction | null {
    return this.#transaction;
  }

  /** Row changes decoded so far. */
  get rows(): number {
    return this.#rows;
  }

  /** Decodes the message `bytes[start, bytes.length)` and hands it to the sink.
   * @throws DecodeError; and whatever the sink throws, untouched. */
  decode(bytes: Buffer, start = 0): void {
    this.#bytes = bytes;
    this.#at = start;
    switch (this.#byte()) {
      case Message.insert:
        this.#insert();
        break;
      case Message.update:
        this.#update();
        break;
      case Message.delete:
        this.#delete();
        break;
      case Message.begin:
        this.#begin();
        break;
      case Message.commit:
        this.#commit();
        break;
      case Message.relation:
        this.#relation();
        break;
      case Message.truncate:
        this.#truncate();
        break;
      case Message.logical:
        this.#logical();
        break;
      case Message.origin:
      case Message.type:
        break; // where a change came from, and names of types: nothing depends on them
      default:
        throw new DecodeError(`unknown message type ${bytes[start]} of ${bytes.length - start} bytes`);
    }
  }

  #begin(): void {
    if (this.#transaction !== null) throw new DecodeError('Begin inside a transaction');
    const finalLsn = this.#uint64();
    // Transactions come in the order of their commits: anything else is not the log that we have read so far.
    if (finalLsn < this.#endLsn) throw new DecodeError('a transaction from before the one read last');
    this.#skip(8); // commit time
    const xid = this.#uint32();
    this.#end();
    this.#transaction = { xid, finalLsn };
    this.#sink.begin(xid);
  }

  #commit(): void {
    const { finalLsn } = this.#inTransaction('Commit');
    this.#skip(1); // flags (unused)
    if (this.#uint64() !== finalLsn) throw new DecodeError('the Commit of another transaction than the one begun');
    const endLsn = this.#uint64();
    this.#skip(8); // commit time
    this.#end();
    this.#endLsn = endLsn;
    this.#transaction = null;
    this.#sink.commit(endLsn);
  }

  #relation(): void {
    const oid = this.#uint32();
    const schema = this.#string() || 'pg_catalog';
    const name = this.#string();
    const replicaIdentity = String.fromCharCode(this.#byte());
    const count = this.#uint16();
    const columns: StreamColumn[] = [];
    for (let i = 0; i < count; i++) {
      const isKey = (this.#byte() & RELATION_COLUMN_IS_KEY) !== 0;
      columns.push({ isKey, name: this.#string(), typeOid: this.#uint32() });
      this.#skip(4); // type modifier
    }
    this.#end();
    this.#relations.set(oid, { oid, schema, name, replicaIdentity, columns });
  }

  #insert(): void {
    const relation = this.#relationOfChange('Insert');
    this.#expect(Tuple.new);
    const newRow = this.#tuple(relation, false, null);
    this.#end();
    this.#rows++;
    this.#sink.change({ relation, kind: 'insert', oldRow: null, newRow });
  }

  #update(): void {
    const relation = this.#relationOfChange('Update');
    let part = this.#byte();
    let oldRow: StreamRow | null = null;
    if (part === Tuple.key || part === Tuple.old) {
      oldRow = this.#tuple(relation, part === Tuple.key, null);
      part = this.#byte();
    }
    if (part !== Tuple.new) throw new DecodeError(`Update with tuple ${part}`);
    const newRow = this.#tuple(relation, false, oldRow);
    this.#end();
    this.#rows++;
    this.#sink.change({ relation, kind: 'update', oldRow, newRow });
  }

  #delete(): void {
    const relation = this.#relationOfChange('Delete');
    const part = this.#byte();
    if (part !== Tuple.key && part !== Tuple.old) throw new DecodeError(`Delete with tuple ${part}`);
    const oldRow = this.#tuple(relation, part === Tuple.key, null);
    this.#end();
    this.#rows++;
    this.#sink.change({ relation, kind: 'delete', oldRow, newRow: null });
  }

  #truncate(): void {
    this.#inTransaction('Truncate');
    const count = this.#uint32();
    this.#skip(1); // CASCADE, RESTART IDENTITY: every relation emptied is listed either way
    const relations: StreamRelation[] = [];
    for (let i = 0; i < count; i++) relations.push(this.#known(this.#uint32()));
    this.#end();
    this.#sink.truncate(relations);
  }

  #logical(): void {
    this.#skip(1 + 8); // transactional or not, position
    const prefix = this.#string();
    const length = this.#uint32();
    this.#need(length);
    const content = Buffer.from(this.#bytes.subarray(this.#at, this.#at + length));
    this.#at += length;
    this.#end();
    this.#sink.message(prefix, content);
  }

  /** One tuple. In a key-only tuple the other columns are sent as NULL but are unknown (C22). An unchanged TOAST value is
   * the old row's, where the old row has it (identity FULL, or a key column), and unknown otherwise. */
  #tuple(relation: StreamRelation, keyOnly: boolean, oldRow: StreamRow | null): StreamRow {
    const { columns } = relation;
    const count = this.#uint16();
    if (count !== columns.length) throw new DecodeError(`${count} values for ${columns.length} columns`);
    const row: (string | null | undefined)[] = new Array(count);
    for (let i = 0; i < count; i++) {
      const kind = this.#byte();
      let value: string | null | undefined;
      if (kind === Tuple.text) value = this.#text();
      else if (kind === Tuple.null) value = null;
      else if (kind === Tuple.unchanged) value = oldRow === null ? undefined : oldRow[i];
      else throw new DecodeError(`column value of kind ${kind}`);
      row[i] = keyOnly && !columns[i]!.isKey ? undefined : value;
    }
    return row;
  }

  #text(): string {
    const length = this.#uint32();
    this.#need(length);
    const start = this.#at;
    this.#at += length;
    return this.#bytes.toString('utf8', start, this.#at);
  }

  #relationOfChange(what: string): StreamRelation {
    this.#inTransaction(what);
    return this.#known(this.#uint32());
  }

  #known(oid: number): StreamRelation {
    const relation = this.#relations.get(oid);
    if (relation === undefined) throw new DecodeError(`a change of relation ${oid}, which was never described`);
    return relation;
  }

  #inTransaction(what: string): OpenTransaction {
    if (this.#transaction === null) throw new DecodeError(`${what} outside a transaction`);
    return this.#transaction;
  }

  #expect(byte: number): void {
    const found = this.#byte();
    if (found !== byte) throw new DecodeError(`byte ${found} where ${byte} must be`);
  }

  /** Checks that `count` more bytes are there: no read may pass the message's end. */
  #need(count: number): void {
    if (this.#at + count > this.#bytes.length) throw new DecodeError('message ends too early');
  }

  /** Bytes left over mean that the message was misread. */
  #end(): void {
    if (this.#at !== this.#bytes.length) throw new DecodeError(`${this.#bytes.length - this.#at} bytes too many`);
  }

  #skip(count: number): void {
    this.#need(count);
    this.#at += count;
  }

  #byte(): number {
    this.#need(1);
    return this.#bytes[this.#at++]!;
  }

  #uint16(): number {
    this.#need(2);
    const value = this.#bytes.readUInt16BE(this.#at);
    this.#at += 2;
    return value;
  }

  #uint32(): number {
    this.#need(4);
    const value = this.#bytes.readUInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  #uint64(): bigint {
    this.#need(8);
    const value = this.#bytes.readBigUInt64BE(this.#at);
    this.#at += 8;
    return value;
  }

  #string(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw new DecodeError('a name without its end');
    const value = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return value;
  }
}
