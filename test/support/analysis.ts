/** Analyses against the catalog of a real server, and their verdicts in the notation of the corpus. */
import pg from 'pg';
import { Analyser } from '../../src/cache/analyse/analyser.ts';
import { type Bindable, type BindKey, bindDependencies } from '../../src/cache/analyse/bind.ts';
import { Parser } from '../../src/cache/analyse/parser.ts';
import type { Analysis } from '../../src/cache/analyse/verdict.ts';
import { type Catalog, loadCatalog } from '../../src/cache/catalog.ts';
import type { DependencyTemplate } from '../../src/cache/dependency.ts';
import { stripComments } from '../../src/shared/shape.ts';

export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  // As on the cache thread's connection: definitions come out qualified.
  await client.query('SET search_path = pg_catalog');
  return client;
}

export async function catalogOf(url: string): Promise<Catalog> {
  const client = await connect(url);
  try {
    return await loadCatalog(client, `'none'`);
  } finally {
    await client.end();
  }
}

export class Bench {
  readonly catalog: Catalog;
  readonly analyser: Analyser;

  constructor(catalog: Catalog, parser: Parser) {
    this.catalog = catalog;
    this.analyser = new Analyser(catalog, parser);
  }

  static async open(url: string): Promise<Bench> {
    return new Bench(await catalogOf(url), await Parser.load());
  }

  analyse(
    text: string,
    { parameterTypes = [], schemas = ['pg_catalog', 'public'], clientEncoding = 'UTF8' }: BenchOptions = {},
  ): Analysis {
    return this.analyser.analyse({ text, parameterTypes, protocol: 'extended', context: { schemas, clientEncoding } });
  }

  /** The verdict and the effects as the corpus writes them. */
  verdict(text: string, options: BenchOptions = {}): string {
    const analysis = this.analyse(text, options);
    return analysis.cacheable ? this.dependencies(analysis, text) : analysis.reason!;
  }

  effects(text: string): string {
    const { readOnly, writes, changesContext, transactionControl } = this.analyse(text);
    if (writes === 'unknown' && changesContext) return transactionControl ? 'any!' : 'any';
    const parts = [changesContext ? 'settings' : '', transactionControl ? 'control' : ''];
    if (writes === 'unknown') parts.push('>?');
    else if (writes !== 'none')
      parts.push(
        `> ${writes
          .map(({ relation }) => this.#name(relation))
          .sort()
          .join(' ')}`,
      );
    else if (!readOnly) parts.push('own');
    else if (parts.join('') === '') parts.push('read');
    return parts.filter((part) => part !== '').join(' ');
  }

  /** Dependencies with the constants of the text; parameters stand as they are. */
  dependencies(analysis: Analysis, text: string): string {
    const literal = { ...analysis, parameterCount: 0, momentParameters: [] };
    const tables = analysis.dependencies.map((template, i) => {
      const key: BindKey = { form: 'simple', text: stripComments(text), bindTail: new Uint8Array() };
      const terms = template.terms.map((term) => {
        const values = term.values.map((source) => {
          if (source.kind === 'null') return 'NULL';
          if (source.kind === 'parameter') return `$${source.index + 1}`;
          if (source.kind === 'elements') return `$${source.index + 1}[]`;
          const one = { relation: template.relation, terms: [{ ...term, values: [source] }] };
          return bindDependencies({ ...literal, dependencies: [one] }, key)?.[0]?.terms[0]?.values[0];
        });
        return values.includes(undefined) ? '' : `${term.column}=${[...new Set(values)].join('|')}`;
      });
      terms.push(...this.#range(template, literal, key));
      const certain = terms.filter((term) => term !== '');
      return `${this.#name(analysis.dependencies[i]!.relation)}${certain.length > 0 ? `(${certain.join(' ')})` : ''}`;
    });
    return tables.join(' ');
  }

  /** Integers as the interval that they are, other types as they are written, `column!` for NOT NULL. */
  #range({ relation, range }: DependencyTemplate, literal: Bindable, key: BindKey): string[] {
    if (range === undefined) return [];
    const { column, type, low, high } = range;
    if (low === null && high === null) return [`${column}!`];
    const texts: string[] = [];
    for (const side of ['low', 'high'] as const) {
      const bound = range[side];
      if (bound === null) continue;
      const { source, inclusive, isPattern } = bound;
      const sign = isPattern ? '~' : `${side === 'low' ? '>' : '<'}${inclusive ? '=' : ''}`;
      if (isPattern && side === 'high') continue;
      if (source.kind === 'parameter') texts.push(`${column}${sign}$${source.index + 1}`);
      else if (/^int|oid/.test(type)) {
        const one = { relation, terms: [], range: { ...range, low: null, high: null, [side]: bound } };
        const value = bindDependencies({ ...literal, dependencies: [one] }, key)?.[0]?.range?.[side];
        if (value !== undefined) texts.push(`${column}${side === 'low' ? '>=' : '<='}${value}`);
      } else if (type !== 'none') {
        const one = { relation, terms: [{ column, type, values: [source] }] };
        const value = bindDependencies({ ...literal, dependencies: [one] }, key)?.[0]?.terms[0]?.values[0];
        if (value !== undefined) texts.push(`${column}${sign}${value}`);
      }
    }
    return texts;
  }

  #name(oid: number): string {
    return this.catalog.relations.get(oid)?.name ?? `#${oid}`;
  }
}

export interface BenchOptions {
  readonly parameterTypes?: readonly number[];
  readonly schemas?: readonly string[];
  readonly clientEncoding?: string;
}

/** The Bind message after its names, of parameters given as text, NULL, or bytes in binary format. */
export function bindTail(values: readonly (string | null | Uint8Array)[]): Uint8Array {
  const parts: Buffer[] = [];
  const int16 = (n: number): void => void parts.push(Buffer.from([(n >> 8) & 255, n & 255]));
  int16(values.length);
  for (const value of values) int16(value instanceof Uint8Array ? 1 : 0);
  int16(values.length);
  for (const value of values) {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes === null ? -1 : bytes.length);
    parts.push(length, Buffer.from(bytes ?? []));
  }
  int16(0);
  return Buffer.concat(parts);
}
