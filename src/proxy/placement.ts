/** Ways to choose a worker for a connection, one for each model of concurrency (concurrency.ts). All run in main, so none needs a lock. */
import type { Incoming, Lane } from './handoff.ts';

export interface Placement {
  /** A worker that takes connections from now on. */
  add(slot: number, lane: Lane): void;
  /** It takes none any more; what waited for it waits for the others. */
  remove(slot: number): void;
  /** Hands the connection to a worker at once. False: none has room. */
  offer(incoming: Incoming): boolean;
  /** The connection waits; every connection held is handed over, or given back by `release`. */
  hold(incoming: Incoming): void;
  /** The worker has the connection and can take another. */
  took(slot: number): void;
  /** A connection that the worker had has ended. */
  ended(slot: number): void;
  /** Tries again: a lane that was full may have room. */
  retry(): void;
  readonly waiting: number;
  /** Connections that another worker than the first choice took. */
  readonly stolen: number;
  /** Gives back what waits. */
  release(): Incoming[];
}

/** Hands over; false when the lane has no room. A client that has gone meanwhile counts as handed over. */
export type Send = (incoming: Incoming, slot: number, lane: Lane) => 'sent' | 'full' | 'gone';

abstract class Slots {
  protected readonly lanes = new Map<number, Lane>();
  protected order: readonly number[] = [];
  protected readonly send: Send;
  #next = 0;

  constructor(send: Send) {
    this.send = send;
  }

  protected insert(slot: number, lane: Lane): void {
    this.lanes.set(slot, lane);
    this.order = [...this.lanes.keys()].sort((a, b) => a - b);
  }

  protected delete(slot: number): void {
    this.lanes.delete(slot);
    this.order = [...this.lanes.keys()].sort((a, b) => a - b);
  }

  /** The next slot in turn; undefined when there is none. */
  protected turn(): number | undefined {
    const slot = this.order[this.#next % Math.max(1, this.order.length)];
    this.#next = (this.#next + 1) % Math.max(1, this.order.length);
    return slot;
  }

  protected trySend(incoming: Incoming, slot: number): 'sent' | 'full' | 'gone' {
    return this.send(incoming, slot, this.lanes.get(slot)!);
  }
}

/** async (with one worker) and pool: in turn; a connection waits only while every lane is full, or none is there. */
export class TurnPlacement extends Slots implements Placement {
  readonly #waiting: Incoming[] = [];
  readonly stolen = 0;

  get waiting(): number {
    return this.#waiting.length;
  }

  add(slot: number, lane: Lane): void {
    this.insert(slot, lane);
    this.retry();
  }

  remove(slot: number): void {
    this.delete(slot);
  }

  offer(incoming: Incoming): boolean {
    return this.#waiting.length === 0 && this.#place(incoming);
  }

  hold(incoming: Incoming): void {
    this.#waiting.push(incoming);
  }

  took(): void {
    if (this.#waiting.length > 0) this.retry();
  }

  /** A worker of a pool has no number of connections that it can have. */
  ended(): void {
    this.took();
  }

  retry(): void {
    while (this.#waiting.length > 0 && this.#place(this.#waiting[0]!)) this.#waiting.shift();
  }

  release(): Incoming[] {
    return this.#waiting.splice(0);
  }

  #place(incoming: Incoming): boolean {
    for (let tried = 0; tried < this.order.length; tried++) {
      if (this.trySend(incoming, this.turn()!) !== 'full') return true;
    }
    return false;
  }
}

/** Connections on their way to one worker beyond which the next one waits in its deque, where others can take it. */
const IN_HAND_MAX = 2;

interface Deque {
  readonly queue: Incoming[];
  /** Handed over, and not yet taken by the worker's event loop. */
  inHand: number;
}

/**
 * work-stealing: a worker whose event loop is busy leaves the connections in its deque, oldest first, to workers that have room. These take
 * the youngest of the longest deque, which would have waited longest.
 */
export class StealingPlacement extends Slots implements Placement {
  readonly #deques = new Map<number, Deque>();
  /** Of no worker: none is there. */
  #orphans: Incoming[] = [];
  stolen = 0;

  get waiting(): number {
    let sum = this.#orphans.length;
    for (const { queue } of this.#deques.values()) sum += queue.length;
    return sum;
  }

  add(slot: number, lane: Lane): void {
    this.insert(slot, lane);
    this.#deques.set(slot, { queue: this.#orphans, inHand: 0 });
    this.#orphans = [];
    this.#pump(slot);
  }

  remove(slot: number): void {
    const left = this.#deques.get(slot)?.queue ?? [];
    this.delete(slot);
    this.#deques.delete(slot);
    for (const incoming of left) if (!this.offer(incoming)) this.hold(incoming);
  }

  offer(incoming: Incoming): boolean {
    for (let tried = 0; tried < this.order.length; tried++) {
      const slot = this.turn()!;
      const deque = this.#deques.get(slot)!;
      if (deque.queue.length === 0 && deque.inHand < IN_HAND_MAX && this.#give(incoming, slot, deque)) return true;
    }
    return false;
  }

  hold(incoming: Incoming): void {
    const slot = this.turn();
    if (slot === undefined) this.#orphans.push(incoming);
    else this.#deques.get(slot)!.queue.push(incoming);
  }

  took(slot: number): void {
    const deque = this.#deques.get(slot);
    if (deque === undefined) return;
    deque.inHand = Math.max(0, deque.inHand - 1);
    this.#pump(slot);
  }

  ended(): void {
    // A worker takes as many as its event loop has time for: `took` says when.
  }

  retry(): void {
    for (const slot of this.order) this.#pump(slot);
  }

  release(): Incoming[] {
    const all = [...this.#deques.values()].flatMap(({ queue }) => queue.splice(0));
    return [...all, ...this.#orphans.splice(0)];
  }

  #give(incoming: Incoming, slot: number, deque: Deque): boolean {
    const result = this.trySend(incoming, slot);
    if (result === 'sent') deque.inHand++;
    return result !== 'full';
  }

  /** Its own oldest first; then what another one would have to wait for longest. */
  #pump(slot: number): void {
    const own = this.#deques.get(slot)!;
    while (own.inHand < IN_HAND_MAX) {
      const longest = own.queue.length > 0 ? own : this.#longest();
      if (longest === null) return;
      const isOwn = longest === own;
      const incoming = isOwn ? longest.queue.shift()! : longest.queue.pop()!;
      if (!this.#give(incoming, slot, own)) {
        if (isOwn) longest.queue.unshift(incoming);
        else longest.queue.push(incoming);
        return;
      }
      if (!isOwn) this.stolen++;
    }
  }

  #longest(): Deque | null {
    let longest: Deque | null = null;
    for (const deque of this.#deques.values()) {
      if (deque.queue.length > (longest?.queue.length ?? 0)) longest = deque;
    }
    return longest;
  }
}

/** What a placement that makes threads needs of the supervisor. */
export interface ThreadSource {
  /** Begins one more thread; `add` follows. False: there are as many as may be. */
  grow(): boolean;
  /** Threads that were begun and are not yet there. */
  growing(): number;
  /** Ends the thread, which serves nobody; `remove` follows. The last one stays, for the next connection. */
  rest(slot: number): void;
  after(ms: number, task: () => void): void;
}

/** per-connection: each thread has one connection. A thread whose connection ended serves the next, or ends after a while. */
export class ThreadPlacement extends Slots implements Placement {
  readonly #threads: ThreadSource;
  readonly #idleMsMax: number;
  readonly #free: number[] = [];
  readonly #waiting: Incoming[] = [];
  /** Rises whenever a thread gets a connection, so that an idle thread's timer knows whether it still was. */
  readonly #turns = new Map<number, number>();
  readonly stolen = 0;

  constructor(send: Send, threads: ThreadSource, idleMsMax: number) {
    super(send);
    this.#threads = threads;
    this.#idleMsMax = idleMsMax;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  add(slot: number, lane: Lane): void {
    this.insert(slot, lane);
    this.#turns.set(slot, 0);
    this.ended(slot);
  }

  remove(slot: number): void {
    this.delete(slot);
    this.#turns.delete(slot);
    const at = this.#free.indexOf(slot);
    if (at >= 0) this.#free.splice(at, 1);
    this.#growForWaiting();
  }

  offer(incoming: Incoming): boolean {
    const slot = this.#free.pop();
    if (slot === undefined) return false;
    const result = this.trySend(incoming, slot);
    if (result === 'sent') this.#turns.set(slot, this.#turns.get(slot)! + 1);
    else this.#free.push(slot);
    return result !== 'full';
  }

  hold(incoming: Incoming): void {
    this.#waiting.push(incoming);
    this.#growForWaiting();
  }

  took(): void {
    // The thread is free again when its connection ends.
  }

  ended(slot: number): void {
    if (!this.lanes.has(slot) || this.#free.includes(slot)) return;
    this.#free.push(slot);
    this.retry();
    if (!this.#free.includes(slot)) return;
    const turn = this.#turns.get(slot);
    this.#threads.after(this.#idleMsMax, () => {
      if (this.#turns.get(slot) !== turn || !this.#free.includes(slot) || this.#free.length === 1) return;
      this.#free.splice(this.#free.indexOf(slot), 1);
      this.#threads.rest(slot);
    });
  }

  retry(): void {
    while (this.#waiting.length > 0 && this.offer(this.#waiting[0]!)) this.#waiting.shift();
  }

  release(): Incoming[] {
    return this.#waiting.splice(0);
  }

  #growForWaiting(): void {
    while (this.#threads.growing() < this.#waiting.length && this.#threads.grow());
  }
}
