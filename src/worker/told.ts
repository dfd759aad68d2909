/**
 * What the client was told of a prepared statement's parameters and columns, as two numbers: enough to know whether one that is made later would be described
 * the same way. Of a column count name, type and type modifier, as they do for PostgreSQL (equalRowTypes, tupdesc.c); not the format, which each Bind chooses.
 */
import { extendHash, finishHash, HASH_SEED } from '../shared/query-key.ts';
import { Backend } from '../shared/wire/codes.ts';
import { HEADER_BYTES } from '../shared/wire/framer.ts';
import type { Statement } from './statement.ts';

/** Of its parameters and of its columns; 0: nothing was told. */
export interface Columns {
  readonly parameters: number;
  readonly rows: number;
}

export interface Told extends Columns {
  parameters: number;
  rows: number;
  /** The origin has made the statement, or told of it: what is answered here needs this round, which has seen the catalog of that moment. */
  round: number;
  /** That round has come, and the catalog was still the one that the statement was resolved under: so it was when the client was told. */
  isConfirmed: boolean;
}

export const untold = (): Told => ({ parameters: 0, rows: 0, round: 0, isConfirmed: true });

/** The origin has made the statement, or told of it, in a catalog that this round will have seen. */
export function awaitRound(told: Told, round: number): void {
  told.round = round;
  told.isConfirmed = false;
}

const NO_ROWS = 1;
/** They came in pieces. */
const UNHEARD = -1;
/** Table (4), column number (2). */
const ORIGIN_BYTES = 6;
/** Type (4), length (2), modifier (4). */
const TYPE_BYTES = 10;
const FORMAT_BYTES = 2;

/** Adds what the frames at [start, end) tell: a ParameterDescription, and the RowDescription or NoData that comes first or next. */
export function hear(told: Told, bytes: Buffer, start: number, end: number): void {
  let at = start;
  while (at + HEADER_BYTES <= end) {
    const code = bytes[at]!;
    const stop = at + 1 + bytes.readInt32BE(at + 1);
    if (stop > end) return;
    if (code === Backend.parameterDescription) told.parameters = hash(bytes, at + HEADER_BYTES, stop);
    else if (code === Backend.rowDescription) told.rows = hashOfColumns(bytes, at + HEADER_BYTES, stop);
    else if (code === Backend.noData) told.rows = NO_ROWS;
    if (code !== Backend.parameterDescription) return;
    at = stop;
  }
}

/** @param freshRound loaded before the statement was found to be resolved in the catalog of now */
export function confirm(told: Told, freshRound: number): void {
  if (told.round <= freshRound) told.isConfirmed = true;
}

/** The origin has answered a Describe of which `hear` was told what could be heard. */
export function toldByOrigin(statement: Pick<Statement, 'told' | 'isToldThere'>, round: number): void {
  const { told } = statement;
  statement.isToldThere = true;
  awaitRound(told, round);
  if (told.rows === 0) told.rows = UNHEARD;
}

/** What the client goes by when it reads what is answered about a portal of `bound`, or about a statement; null: that comes with it. */
export function toldBefore(bound: Statement | null, describe: Statement | boolean): Told | null {
  if (bound !== null) return describe === false ? bound.told : null;
  return typeof describe === 'object' ? describe.told : null;
}

/** Whether `made` is described as the client was told. */
export function isAsTold(told: Columns, made: Columns): boolean {
  const same = (before: number, now: number) => before === 0 || before === now;
  return same(told.parameters, made.parameters) && same(told.rows, made.rows);
}

/** Whether the client was told what another description can be compared with. */
export function isComparable({ parameters, rows }: Columns): boolean {
  return rows !== UNHEARD && (rows !== 0 || parameters !== 0);
}

function hash(bytes: Buffer, start: number, end: number): number {
  return finishHash(extendHash(HASH_SEED, bytes, start, end)) || 1;
}

function hashOfColumns(bytes: Buffer, start: number, end: number): number {
  let h = HASH_SEED;
  let at = start + 2;
  while (at < end) {
    const nameEnd = bytes.indexOf(0, at) + 1;
    const type = nameEnd + ORIGIN_BYTES;
    h = extendHash(extendHash(h, bytes, at, nameEnd), bytes, type, type + TYPE_BYTES);
    at = type + TYPE_BYTES + FORMAT_BYTES;
  }
  return finishHash(h) || 1;
}
