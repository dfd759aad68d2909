/** Statements under way that no change stream of a database may stand in the way of, by the worker that has the session. */
import type { DatabaseHold } from '../shared/messages.ts';

export class DatabaseHolds {
  readonly #byWorker = new Map<number, Map<number, DatabaseHold>>();

  add(workerSlot: number, hold: DatabaseHold): void {
    const holds = this.#byWorker.get(workerSlot) ?? new Map<number, DatabaseHold>();
    this.#byWorker.set(workerSlot, holds.set(hold.id, hold));
  }

  remove(workerSlot: number, id: number): DatabaseHold | undefined {
    const hold = this.#byWorker.get(workerSlot)?.get(id);
    this.#byWorker.get(workerSlot)?.delete(id);
    return hold;
  }

  of(workerSlot: number): readonly DatabaseHold[] {
    return [...(this.#byWorker.get(workerSlot)?.values() ?? [])];
  }

  has(database: string): boolean {
    for (const holds of this.#byWorker.values()) {
      for (const { name, except } of holds.values()) {
        if (name === null ? database !== except : database === name) return true;
      }
    }
    return false;
  }
}
