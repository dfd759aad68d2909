/** What is made of the samples of several rounds. */

/** The middle value; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of what is known; null when nothing is. */
export function medianOfKnown(values: readonly (number | null | undefined)[]): number | null {
  const known = values.filter((value): value is number => typeof value === 'number' && Number.isFinite(value));
  return known.length === 0 ? null : median(known);
}

/** Distance of the outermost samples, as a share of the median: 0.1 = they lie within ±5 % or so. */
export function spread(values: readonly number[]): number {
  return values.length < 2 ? 0 : (Math.max(...values) - Math.min(...values)) / median(values);
}

/**
 * How many times better `values` are than `reference`: the median over rounds of the ratio of the two samples that were
 * taken one after the other. Above 1 is better, whether more or less is. Null without a common round.
 */
export function ratioOfRounds(
  values: readonly number[],
  reference: readonly number[],
  better: 'higher' | 'lower',
): number | null {
  const rounds = Math.min(values.length, reference.length);
  const ratios = Array.from({ length: rounds }, (_, i) =>
    better === 'higher' ? values[i]! / reference[i]! : reference[i]! / values[i]!,
  ).filter(Number.isFinite);
  return ratios.length === 0 ? null : median(ratios);
}
