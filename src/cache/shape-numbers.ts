/**
 * Small numbers for shapes whose answers were admitted, written into their blocks so that workers can count hits by shape (shared/memory/shape-hits.ts).
 * Given once and kept for the generation; when they are used up, and for very long statements, number 0 counts them all together.
 */
import type { ControlWords } from '../shared/memory/control.ts';
import { SHAPE_NUMBERS } from '../shared/memory/layout.ts';
import { hitsOfShape } from '../shared/memory/shape-hits.ts';
import { shapeOf, stripComments } from '../shared/shape.ts';

/** UTF-16 units; bounds the memory of the table. */
const SHAPE_TEXT_MAX = 4096;

interface Numbered {
  readonly shape: number;
  /** What the lanes held when the number was given: hits of earlier generations. */
  readonly hitsBefore: number;
}

export class ShapeNumbers {
  readonly #control: ControlWords;
  readonly #byText = new Map<string, Numbered>();
  readonly #admitted = new Uint8Array(SHAPE_NUMBERS);

  constructor(control: ControlWords) {
    this.#control = control;
  }

  /** The number of a statement's shape, a new one when it has none; an answer of it is admitted. */
  numberOf(text: string): number {
    const shape = this.reserve(text);
    this.admitted(shape);
    return shape;
  }

  /** An answer of this shape is admitted. */
  admitted(shape: number): void {
    this.#admitted[shape] = 1;
  }

  /** The number of a statement's shape, a new one when it has none. */
  reserve(text: string): number {
    const key = keyOf(text);
    const known = this.#byText.get(key);
    if (known !== undefined) return known.shape;
    const shape = this.#byText.size + 1;
    if (shape >= SHAPE_NUMBERS || key.length > SHAPE_TEXT_MAX) return 0;
    this.#byText.set(key, { shape, hitsBefore: hitsOfShape(this.#control, shape) });
    return shape;
  }

  /** Hits since the number was given; null without one, or when no answer was admitted. */
  hits(text: string): number | null {
    const known = this.#byText.get(keyOf(text));
    return known === undefined || this.#admitted[known.shape] === 0
      ? null
      : hitsOfShape(this.#control, known.shape) - known.hitsBefore;
  }
}

function keyOf(text: string): string {
  return shapeOf(text)?.shape ?? stripComments(text);
}
