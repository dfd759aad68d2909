/**
 * Offers from the workers. Messages are only taken in when they arrive; the offers in them are handled in slices with a turn of the event loop between
 * them, so that a flood of answers does not keep changes from being applied. Each one handled is counted in the
 * worker's CONSUMED word, by which the worker bounds what it has under way. A batch of nothing is a nudge: a worker has raised ROUND_WANTED.
 */
import type { MessagePort } from 'node:worker_threads';
import { Limits } from '../shared/limits.ts';
import { consumedWord } from '../shared/memory/layout.ts';
import type { CacheNotice, Offer, OfferBatch } from '../shared/messages.ts';

export interface InboxOptions {
  /** Header of the store; the CONSUMED words are written here alone. */
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly admit: (offer: Offer) => void;
  readonly nudged: () => void;
}

interface Source {
  readonly port: Pick<MessagePort, 'close' | 'on' | 'postMessage'>;
  readonly offers: Offer[];
  /** Offers of `offers` handled already. */
  taken: number;
}

export class Inbox {
  readonly #options: InboxOptions;
  readonly #sources = new Map<number, Source>();
  #scheduled = false;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** Offers waiting. */
  get depth(): number {
    let depth = 0;
    for (const source of this.#sources.values()) depth += source.offers.length - source.taken;
    return depth;
  }

  connect(workerSlot: number, port: Source['port']): void {
    this.disconnect(workerSlot);
    const source: Source = { port, offers: [], taken: 0 };
    this.#sources.set(workerSlot, source);
    port.on('message', (batch: OfferBatch) => {
      if (this.#sources.get(workerSlot) === source) this.#receive(source, batch);
    });
  }

  /** To all workers. */
  tell(notice: CacheNotice): void {
    for (const { port } of this.#sources.values()) port.postMessage(notice);
  }

  /** Forgets what the worker offered; its successor counts from the word as it finds it. */
  disconnect(workerSlot: number): void {
    this.#sources.get(workerSlot)?.port.close();
    this.#sources.delete(workerSlot);
  }

  #receive(source: Source, batch: OfferBatch): void {
    if (batch.length === 0) this.#options.nudged();
    for (const offer of batch) source.offers.push(offer);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.depth === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      for (const [slot, source] of this.#sources) this.#handleSlice(slot, source);
      this.#schedule();
    });
  }

  /** The same share for each worker. */
  #handleSlice(workerSlot: number, source: Source): void {
    const end = Math.min(source.offers.length, source.taken + Limits.offersPerSliceMax);
    for (; source.taken < end; source.taken++) {
      this.#options.admit(source.offers[source.taken]!);
      Atomics.add(this.#options.words, consumedWord(workerSlot), 1);
      // Others may wait for this answer.
      Atomics.notify(this.#options.words, consumedWord(workerSlot));
    }
    if (source.taken < source.offers.length) return;
    source.offers.length = 0;
    source.taken = 0;
  }
}
