/**
 * Statements that were parsed lately, in any session of this worker that uses the same database, by the bytes of their Parse. What is known of
 * the text of one (its verdict, the first parts of its keys, whether it is a command) holds for the next that says the same: a driver parses the
 * same few texts all the time, and to find out again takes longer than all else that a Parse costs.
 *
 * Each hash has one place, and whoever came last is there: a look costs a hash and a comparison, whether it finds anything or not.
 */
import { extendHash, HASH_SEED } from '../shared/query-key.ts';
import type { ParseView } from '../shared/wire/frontend.ts';
import { type Resolution, Statement } from './statement.ts';

const PLACES = 256;
/** Longer ones are rare, and would be kept alive. */
const PARSE_BYTES_MAX = 4096;

export class ParsedTexts {
  private readonly places: (Statement | null)[] = new Array(PLACES).fill(null);

  /**
   * The statement of the Parse [start, end).
   * @param context under which it is going to be judged; null: what was judged of another is left out
   * @param isUtf8 whether the client means its bytes as UTF-8; else they may mean something else than they meant before
   */
  make(
    view: ParseView,
    bytes: Buffer,
    start: number,
    end: number,
    context: Resolution | null,
    isUtf8: boolean,
  ): Statement {
    if (!isUtf8 || end - start > PARSE_BYTES_MAX) return new Statement(view, bytes, start, end);
    const place = extendHash(HASH_SEED, bytes, start, end) & (PLACES - 1);
    const last = this.places[place]!;
    const alike = last?.isParse(bytes, start, end) === true ? last : null;
    const statement = new Statement(view, bytes, start, end, alike);
    if (alike !== null && context !== null) statement.judgedAs(alike, context);
    this.places[place] = statement;
    return statement;
  }
}
