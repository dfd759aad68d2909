/** One statement for each reason, for people to see what is meant. Bounded by the table of reasons; costs nothing worth measuring. */
import { exampleOf } from './example.ts';
import type { ReasonExamples } from './messages.ts';
import type { Reason } from './reasons.ts';

export class ExampleTexts {
  readonly #texts = new Map<Reason, string>();

  /**
   * @param count how often the reason has been met, this time included: at powers of two the example is taken anew
   * @param text called only then
   */
  note(reason: Reason, count: number, text: () => string): void {
    if ((count & (count - 1)) !== 0 && this.#texts.has(reason)) return;
    const example = exampleOf(text());
    if (example !== '') this.#texts.set(reason, example);
  }

  all(): ReasonExamples {
    return Object.fromEntries(this.#texts);
  }
}
