/**
 * PostgreSQL's own grammar (libpg-query, version 18) behind bounds. The parser is WebAssembly with a fixed stack and the
 * tree that it prints is as deep as the statement, so texts that could nest too deep are refused before they reach it;
 * should it break nevertheless, that statement counts as unparseable and a new instance takes its place.
 */
import { createRequire } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import type { Node, ParseResult } from 'libpg-query';
import { Char, charAt, isCommentStart, skipComment, skipToken } from '../../shared/lexer.ts';
import { Limits } from '../../shared/limits.ts';

export type Parsed =
  | { readonly kind: 'parsed'; readonly statements: readonly Node[] }
  | {
      readonly kind: 'failed';
      readonly reason: 'statement.tooLong' | 'statement.unparseable';
      readonly detail: string;
    };

/** Brackets in brackets: 3,000 nested sub-selects exhausted a stack of 1 MB (tried), 1,000 did not. */
const nestingMax = 200;
/** Words and operators outside brackets' depth nest as well (`a + a + …`, `NOT NOT …`): 8,000 were harmless (tried). */
const wordsMax = 6_000;
/** Fresh instances of the module, each some megabytes that are not given back; then the parser stays broken. */
const renewalsMax = 16;

const require = createRequire(import.meta.url);

/** The part of libpg-query that is used. */
export interface ParserModule {
  loadModule(): Promise<void>;
  parseSync(query: string): ParseResult;
}

export class Parser {
  #module: ParserModule | null;
  #renewals = 0;
  #renewing: Promise<void> = Promise.resolve();

  readonly #load: () => Promise<ParserModule>;

  private constructor(module: ParserModule, load: () => Promise<ParserModule>) {
    this.#module = module;
    this.#load = load;
  }

  static async load(load: () => Promise<ParserModule> = loadInstance): Promise<Parser> {
    return new Parser(await load(), load);
  }

  /** Resolves when a broken module has been replaced (or given up). */
  get ready(): Promise<void> {
    return this.#renewing;
  }

  /** No module is left and none is coming: the owner should start the thread anew. */
  get broken(): boolean {
    return this.#module === null && this.#renewals >= renewalsMax;
  }

  parse(text: string): Parsed {
    if (text.length > Limits.statementBytesMax) return failed('statement.tooLong', `${text.length} characters`);
    const module = this.#module;
    if (module === null) return failed('statement.unparseable', 'the parser is being renewed');
    // The parser would stop at it; the wire protocol cannot carry it.
    if (text.includes('\0')) return failed('statement.unparseable', 'a NUL character');
    const excess = complexityProblem(text);
    if (excess !== null) return failed('statement.tooLong', excess);
    if (text.trim() === '') return { kind: 'parsed', statements: [] };
    try {
      const statements = module.parseSync(text).stmts ?? [];
      return { kind: 'parsed', statements: statements.flatMap(({ stmt }) => (stmt === undefined ? [] : [stmt])) };
    } catch (error) {
      if (error instanceof Error && error.name === 'SqlError') return failed('statement.unparseable', error.message);
      this.#renew();
      return failed('statement.unparseable', 'the parser failed on this statement');
    }
  }

  #renew(): void {
    this.#module = null;
    if (this.#renewals >= renewalsMax) return;
    this.#renewals++;
    this.#renewing = this.#load().then(
      (module) => {
        this.#module = module;
      },
      () => {
        this.#renewals = renewalsMax;
      },
    );
  }
}

function failed(reason: 'statement.tooLong' | 'statement.unparseable', detail: string): Parsed {
  return { kind: 'failed', reason, detail };
}

/**
 * V8 would compile the grammar's one huge function anew, optimised, after some hundred statements: half a gigabyte resident and a
 * core for a second or two, for a parser that is not faster afterwards (51 µs a statement before, 52 after).
 */
function keepBaselineCode(): void {
  setFlagsFromString('--no-wasm-tier-up');
  setFlagsFromString('--no-wasm-dynamic-tiering');
}

/** A module that is required again after it was forgotten is instantiated again. */
async function loadInstance(): Promise<ParserModule> {
  keepBaselineCode();
  const path = require.resolve('libpg-query');
  delete require.cache[path];
  const module = require(path) as ParserModule;
  await module.loadModule();
  return module;
}

/** Why the text could nest deeper than the parser bears, or null. */
function complexityProblem(text: string): string | null {
  let depth = 0;
  let words = 0;
  for (let i = 0; i < text.length; ) {
    const comment = isCommentStart(text, i);
    const kind = charAt(text, i);
    if (!comment && (kind === Char.name || kind === Char.operator || text[i] === ':')) words++;
    if (text[i] === '(' || text[i] === '[') depth++;
    else if (text[i] === ')' || text[i] === ']') depth--;
    if (depth > nestingMax) return `brackets nested deeper than ${nestingMax}`;
    const end = comment ? skipComment(text, i) : skipToken(text, i);
    if (end < 0) break;
    i = end;
  }
  return words > wordsMax ? `more than ${wordsMax} words and operators` : null;
}
