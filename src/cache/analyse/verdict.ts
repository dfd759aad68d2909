/** What the analysis of a statement says. */
import { Limits } from '../../shared/limits.ts';
import type { Verdict, Writes, WrittenTable } from '../../shared/messages.ts';
import type { PinReason, Reason } from '../../shared/reasons.ts';
import type { DependencyTemplate } from '../dependency.ts';
import type { Bindable } from './bind.ts';
import type { ListShape } from './list.ts';
import type { PlainAnswer } from './plain.ts';
import type { RowOrder } from './row-order.ts';

export interface Analysis extends Omit<Verdict, 'shape' | 'verdictId' | 'catalogVersion'>, Bindable {
  /** Oids of the tables and materialized views that are named, each once, those in views and functions included; empty unless cacheable. */
  readonly relations: readonly number[];
  /** Tables that hold their rows, partitions and heirs included: all changes of these must be on the stream. */
  readonly streamed: readonly number[];
  /** For each reference to a table one or, where the rows satisfy one of several constraints, several. */
  readonly dependencies: readonly DependencyTemplate[];
  /** The answer shows rows of one table as they are; null: it does not, or that is not certain. */
  readonly plain: PlainAnswer | null;
  /** It lists rows of one table by conditions that a row alone decides; null: it does not, or that is not certain. */
  readonly list: ListShape | null;
  readonly rowOrder: RowOrder;
  /** For people: what exactly the reason was met in. */
  readonly detail: string;
  /** What the user could do about it, or null. */
  readonly remedy: string | null;
}

/** What running a statement may do to others and to its own session. */
export interface Effects {
  readonly readOnly: boolean;
  readonly writes: Writes;
  readonly changesContext: boolean;
  readonly transactionControl: boolean;
  readonly pin: PinReason | null;
  readonly settings: readonly string[];
}

export const harmless: Effects = {
  ...{ readOnly: true, writes: 'none', changesContext: false, transactionControl: false },
  ...{ pin: null, settings: [] },
};
/** It may do anything that a function can do. */
export const unknownEffects: Effects = {
  readOnly: false,
  writes: 'unknown',
  changesContext: true,
  transactionControl: false,
  pin: 'pool.unknown',
  settings: [],
};

/** Both happen. */
export function mergeEffects(a: Effects, b: Effects): Effects {
  return {
    readOnly: a.readOnly && b.readOnly,
    writes: mergeWrites(a.writes, b.writes),
    changesContext: a.changesContext || b.changesContext,
    transactionControl: a.transactionControl || b.transactionControl,
    pin: a.pin ?? b.pin,
    settings: a.settings.length === 0 ? b.settings : [...a.settings, ...b.settings],
  };
}

function mergeWrites(a: Writes, b: Writes): Writes {
  if (a === 'unknown' || b === 'unknown') return 'unknown';
  if (a === 'none') return b;
  if (b === 'none') return a;
  const tables = new Map(a.map((table) => [table.relation, table]));
  for (const { relation, points } of b) {
    const other = tables.get(relation);
    tables.set(relation, { relation, points: other === undefined ? points : bothPoints(other.points, points) });
  }
  return [...tables.values()];
}

function bothPoints(a: WrittenTable['points'], b: WrittenTable['points']): WrittenTable['points'] {
  const points = a === null || b === null ? null : [...a, ...b];
  return points === null || points.length > Limits.fencePointsPerTableMax ? null : points;
}

/** Ends an analysis: thrown by whatever meets the first thing that rules caching out. */
export class Uncacheable extends Error {
  readonly reason: Reason;
  readonly remedy: string | null;

  constructor(reason: Reason, detail: string, remedy: string | null = null) {
    super(detail);
    this.reason = reason;
    this.remedy = remedy;
  }
}
