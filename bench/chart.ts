/** Charts as SVG text, without a library: grouped bars, and lines for sweeps. */
import type { CaseSummary } from './summary.ts';

export interface Series {
  readonly name: string;
  /** One for each group; null where it was not measured. */
  readonly values: readonly (number | null)[];
}

export interface Chart {
  readonly title: string;
  readonly unit: string;
  /** Labels along the horizontal axis. */
  readonly groups: readonly string[];
  readonly series: readonly Series[];
}

const colours = [
  '#8a8f98',
  '#c9a227',
  '#b5656b',
  '#5b8c5a',
  '#7d6ba0',
  '#2f6fb5',
  '#123e73',
  '#00a1a7',
  '#d9722e',
  '#444',
];
const [width, plotHeight, left, top, legendLine] = [960, 300, 76, 44, 18];

const escapeText = (text: string): string => text.replace(/[&<>]/g, (each) => `&#${each.charCodeAt(0)};`);
const colourOf = (i: number): string => colours[i % colours.length]!;

function textAt(x: number, y: number, text: string, attributes = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escapeText(text)}</text>`;
}

/** 0, and up to six round figures up to the first above `max`. */
export function axisTicks(max: number): number[] {
  if (!(max > 0)) return [0, 1];
  const rough = max / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough)!;
  return Array.from({ length: Math.ceil(max / step) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

const shorten = (value: number): string =>
  value >= 1000 ? `${Number((value / 1000).toPrecision(4))}k` : String(value);

function frameOf(chart: Chart, ticks: readonly number[]): string[] {
  const high = ticks.at(-1)!;
  const groupWidth = (width - left - 16) / chart.groups.length;
  const slanted = chart.groups.some((group) => group.length * 6.5 > groupWidth);
  return [
    textAt(left, 20, `${chart.title} (${chart.unit})`, 'font-size="14" font-weight="bold"'),
    ...ticks.flatMap((tick) => {
      const y = top + plotHeight * (1 - tick / high);
      return [
        `<path d="M${left} ${y.toFixed(1)}H${width - 16}" stroke="#ddd"/>`,
        textAt(left - 6, y + 4, shorten(tick), 'text-anchor="end"'),
      ];
    }),
    ...chart.groups.map((group, i) => {
      const x = left + groupWidth * (i + 0.5);
      const y = top + plotHeight + 16;
      const turn = slanted ? `text-anchor="end" transform="rotate(-30 ${x.toFixed(1)} ${y})"` : 'text-anchor="middle"';
      return textAt(x, y, group, turn);
    }),
  ];
}

function legendOf(chart: Chart, y: number): string[] {
  return chart.series.flatMap(({ name }, i) => {
    const [x, rowY] = [left + (i % 5) * 175, y + Math.floor(i / 5) * legendLine];
    return [
      `<rect x="${x}" y="${rowY - 9}" width="10" height="10" fill="${colourOf(i)}"/>`,
      textAt(x + 15, rowY, name),
    ];
  });
}

function document(chart: Chart, marks: (groupWidth: number, y: (value: number) => number) => string[]): string {
  const ticks = axisTicks(Math.max(0, ...chart.series.flatMap(({ values }) => values.map((value) => value ?? 0))));
  const high = ticks.at(-1)!;
  const groupWidth = (width - left - 16) / Math.max(1, chart.groups.length);
  const slanted = chart.groups.some((group) => group.length * 6.5 > groupWidth);
  const legendY = top + plotHeight + (slanted ? 110 : 46);
  const height = legendY + Math.ceil(chart.series.length / 5) * legendLine;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...frameOf(chart, ticks),
    ...marks(groupWidth, (value) => top + plotHeight * (1 - value / high)),
    ...legendOf(chart, legendY),
    '</svg>\n',
  ].join('\n');
}

export function barChart(chart: Chart): string {
  return document(chart, (groupWidth, y) => {
    const barWidth = (groupWidth * 0.85) / chart.series.length;
    return chart.series.flatMap(({ values }, series) =>
      values.flatMap((value, group) => {
        if (value === null) return [];
        const x = left + groupWidth * (group + 0.075) + barWidth * series;
        const size = `width="${barWidth.toFixed(1)}" height="${(top + plotHeight - y(value)).toFixed(1)}"`;
        return [`<rect x="${x.toFixed(1)}" y="${y(value).toFixed(1)}" ${size} fill="${colourOf(series)}"/>`];
      }),
    );
  });
}

export function lineChart(chart: Chart): string {
  return document(chart, (groupWidth, y) =>
    chart.series.flatMap(({ values }, series) => {
      const points = values.flatMap((value, group) =>
        value === null ? [] : [[left + groupWidth * (group + 0.5), y(value)] as const],
      );
      const path = points.map(([x, at], i) => `${i === 0 ? 'M' : 'L'}${x.toFixed(1)} ${at.toFixed(1)}`).join('');
      const colour = colourOf(series);
      return [
        `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
        ...points.map(([x, at]) => `<circle cx="${x.toFixed(1)}" cy="${at.toFixed(1)}" r="3" fill="${colour}"/>`),
      ];
    }),
  );
}

/** The charts of a case: bars of all cells, or for a sweep one of lines for each kind of cell. Name → SVG. */
export function chartsOf(each: CaseSummary, unit: string): Map<string, string> {
  const peers = [...new Set(each.cells.flatMap((cell) => cell.peers.map(({ peer }) => peer)))];
  const lines = [...new Set(each.cells.flatMap(({ x }) => (x === undefined ? [] : [x.line])))];
  const chart = (title: string, cells: CaseSummary['cells']): Chart => ({
    title,
    unit,
    groups: cells.map(({ name, x }) => x?.at ?? name),
    series: peers.map((name) => ({
      name,
      values: cells.map((cell) => cell.peers.find(({ peer }) => peer === name)?.value ?? null),
    })),
  });
  if (peers.length === 0) return new Map();
  if (lines.length === 0) return new Map([[each.name, barChart(chart(each.name, each.cells))]]);
  return new Map(
    lines.map((line, i) => [
      `${each.name}-${i + 1}`,
      lineChart(
        chart(
          `${each.name}: ${line}`,
          each.cells.filter(({ x }) => x?.line === line),
        ),
      ),
    ]),
  );
}
