/** Which changes of a row leave an answer as it is: those of columns that it does not use, where the row's place does not matter either. */
import type { RowOrder } from './analyse/row-order.ts';
import { type AnswerFrames, rowsOfAnswer } from './answer-rows.ts';
import type { Dependency } from './dependency.ts';

/** The dependencies, on any column of their rows unless the order in which rows are stored cannot show in the answer. */
export function withColumnsUsed(
  dependencies: readonly Dependency[],
  rowOrder: RowOrder,
  answer: AnswerFrames,
): readonly Dependency[] {
  if (rowOrder === 'fixed' || (rowOrder === 'ofOneRow' && rowsOfAnswer(answer, 1) !== null)) return dependencies;
  return dependencies.map(({ uses: _, ...dependency }) => dependency);
}
