/** Finds what the store holds for a text, for `explain`. This thread writes the store, so it reads without an epoch. */
import { Limits } from '../shared/limits.ts';
import { Block } from '../shared/memory/layout.ts';
import { admissionAgeS } from '../shared/memory/shape-hits.ts';
import type { ExplainedEntry } from '../shared/messages.ts';
import { extendHash, HASH_SEED, KeyForm, keyHash, preparedPrefix, simplePrefix } from '../shared/query-key.ts';
import type { CacheStore } from './store.ts';

const NO_TAIL = new Uint8Array(0);
/** Bind messages without parameters as drivers send them: result formats none, one text, one binary. */
const bindTails = ['000000000000', '0000000000010000', '0000000000010001'].map((hex) => Buffer.from(hex, 'hex'));

export function findEntries(
  store: Pick<CacheStore, 'reader'>,
  contextIds: Iterable<number>,
  strippedText: string,
  nowMs: number,
): ExplainedEntry[] {
  const { reader } = store;
  const text = Buffer.from(strippedText);
  const found: ExplainedEntry[] = [];
  let contexts = 0;
  const look = (contextId: number, protocol: ExplainedEntry['protocol'], prefix: Buffer, tail: Uint8Array): void => {
    const hash = keyHash(extendHash(HASH_SEED, prefix, 0, prefix.length), tail, 0, tail.length);
    const block = reader.find(hash, prefix, tail, 0, tail.length);
    if (block === 0 || found.length >= Limits.explainedEntriesMax) return;
    const ageS = admissionAgeS(reader.word(block, Block.ADMISSION), nowMs);
    found.push({ protocol, contextId, bytes: reader.framesBytes(block), ageS });
  };
  for (const contextId of contextIds) {
    if (++contexts > Limits.explainedContextsMax) break;
    look(contextId, 'simple', simplePrefix(contextId), text.length === 0 ? NO_TAIL : text);
    const prepared = preparedPrefix(contextId, KeyForm.portal, text, []);
    for (const tail of bindTails) look(contextId, 'extended', prepared, tail);
  }
  return found;
}
