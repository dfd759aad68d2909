/**
 * Verdicts of the cache thread about statements, remembered per worker. Asking never waits: the slot handed out is
 * filled in later, and until then its statement is passed through.
 *
 * A verdict of scope 'shape' holds for every text of that shape and is found by the shape; one of scope 'text' by the text alone.
 * While the first analysis of a shape is running, other texts of it are analysed by themselves: whether the shape decides is not yet known.
 * Everything is forgotten when the catalog version changes (C5), and with the link; what is not used lately, when new statements come.
 */

import { Limits } from '../shared/limits.ts';
import type { AnalyseRequest, CacheService, Verdict } from '../shared/messages.ts';
import { Recent } from '../shared/recent.ts';
import { shapeOf, stripComments } from '../shared/shape.ts';

export class VerdictSlot {
  verdict: Verdict | null = null;
  /** No verdict will come. */
  failed = false;
  private waiting: (() => void)[] | null = null;
  /** What a miss costs: milliseconds until the origin's answer is there, as an average that forgets. Null: not known. */
  costMs: number | null = null;

  took(ms: number): void {
    this.costMs = this.costMs === null ? ms : this.costMs + (ms - this.costMs) / 4;
  }

  get isDecided(): boolean {
    return this.verdict !== null || this.failed;
  }

  /** Once, when the verdict is there or will not come. */
  whenDecided(callback: () => void): void {
    this.waiting ??= [];
    this.waiting.push(callback);
  }

  /** @param verdict null: none will come */
  decide(verdict: Verdict | null): void {
    this.verdict = verdict;
    this.failed = verdict === null;
    const waiting = this.waiting ?? [];
    this.waiting = null;
    for (const callback of waiting) callback();
  }
}

export type Analyse = (request: AnalyseRequest) => Promise<Verdict>;

export class Verdicts {
  private readonly analyse: CacheService['analyse'];
  private readonly byText = new Recent<VerdictSlot>(Limits.verdictsPerWorkerMax / 2, Limits.verdictsTextMax / 2);
  private readonly byShape = new Recent<VerdictSlot>(Limits.verdictsPerWorkerMax / 2, Limits.verdictsTextMax / 2);
  private version = -1;
  /** The head of the last statement without declared parameters. */
  private plain = { contextId: -1, protocol: '', head: '' };
  private inFlight = 0;

  constructor(analyse: Analyse) {
    this.analyse = analyse;
  }

  get size(): number {
    return this.byText.size + this.byShape.size;
  }

  /** The slot of a statement under the catalog version of now; asks for its analysis when it is new. */
  lookup(request: AnalyseRequest, catalogVersion: number): VerdictSlot {
    if (catalogVersion !== this.version) {
      this.byText.clear();
      this.byShape.clear();
      this.version = catalogVersion;
    }
    const text = stripComments(request.text);
    const head = this.headOf(request);
    // Of most statements the shape decides, and each of their texts is another one: to look for those by the text would be in vain.
    const shape = shapeOf(text)?.shape;
    const shared = shape === undefined ? undefined : this.byShape.get(head + shape);
    if (shared !== undefined) return shared;
    return this.byText.get(head + text) ?? this.ask(request, head + text, shape === undefined ? null : head + shape);
  }

  /** What else decides, in front of text or shape. */
  private headOf({ contextId, protocol, parameterTypes }: AnalyseRequest): string {
    if (parameterTypes.length > 0) return `${contextId} ${protocol} ${parameterTypes.join(',')} `;
    const { plain } = this;
    if (plain.contextId !== contextId || plain.protocol !== protocol)
      this.plain = { contextId, protocol, head: `${contextId} ${protocol}  ` };
    return this.plain.head;
  }

  private ask(request: AnalyseRequest, textKey: string, shapeKey: string | null): VerdictSlot {
    const slot = new VerdictSlot();
    if (this.inFlight >= Limits.analysesInFlightMax || request.text.length > Limits.statementBytesMax) {
      slot.failed = true;
      return slot;
    }
    this.byText.set(textKey, slot);
    this.inFlight++;
    this.analyse(request).then(
      (verdict) => {
        this.inFlight--;
        if (verdict.scope === 'shape' && shapeKey !== null && verdict.catalogVersion === this.version) {
          this.byText.delete(textKey);
          this.byShape.set(shapeKey, slot);
        }
        slot.decide(verdict);
      },
      () => {
        this.inFlight--;
        this.byText.delete(textKey);
        slot.decide(null);
      },
    );
    return slot;
  }
}
