/**
 * Runs a case: starts what it needs, warms up, measures each cell on each peer in turn (A B C, A B C, …) so that whatever the
 * machine does meanwhile falls on all of them alike, and ends what it started. A peer that fails is noted; the others go on.
 */
import type { BenchCase, Cell, CellResult, PeerSpec, PgbenchLoad, RunningPeer, Sample, Stage } from './case.ts';
import type { Household } from './household.ts';
import { loader, measureCell } from './measure.ts';
import type { Origin } from './origin.ts';

export interface RunOptions {
  readonly workers: readonly number[];
  readonly quick: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Whether the time of the whole run is up: then rounds after the first, and further cells, are left out. */
  readonly late: () => boolean;
  readonly progress: (step: Step) => void;
}

/** A measurement that is about to begin. */
export interface Step {
  readonly caseName: string;
  readonly cell: string;
  readonly peer: string;
}

export interface CaseResult {
  readonly name: string;
  readonly shows: string;
  readonly unit: BenchCase['unit'];
  readonly cells: readonly CellResult[];
  /** Cells that were left out because the time was up. */
  readonly skipped: readonly string[];
  /** Peers without an installation here. */
  readonly absent: readonly string[];
  readonly versions: ReadonlyMap<string, string>;
  readonly seconds: number;
}

const warmSecondsMax = 5;
const hitRatioWarm = 0.99;
/** Lines of a peer's output in the account of its failure. */
const lastWords = 4;
/** Less than this in a second is no progress. */
const hitRatioStep = 0.02;

export const hasQuickCells = (each: BenchCase): boolean => each.cells.some(({ quick }) => quick === true);

/** A case without quick cells, which was asked for by name, runs as it is. */
export const cellsOf = (each: BenchCase, quick: boolean): readonly Cell[] =>
  quick && hasQuickCells(each) ? each.cells.filter((cell) => cell.quick === true) : each.cells;

/** Peers of a cell, in the order of the case. */
export const peersOf = (each: BenchCase, cell: Cell, options: RunOptions): readonly PeerSpec[] =>
  each.peers(options).filter(({ name }) => cell.runsOn?.(name, options) ?? true);

export const roundsOf = (each: BenchCase, cell: Cell, { rounds }: RunOptions): number =>
  Math.min(rounds, each.roundsMax ?? rounds, cell.roundsMax ?? rounds);

/** The servers of one case: who runs, who may run beside whom. */
class Cast {
  readonly absent = new Set<string>();
  readonly versions = new Map<string, string>();
  readonly #running = new Map<string, { spec: PeerSpec; peer: RunningPeer }>();
  readonly #warm = new Set<string>();
  readonly #case: BenchCase;
  readonly #site: Parameters<PeerSpec['start']>[0];

  constructor(each: BenchCase, site: Parameters<PeerSpec['start']>[0]) {
    this.#case = each;
    this.#site = site;
  }

  /** The peer, started when it does not run; null when it is not installed. @throws when it does not start. */
  async enter(spec: PeerSpec, anew: boolean): Promise<RunningPeer | null> {
    const { lifetime = 'case' } = this.#case;
    for (const [name, { spec: other }] of this.#running) {
      const own = name === spec.name;
      if ((own && lifetime === 'measurement' && anew) || (!own && lifetime !== 'case' && other.streams)) {
        await this.#leave(name);
      }
    }
    if (this.#running.get(spec.name)?.peer.child?.hasExited()) await this.#leave(spec.name);
    const running = this.#running.get(spec.name);
    if (running !== undefined) return running.peer;
    if (this.absent.has(spec.name)) return null;
    const peer = await spec.start(this.#site);
    if (peer === null) this.absent.add(spec.name);
    else {
      this.#running.set(spec.name, { spec, peer });
      if (peer.version !== undefined) this.versions.set(spec.name, peer.version);
    }
    return peer;
  }

  /** What the peer printed last, and that it is dead. */
  lastWordsOf(name: string): string[] {
    const child = this.#running.get(name)?.peer.child ?? null;
    if (child === null) return [];
    return [...(child.hasExited() ? [`${name} has ended`] : []), ...child.lines.slice(-lastWords)];
  }

  /** True once for each start of a peer and cell. */
  needsWarming(peer: string, cell: string): boolean {
    const key = `${peer}\n${cell}`;
    if (this.#warm.has(key)) return false;
    this.#warm.add(key);
    return true;
  }

  async #leave(name: string): Promise<void> {
    const { peer } = this.#running.get(name)!;
    this.#running.delete(name);
    for (const key of [...this.#warm]) if (key.startsWith(`${name}\n`)) this.#warm.delete(key);
    await peer.stop();
  }

  async close(): Promise<void> {
    for (const name of [...this.#running.keys()].reverse()) await this.#leave(name);
  }
}

class CellRun {
  readonly samples = new Map<string, Sample[]>();
  readonly failures = new Map<string, string>();
  readonly #loads = new Map<RunningPeer, Stage['load']>();
  readonly #each: BenchCase;
  readonly #cell: Cell;
  readonly #cast: Cast;
  readonly #stage: Omit<Stage, 'load' | 'peer' | 'seed'>;
  readonly #options: RunOptions;

  constructor(
    each: BenchCase,
    cell: Cell,
    cast: Cast,
    site: Pick<Stage, 'household' | 'origin' | 'database'>,
    options: RunOptions,
  ) {
    this.#each = each;
    this.#cell = cell;
    this.#cast = cast;
    this.#options = options;
    this.#stage = { ...site, seconds: options.seconds, signal: options.signal, quick: options.quick };
  }

  async run(): Promise<CellResult> {
    const peers = peersOf(this.#each, this.#cell, this.#options);
    // Side by side, everyone is warm before anyone is measured.
    if ((this.#each.lifetime ?? 'case') === 'case') {
      for (const spec of peers) await this.#guarded(spec, () => this.#prepare(spec));
    }
    for (let round = 0; round < roundsOf(this.#each, this.#cell, this.#options); round++) {
      if (round > 0 && this.#options.late()) break;
      for (const spec of peers) await this.#guarded(spec, () => this.#measure(spec, round));
    }
    const { name, x } = this.#cell;
    return { name, ...(x === undefined ? {} : { x }), samples: this.samples, failures: this.failures };
  }

  /** A peer that failed once is left out of the cell. */
  async #guarded(spec: PeerSpec, work: () => Promise<unknown>): Promise<void> {
    if (this.failures.has(spec.name) || this.#cast.absent.has(spec.name)) return;
    this.#options.signal.throwIfAborted();
    try {
      await work();
    } catch (error) {
      this.#options.signal.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      this.failures.set(spec.name, [why, ...this.#cast.lastWordsOf(spec.name)].join(' | '));
    }
  }

  async #measure(spec: PeerSpec, round: number): Promise<void> {
    this.#options.progress({ caseName: this.#each.name, cell: this.#cell.name, peer: spec.name });
    const peer = await this.#prepare(spec, true);
    if (peer === null) return;
    const sample = await measureCell(this.#each, this.#cell, this.#stageOf(peer, this.#options.seed + 1 + round));
    this.samples.set(spec.name, [...(this.samples.get(spec.name) ?? []), sample]);
  }

  /** Starts and warms; in a quick run only who has a cache is warmed. */
  async #prepare(spec: PeerSpec, anew = false): Promise<RunningPeer | null> {
    const peer = await this.#cast.enter(spec, anew);
    const { load, cold, name } = this.#cell;
    if (peer === null || typeof load === 'function' || cold === true) return peer;
    // Who has no cache needs only its code warm, once.
    if (!this.#cast.needsWarming(spec.name, spec.caches === true ? name : '')) return peer;
    if (this.#options.quick && spec.caches !== true) return peer;
    await this.#warm(peer, load);
    return peer;
  }

  /** For as long as it makes hits more frequent and the cell asks for, a second at a time. */
  async #warm(peer: RunningPeer, load: PgbenchLoad): Promise<void> {
    const warmSecondsMin = this.#options.quick ? 1 : (this.#cell.warmSecondsMin ?? 1);
    let hitRatio = 0;
    for (let second = 1; second <= Math.max(warmSecondsMax, warmSecondsMin); second++) {
      const sample = await this.#stageOf(peer, this.#options.seed + 10_000 + second).load(load, 1);
      const before = hitRatio;
      hitRatio = sample.hitRatio ?? 1;
      const isFull = hitRatio > hitRatioWarm || (second > 1 && hitRatio < before + hitRatioStep);
      if (isFull && second >= warmSecondsMin) return;
    }
  }

  #stageOf(peer: RunningPeer, seed: number): Stage {
    const stage = { ...this.#stage, peer, seed };
    const load = this.#loads.get(peer) ?? loader(stage);
    this.#loads.set(peer, load);
    return { ...stage, load: (each, seconds, other = seed) => load(each, seconds, other) };
  }
}

export async function runCase(
  each: BenchCase,
  household: Household,
  origin: Origin,
  options: RunOptions,
): Promise<CaseResult> {
  const startMs = performance.now();
  const database = `bench_${each.name.replaceAll('-', '_')}`;
  await origin.createDatabase(database, each.setup);
  const site = { household, origin, database };
  const cast = new Cast(each, site);
  const cells: CellResult[] = [];
  const skipped: string[] = [];
  try {
    for (const cell of cellsOf(each, options.quick)) {
      if (options.late()) skipped.push(cell.name);
      else cells.push(await new CellRun(each, cell, cast, site, options).run());
    }
  } finally {
    await cast.close();
  }
  await origin.dropDatabase(database);
  const { name, shows, unit } = each;
  const seconds = Math.round((performance.now() - startMs) / 1000);
  return { name, shows, unit, cells, skipped, absent: [...cast.absent], versions: cast.versions, seconds };
}
