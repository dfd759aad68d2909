/** Every kind of statement but the cacheable SELECT: why it is passed through, and what it may do. */
import type {
  CopyStmt,
  DeclareCursorStmt,
  DefElem,
  ExplainStmt,
  Node,
  TransactionStmt,
  TruncateStmt,
  VariableSetStmt,
} from 'libpg-query';
import type { Reason } from '../../shared/reasons.ts';
import { type EffectsContext, effectsOf } from './effects.ts';
import { cursorLeaves, definitionLeaves, setLeaves } from './session-traces.ts';
import { type Effects, harmless, mergeEffects, unknownEffects } from './verdict.ts';
import { writesOf } from './writes.ts';

export interface Classified {
  readonly reason: Reason;
  readonly effects: Effects;
}

const quiet: Effects = { ...harmless, readOnly: false };
const settings: Effects = { ...harmless, changesContext: true };
const control: Effects = { ...harmless, transactionControl: true };
const anything: Effects = { ...unknownEffects, transactionControl: true };

/** Statements whose effects do not depend on their parts. DDL and what is not listed: `unknownEffects`. */
const fixed: Readonly<Record<string, Classified>> = {
  VariableShowStmt: { reason: 'statement.settings', effects: harmless },
  DiscardStmt: { reason: 'statement.settings', effects: { ...settings, readOnly: false, pin: 'pool.discard' } },
  // What its query may do has been looked at where it was declared.
  FetchStmt: { reason: 'statement.cursor', effects: { ...unknownEffects, pin: null } },
  ClosePortalStmt: { reason: 'statement.cursor', effects: harmless },
  // The session keeps account of names itself, by what the origin acknowledges.
  PrepareStmt: { reason: 'statement.utility', effects: { ...harmless, pin: 'pool.prepare' } },
  DeallocateStmt: { reason: 'statement.utility', effects: { ...harmless, pin: 'pool.prepare' } },
  ExecuteStmt: { reason: 'statement.execute', effects: { ...unknownEffects, pin: 'pool.prepare' } },
  ListenStmt: { reason: 'statement.utility', effects: { ...quiet, pin: 'pool.listen' } },
  UnlistenStmt: { reason: 'statement.utility', effects: quiet },
  NotifyStmt: { reason: 'statement.utility', effects: quiet },
  LockStmt: { reason: 'statement.utility', effects: quiet },
  CheckPointStmt: { reason: 'statement.utility', effects: quiet },
  ConstraintsSetStmt: { reason: 'statement.utility', effects: quiet },
  DoStmt: { reason: 'statement.utility', effects: anything },
  CallStmt: { reason: 'statement.utility', effects: anything },
  CreateTableAsStmt: { reason: 'statement.write', effects: unknownEffects },
  RefreshMatViewStmt: { reason: 'statement.write', effects: unknownEffects },
};

/** Classifies one statement that is not to be cached; a SELECT gets only its effects from here. */
export function classify(node: Node, context: EffectsContext): Classified {
  const [kind, value] = Object.entries(node)[0] ?? ['', {}];
  const known = fixed[kind];
  if (known !== undefined) return known;
  switch (kind) {
    case 'SelectStmt':
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt':
      return { reason: 'statement.write', effects: effectsOf(node, context) };
    case 'TruncateStmt':
      return { reason: 'statement.write', effects: truncateEffects(value as TruncateStmt, context) };
    case 'CopyStmt':
      return { reason: 'statement.copy', effects: copyEffects(value as CopyStmt, context) };
    case 'DeclareCursorStmt':
      return { reason: 'statement.cursor', effects: declareEffects(value as DeclareCursorStmt, context) };
    case 'ExplainStmt':
      return { reason: 'statement.utility', effects: explainEffects(value as ExplainStmt, context) };
    case 'TransactionStmt':
      return { reason: 'statement.transactionControl', effects: transactionEffects(value as TransactionStmt) };
    case 'VariableSetStmt':
      return { reason: 'statement.settings', effects: setEffects(value as VariableSetStmt) };
    default:
      return { reason: 'statement.utility', effects: { ...unknownEffects, pin: definitionLeaves(kind, value) } };
  }
}

function declareEffects(cursor: DeclareCursorStmt, context: EffectsContext): Effects {
  const effects = effectsOf(cursor, context);
  return { ...effects, pin: effects.pin ?? cursorLeaves(cursor) };
}

/** CASCADE empties whatever refers to the tables. */
function truncateEffects({ relations, behavior }: TruncateStmt, context: EffectsContext): Effects {
  if (behavior === 'DROP_CASCADE') return unknownEffects;
  let effects: Effects = quiet;
  for (const relation of relations ?? []) {
    const written = 'RangeVar' in relation ? writesOf(context, relation.RangeVar, 'truncate') : unknownEffects;
    effects = mergeEffects(effects, written);
  }
  return effects;
}

/** A program or a file on the server may be anything; `COPY … TO` a client only reads. */
function copyEffects(copy: CopyStmt, context: EffectsContext): Effects {
  if (copy.is_program === true || (copy.is_from !== true && copy.filename !== undefined)) return unknownEffects;
  if (copy.is_from !== true) {
    const source = copy.relation === undefined ? copy.query : { RangeVar: copy.relation };
    return effectsOf(source, context);
  }
  const written = copy.relation === undefined ? unknownEffects : writesOf(context, copy.relation, 'insert');
  return mergeEffects(written, effectsOf(copy.whereClause, context));
}

/** Without ANALYZE a statement is only planned, with it executed. */
function explainEffects({ query, options }: ExplainStmt, context: EffectsContext): Effects {
  const analyze = (options ?? []).some((option) => 'DefElem' in option && isOn(option.DefElem, 'analyze'));
  if (query === undefined) return unknownEffects;
  if (analyze) return classify(query, context).effects;
  const isPlain = ['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'].some((kind) => kind in query);
  return isPlain ? effectsOf(query, { ...context, targetsWritten: false }) : unknownEffects;
}

/** defGetBoolean: no argument means on. */
function isOn({ defname, arg }: DefElem, name: string): boolean {
  if (defname !== name) return false;
  if (arg === undefined) return true;
  if ('Integer' in arg) return (arg.Integer.ival ?? 0) !== 0;
  return !('String' in arg && /^(?:false|off|0)$/i.test(arg.String.sval ?? ''));
}

function transactionEffects({ kind }: TransactionStmt): Effects {
  // C15: nobody knows what the prepared transaction wrote.
  return kind === 'TRANS_STMT_COMMIT_PREPARED' ? { ...control, readOnly: false, writes: 'unknown' } : control;
}

/** `SET TRANSACTION …` and `SET transaction_…` mark the transaction that they are in. */
function setEffects(statement: VariableSetStmt): Effects {
  const { name, kind } = statement;
  const marks = kind === 'VAR_SET_MULTI' || name?.startsWith('transaction_') === true;
  return { ...settings, ...setLeaves(statement), transactionControl: marks };
}
