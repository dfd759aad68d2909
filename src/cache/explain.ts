/** What a person gets to know about a statement: `pgfresh explain` and GET /explain. */
import type { Explanation } from '../shared/messages.ts';
import { Reasons } from '../shared/reasons.ts';
import type { Analysis } from './analyse/verdict.ts';
import type { RangeTemplate, TermSource, TermTemplate } from './dependency.ts';
import type { CatalogModel } from './model.ts';
import type { TableRefusal } from './tables.ts';

/** @param refusal of the first table read that cannot be on the stream, if there is one */
export function explainAnalysis(model: CatalogModel, analysis: Analysis, refusal: TableRefusal | null): Explanation {
  const reason = analysis.reason ?? refusal?.reason ?? null;
  const remedy = analysis.remedy ?? refusal?.remedy ?? '';
  return {
    cacheable: reason === null,
    reason,
    detail: analysis.detail || (refusal !== null ? `table ${refusal.table}` : ''),
    remedy: remedy === '' ? null : remedy,
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
  };
}

/** While no catalog is known, with why. */
export function explainNothing(problem: string | null): Explanation {
  return {
    cacheable: false,
    reason: 'cache.down',
    detail: problem ?? Reasons['cache.down'],
    remedy: null,
    relations: [],
    constraints: [],
    readOnly: false,
    writes: 'unknown',
  };
}

function termText({ column, values }: TermTemplate): string {
  const texts = values.map(sourceText);
  return texts.length === 1 ? `${column} = ${texts[0]}` : `${column} IN (${texts.join(', ')})`;
}

function rangeTexts(range: RangeTemplate | undefined): string[] {
  if (range === undefined) return [];
  const { column, low, high } = range;
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
    case 'elements':
      return `each of $${source.index + 1}`;
  }
}
