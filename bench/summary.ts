/** The figures of a run as plain data: what the table prints, report.json holds and a baseline is compared with. */
import {
  type BenchCase,
  type CellResult,
  type CpuShares,
  type Derived,
  type Sample,
  type Unit,
  Units,
} from './case.ts';
import type { CaseResult } from './runner.ts';
import { median, medianOfKnown, ratioOfRounds, spread } from './statistics.ts';

export interface PeerSummary {
  readonly peer: string;
  /** Median over the rounds, in the unit of the case. */
  readonly value: number;
  readonly samples: readonly number[];
  /** Distance of the outermost samples as a share of the median. */
  readonly spread: number;
  /** To each reference peer that ran in the same cell: median of the ratios of the same round, above 1 is better. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly latencyMs: { readonly mean: number | null; readonly p50: number | null; readonly p99: number | null };
  readonly cpu: CpuShares;
  readonly hitRatio: number | null;
  readonly extra: Readonly<Record<string, number>>;
}

export interface CellSummary {
  readonly name: string;
  readonly x?: { readonly line: string; readonly at: string };
  readonly peers: readonly PeerSummary[];
  readonly failures: Readonly<Record<string, string>>;
  /** Markdown and SVG of the last round; pictures are files of their own, not in report.json. */
  readonly listing?: string;
  readonly pictures?: Readonly<Record<string, string>>;
}

export interface CaseSummary {
  readonly name: string;
  readonly shows: string;
  readonly unit: Unit;
  readonly cells: readonly CellSummary[];
  readonly derived: readonly Derived[];
  readonly skipped: readonly string[];
  readonly absent: readonly string[];
  /** What measuring it took, start and warming included. */
  readonly seconds?: number;
}

/** Peers that others are set in relation to, where they ran. */
const references: readonly string[] = ['direct', 'floor', 'relay', 'pgbouncer', 'pgpool'];

const valuesOf = (samples: readonly Sample[] | undefined): number[] => (samples ?? []).map(({ value }) => value);

/** How many times better a peer is than each reference of its cell, by the samples of the same round. */
export function ratiosOf(
  peer: string,
  samples: ReadonlyMap<string, readonly number[]>,
  better: 'higher' | 'lower',
): Record<string, number> {
  const own = samples.get(peer) ?? [];
  const pairs = references
    .filter((reference) => reference !== peer)
    .map((reference) => [reference, ratioOfRounds(own, samples.get(reference) ?? [], better)] as const)
    .filter((pair): pair is readonly [string, number] => pair[1] !== null);
  return Object.fromEntries(pairs);
}

function summarizePeer(peer: string, cell: CellResult, better: 'higher' | 'lower'): PeerSummary {
  const samples = cell.samples.get(peer)!;
  const values = valuesOf(samples);
  const all = new Map([...cell.samples].map(([name, each]) => [name, valuesOf(each)]));
  const extraNames = [...new Set(samples.flatMap(({ extra = {} }) => Object.keys(extra)))];
  return {
    peer,
    value: median(values),
    samples: values,
    spread: spread(values),
    ratios: ratiosOf(peer, all, better),
    latencyMs: {
      mean: medianOfKnown(samples.map((each) => each.latencyMs?.mean)),
      p50: medianOfKnown(samples.map((each) => each.latencyMs?.p50)),
      p99: medianOfKnown(samples.map((each) => each.latencyMs?.p99)),
    },
    cpu: {
      load: medianOfKnown(samples.map((each) => each.cpu?.load)),
      peer: medianOfKnown(samples.map((each) => each.cpu?.peer)),
      origin: medianOfKnown(samples.map((each) => each.cpu?.origin)),
      others: medianOfKnown(samples.map((each) => each.cpu?.others)),
    },
    hitRatio: medianOfKnown(samples.map((each) => each.hitRatio)),
    extra: Object.fromEntries(
      extraNames.map((name) => [name, median(samples.map((each) => each.extra?.[name] ?? Number.NaN))]),
    ),
  };
}

export function summarizeCell(cell: CellResult, unit: Unit): CellSummary {
  const { name, x, samples, failures } = cell;
  const last = [...samples.values()].flatMap((rounds) => rounds.slice(-1));
  const listing = last.flatMap((each) => each.listing ?? []).join('\n');
  const pictures = Object.assign({}, ...last.map((each) => each.pictures)) as Record<string, string>;
  return {
    name,
    ...(x === undefined ? {} : { x }),
    peers: [...samples.keys()].map((peer) => summarizePeer(peer, cell, Units[unit].better)),
    failures: Object.fromEntries(failures),
    ...(listing === '' ? {} : { listing }),
    ...(Object.keys(pictures).length === 0 ? {} : { pictures }),
  };
}

export function summarizeCase(each: BenchCase, result: CaseResult): CaseSummary {
  const { name, shows, unit, skipped, absent } = result;
  return {
    name,
    shows,
    unit,
    cells: result.cells.map((cell) => summarizeCell(cell, unit)),
    derived: each.derive?.(result.cells).filter(({ value }) => Number.isFinite(value)) ?? [],
    skipped,
    absent,
    seconds: result.seconds,
  };
}

/** What the figures were taken on and how; part of every report. */
export interface Conditions {
  readonly date: string;
  readonly commit: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryGib: number;
    readonly system: string;
  };
  /** Node, PostgreSQL, pgbench and the rivals, each with its version; "not installed" where it is not. */
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly seconds: number;
  readonly seed: number;
  readonly quick: boolean;
  readonly originSettings: readonly string[];
}

export interface Report {
  readonly conditions: Conditions;
  readonly cases: readonly CaseSummary[];
}
