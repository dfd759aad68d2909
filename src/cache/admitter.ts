/**
 * Decides whether an answer that a worker captured may enter the store. Everything that could make it wrong is checked here, in this order:
 *
 *   1. its token is of this generation, stream and catalog (C3, C6)       4. what it depends on can be told from its key
 *   2. its statement is cacheable, in the context of its key               5. no matching change is unknown to its snapshot (settle rule)
 *   3. every table read is live, and was before it was asked for (C2)      6. there is room
 *
 * No event comes between the checks and the insertion: this thread applies changes and admits answers, one after the other.
 */

import { ExampleTexts } from '../shared/example-texts.ts';
import { Limits } from '../shared/limits.ts';
import { StoreState } from '../shared/memory/layout.ts';
import type { Offer, ReasonExamples } from '../shared/messages.ts';
import type { Reason } from '../shared/reasons.ts';
import type { AnswerFrames } from './answer-rows.ts';
import type { ChangeLog } from './change-log.ts';
import type { Dependency } from './dependency.ts';
import type { DependencyIndex } from './dependency-index.ts';
import { type PrimaryKeyOf, pointedFenceSlots } from './entry-fences.ts';
import type { StoreHeader } from './header.ts';
import { type ParsedKey, parseKey } from './key-reader.ts';
import type { CacheStore } from './store.ts';
import type { StreamTables } from './tables.ts';

/** What admission needs to know about a statement. */
export interface Admissible {
  /** Null exactly when it is cacheable. */
  readonly reason: Reason | null;
  /** Relations read, each once. */
  readonly relations: readonly number[];
  /** Tables that hold their rows. */
  readonly streamed: readonly number[];
}

/** What an entry's key decided when it was admitted, under this catalog. */
export interface KeptEntry {
  readonly streamed: readonly number[];
  readonly dependencies: readonly Dependency[];
  readonly fenceSlots: readonly number[];
}

export interface AdmitterOptions<A extends Admissible> {
  readonly generation: number;
  readonly entryBytesMax: number;
  readonly header: Pick<StoreHeader, 'state' | 'streamEpoch' | 'catalogVersion'>;
  readonly tables: Pick<StreamTables, 'liveStamp' | 'refusal'>;
  readonly log: Pick<ChangeLog, 'conflicts'>;
  readonly store: Pick<CacheStore, 'insert' | 'find' | 'reader'>;
  readonly index: Pick<DependencyIndex, 'add'>;
  /** The analysis of the key's statement in the key's context under the current catalog; null when the context is unknown. */
  readonly analysisOf: (key: ParsedKey) => A | null;
  /** A table that is not on the stream is read. */
  readonly wanted: (relations: readonly number[]) => void;
  readonly bind: (analysis: A, key: ParsedKey, answer: AnswerFrames) => readonly Dependency[] | null;
  /** Under the current catalog, as the analysis. */
  readonly primaryKeyOf: PrimaryKeyOf;
  /** `Block.ADMISSION` of an entry that is admitted now. */
  readonly admissionOf?: (offer: Offer) => number;
  /** Tables whose rows a relation shows besides its own, under the current catalog. */
  readonly descendantsOf: (relation: number) => readonly number[];
  /** `databaseHash` of the database, which fences know its tables by. */
  readonly database: number;
  /** Test-only: rules to break on purpose. */
  readonly faults: readonly string[];
}

export class Admitter<A extends Admissible> {
  readonly #options: AdmitterOptions<A>;
  readonly #refusals = new Map<Reason, number>();
  readonly #examples = new ExampleTexts();
  #admitted = 0;
  #rejected = 0;

  constructor(options: AdmitterOptions<A>) {
    this.#options = options;
  }

  get admitted(): number {
    return this.#admitted;
  }

  get rejected(): number {
    return this.#rejected;
  }

  /** Offers refused, by reason. */
  get refusals(): ReadonlyMap<Reason, number> {
    return this.#refusals;
  }

  /** A statement of each of them. */
  get examples(): ReasonExamples {
    return this.#examples.all();
  }

  /** Admits the answer, in place of an older one with the same key, or says why not. */
  admit(offer: Offer): Reason | null {
    const refused = this.#decide(offer);
    if (refused === 'fill.stored') return refused;
    if (refused === null) {
      this.#admitted++;
    } else {
      this.#rejected++;
      const count = (this.#refusals.get(refused) ?? 0) + 1;
      this.#refusals.set(refused, count);
      this.#examples.note(refused, count, () => parseKey(offer.bytes.subarray(0, offer.keyBytes))?.text ?? '');
    }
    return refused;
  }

  #decide(offer: Offer): Reason | null {
    const stale = this.#tokenProblem(offer);
    if (stale !== null) return stale;
    if (this.#isStored(offer)) return 'fill.stored';
    const key = parseKey(offer.bytes.subarray(0, offer.keyBytes));
    if (key === null || key.contextId !== offer.contextId) return 'fill.notComplete';
    const analysis = this.#options.analysisOf(key);
    if (analysis === null) return 'session.contextUnknown';
    if (analysis.reason !== null) return analysis.reason;
    const relations = analysis.relations;
    if (relations.length > Limits.relationsPerEntryMax) return 'uncacheable.tooManyRelations';
    const unpublished = this.#tableProblem(analysis.streamed, offer.token.settleStamp);
    if (unpublished !== null) return unpublished;
    const dependencies = this.#options.bind(analysis, key, {
      frames: offer.bytes.subarray(offer.keyBytes),
      rowDescriptionBytes: offer.rowDescriptionBytes,
    });
    if (dependencies === null) return 'uncacheable.construct';
    if (this.#hasChanged(dependencies, offer.token.settleStamp)) return 'fill.changed';
    const fenceSlots = pointedFenceSlots(this.#options.database, relations, dependencies, this.#options.primaryKeyOf);
    return this.#insert(offer, fenceSlots, dependencies) === 0 ? 'fill.full' : null;
  }

  /** Admits an answer made anew under a key that an entry of this catalog had. All is checked that does not follow from the key. Its block, or 0. */
  readmit(offer: Offer, { streamed, dependencies, fenceSlots }: KeptEntry): number {
    const { settleStamp } = offer.token;
    const mayEnter =
      this.#tokenProblem(offer) === null &&
      this.#tableProblem(streamed, settleStamp) === null &&
      !this.#hasChanged(dependencies, settleStamp);
    const block = mayEnter ? this.#insert(offer, fenceSlots, dependencies) : 0;
    if (block !== 0) this.#admitted++;
    return block;
  }

  /** What is stored under the key shows all changes applied so far, as the offer does, and a round may have confirmed it already. */
  #isStored({ hash, bytes, keyBytes, pin, rowDescriptionBytes }: Offer): boolean {
    const { store } = this.#options;
    const block = store.find(hash, bytes.subarray(0, keyBytes));
    if (block === 0) return false;
    const hasAll = store.reader.rowDescriptionBytes(block) > 0 || rowDescriptionBytes === 0;
    return hasAll && (pin !== true || store.reader.isPinned(block));
  }

  #tokenProblem({ token, bytes, keyBytes }: Offer): Reason | null {
    const { header, generation, entryBytesMax } = this.#options;
    if (header.state !== StoreState.live) return 'cache.down';
    if (token.generation !== generation || token.streamEpoch !== header.streamEpoch) return 'fill.generation';
    if (token.catalogVersion !== header.catalogVersion) return 'fill.generation';
    if (keyBytes > Limits.keyBytesMax) return 'statement.tooLong';
    return bytes.length - keyBytes > entryBytesMax ? 'fill.tooLarge' : null;
  }

  /** Not published yet, being published, or published after the answer was asked for. */
  #tableProblem(streamed: readonly number[], settleStamp: number): Reason | null {
    const { tables, faults, wanted } = this.#options;
    if (faults.includes('barrier')) return null;
    for (const relation of streamed) {
      const liveStamp = tables.liveStamp(relation);
      if (liveStamp === undefined) {
        wanted(streamed);
        return tables.refusal(relation)?.reason ?? 'uncacheable.publishing';
      }
      if (settleStamp < liveStamp) return 'uncacheable.publishing';
    }
    return null;
  }

  #hasChanged(dependencies: readonly Dependency[], settleStamp: number): boolean {
    return (
      !this.#options.faults.includes('settle') && this.#options.log.conflicts(this.#onStream(dependencies), settleStamp)
    );
  }

  /** The stream knows the tables that hold rows, not the roots of partitions and parents that show them. */
  #onStream(dependencies: readonly Dependency[]): readonly Dependency[] {
    const { descendantsOf } = this.#options;
    return dependencies.flatMap((dependency) => {
      const heirs = descendantsOf(dependency.relation);
      return heirs.length === 0
        ? [dependency]
        : [dependency, ...heirs.map((relation) => ({ ...dependency, relation }))];
    });
  }

  /** Its block; 0 when there is no room. */
  #insert(offer: Offer, fenceSlots: readonly number[], dependencies: readonly Dependency[]): number {
    const { store, index, admissionOf } = this.#options;
    const key = offer.bytes.subarray(0, offer.keyBytes);
    const block = store.insert({
      hash: offer.hash,
      key,
      frames: offer.bytes.subarray(offer.keyBytes),
      rowDescriptionBytes: offer.rowDescriptionBytes,
      filledRound: offer.filledRound,
      fenceSlots,
      admission: admissionOf?.(offer) ?? 0,
      pin: offer.pin === true,
    });
    // In a store that is nearly empty of room the newest entry may be the next victim, and gone already.
    if (block === 0 || store.find(offer.hash, key) !== block) return 0;
    if (dependencies.length > 0) index.add(block, dependencies);
    return block;
  }
}
