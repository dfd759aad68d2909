/**
 * Asking other nodes' answers for a miss that is dear (ADR-025). The key is claimed as if the origin had been asked, so that everybody who misses it waits
 * for the one question; the cache thread looks in Redis and admits what is still right, and then those who waited look in the store again.
 *
 *   missed, dear ──claim──▶ cache thread asks Redis ──▶ admitted ──▶ confirmed by a round ──▶ free
 *                                  └ nothing, late, refused ────────────────────────────────▲     the first to look asks the origin
 *
 * Of a shape whose answers nobody leaves there, few are asked for.
 */
import type { SecondTierConfig } from '../shared/config.ts';
import { Limits } from '../shared/limits.ts';
import { SHAPE_NUMBERS } from '../shared/memory/layout.ts';
import { KeyForm } from '../shared/query-key.ts';
import type { AttachedCache } from './cache-link.ts';
import { slotOfStatement, slotOfText } from './resolving.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';
import type { VerdictSlot } from './verdicts.ts';

/** Where counting ends. */
const BARREN_MAX = 60_000;

export class SecondTier {
  private readonly runtime: Runtime;
  private readonly config: SecondTierConfig;
  /** Questions in a row that found nothing, and those left out since, by shape. */
  private readonly barren = new Uint16Array(SHAPE_NUMBERS);

  constructor(runtime: Runtime, config: SecondTierConfig) {
    this.runtime = runtime;
    this.config = config;
  }

  /** Asks for what the batch in front has just missed, if that is worth while and nobody has asked for it. */
  ask(session: Session): void {
    const { hits, flights, clock } = this.runtime;
    const { missed } = hits;
    const cache = session.liveCache;
    const { prefix, hash } = missed;
    if (cache === null || prefix === null || !session.order.isQuiet) return;
    const slot = this.slotOf(session, cache, prefix);
    if (slot === null || !this.isWorth(slot)) return;
    const { timeoutMs } = this.config;
    const { singleFlightWaitMs } = this.runtime.config.cache;
    const worthMs = timeoutMs + Limits.sharedMissWaitMsMin + 4 * (slot.costMs ?? 0);
    const flight = flights.claim(hash, clock.nowMs() + Math.min(singleFlightWaitMs, worthMs));
    if (flight === null) return;
    const { shape } = slot.verdict!;
    const contextId = Buffer.from(prefix.buffer, prefix.byteOffset, 4).readUInt32BE(0);
    void cache.fetchShared({ contextId, shape, hash, key: missed.bytes(prefix) }, timeoutMs).then((round) => {
      this.answered(shape, round > 0);
      if (round === 0) flight.end();
      else cache.endFlightAt(flight, round);
    });
  }

  /** The verdict on what was missed; null for what is not asked for: descriptions cost little, EXECUTE goes by other names. */
  private slotOf(session: Session, cache: AttachedCache, prefix: Uint8Array): VerdictSlot | null {
    const context = session.settings.current(cache);
    const { statement, tail, start, end } = this.runtime.hits.missed;
    if (prefix[4] === KeyForm.portal && statement !== null) return slotOfStatement(session, cache, context, statement);
    if (prefix[4] !== KeyForm.simple) return null;
    const text = tail.toString('utf8', start, end);
    return slotOfText(session, cache, context, { text, parameterTypes: [], protocol: 'simple' });
  }

  /** Counts what it leaves out. */
  private isWorth({ verdict, costMs }: VerdictSlot): boolean {
    if (verdict?.cacheable !== true || (costMs !== null && costMs < this.config.costMsMin)) return false;
    const barren = this.barren[verdict.shape]!;
    if (barren < Limits.tier2PatienceMax) return true;
    this.barren[verdict.shape] = barren < BARREN_MAX ? barren + 1 : Limits.tier2PatienceMax;
    return barren % Limits.tier2ProbeEvery === 0;
  }

  private answered(shape: number, isFound: boolean): void {
    const barren = this.barren[shape]!;
    if (isFound) this.barren[shape] = 0;
    else if (barren < Limits.tier2PatienceMax) this.barren[shape] = barren + 1;
  }
}
