/** The one table of a run, on a terminal and in Markdown. */
import { Units } from './case.ts';
import type { CaseSummary, CellSummary, PeerSummary } from './summary.ts';

export const columns = [
  ...['cell', 'peer', 'median', 'spread', '× direct', '× floor', '× relay', '× pgbouncer', '× pgpool'],
  ...['mean ms', 'p50 ms', 'p99 ms', 'hits', 'CPU load', 'CPU peer', 'CPU origin', 'CPU others'],
] as const;

const empty = '';
/** From this share of a core on, other programs disturb. */
const othersMax = 0.15;

/** Three significant figures, thousands as they are: 41230, 3.21, 0.0812. */
export function formatFigure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return empty;
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return value === 0 ? '0' : String(Number(value.toPrecision(3)));
}

const formatRatio = (value: number | undefined): string =>
  value === undefined ? empty : value >= 100 ? String(Math.round(value)) : value.toFixed(2);
const formatShare = (value: number | null): string => (value === null ? empty : `${Math.round(100 * value)} %`);

function rowOf(cell: CellSummary, each: PeerSummary): string[] {
  const { ratios, latencyMs, cpu } = each;
  return [
    ...[cell.name, each.peer, formatFigure(each.value), formatShare(each.spread)],
    ...['direct', 'floor', 'relay', 'pgbouncer', 'pgpool'].map((peer) => formatRatio(ratios[peer])),
    ...[formatFigure(latencyMs.mean), formatFigure(latencyMs.p50), formatFigure(latencyMs.p99)],
    ...[
      formatShare(each.hitRatio),
      formatShare(cpu.load),
      formatShare(cpu.peer),
      formatShare(cpu.origin),
      formatShare(cpu.others),
    ],
  ];
}

/** Rows of a case, and its columns: those that say something. */
export function tableOf(each: CaseSummary): { head: readonly string[]; rows: readonly (readonly string[])[] } {
  const rows = each.cells.flatMap((cell) => cell.peers.map((peer) => rowOf(cell, peer)));
  const shown = columns.map((_, i) => rows.some((row) => row[i] !== empty));
  const pick = (row: readonly string[]): string[] => row.filter((_, i) => shown[i]);
  const head = columns.map((column) => (column === 'median' ? Units[each.unit].label : column));
  return { head: pick(head), rows: rows.map(pick) };
}

/** What the table has no column for: further figures, peers that failed or are not there, what was left out. */
export function notesOf(each: CaseSummary): string[] {
  const extras = each.cells.flatMap((cell) =>
    cell.peers
      .filter(({ extra }) => Object.keys(extra).length > 0)
      .map(({ peer, extra }) => {
        const figures = Object.entries(extra).map(([name, value]) => `${name} ${formatFigure(value)}`);
        return `${cell.name}, ${peer}: ${figures.join(', ')}`;
      }),
  );
  const failures = each.cells.flatMap((cell) =>
    Object.entries(cell.failures).map(
      ([peer, why]) => `FAILED ${cell.name}, ${peer}: ${why.replace(/\s+/g, ' ').slice(0, 700)}`,
    ),
  );
  const all = each.cells.flatMap(({ peers }) => peers);
  const disturbed = all.filter(({ cpu }) => (cpu.others ?? 0) > othersMax).length;
  return [
    ...(disturbed === 0
      ? []
      : [`${disturbed} of ${all.length} figures were taken while other programs used the machine`]),
    ...each.derived.map(({ name, text }) => `${name}: ${text}`),
    ...extras,
    ...failures,
    ...(each.absent.length === 0 ? [] : [`not installed: ${each.absent.join(', ')}`]),
    ...(each.skipped.length === 0 ? [] : [`left out, the time was up: ${each.skipped.join('; ')}`]),
  ];
}

/** For a terminal: the name of a cell stands once, figures to the right. */
export function textTable(each: CaseSummary): string {
  const { head, rows } = tableOf(each);
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((text, i) => (i < 2 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join('  ');
  const body = rows.map((row, i) => line(row[0] === rows[i - 1]?.[0] ? ['', ...row.slice(1)] : row));
  return [`\n${each.name}: ${each.shows}`, line(head), ...body, ...notesOf(each).map((note) => `  ${note}`), ''].join(
    '\n',
  );
}

export function markdownTable(each: CaseSummary): string {
  const { head, rows } = tableOf(each);
  const line = (row: readonly string[]): string => `| ${row.join(' | ')} |`;
  const align = head.map((_, i) => (i < 2 ? '---' : '---:'));
  return [line(head), line(align), ...rows.map(line)].join('\n');
}
