/** Statements under way that no change stream of a database may stand in the way of, by the worker that has the session. */
import type { DatabaseHold } from '../shared/messages.ts';

interface Held extends DatabaseHold {
  readonly cancel: () => void;
}

export class DatabaseHolds {
  readonly #byWorker = new Map<number, Map<number, Held>>();

  /** Resolves when the statement is cancelled. */
  add(workerSlot: number, hold: DatabaseHold): Promise<void> {
    const holds = this.#byWorker.get(workerSlot) ?? new Map<number, Held>();
    return new Promise((cancel) => void this.#byWorker.set(workerSlot, holds.set(hold.id, { ...hold, cancel })));
  }

  remove(workerSlot: number, id: number): DatabaseHold | undefined {
    const hold = this.#byWorker.get(workerSlot)?.get(id);
    this.#byWorker.get(workerSlot)?.delete(id);
    return hold;
  }

  of(workerSlot: number): readonly DatabaseHold[] {
    return [...(this.#byWorker.get(workerSlot)?.values() ?? [])];
  }

  cancel(key: string): void {
    for (const holds of this.#byWorker.values()) {
      for (const hold of holds.values()) if (hold.cancelKey === key) hold.cancel();
    }
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
