/** The statements that a batch prepares, or closes: none or one as a rule. To cut an array's length is a call into V8, which each batch would make. */
import type { Statement } from './statement.ts';

const NONE: readonly Statement[] = [];

export class FewStatements {
  private readonly statements: (Statement | null)[] = [];
  /** Those of now are the first so many. */
  private count = 0;

  get isEmpty(): boolean {
    return this.count === 0;
  }

  add(statement: Statement): void {
    this.statements[this.count++] = statement;
  }

  /** The last one of this name. */
  named(name: string): Statement | null {
    for (let i = this.count - 1; i >= 0; i--) if (this.statements[i]!.name === name) return this.statements[i]!;
    return null;
  }

  has(statement: Statement): boolean {
    for (let i = 0; i < this.count; i++) if (this.statements[i] === statement) return true;
    return false;
  }

  /** In the order in which they were added. */
  all(): readonly Statement[] {
    return this.count === 0 ? NONE : (this.statements.slice(0, this.count) as Statement[]);
  }

  clear(): void {
    while (this.count > 0) this.statements[--this.count] = null;
  }
}
