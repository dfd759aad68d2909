/**
 * What the origin lacks before a batch can be forwarded: statements whose Parse was answered here are sent now, their
 * ParseComplete is swallowed; an unnamed statement that the client has destroyed by an answer from here is closed.
 */
import { Frontend } from '../shared/wire/codes.ts';
import { HEADER_BYTES } from '../shared/wire/framer.ts';
import * as frontend from '../shared/wire/frontend.ts';
import type { Batch } from './client-input.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';
import { type Resolution, type Statement, sameResolution } from './statements.ts';

/** Texts after which SQL sees or changes prepared statements: the origin must have them all. */
const statementSql = /\b(prepare|deallocate|execute|discard|pg_prepared_statements?)\b/i;

const parse: frontend.ParseView = { name: '', textStart: 0, textEnd: 0 };
const bind: frontend.BindView = { portal: '', statement: '', tailStart: 0, tailEnd: 0 };
const target: frontend.TargetView = { isStatement: false, name: '' };
const execute: frontend.ExecuteView = { portal: '', rowsMax: 0 };

export class Replayer {
  private readonly runtime: Runtime;
  private session!: Session;
  private context: Resolution | null = null;
  /** The batch makes the unnamed statement itself. */
  private unnamedIsNew = false;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  /** `context`: what a Parse sent now is resolved under; null when that is in doubt. */
  replay(session: Session, batch: Batch, context: Resolution | null): void {
    this.session = session;
    this.context = context;
    this.unnamedIsNew = false;
    const { bytes, start, at, count } = batch;
    for (let i = 0; i < count; i++) {
      const from = start + at[i]!;
      const end = i + 1 < count ? start + at[i + 1]! : batch.end;
      if (bytes[from] === Frontend.parse && bytes[from + HEADER_BYTES] === 0) this.unnamedIsNew = true;
      this.frame(bytes[from]!, bytes, from, end);
    }
  }

  private frame(code: number, bytes: Buffer, start: number, end: number): void {
    if (code === Frontend.query) {
      this.forQuery(bytes, start, end);
    } else if (code === Frontend.bind) {
      if (frontend.decodeBind(bytes, start, end, bind)) this.provide(bind.statement);
    } else if (code === Frontend.describe) {
      if (frontend.decodeTarget(bytes, start, end, target) && target.isStatement) this.provide(target.name);
    } else if (code === Frontend.parse) {
      // A name that exists already must fail at the origin, too.
      if (frontend.decodeParse(bytes, start, end, parse)) this.provide(parse.name);
    } else if (code === Frontend.execute && this.session.statements.hasLocalOnly) {
      this.forExecute(bytes, start, end);
    }
  }

  private forExecute(bytes: Buffer, start: number, end: number): void {
    if (!frontend.decodeExecute(bytes, start, end, execute)) return;
    const statement = this.session.portals.get(execute.portal)?.statement ?? null;
    if (statement !== null && statementSql.test(statement.text)) this.provideAll();
  }

  private forQuery(bytes: Buffer, start: number, end: number): void {
    if (!this.session.statements.hasLocalOnly) return;
    if (!statementSql.test(bytes.toString('utf8', start + HEADER_BYTES, end))) return;
    this.provideAll();
    // A Query must not find itself inside the implicit transaction of these messages.
    this.session.order.oweSync(true);
    this.runtime.originOut.appendAll(frontend.SYNC);
  }

  private provideAll(): void {
    for (const statement of this.session.statements.localOnly()) this.send(statement);
  }

  private provide(name: string): void {
    const { statements, order } = this.session;
    if (name === '' && this.unnamedIsNew) return;
    const missing = statements.missingAtOrigin(name);
    if (missing === null) return;
    if (missing !== 'close') {
      this.send(missing);
      return;
    }
    const owed = order.oweExtended('close', true);
    if (owed !== null) statements.closeSent(owed, '');
    this.runtime.originOut.appendAll(frontend.encodeCloseStatement(''));
  }

  private send(statement: Statement): void {
    const owed = this.session.order.oweExtended('parse', true);
    if (owed !== null) this.session.statements.parseSent(owed, statement);
    // C7: the origin resolves it now. Where that may differ from what was answered before, nothing is known.
    if (this.context === null || !sameResolution(statement.resolution, this.context)) statement.resolution = null;
    this.runtime.originOut.appendAll(statement.parse);
  }
}
