/**
 * The rows of a list as changes move them: one that comes is put where the order wants it, one that goes leaves its place. Behind a full LIMIT there may
 * be rows that the answer does not show, and which of them would move up is not known.
 *
 *   changed row ─▶ in the list by its key? ─▶ still (or now) a member? ─▶ placed by the order ─▶ beyond the limit: not shown
 *
 * Changes are made in the stream's order to an answer that showed exactly what the stream had told before them, so the outcome of a transaction's
 * last change is what a snapshot behind it shows.
 */
import { encodeCommandComplete, encodeDataRow } from '../shared/wire/backend.ts';
import { type AnswerFrames, rowsOfAnswer } from './answer-rows.ts';
import type { RowChange, StreamRow } from './change.ts';
import type { ListAnswer } from './list-answer.ts';
import { joinedKey, keysOf } from './row-keys.ts';

interface ListedRow {
  readonly key: string;
  /** Values in the order of `ListAnswer.order`. */
  readonly sort: readonly (string | null)[];
  /** Its DataRow. */
  readonly frame: Buffer;
}

/** 'unknown': what the answer is after the change is not certain. */
type Outcome = 'same' | 'changed' | 'unknown';

export class ListedRows {
  readonly #list: ListAnswer;
  readonly #rows: ListedRow[];
  /** There may be rows behind the last one. */
  #mayHaveMore: boolean;

  private constructor(list: ListAnswer, rows: ListedRow[]) {
    this.#list = list;
    this.#rows = rows;
    this.#mayHaveMore = list.rowsMax !== null && rows.length >= list.rowsMax;
  }

  /** Null where a key or a value that it is sorted by cannot be read, and where rows stand in no order. */
  static of(list: ListAnswer, answer: AnswerFrames, rowsMax: number): ListedRows | null {
    const read: ListedRow[] = [];
    const rows = rowsOfAnswer(answer, rowsMax);
    for (const values of rows ?? []) {
      const texts = list.key.map((place) =>
        'text' in place ? place.text : list.readers[place.at]!(values[place.at]!),
      );
      const sort = list.order?.map(({ at }) => list.readers[at]!(values[at]!)) ?? [];
      if (!texts.every((text) => typeof text === 'string') || !sort.every((text) => text !== undefined)) return null;
      read.push({ key: joinedKey(texts), sort, frame: encodeDataRow(values) });
    }
    const listed = rows === null ? null : new ListedRows(list, read);
    return listed?.isOrdered === true ? listed : null;
  }

  apply(change: RowChange): Outcome {
    const { keyColumns, streamedColumns } = this.#list;
    const keys = keysOf(change, keyColumns);
    // A table with other columns than the catalog's is about to have another catalog.
    if (keys === null || change.relation.columns.length !== streamedColumns) return 'unknown';
    const [own, old = own] = keys.map(joinedKey);
    const { newRow } = change;
    if (newRow === null) return this.#remove(own!);
    const left = old === own ? 'same' : this.#remove(old!);
    const isMember = this.#isMember(change, newRow);
    if (left === 'unknown' || isMember === undefined) return 'unknown';
    const outcome = isMember ? this.#put(change, newRow, own!) : this.#remove(own!);
    return outcome === 'same' ? left : outcome;
  }

  /** The frames behind the RowDescription. */
  encode(): Buffer {
    const frames = this.#rows.map(({ frame }) => frame);
    return Buffer.concat([...frames, encodeCommandComplete(`SELECT ${frames.length}`)]);
  }

  /** Rows that no order tells apart are in an order only while there is one of them, and no other waits behind a limit. */
  private get isOrdered(): boolean {
    return this.#list.order !== null || (this.#rows.length <= 1 && !this.#mayHaveMore);
  }

  #isMember(change: RowChange, row: StreamRow): boolean | undefined {
    for (const { column, value } of this.#list.members) {
      const found = streamValue(change, row, column);
      if (found === undefined) return undefined;
      if (found !== value) return false;
    }
    return true;
  }

  #remove(key: string): Outcome {
    const at = this.#rows.findIndex((row) => row.key === key);
    if (at < 0) return 'same';
    this.#rows.splice(at, 1);
    return this.#mayHaveMore ? 'unknown' : 'changed';
  }

  #put(change: RowChange, newRow: StreamRow, key: string): Outcome {
    const row = this.#rowOf(change, newRow, key);
    if (row === null) return 'unknown';
    const before = this.#rows.findIndex((other) => other.key === key);
    if (before >= 0 && this.#compare(row, this.#rows[before]!) === 0) {
      this.#rows[before] = row;
      return 'changed';
    }
    if (before >= 0) this.#rows.splice(before, 1);
    const at = this.#placeOf(row);
    if (at === null) return 'unknown';
    if (at === this.#rows.length && this.#mayHaveMore) return before < 0 ? 'same' : 'unknown';
    this.#rows.splice(at, 0, row);
    const { rowsMax } = this.#list;
    if (rowsMax !== null && this.#rows.length > rowsMax) {
      this.#rows.pop();
      this.#mayHaveMore = true;
    }
    return this.isOrdered ? 'changed' : 'unknown';
  }

  #rowOf(change: RowChange, newRow: StreamRow, key: string): ListedRow | null {
    const { columns, encoders, order } = this.#list;
    const texts = columns.map(({ name, type }) => streamValue(change, newRow, name, type));
    if (!texts.every((text) => text !== undefined)) return null;
    const values = texts.map((text, i) => (text === null ? null : encoders[i]!(text)));
    if (values.some((value, i) => value === null && texts[i] !== null)) return null;
    return { key, sort: order?.map(({ at }) => texts[at]!) ?? [], frame: encodeDataRow(values) };
  }

  /** Null: not known. */
  #placeOf(row: ListedRow): number | null {
    for (const [i, other] of this.#rows.entries()) {
      const difference = this.#compare(row, other);
      if (Number.isNaN(difference)) return null;
      if (difference < 0) return i;
    }
    return this.#rows.length;
  }

  #compare(a: ListedRow, b: ListedRow): number {
    for (const [i, { compare }] of (this.#list.order ?? []).entries()) {
      const difference = compare(a.sort[i]!, b.sort[i]!);
      if (difference !== 0) return difference;
    }
    return 0;
  }
}

/** Undefined: the stream does not tell. @param type that it must have, if that matters */
function streamValue({ relation }: RowChange, row: StreamRow, name: string, type?: number): string | null | undefined {
  const i = relation.columns.findIndex((column) => column.name === name);
  if (i < 0 || (type !== undefined && relation.columns[i]!.typeOid !== type)) return undefined;
  return row[i];
}
