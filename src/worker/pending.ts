/**
 * A value that messages under way are about to change. The origin settles them in the order they were sent:
 *
 *   settled ─▶ after Parse ─▶ after Query ─▶ after Close      `value` is what holds when all of them succeed
 *      └ the origin has answered up to here     each is confirmed, or undone (skipped after an error in front of it)
 */
export class Pending<T> {
  private settled: T;
  /** Made when first needed: most values are changed while nothing is under way. */
  private changes: T[] | null = null;

  constructor(value: T) {
    this.settled = value;
  }

  get value(): T {
    const { changes } = this;
    return changes === null || changes.length === 0 ? this.settled : changes[changes.length - 1]!;
  }

  /** What holds as far as the origin has answered. */
  get answered(): T {
    return this.settled;
  }

  get isSettled(): boolean {
    return this.changes === null || this.changes.length === 0;
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
    if (!this.isSettled) this.settled = this.changes!.shift() as T;
  }

  /** The oldest change never happened. */
  undo(): void {
    this.changes?.shift();
  }
}
