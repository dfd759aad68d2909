/**
 * A value that messages under way are about to change. The origin settles them in the order they were sent:
 *
 *   settled ─▶ after Parse ─▶ after Query ─▶ after Close      `value` is what holds when all of them succeed
 *      └ the origin has answered up to here     each is confirmed, or undone (skipped after an error in front of it)
 */
/** Changes that were settled are forgotten together, once they are so many and half of the array. */
const SHIFTED_AT = 64;

export class Pending<T> {
  private settled: T;
  /** Made when first needed: most values are changed while nothing is under way. */
  private changes: (T | undefined)[] | null = null;
  /** Where the oldest stands: to shift a long array moves all of it, and a pipeline may be of any length. */
  private first = 0;

  constructor(value: T) {
    this.settled = value;
  }

  get value(): T {
    return this.isSettled ? this.settled : (this.changes!.at(-1) as T);
  }

  /** What holds as far as the origin has answered. */
  get answered(): T {
    return this.settled;
  }

  get isSettled(): boolean {
    return this.changes === null || this.changes.length === this.first;
  }

  /** What else than `value` it may turn out to be: the last change may be undone, and any of those before it. */
  get others(): readonly T[] {
    return this.isSettled ? [] : [this.settled, ...(this.changes!.slice(this.first, -1) as T[])];
  }

  /** What the origin has answered so far makes it this; changes under way follow. */
  settle(value: T): void {
    this.settled = value;
  }

  /** A message was sent that makes it `after`; to be followed by `confirm` or `undo`. */
  change(after: T): void {
    this.changes ??= [];
    this.changes.push(after);
  }

  /** The oldest change took effect. */
  confirm(): void {
    if (this.isSettled) return;
    this.settled = this.changes![this.first] as T;
    this.shift();
  }

  /** The oldest change never happened. */
  undo(): void {
    if (!this.isSettled) this.shift();
  }

  private shift(): void {
    const changes = this.changes!;
    changes[this.first++] = undefined;
    if (this.first < changes.length && this.first < SHIFTED_AT) return;
    if (this.first * 2 < changes.length) return;
    changes.splice(0, this.first);
    this.first = 0;
  }
}
