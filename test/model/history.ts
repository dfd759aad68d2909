/**
 * What the checker knows about each key, and what an answer may show.
 *
 * Every key has a version that each committed write raises by exactly one, under the row's lock: so the committed states of a
 * key are the integers in order, and an answer is judged by two bounds that are both known when they are needed:
 *
 *      floor (when the read is sent)                    ceiling (when the answer is in)
 *      the highest version that this reader             the versions that writers have
 *      must already see                                 begun to write by then
 *
 * All times are taken in one process: a write counts as acknowledged when this process has processed its acknowledgement, and a
 * read as begun just before it is handed to the driver. Both only weaken what is demanded, never strengthen it, so
 * every violation is real.
 */
export type Level = 'strong' | 'session' | 'bounded' | 'monotonic';
export type Route = 'pgfresh' | 'origin';
export type Rule =
  | 'own write'
  | 'acknowledged write'
  | 'max_staleness'
  | 'monotonic'
  | 'not yet written'
  | 'torn answer';

export interface Violation {
  readonly rule: Rule;
  readonly key: number;
  readonly session: number;
  readonly form: string;
  readonly seen: string;
  readonly floor: number;
  readonly ceiling: number;
  /** Age of the newest acknowledgement that the answer lacks, or of the read. */
  readonly detail: string;
}

/** The floor of one key at the start of a read, and the rule that set it. */
export interface Bound {
  readonly key: number;
  readonly floor: number;
  readonly rule: Rule;
  readonly ackedMs: number;
}

export interface WriteToken {
  readonly key: number;
  readonly session: number;
  readonly route: Route;
}

/** What an answer shows of a key: its version, or only that the row is absent, which some versions explain and some do not. */
export type Sighting = { readonly version: number } | { readonly absentWhen: (version: number) => boolean };

export interface HistoryOptions {
  readonly keys: number;
  /** Of sessions that have none of their own. */
  readonly level: Level;
  readonly maxStalenessMs: number;
  /** Added to the staleness bound: the freshness clock is published in whole milliseconds. */
  readonly slackMs: number;
  readonly nowMs: () => number;
}

interface Acknowledgement {
  readonly version: number;
  readonly atMs: number;
}

export class History {
  readonly violations: Violation[] = [];
  /** Answers judged so far. */
  answersChecked = 0;
  /** Keys seen in them. */
  sightingsChecked = 0;
  readonly #options: HistoryOptions;
  readonly #begun: Float64Array;
  readonly #ackedThroughPgfresh: Float64Array;
  readonly #ackedThroughPgfreshMs: Float64Array;
  /** Acknowledged versions a key, by time, those that the staleness bound has overtaken folded into `#overdue`. */
  readonly #recent: Acknowledgement[][];
  readonly #overdue: Float64Array;
  readonly #own = new Map<number, Float64Array>();
  readonly #levels = new Map<number, Level>();

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#begun = new Float64Array(options.keys);
    this.#ackedThroughPgfresh = new Float64Array(options.keys);
    this.#ackedThroughPgfreshMs = new Float64Array(options.keys);
    this.#overdue = new Float64Array(options.keys);
    this.#recent = Array.from({ length: options.keys }, () => []);
  }

  setLevel(session: number, level: Level): void {
    this.#levels.set(session, level);
  }

  #levelOf(session: number): Level {
    return this.#levels.get(session) ?? this.#options.level;
  }

  /** To be called before the write is sent. A write whose outcome stays unknown is just never acknowledged. */
  beginWrite(key: number, session: number, route: Route): WriteToken {
    this.#begun[key]!++;
    return { key, session, route };
  }

  /** The write raised the key to `version` and committed. */
  acknowledge(token: WriteToken, version: number): void {
    const { key, session, route } = token;
    const atMs = this.#options.nowMs();
    this.#recent[key]!.push({ version, atMs });
    this.#raiseOwn(session, key, version);
    if (route === 'pgfresh' && version > this.#ackedThroughPgfresh[key]!) {
      this.#ackedThroughPgfresh[key] = version;
      this.#ackedThroughPgfreshMs[key] = atMs;
    }
  }

  /** To be called before the read is sent: what it must see of each key. */
  beginRead(session: number, keys: readonly number[]): Bound[] {
    return keys.map((key) => this.#bound(session, key));
  }

  /** Judges what an answer that is now in shows of the key of `bound`. */
  judge(session: number, form: string, bound: Bound, sighting: Sighting): void {
    this.sightingsChecked++;
    const { key, floor } = bound;
    const ceiling = this.#begun[key]!;
    if ('absentWhen' in sighting) {
      for (let version = floor; version <= ceiling; version++) if (sighting.absentWhen(version)) return;
      this.#violation(bound.rule, session, form, bound, 'no row', ceiling);
      return;
    }
    const { version } = sighting;
    if (version > ceiling) this.#violation('not yet written', session, form, bound, String(version), ceiling);
    else if (version < floor) this.#violation(bound.rule, session, form, bound, String(version), ceiling);
    else if (this.#levelOf(session) === 'monotonic') this.#raiseOwn(session, key, version);
  }

  /** Rows written by one transaction, shown by one answer, must agree. */
  judgeWhole(session: number, form: string, bound: Bound, versions: readonly number[]): void {
    if (versions.every((version) => version === versions[0])) return;
    this.#violation('torn answer', session, form, bound, versions.join(' ≠ '), this.#begun[bound.key]!);
  }

  /** Judges a sum of the versions of all `bounds`: each of them lies between its floor and its ceiling. */
  judgeTotal(session: number, form: string, bounds: readonly Bound[], total: number): void {
    this.sightingsChecked++;
    const floor = bounds.reduce((sum, bound) => sum + bound.floor, 0);
    const ceiling = bounds.reduce((sum, { key }) => sum + this.#begun[key]!, 0);
    const worst = bounds.find(({ rule }) => rule !== 'max_staleness') ?? bounds[0]!;
    if (total > ceiling) this.#violation('not yet written', session, form, { ...worst, floor }, String(total), ceiling);
    else if (total < floor) this.#violation(worst.rule, session, form, { ...worst, floor }, String(total), ceiling);
  }

  /** What a session's own transaction reads of a row that it has written and locked: nothing but that. */
  judgeOwn(session: number, form: string, key: number, written: number, seen: number): void {
    this.sightingsChecked++;
    if (seen === written) return;
    const bound: Bound = { key, floor: written, rule: 'own write', ackedMs: this.#options.nowMs() };
    this.#violation('own write', session, form, bound, String(seen), written);
  }

  /** The version every reader must see of `key` once the staleness bound has passed since the last write. */
  latest(key: number): number {
    return Math.max(this.#overdue[key]!, ...this.#recent[key]!.map((entry) => entry.version));
  }

  #bound(session: number, key: number): Bound {
    const { maxStalenessMs, slackMs, nowMs } = this.#options;
    const level = this.#levelOf(session);
    const dueMs = nowMs() - maxStalenessMs - slackMs;
    const recent = this.#recent[key]!;
    while (recent.length > 0 && recent[0]!.atMs <= dueMs) {
      this.#overdue[key] = Math.max(this.#overdue[key]!, recent.shift()!.version);
    }
    let bound: Bound = { key, floor: this.#overdue[key]!, rule: 'max_staleness', ackedMs: dueMs };
    const own = this.#own.get(session)?.[key] ?? 0;
    if (level !== 'bounded' && own > bound.floor) {
      bound = { key, floor: own, rule: level === 'monotonic' ? 'monotonic' : 'own write', ackedMs: nowMs() };
    }
    const acked = this.#ackedThroughPgfresh[key]!;
    if ((level === 'strong' || level === 'monotonic') && acked > bound.floor) {
      bound = { key, floor: acked, rule: 'acknowledged write', ackedMs: this.#ackedThroughPgfreshMs[key]! };
    }
    return bound;
  }

  #raiseOwn(session: number, key: number, version: number): void {
    let own = this.#own.get(session);
    if (own === undefined) {
      own = new Float64Array(this.#options.keys);
      this.#own.set(session, own);
    }
    if (version > own[key]!) own[key] = version;
  }

  #violation(rule: Rule, session: number, form: string, bound: Bound, seen: string, ceiling: number): void {
    const ageMs = (this.#options.nowMs() - bound.ackedMs).toFixed(1);
    this.violations.push({
      ...{ rule, key: bound.key, session, form, seen, floor: bound.floor, ceiling },
      detail: `judged ${ageMs} ms after the acknowledgement that set the floor`,
    });
  }
}
