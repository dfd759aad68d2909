/**
 * What answers from here tell a client of its statements' columns. It counts when the whole batch has been answered: one that is found may still be refused, for a
 * round that it lacks or for what stands behind it in the batch, and then it is the origin that tells.
 */
import { Backend } from '../shared/wire/codes.ts';
import type { Statement } from './statement.ts';
import { hear, type Told, untold } from './told.ts';

export class Telling {
  private readonly notes: { readonly statement: Statement; readonly told: Told }[] = [];

  clear(): void {
    if (this.notes.length > 0) this.notes.length = 0;
  }

  /** The frames [start, end) are the description of a statement, or an answer of it with that of its portal. */
  note({ names }: { readonly names: object | null }, statement: Statement, bytes: Buffer, start: number, end: number) {
    // What the origin has on a connection of the client's own it describes, too, whenever it is to be made anew.
    if ((statement.origin !== 'absent' && names === null) || start === end) return;
    const { told, name } = statement;
    // An unnamed one is parsed anew before it is used without another description.
    const isNew =
      bytes[start] === Backend.parameterDescription ? told.parameters === 0 : told.rows === 0 && name !== '';
    if (!isNew) return;
    const heard = untold();
    hear(heard, bytes, start, end);
    this.notes.push({ statement, told: heard });
  }

  commit(): void {
    for (const { statement, told } of this.notes) {
      if (told.parameters !== 0) statement.told.parameters = told.parameters;
      if (told.rows !== 0) statement.told.rows = told.rows;
    }
  }
}
