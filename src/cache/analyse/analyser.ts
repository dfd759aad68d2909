/**
 * The analysis of statements against one catalog snapshot: may the answer be cached, on which rows does it depend, and what
 * may the statement do to others? Pure: the same snapshot, context and text give the same analysis.
 */
import type { Node, SelectStmt } from 'libpg-query';
import type { Reason } from '../../shared/reasons.ts';
import { type Shape, shapeOf, stripComments } from '../../shared/shape.ts';
import type { Catalog } from '../catalog.ts';
import type { SessionContext } from '../context.ts';
import { Definitions } from './definitions.ts';
import { Expansion } from './expansion.ts';
import { listShapeOf } from './list.ts';
import { Names } from './names.ts';
import type { Parser } from './parser.ts';
import { plainAnswerOf } from './plain.ts';
import type { PointContext } from './points.ts';
import { preparedOf } from './prepared.ts';
import { QueryWalk } from './query.ts';
import { Reads } from './reads.ts';
import { rowOrderOf } from './row-order.ts';
import { type Classified, classify } from './statement.ts';
import { type Analysis, type Effects, harmless, mergeEffects, Uncacheable, unknownEffects } from './verdict.ts';
import { ViewEffects } from './view-effects.ts';

export interface AnalyseInput {
  /** Statement text, with or without comments. */
  readonly text: string;
  /** Only what decides the meaning of names: contexts of one `resolutionClass` may share the analysis. */
  readonly context: Pick<SessionContext, 'schemas' | 'clientEncoding'> &
    Partial<Pick<SessionContext, 'temporary' | 'standardStrings'>>;
  readonly parameterTypes: readonly number[];
  readonly protocol: 'simple' | 'extended';
}

const notLifted = (): undefined => undefined;

const escaped = { kind: 'failed', reason: 'session.settings', detail: 'a backslash without standard strings' } as const;

export class Analyser {
  readonly #catalog: Catalog;
  readonly #parser: Parser;
  readonly #views: ViewEffects;
  readonly #definitions: Definitions;

  constructor(catalog: Catalog, parser: Parser) {
    this.#catalog = catalog;
    this.#parser = parser;
    this.#definitions = new Definitions(catalog, parser);
    this.#views = new ViewEffects(catalog, this.#definitions);
  }

  analyse(input: AnalyseInput): Analysis {
    const { schemas, temporary, standardStrings = true } = input.context;
    const text = stripComments(input.text);
    const shape = standardStrings ? shapeOf(text) : null;
    const base = { scope: shape === null ? 'text' : 'shape', unicode: this.#isUnicode(input) } as const;
    // Without standard strings a backslash means something else, and where there is none, all is the same.
    const parsed = standardStrings || !text.includes('\\') ? this.#parser.parse(text) : escaped;
    if (parsed.kind === 'failed') {
      const effects = { ...unknownEffects, transactionControl: true };
      return refusal(parsed.reason, parsed.detail, null, effects, { ...base, scope: 'text' });
    }
    const names = new Names(this.#catalog, schemas, temporary);
    const { statements } = parsed;
    const points = { parameterTypes: input.parameterTypes, liftedAt: liftedAt(text, shape) };
    if (statements.length !== 1) return this.#several(statements, names, base, points);
    const statement = statements[0]!;
    if (!('SelectStmt' in statement)) {
      const { reason, effects } = this.#classify(statement, names, points);
      const refused = refusal(reason, Object.keys(statement)[0] ?? '', null, effects, base);
      const prepared = 'PrepareStmt' in statement ? preparedOf(statement.PrepareStmt, text, names) : null;
      return prepared === null ? refused : { ...refused, scope: 'text', prepared };
    }
    return this.#select(statement, { ...input, text }, names, points, base);
  }

  #classify(statement: Node, names: Names, points: PointContext): Classified {
    return classify(statement, { names, views: this.#views, points, targetsWritten: true, fieldsMayCall: true });
  }

  /** Two letters of the client may be one in another encoding (EUC_JP …), and the stream then has the other of the two. */
  #isUnicode({ context }: AnalyseInput): boolean {
    return context.clientEncoding === 'UTF8' && this.#catalog.encoding === 'UTF8';
  }

  #several(statements: readonly Node[], names: Names, base: Base, points: PointContext): Analysis {
    if (statements.length === 0) return refusal('uncacheable.noTable', 'an empty statement', null, harmless, base);
    // Several statements in one string are one transaction, and each may end or begin another.
    let effects: Effects = { ...harmless, transactionControl: true };
    for (const statement of statements) {
      effects = mergeEffects(effects, this.#classify(statement, names, points).effects);
    }
    return refusal('statement.multiple', `${statements.length} statements`, null, effects, base);
  }

  #select(
    statement: { readonly SelectStmt: SelectStmt },
    input: AnalyseInput,
    names: Names,
    points: PointContext,
    base: Base,
  ): Analysis {
    const reads = new Reads(input.parameterTypes);
    try {
      this.#requireReadableText(input);
      const walkOf = (definition: Names, within: Expansion) => new QueryWalk(definition, reads, notLifted, within);
      const expansion = new Expansion({ definitions: this.#definitions, reads, names, walkOf });
      new QueryWalk(names, reads, points.liftedAt, expansion).run(statement.SelectStmt);
      if (reads.relations.size === 0) throw new Uncacheable('uncacheable.noTable', 'no table is read');
      if (reads.problem !== null) throw reads.problem;
    } catch (error) {
      if (!(error instanceof Uncacheable)) throw error;
      const { effects } = this.#classify(statement, names, points);
      const { reason, message, remedy } = reads.problem ?? error;
      const refused = refusal(reason, message, remedy, effects, base);
      // The walk has come to its end: what the statement means is known all the same.
      return error === reads.problem ? { ...refused, signature: reads.signature() } : refused;
    }
    return {
      ...base,
      ...harmless,
      cacheable: true,
      reason: null,
      relations: [...reads.relations],
      streamed: [...reads.streamed],
      dependencies: reads.dependencies(),
      plain: reads.references.length === 1 ? plainAnswerOf(statement.SelectStmt, names) : null,
      list: reads.references.length === 1 ? listShapeOf(statement.SelectStmt, names, points.liftedAt) : null,
      rowOrder: rowOrderOf(statement.SelectStmt, names),
      momentParameters: [...reads.momentParameters].map((number) => number - 1),
      parameterCount: reads.parameterCount,
      signature: reads.signature(),
      detail: '',
      remedy: null,
    };
  }

  #requireReadableText({ text, context }: AnalyseInput): void {
    if (context.temporary !== undefined && context.temporary !== 'none') {
      throw new Uncacheable('session.temporarySchema', 'a name may mean a temporary object');
    }
    if (this.#catalog.types.hostileCasts) {
      throw new Uncacheable('uncacheable.userType', 'a user-defined cast between built-in types exists');
    }
    // Bytes of another encoding were taken for UTF-8: names and constants may be others than they seem.
    if (context.clientEncoding !== 'UTF8' && /[^\0-\x7f]/.test(text)) {
      throw new Uncacheable(
        'uncacheable.construct',
        `letters beyond ASCII in client_encoding ${context.clientEncoding}`,
      );
    }
  }
}

type Base = Pick<Analysis, 'scope' | 'unicode'>;

function refusal(reason: Reason, detail: string, remedy: string | null, effects: Effects, base: Base): Analysis {
  return {
    ...base,
    ...effects,
    cacheable: false,
    reason,
    relations: [],
    streamed: [],
    dependencies: [],
    plain: null,
    list: null,
    rowOrder: 'open',
    momentParameters: [],
    parameterCount: 0,
    signature: '',
    detail,
    remedy,
  };
}

/** Locations of the parser are in bytes of UTF-8, offsets of the shape in UTF-16 units. */
function liftedAt(text: string, shape: Shape | null): (location: number) => number | undefined {
  const index = new Map<number, number>();
  let at = 0;
  let bytes = 0;
  for (const [i, offset] of (shape?.offsets ?? []).entries()) {
    bytes += Buffer.byteLength(text.slice(at, offset));
    at = offset;
    index.set(bytes, i);
  }
  return (location) => index.get(location);
}
