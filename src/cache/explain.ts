/** What a person gets to know about a statement: `pgfresh explain` and GET /explain. */
import { exampleOf } from '../shared/example.ts';
import type { ExplainedEntry, Explanation } from '../shared/messages.ts';
import { Reasons } from '../shared/reasons.ts';
import { Remedies } from '../shared/remedies.ts';
import type { Analysis } from './analyse/verdict.ts';
import type { RangeTemplate, TermSource, TermTemplate } from './dependency.ts';
import type { CatalogModel } from './model.ts';
import type { TableRefusal } from './tables.ts';

/** What the analysis alone does not know. */
export interface ExplainParts {
  /** Of the first table read that cannot be on the stream, if there is one. */
  readonly refusal: TableRefusal | null;
  readonly text: string;
  readonly contextId: number | null;
  readonly keySettings: Explanation['keySettings'];
  readonly entries: readonly ExplainedEntry[];
  readonly hits: number | null;
}

export function explainAnalysis(model: CatalogModel, analysis: Analysis, parts: ExplainParts): Explanation {
  const { refusal, text, contextId, keySettings, entries, hits } = parts;
  const reason = analysis.reason ?? refusal?.reason ?? null;
  return {
    cacheable: reason === null,
    reason,
    meaning: reason === null ? null : Reasons[reason],
    detail: analysis.detail || (refusal !== null ? `table ${refusal.table}` : ''),
    remedy: reason === null ? null : analysis.remedy || refusal?.remedy || (Remedies[reason] ?? null),
    relations: analysis.relations.map((oid) => model.nameOf(oid)),
    constraints: analysis.dependencies.map(
      ({ relation, terms, range }) =>
        `${model.nameOf(relation)}: ${[...terms.map(termText), ...rangeTexts(range)].join(' AND ') || 'every row'}`,
    ),
    readOnly: analysis.readOnly,
    writes:
      typeof analysis.writes === 'string'
        ? analysis.writes
        : analysis.writes.map(({ relation }) => model.nameOf(relation)),
    ...{ shape: exampleOf(text), contextId, keySettings, entries, hits },
  };
}

/** While no catalog is known, with why. */
export function explainNothing(problem: string | null, text: string): Explanation {
  return {
    ...{ cacheable: false, reason: 'cache.down', meaning: Reasons['cache.down'] },
    detail: problem ?? Reasons['cache.down'],
    remedy: Remedies['cache.down'] ?? null,
    ...{ relations: [], constraints: [], readOnly: false, writes: 'unknown' },
    ...{ shape: exampleOf(text), contextId: null, keySettings: [], entries: [], hits: null },
  };
}

function termText({ column, values }: TermTemplate): string {
  if (values.length === 1 && values[0]!.kind === 'null') return `${column} IS NULL`;
  const texts = values.map(sourceText);
  return texts.length === 1 ? `${column} = ${texts[0]}` : `${column} IN (${texts.join(', ')})`;
}

function rangeTexts(range: RangeTemplate | undefined): string[] {
  if (range === undefined) return [];
  const { column, low, high } = range;
  if (low === null && high === null) return [`${column} IS NOT NULL`];
  if (low?.isPattern === true) return [`${column} LIKE ${sourceText(low.source)}`];
  const above = low === null ? [] : [`${column} ${low.inclusive ? '>=' : '>'} ${sourceText(low.source)}`];
  return high === null ? above : [...above, `${column} ${high.inclusive ? '<=' : '<'} ${sourceText(high.source)}`];
}

function sourceText(source: TermSource): string {
  switch (source.kind) {
    case 'literal':
      return `'${source.text.replaceAll("'", "''")}'`;
    case 'lifted':
      return `constant ${source.index + 1}`;
    case 'parameter':
      return `$${source.index + 1}`;
    case 'null':
      return 'NULL';
    case 'elements':
      return `each of $${source.index + 1}`;
  }
}
