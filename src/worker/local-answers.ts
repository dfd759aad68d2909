/** What `SHOW pgfresh.status` and `EXPLAIN (PGFRESH)` say: rows of property and value, under the session's own context and level. */
import { enterEpoch, leaveEpoch } from '../shared/memory/epochs.ts';
import { entryRound } from '../shared/memory/fences.ts';
import { Block } from '../shared/memory/layout.ts';
import { admissionAgeS } from '../shared/memory/shape-hits.ts';
import type { Explanation } from '../shared/messages.ts';
import { extendHash, HASH_SEED, KeyForm, keyHash, preparedPrefix, simplePrefix } from '../shared/query-key.ts';
import { type Reason, Reasons } from '../shared/reasons.ts';
import { Remedies } from '../shared/remedies.ts';
import { stripComments } from '../shared/shape.ts';
import type { AttachedCache } from './cache-link.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';

export type Row = readonly [property: string, value: string];

/** A statement that is explained, as the client would send it. */
export interface Explained {
  readonly text: string;
  readonly parameterTypes: readonly number[];
  /** The Bind message behind its names; null in the simple protocol. */
  readonly bindTail: Buffer | null;
}

/** Bind without parameters, result formats not given. */
const NO_PARAMETERS_TAIL = Buffer.alloc(6);

/** Why no statement of this session is answered from the cache now; null if they may be. */
function whyNoHit(session: Session, runtime: Runtime): Reason | null {
  const cache = session.liveCache;
  if (session.consistency.level === 'off') return 'cache.off';
  if (cache === null) return session.home.whyNot;
  if (!session.transaction.mayHit) return 'session.inTransaction';
  const ageMs = ((runtime.clock.nowMs() | 0) - cache.reader.freshAsOfMs()) | 0;
  if (ageMs > runtime.config.cache.maxStalenessMs) return 'cache.stale';
  return session.settings.current(cache) === null ? session.settings.reason : null;
}

const spelled = (reason: Reason): string => `${reason} (${Reasons[reason]})`;
const remedyRow = (reason: Reason | null): Row[] => {
  const remedy = reason === null ? undefined : Remedies[reason];
  return remedy === undefined ? [] : [['remedy', remedy]];
};

export function statusRows(session: Session, runtime: Runtime): Row[] {
  const cache = session.liveCache;
  const why = whyNoHit(session, runtime);
  const freshMs = cache === null ? null : ((runtime.clock.nowMs() | 0) - cache.reader.freshAsOfMs()) | 0;
  return [
    ['cache', cache === null ? 'down' : 'live'],
    ['generation', String(runtime.databases.first.cache?.generation ?? 0)],
    ['catalog version', cache === null ? '' : String(cache.reader.catalogVersion())],
    ['fresh as of', freshMs === null ? '' : `${freshMs} ms ago`],
    ['consistency', session.consistency.level],
    ['hits here and now', why === null ? 'possible' : spelled(why)],
    ...remedyRow(why),
  ];
}

/** While the session cannot be told from others, its statements cannot be judged. */
export function unknownRows(session: Session, runtime: Runtime): Row[] {
  const reason = whyNoHit(session, runtime) ?? 'session.contextUnknown';
  return [['cacheable', 'no'], ['reason', spelled(reason)], ...remedyRow(reason)];
}

export function explanationRows(
  session: Session,
  runtime: Runtime,
  cache: AttachedCache,
  explained: Explained,
  explanation: Explanation,
): Row[] {
  const { cacheable, reason, detail, remedy, relations, constraints, readOnly, writes, shape, hits } = explanation;
  const why = whyNoHit(session, runtime);
  return [
    ['statement', shape],
    ['cacheable', cacheable ? 'yes' : 'no'],
    ...(reason === null ? [] : ([['reason', spelled(reason)]] as const)),
    ...(detail === '' ? [] : ([['detail', detail]] as const)),
    ...(remedy === null ? [] : ([['remedy', remedy]] as const)),
    ...relations.map((relation): Row => ['reads', relation]),
    ...constraints.map((constraint): Row => ['depends on', constraint]),
    ...(readOnly ? [] : ([['writes', typeof writes === 'string' ? writes : writes.join(', ')]] as const)),
    ['consistency', session.consistency.level],
    ['hits here and now', why === null ? 'possible' : spelled(why)],
    ...remedyRow(why),
    ...(cacheable && explanation.contextId !== null
      ? entryRows(session, runtime, cache, explained, explanation.contextId)
      : []),
    ...(cacheable ? ([['hits of the shape', hitsText(hits)]] as const) : []),
    ...explanation.keySettings.map(({ name, value }): Row => ['key', `${name} = ${value ?? 'null'}`]),
  ];
}

/** @param hits null: no answer of the shape was stored, or its hits are counted together with those of others */
function hitsText(hits: number | null): string {
  if (hits === null) return 'not counted: no answer of the shape has been stored';
  return hits === 0 ? 'none yet: its answers were stored and not asked for again' : String(hits);
}

function entryRows(
  session: Session,
  runtime: Runtime,
  cache: AttachedCache,
  { text, parameterTypes, bindTail }: Explained,
  contextId: number,
): Row[] {
  const stripped = stripComments(text);
  // As a console sends it, and as a program does.
  const texts = [...new Set([stripped, stripped.replace(/\s*;\s*$/, '')])].map((each) => Buffer.from(each));
  const look = (prefix: Buffer, tail: Buffer) => entryRow(session, runtime, cache, prefix, tail);
  const simple = texts.map((each) => look(simplePrefix(contextId), each)).find(Boolean);
  const extended = texts
    .map((each) =>
      look(preparedPrefix(contextId, KeyForm.portal, each, parameterTypes), bindTail ?? NO_PARAMETERS_TAIL),
    )
    .find(Boolean);
  return [
    ['entry, simple protocol', simple ?? 'none'],
    ['entry, extended protocol', extended ?? 'none with these parameters and formats'],
  ];
}

function entryRow(
  session: Session,
  runtime: Runtime,
  { reader, databaseFence }: AttachedCache,
  prefix: Buffer,
  tail: Buffer,
): string | null {
  const { control, epochWord, clock } = runtime;
  const { consistency } = session;
  const freshRound = reader.freshRound();
  enterEpoch(control, epochWord, reader.words);
  const hash = keyHash(extendHash(HASH_SEED, prefix, 0, prefix.length), tail, 0, tail.length);
  const block = reader.find(hash, prefix, tail, 0, tail.length);
  const bytes = block === 0 ? 0 : reader.framesBytes(block);
  const admission = block === 0 ? 0 : reader.word(block, Block.ADMISSION);
  const asksFences = block !== 0 && consistency.asksFences(consistency.level, freshRound);
  const fencedRound = asksFences ? entryRound(control, reader, block, databaseFence) : 0;
  const filledRound = block === 0 ? 0 : reader.filledRound(block);
  leaveEpoch(control, epochWord);
  if (block === 0) return null;
  const needed = consistency.neededRound(consistency.level, fencedRound);
  const age = `${bytes} bytes, ${admissionAgeS(admission, clock.nowMs())} s old`;
  if (freshRound < needed) return `${age}, ${spelled('cache.fenced')}`;
  return freshRound < filledRound ? `${age}, ${spelled('cache.unconfirmed')}` : `${age}, fresh enough`;
}
