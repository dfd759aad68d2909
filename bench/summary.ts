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
}

export interface CaseSummary {
  readonly name: string;
  readonly shows: string;
  readonly unit: Unit;
  readonly cells: readonly CellSummary[];
  readonly derived: readonly Derived[];
  readonly skipped: readonly string[];
  readonly absent: readonly string[];
}

/** Peers that others are set in relation to, where they ran. */
const references: readonly string[] = ['direct', 'floor', 'relay', 'pgbouncer', 'pgpool'];

const valuesOf = (samples: readonly Sample[] | undefined): number[] => (samples ?? []).map(({ value }) => value);

function summarizePeer(peer: string, cell: CellResult, better: 'higher' | 'lower'): PeerSummary {
  const samples = cell.samples.get(peer)!;
  const values = valuesOf(samples);
  const ratios = references
    .filter((reference) => reference !== peer)
    .map((reference) => [reference, ratioOfRounds(values, valuesOf(cell.samples.get(reference)), better)] as const)
    .filter((pair): pair is readonly [string, number] => pair[1] !== null);
  const extraNames = [...new Set(samples.flatMap(({ extra = {} }) => Object.keys(extra)))];
  return {
    peer,
    value: median(values),
    samples: values,
    spread: spread(values),
    ratios: Object.fromEntries(ratios),
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
  return {
    name,
    ...(x === undefined ? {} : { x }),
    peers: [...samples.keys()].map((peer) => summarizePeer(peer, cell, Units[unit].better)),
    failures: Object.fromEntries(failures),
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
