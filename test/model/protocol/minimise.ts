/** Delta debugging (Zeller and Hildebrandt): the smallest part of a list that still fails, as far as removing pieces of it can tell. */

/** `fails` is asked about parts of `items` in their order; `mayGoOn` false ends the search with what was found so far. */
export async function minimise<T>(
  items: readonly T[],
  fails: (part: readonly T[]) => Promise<boolean>,
  mayGoOn: () => boolean,
): Promise<readonly T[]> {
  let best = items;
  let pieces = 2;
  while (best.length > 1 && mayGoOn()) {
    const size = Math.ceil(best.length / pieces);
    let smaller: readonly T[] | null = null;
    for (let at = 0; at < best.length && smaller === null && mayGoOn(); at += size) {
      const rest = [...best.slice(0, at), ...best.slice(at + size)];
      if (rest.length > 0 && (await fails(rest))) smaller = rest;
    }
    if (smaller !== null) {
      best = smaller;
      pieces = Math.max(2, pieces - 1);
    } else if (size === 1) {
      break;
    } else {
      pieces = Math.min(best.length, pieces * 2);
    }
  }
  return best;
}
