/** Seeded randomness for tests: the seed is printed, and the seed alone replays the choices. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, below). */
  below(below: number): number;
  /** Integer in [0, count), the smaller the likelier: three in ten uniform, the rest log-uniform. */
  skewed(count: number): number;
  /** A generator of its own, so that one session's choices do not depend on the timing of another's. */
  fork(label: number): Random;
}

/** Mulberry32 (Tommy Ettinger's public-domain generator): 32 bits of state, good enough to choose test steps. */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    below: (below) => Math.floor(next() * below),
    skewed: (count) => Math.floor(next() < 0.3 ? next() * count : (count + 1) ** next() - 1),
    fork: (label) => seededRandom(Math.imul(seed ^ 0x9e3779b9, label * 2 + 1) ^ (label << 16)),
  };
}

/** From `PGFRESH_SEED` or `PGFRESH_TEST_SEED` (to replay), else fresh; printed either way. */
export function announceSeed(test: string): number {
  const given = process.env['PGFRESH_SEED'] ?? process.env['PGFRESH_TEST_SEED'];
  const seed = given === undefined ? ((performance.timeOrigin + performance.now()) % 2 ** 31) | 0 : Number(given);
  process.stdout.write(`${test}: seed ${seed} (replay with PGFRESH_SEED=${seed})\n`);
  return seed;
}
