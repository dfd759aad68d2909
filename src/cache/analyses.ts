/**
 * Analyses of statements under one catalog version, by what decides them (C5): resolution class of the context, protocol, declared
 * parameter types, and the text or, where that is enough, its shape. Bounded; those not used lately are forgotten. An offer whose verdict
 * was forgotten is analysed again from its key, so forgetting costs time and nothing else.
 */
import type { AnalyseRequest } from '../shared/messages.ts';
import { Recent } from '../shared/recent.ts';
import { shapeOf, stripComments } from '../shared/shape.ts';
import type { SessionContext } from './context.ts';

type Statement = Omit<AnalyseRequest, 'contextId'>;

export interface Analysed<A> {
  readonly verdictId: number;
  readonly analysis: A;
}

export interface AnalysesOptions<A> {
  readonly analyse: (statement: Statement, context: SessionContext) => A;
  readonly scopeOf: (analysis: A) => 'shape' | 'text';
  readonly nextVerdictId: () => number;
  readonly analysesMax: number;
  /** Characters of all keys together. */
  readonly textMax: number;
}

export class Analyses<A> {
  readonly #options: AnalysesOptions<A>;
  readonly #byKey: Recent<Analysed<A>>;

  constructor(options: AnalysesOptions<A>) {
    this.#options = options;
    this.#byKey = new Recent(options.analysesMax, options.textMax);
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Finds or makes the analysis of a statement. */
  of(statement: Statement, context: SessionContext): Analysed<A> {
    const text = stripComments(statement.text);
    const head = `${statement.protocol}\0${statement.parameterTypes.join(',')}\0${context.resolutionClass}\0`;
    const textKey = `${head}t${text}`;
    const shape = shapeOf(text)?.shape;
    const shapeKey = shape === undefined ? null : `${head}s${shape}`;
    const known = (shapeKey === null ? undefined : this.#byKey.get(shapeKey)) ?? this.#byKey.get(textKey);
    if (known !== undefined) return known;
    const analysis = this.#options.analyse({ ...statement, text }, context);
    const made: Analysed<A> = { verdictId: this.#options.nextVerdictId(), analysis };
    const key = shapeKey !== null && this.#options.scopeOf(analysis) === 'shape' ? shapeKey : textKey;
    this.#byKey.set(key, made);
    return made;
  }
}
