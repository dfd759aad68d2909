import type { BenchCase, CellResult, Derived } from '../case.ts';
import { accountsSql, knownKeySql, newKeySql, warmSecondsOfLonelyMisses } from '../data.ts';
import { direct } from '../peers/direct.ts';
import { relay } from '../peers/node-server.ts';
import { isPgfresh, pgfreshOne } from '../peers/pgfresh.ts';
import { pgpool } from '../peers/pgpool.ts';
import { median, ratioOfRounds } from '../statistics.ts';

const known = 'keys that come again';
const fresh = 'new keys';

/**
 * O, H, M: milliseconds of the statement at the origin, as a hit and as a miss. A share h of hits costs h·H + (1 − h)·M, which equals O
 * at h = (M − O) / (M − H): with more hits the cache pays. What a miss adds is compared with what the relay adds in the same round, like all ratios.
 */
function derive(cells: readonly CellResult[]): readonly Derived[] {
  const rounds = (cell: string, peer: string): number[] =>
    (cells.find(({ name }) => name === cell)?.samples.get(peer) ?? []).map(({ value }) => value);
  const of = (cell: string, peer: string): number => median(rounds(cell, peer));
  const peers = [...(cells[0]?.samples.keys() ?? [])];
  const originMs = of(fresh, direct.name);
  const origin = rounds(fresh, direct.name);
  const overheads = (peer: string): number[] => rounds(fresh, peer).map((ms, i) => ms - (origin[i] ?? Number.NaN));
  const relayed = overheads(relay.name);
  return peers
    .filter((peer) => isPgfresh(peer) || peer === pgpool.name)
    .flatMap((peer) => {
      const [hitMs, missMs] = [of(known, peer), of(fresh, peer)];
      const share = (missMs - originMs) / (missMs - hitMs);
      const figures = `O ${originMs.toFixed(3)} ms, H ${hitMs.toFixed(3)} ms, M ${missMs.toFixed(3)} ms`;
      const added = overheads(peer);
      const relative = ratioOfRounds(added, relayed, 'higher') ?? Number.NaN;
      return [
        {
          name: `${peer}: break-even hit ratio`,
          value: share,
          text: `${hitMs < originMs ? `${(100 * share).toFixed(1)} %` : 'none, a hit is no cheaper'} (${figures})`,
        },
        {
          name: `${peer}: miss overhead beside the relay's`,
          value: relative,
          text: `${relative.toFixed(2)} × (M − O ${median(added).toFixed(3)} ms, relay ${median(relayed).toFixed(3)} ms)`,
        },
      ];
    });
}

export const breakEven: BenchCase = {
  name: 'break-even',
  shows:
    'One client, one statement: the cost at the origin, as a hit and as a miss, and the share of hits from which on the cache pays.',
  setup: accountsSql(),
  unit: 'time',
  peers: ({ quick }) => (quick ? [direct, relay, pgfreshOne] : [direct, relay, pgpool, pgfreshOne]),
  cells: [[known, knownKeySql] as const, [fresh, newKeySql] as const].map(([name, sql]) => ({
    name,
    load: { mode: 'prepared', clients: 1, transport: 'tcp', scripts: [{ sql }] },
    quick: true,
    ...(name === fresh ? { warmSecondsMin: warmSecondsOfLonelyMisses } : {}),
  })),
  derive,
};
