/**
 * Whether the origin knows that the block has run a query. SET TRANSACTION, and BEGIN with modes inside of a block, are refused after the first
 * one (25001), and a read that was answered here is one that the origin has not seen. Before such a command it is sent a Parse of an empty
 * SELECT, whose analysis takes a snapshot as any query's does. Manual: SET TRANSACTION. ADR-007.
 */
import { stripComments } from '../shared/shape.ts';
import { Frontend } from '../shared/wire/codes.ts';
import * as frontend from '../shared/wire/frontend.ts';
import type { Batch } from './client-input.ts';
import type { ReplySink } from './owed.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';

/** At the beginning of a statement. More than need be: in a block that has read, one snapshot more is never noticed. */
const mayAsk = /(?:^|;)[\s(]*(?:set|begin|start|reset)\b/i;
/** The transaction behind it has run nothing yet. */
const chains = /\bchain\b/i;
const kinds = ['close', 'parse', 'close'] as const;

const text: frontend.TextRange = { start: 0, end: 0 };
const parse: frontend.ParseView = { name: '', textStart: 0, textEnd: 0 };
const bind: frontend.BindView = { portal: '', statement: '', tailStart: 0, tailEnd: 0 };

export class FirstSnapshot {
  private readonly session: Session;
  private readonly runtime: Runtime;

  constructor(session: Session, runtime: Runtime) {
    this.session = session;
    this.runtime = runtime;
  }

  /** False: the batch waits until the origin has taken one. Asked only once the origin is in the block. */
  mayForward(batch: Batch): boolean {
    const { order, transaction } = this.session;
    if (!transaction.owesSnapshot) return true;
    const sql = this.statements(batch);
    if (sql.some((each) => chains.test(each))) {
      transaction.owesSnapshot = false;
      return true;
    }
    if (!sql.some((each) => mayAsk.test(each))) return true;
    // What has been sent and not ended by a Sync took one itself.
    if (!order.isQuiet) return !order.isSynced;
    const end: ReplySink = { row: () => undefined, done: () => undefined };
    transaction.owesSnapshot = false;
    order.oweQuestion(kinds, [end, end, end], end);
    this.runtime.originOut.appendAll(frontend.encodeAnalysis('SELECT'));
    return false;
  }

  /** Texts that the batch runs or analyses, without comments. */
  private statements({ bytes, start, end, at, count }: Batch): string[] {
    const found: string[] = [];
    for (let i = 0; i < count; i++) {
      const from = start + at[i]!;
      const stop = i + 1 < count ? start + at[i + 1]! : end;
      const code = bytes[from];
      if (code === Frontend.query && frontend.decodeQuery(bytes, from, stop, text)) {
        found.push(bytes.toString('latin1', text.start, text.end));
      } else if (code === Frontend.parse && frontend.decodeParse(bytes, from, stop, parse)) {
        found.push(bytes.toString('latin1', parse.textStart, parse.textEnd));
      } else if (code === Frontend.bind && frontend.decodeBind(bytes, from, stop, bind)) {
        found.push(this.session.statements.get(bind.statement)?.text ?? '');
      }
    }
    return found.map(stripComments);
  }
}
