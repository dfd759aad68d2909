/**
 * Tables that cached statements want on the stream. What is wanted within one turn of the event loop is published together; what is refused
 * for good is marked so until the catalog changes, what is refused for now is tried again when it is next wanted, after a pause.
 */
import type { Clock } from '../shared/clock.ts';
import { toError } from '../shared/errors.ts';
import type { Publication } from './publication.ts';
import type { StreamTables } from './tables.ts';

export interface WantedOptions {
  readonly publication: Pick<Publication, 'ensure'>;
  readonly tables: Pick<StreamTables, 'liveStamp' | 'refusal' | 'refuse'>;
  readonly clock: Clock;
  readonly retryMs: number;
  /** The connection failed. */
  readonly onError: (error: Error) => void;
}

export class WantedTables {
  readonly #options: WantedOptions;
  /** Asked for and answered, or under way: table → when it may be asked for again. */
  readonly #notBeforeMs = new Map<number, number>();
  #next: Set<number> | null = null;
  #round: Promise<void> = Promise.resolve();

  constructor(options: WantedOptions) {
    this.#options = options;
  }

  /** Resolves when each table is in the publication (live or not) or refused; never rejects. */
  want(relations: readonly number[]): Promise<void> {
    const { tables, clock } = this.#options;
    for (const oid of relations) {
      if (tables.liveStamp(oid) !== undefined || tables.refusal(oid) !== undefined) continue;
      if (clock.nowMs() < (this.#notBeforeMs.get(oid) ?? Number.NEGATIVE_INFINITY)) continue;
      this.#notBeforeMs.set(oid, Number.POSITIVE_INFINITY);
      this.#collect().add(oid);
    }
    return this.#round;
  }

  #collect(): Set<number> {
    if (this.#next !== null) return this.#next;
    const wanted = new Set<number>();
    this.#next = wanted;
    this.#round = new Promise((resolve) => {
      setImmediate(() => {
        this.#next = null;
        this.#ensure(wanted).then(resolve, (error: unknown) => {
          this.#options.onError(toError(error));
          resolve();
        });
      });
    });
    return wanted;
  }

  async #ensure(wanted: ReadonlySet<number>): Promise<void> {
    const { publication, tables, clock, retryMs } = this.#options;
    const refusals = await publication.ensure(wanted);
    for (const refusal of refusals) {
      if (!refusal.retry) tables.refuse(refusal);
    }
    // Also those that were added: should the barrier forget one, it is asked for again.
    for (const oid of wanted) this.#notBeforeMs.set(oid, clock.nowMs() + retryMs);
  }
}
