/** Traces of keys, for comparing eviction policies: who reads what, in order. Seeded, so that a figure can be had again. */
import { seededRandom } from '../../test/model/random.ts';

export interface Trace {
  readonly name: string;
  readonly keys: Int32Array;
  readonly keyCount: number;
}

/** Draws ranks 0 … n − 1 with probability proportional to 1 / (rank + 1)^skew, by bisection in the cumulated weights. */
export function zipf(n: number, skew: number, random: () => number): () => number {
  const cumulated = new Float64Array(n);
  let sum = 0;
  for (let i = 0; i < n; i++) cumulated[i] = sum += 1 / (i + 1) ** skew;
  return () => {
    const at = random() * sum;
    let low = 0;
    for (let high = n - 1; low < high; ) {
      const middle = (low + high) >>> 1;
      if (cumulated[middle]! < at) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** Every read independent, skewed. */
export function skewedTrace(keyCount: number, length: number, seed: number): Trace {
  const draw = zipf(keyCount, 0.9, seededRandom(seed).next);
  return { name: 'zipf 0.9', keys: Int32Array.from({ length }, draw), keyCount };
}

/** Skewed reads, and now and then a report or a crawler that reads keys once each, in a row: a third of all reads. */
export function scanTrace(keyCount: number, length: number, seed: number): Trace {
  const random = seededRandom(seed).next;
  const draw = zipf(keyCount, 0.9, random);
  const keys = new Int32Array(length);
  const scanLength = keyCount >>> 2;
  let scanKey = keyCount;
  let left = 0;
  for (let i = 0; i < length; i++) {
    if (left === 0 && random() < 0.5 / scanLength) left = scanLength;
    keys[i] = left > 0 && left-- > 0 ? scanKey++ : draw();
  }
  return { name: 'zipf 0.9 + scans', keys, keyCount: scanKey };
}

/** The set of popular keys moves on: what a shop sells changes during the day. */
export function driftTrace(keyCount: number, length: number, seed: number): Trace {
  const draw = zipf(keyCount, 0.9, seededRandom(seed).next);
  const keys = Int32Array.from({ length }, (_, i) => draw() + Math.floor((i / length) * keyCount * 0.25));
  return { name: 'zipf 0.9, drifting', keys, keyCount: 2 * keyCount };
}

/** Half skewed, half of people who come, read a few keys of their own some times, and leave. */
export function sessionTrace(keyCount: number, length: number, seed: number): Trace {
  const random = seededRandom(seed).next;
  const draw = zipf(keyCount, 0.9, random);
  let next = keyCount;
  const own = Array.from({ length: 2000 }, () => next++);
  const keys = Int32Array.from({ length }, () => {
    if (random() < 0.5) return draw();
    const person = Math.floor(random() * own.length);
    if (random() < 0.2) own[person] = next++;
    return own[person]!;
  });
  return { name: 'zipf 0.9 + sessions', keys, keyCount: next };
}

/** The same keys over and over, a few more than fit: the worst case of every queue. */
export function loopTrace(keyCount: number, length: number): Trace {
  return { name: 'loop', keys: Int32Array.from({ length }, (_, i) => i % keyCount), keyCount };
}
