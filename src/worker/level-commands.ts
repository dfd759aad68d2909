/**
 * `SET pgfresh.consistency`, `EXPLAIN (PGFRESH)` and their kin (local-command.ts), answered here in both protocols. The origin never sees
 * them, for it would take the name for a setting of its own.
 */
import { countReason } from '../shared/memory/counters.ts';
import { Counter } from '../shared/memory/layout.ts';
import * as backend from '../shared/wire/backend.ts';
import { Frontend, TransactionStatus } from '../shared/wire/codes.ts';
import { HEADER_BYTES } from '../shared/wire/framer.ts';
import * as frontend from '../shared/wire/frontend.ts';
import type { Batch } from './client-input.ts';
import { Explaining } from './explaining.ts';
import { statusRows } from './local-answers.ts';
import { beginsLikeCommand, type LocalCommand, localCommand, parameterCount } from './local-command.ts';
import type { Runtime } from './runtime.ts';
import type { Session } from './session.ts';

const COLUMN = 'pgfresh.consistency';
const text: frontend.TextRange = { start: 0, end: 0 };
const parse: frontend.ParseView = { name: '', textStart: 0, textEnd: 0 };
const bind: frontend.BindView = { portal: '', statement: '', tailStart: 0, tailEnd: 0 };
const target: frontend.TargetView = { isStatement: false, name: '' };

const propertyColumns = ['property', 'value'] as const;
const columnsOf = (command: LocalCommand): readonly string[] => (command.kind === 'show' ? [COLUMN] : propertyColumns);

/** A command as the client prepared it. */
interface Prepared {
  readonly command: LocalCommand;
  readonly parameterTypes: readonly number[];
}

interface BoundCommand extends Prepared {
  /** Null in the simple protocol. */
  readonly bindTail: Buffer | null;
}

export class LevelCommands {
  private readonly session: Session;
  private readonly runtime: Runtime;
  /** Statements of ours that the client prepared, by name. */
  private readonly prepared = new Map<string, Prepared>();
  private readonly explaining: Explaining;
  private portal: BoundCommand | null = null;
  private replies: Buffer[] = [];
  private failed = false;
  /** After an error of ours everything up to Sync is skipped, in later batches too. */
  private skipping = false;

  constructor(session: Session, runtime: Runtime) {
    this.session = session;
    this.runtime = runtime;
    this.explaining = new Explaining(session, runtime);
  }

  get isPlain(): boolean {
    return this.prepared.size === 0 && this.portal === null && !this.skipping;
  }

  /** 'hold': it is ours, but replies are owed first. */
  answer(batch: Batch): 'answered' | 'hold' | 'forward' {
    const { bytes, start } = batch;
    if (bytes[start] === Frontend.query) {
      return beginsLikeCommand(bytes, start + HEADER_BYTES, batch.end) ? this.query(batch) : 'forward';
    }
    return this.mayBeOurs(batch) ? this.extended(batch) : 'forward';
  }

  /** Of a batch of the extended protocol, or of its beginning. */
  mayBeOurs(batch: Batch): boolean {
    return this.prepared.size > 0 || this.skipping || this.mayPrepare(batch);
  }

  private mayPrepare(batch: Batch): boolean {
    const { bytes, start, end } = batch;
    if (bytes[start] !== Frontend.parse) return false;
    const nameEnd = frontend.nulAt(bytes, start + HEADER_BYTES, end);
    return nameEnd >= 0 && beginsLikeCommand(bytes, nameEnd + 1, end);
  }

  private mustWait(): 'hold' | 'forward' | null {
    const { order, transaction } = this.session;
    if (!order.isQuiet) return order.isSynced ? 'hold' : 'forward';
    return transaction.status === TransactionStatus.failed ? 'forward' : null;
  }

  private query(batch: Batch): 'answered' | 'hold' | 'forward' {
    if (!frontend.decodeQuery(batch.bytes, batch.start, batch.end, text)) return 'forward';
    const command = localCommand(batch.bytes.toString('utf8', text.start, text.end));
    if (command === null) return 'forward';
    const wait = this.mustWait();
    if (wait !== null) return wait;
    const bound: BoundCommand = { command, parameterTypes: [], bindTail: null };
    const rows = this.rows(bound);
    if (rows === null) return 'hold';
    const { order, statements, transaction } = this.session;
    statements.dropUnnamed();
    this.replies = [];
    if (command.kind !== 'set') this.replies.push(backend.encodeTextColumns(columnsOf(command)));
    this.run(bound, rows);
    this.explaining.forget();
    for (const reply of this.replies) order.say(reply);
    order.say(backend.encodeReady(transaction.status));
    return 'answered';
  }

  /** What the command answers; null: it is being asked for. */
  private rows({ command, parameterTypes, bindTail }: BoundCommand): readonly (readonly string[])[] | null {
    const { session, runtime } = this;
    if (command.kind === 'show') return [[session.consistency.level]];
    if (command.kind === 'status') return statusRows(session, runtime);
    if (command.kind === 'explain') return this.explaining.rows({ text: command.text, parameterTypes, bindTail });
    return [];
  }

  private run({ command }: BoundCommand, rows: readonly (readonly string[])[]): void {
    const { consistency, transaction } = this.session;
    const { counters } = this.runtime;
    counters[Counter.statements]! += 1;
    counters[Counter.passthrough]! += 1;
    countReason(counters, 'statement.settings');
    this.session.statementsSeen++;
    if (command.kind !== 'set') {
      for (const row of rows) this.replies.push(backend.encodeTextRow(row));
      this.replies.push(backend.encodeCommandComplete(command.kind === 'explain' ? 'EXPLAIN' : 'SHOW'));
      return;
    }
    if (consistency.set(command.value, command.local, !transaction.isIdle)) {
      this.replies.push(backend.encodeCommandComplete(command.value === null ? 'RESET' : 'SET'));
      return;
    }
    this.failed = true;
    const message = `invalid value for parameter "${COLUMN}": "${command.value}"`;
    const hint = 'Available values: strong, session, bounded, monotonic, off.';
    this.replies.push(backend.encodeError({ severity: 'ERROR', sqlstate: '22023', message, hint }));
  }

  /** A batch is ours when every statement in it is; a mixed one is forwarded. */
  private extended(batch: Batch): 'answered' | 'hold' | 'forward' {
    if (!this.isOurs(batch)) return 'forward';
    const wait = this.mustWait();
    if (wait !== null) return wait;
    if (!this.isExplained(batch)) return 'hold';
    this.replies = [];
    this.failed = this.skipping;
    this.eachFrame(batch, (code, start, end) => {
      if (code === Frontend.sync) {
        this.failed = false;
        this.portal = null;
        this.replies.push(backend.encodeReady(this.session.transaction.status));
      } else if (!this.failed) this.frame(code, batch.bytes, start, end);
      return true;
    });
    this.skipping = this.failed;
    this.explaining.forget();
    for (const reply of this.replies) this.session.order.say(reply);
    return 'answered';
  }

  private eachFrame(batch: Batch, visit: (code: number, start: number, end: number) => boolean): boolean {
    for (let i = 0; i < batch.count; i++) {
      const start = batch.start + batch.at[i]!;
      const end = i + 1 < batch.count ? batch.start + batch.at[i + 1]! : batch.end;
      if (!visit(batch.bytes[start]!, start, end)) return false;
    }
    return true;
  }

  private isOurs(batch: Batch): boolean {
    const { bytes } = batch;
    const names = new Map<string, boolean>();
    const isOurName = (name: string) => names.get(name) ?? this.prepared.has(name);
    let touched = this.skipping;
    const ours = this.eachFrame(batch, (code, start, end) => {
      if (code === Frontend.sync || code === Frontend.flush) return true;
      if (code === Frontend.parse && frontend.decodeParse(bytes, start, end, parse)) {
        const isCommand = localCommand(bytes.toString('utf8', parse.textStart, parse.textEnd)) !== null;
        if (!isCommand) this.prepared.delete(parse.name);
        names.set(parse.name, isCommand);
        touched = true;
        return isCommand;
      }
      if (code === Frontend.bind && frontend.decodeBind(bytes, start, end, bind)) {
        touched = true;
        return isOurName(bind.statement);
      }
      if (code === Frontend.describe && frontend.decodeTarget(bytes, start, end, target)) {
        return target.isStatement ? (touched = isOurName(target.name)) : touched || this.portal !== null;
      }
      if (code === Frontend.close && frontend.decodeTarget(bytes, start, end, target)) {
        return target.isStatement ? (touched = isOurName(target.name)) : touched;
      }
      if (code === Frontend.execute) return touched || this.portal !== null;
      return false;
    });
    return ours && (touched || this.portal !== null);
  }

  /** Asks for every explanation that the batch needs; true when all are there. */
  private isExplained({ bytes, ...batch }: Batch): boolean {
    const names = new Map<string, Prepared | null>();
    let portal = this.portal;
    let complete = true;
    this.eachFrame({ bytes, ...batch }, (code, start, end) => {
      if (code === Frontend.parse && frontend.decodeParse(bytes, start, end, parse)) {
        names.set(parse.name, this.preparedOf(bytes));
      } else if (code === Frontend.bind && frontend.decodeBind(bytes, start, end, bind)) {
        portal = this.boundOf(bytes, names.get(bind.statement) ?? this.prepared.get(bind.statement));
      } else if (code === Frontend.execute && portal !== null && this.rows(portal) === null) complete = false;
      return true;
    });
    return complete;
  }

  /** Of the Parse in `parse`. */
  private preparedOf(bytes: Buffer): Prepared | null {
    const command = localCommand(bytes.toString('utf8', parse.textStart, parse.textEnd));
    return command === null ? null : { command, parameterTypes: frontend.parameterTypes(bytes, parse.textEnd + 1) };
  }

  /** Of the Bind in `bind`. */
  private boundOf(bytes: Buffer, prepared: Prepared | null | undefined): BoundCommand | null {
    return prepared ? { ...prepared, bindTail: Buffer.from(bytes.subarray(bind.tailStart, bind.tailEnd)) } : null;
  }

  private frame(code: number, bytes: Buffer, start: number, end: number): void {
    if (code === Frontend.parse && frontend.decodeParse(bytes, start, end, parse)) {
      const prepared = this.preparedOf(bytes);
      if (prepared === null) return;
      if (parse.name === '') this.session.statements.dropUnnamed();
      this.prepared.set(parse.name, prepared);
      this.replies.push(backend.PARSE_COMPLETE);
    } else if (code === Frontend.bind && frontend.decodeBind(bytes, start, end, bind)) {
      this.portal = this.boundOf(bytes, this.prepared.get(bind.statement));
      this.replies.push(backend.BIND_COMPLETE);
    } else if (code === Frontend.describe && frontend.decodeTarget(bytes, start, end, target)) {
      this.describe(target.isStatement ? this.prepared.get(target.name) : this.portal, target.isStatement);
    } else if (code === Frontend.close && frontend.decodeTarget(bytes, start, end, target)) {
      if (target.isStatement) this.prepared.delete(target.name);
      else this.portal = null;
      this.replies.push(backend.CLOSE_COMPLETE);
    } else if (code === Frontend.execute && this.portal !== null) {
      this.run(this.portal, this.rows(this.portal) ?? []);
    }
  }

  private describe(prepared: Prepared | null | undefined, isStatement: boolean): void {
    const command = prepared?.command;
    if (isStatement) {
      const count = command?.kind === 'explain' ? parameterCount(command.text) : 0;
      this.replies.push(backend.encodeParameters(count, prepared?.parameterTypes ?? []));
    }
    const hasRows = command !== undefined && command.kind !== 'set';
    this.replies.push(hasRows ? backend.encodeTextColumns(columnsOf(command)) : backend.NO_DATA);
  }
}
