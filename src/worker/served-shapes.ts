/** Shapes of the entries that a batch was served from. The array is not cut to length for each batch, which is a call into V8: the first `count` are meant. */
import type { ShapeHits } from '../shared/memory/shape-hits.ts';
import type { Worth } from './worth.ts';

export class ServedShapes {
  private readonly shapes: number[] = [];
  private count = 0;

  clear(): void {
    this.count = 0;
  }

  add(shape: number): void {
    this.shapes[this.count++] = shape;
  }

  /** Null: none, or several. */
  get only(): number | null {
    return this.count === 1 ? this.shapes[0]! : null;
  }

  /** They were hits. */
  commit(hits: ShapeHits, worth: Worth): void {
    for (let i = 0; i < this.count; i++) {
      const shape = this.shapes[i]!;
      hits[shape]! += 1;
      worth.hit(shape);
    }
  }
}
