/**
 * Posts captured answers to the cache thread: gathered over one turn of the event loop, memory transferred, and bounded by what the
 * cache thread has consumed (a word in the store's header), so that a slow consumer costs captures, not memory.
 */
import type { MessagePort } from 'node:worker_threads';
import { Limits } from '../shared/limits.ts';
import type { Offer, OfferBatch } from '../shared/messages.ts';

export class Outbox {
  private readonly port: Pick<MessagePort, 'postMessage'>;
  /** The word that counts what was consumed. */
  private readonly consumed: () => number;
  private readonly inFlight: number[] = [];
  private inFlightBytes = 0;
  private consumedSeen: number;
  private batch: Offer[] = [];
  private scheduled = false;

  constructor(port: Pick<MessagePort, 'postMessage'>, consumed: () => number) {
    this.port = port;
    this.consumed = consumed;
    this.consumedSeen = consumed();
  }

  /** Whether one more answer may be captured now. */
  get hasRoom(): boolean {
    this.settle();
    return this.inFlight.length < Limits.offersInFlightMax && this.inFlightBytes < Limits.offerBytesInFlightMax;
  }

  /** False when the inbox is full. */
  add(offer: Offer): boolean {
    if (!this.hasRoom) return false;
    this.inFlight.push(offer.bytes.length);
    this.inFlightBytes += offer.bytes.length;
    this.batch.push(offer);
    if (!this.scheduled) {
      this.scheduled = true;
      setImmediate(() => this.post());
    }
    return true;
  }

  /** What the word of consumed offers reads when all that were added have been handled. */
  get count(): number {
    return (this.consumedSeen + this.inFlight.length) | 0;
  }

  /** Tells the cache thread to look at ROUND_WANTED: a batch of nothing. */
  nudge(): void {
    this.port.postMessage([] satisfies OfferBatch);
  }

  private post(): void {
    this.scheduled = false;
    const batch: OfferBatch = this.batch;
    this.batch = [];
    this.port.postMessage(
      batch,
      batch.map((offer) => offer.bytes.buffer),
    );
  }

  private settle(): void {
    const seen = this.consumed();
    for (let n = (seen - this.consumedSeen) | 0; n > 0; n--) this.inFlightBytes -= this.inFlight.shift() ?? 0;
    this.consumedSeen = seen;
  }
}
