/**
 * C7: a prepared statement keeps the resolution of its Parse. When the catalog version or the cache's generation has changed since,
 * it is one of four things:
 *
 *   renewed    Its verdict of then and its verdict of now have one signature, and the origin says of the session what it said
 *              then. The text means the same objects and its answer has the same columns as the client was told, so answers of the
 *              cache under the new version are its own. The origin gets the statement again before its next use there
 *              (`origin: 'outdated'`): its plan may be of a moment between the two versions, when a name meant something
 *              else (a table renamed away and back), and such a plan would still be valid. Not where that moment may be the one
 *              in which the origin told the client of it: until a round has confirmed the first of the two (told.ts).
 *   compared   That is so; or only the signatures differ, though not in the tables: something of these was changed, perhaps just before the Parse and
 *              noticed after it. Or its verdict of then never came, since the catalog changed twice while it was asked for. The origin is
 *              asked whether its answer has the columns that the client was told (unresolved.ts).
 *   uncertain  The signatures differ, or are none. The origin decides by its plan: as it was made, or made anew under any
 *              version that the statement was used under since, if something that it read has changed. It is passed
 *              through, and does at most what its verdicts under all these versions say.
 *   unknown    There was no verdict at its Parse: it may do anything.
 */
import type { AnalyseRequest } from '../shared/messages.ts';
import type { AttachedCache } from './cache-link.ts';
import type { Session } from './session.ts';
import { type Resolution, type Statement, sameResolution } from './statement.ts';
import type { VerdictSlot } from './verdicts.ts';

/** The verdict on a text under the context; null where nothing can be asked. */
export function slotOfText(
  session: Session,
  cache: AttachedCache | null,
  context: Resolution | null,
  statement: Omit<AnalyseRequest, 'contextId'>,
): VerdictSlot | null {
  if (cache === null || context === null || !cache.isLive) return null;
  // Texts are taken for UTF-8.
  if (!session.settings.utf8 && !isAscii(statement.text)) return null;
  const { text, parameterTypes, protocol } = statement;
  const request: AnalyseRequest = { contextId: context.contextId, text, parameterTypes, protocol };
  return cache.verdicts.lookup(request, context.catalogVersion);
}

/** The verdict on a prepared statement under the context, remembered with it. */
export function slotOfStatement(
  session: Session,
  cache: AttachedCache | null,
  context: Resolution | null,
  statement: Statement,
): VerdictSlot | null {
  if (context === null) return null;
  const { slot, slotResolution } = statement;
  if (slot !== null && !slot.failed && sameResolution(slotResolution, context)) return slot;
  const { text, parameterTypes } = statement;
  const found = slotOfText(session, cache, context, { text, parameterTypes, protocol: 'extended' });
  if (found !== null) statement.judged(found, context);
  return found;
}

/** Whether the statement means under this context what it meant at its Parse; then it is resolved under this one from now on. */
export function renew(statement: Statement, context: Resolution): boolean {
  const { proof, slot, slotResolution, resolution, told } = statement;
  // Between the two catalogs there may have been others.
  if (!told.isConfirmed) return false;
  if (resolution === null || resolution.row !== context.row || !sameResolution(slotResolution, context)) return false;
  const [then, now] = [proof?.verdict ?? null, slot?.verdict ?? null];
  if (then === null || now === null || then.signature === '' || then.signature !== now.signature) return false;
  statement.renewed(context);
  return true;
}

/** The origin resolves it now. Where that may differ from what was answered before, nothing is known. */
export function madeNow(session: Session, statement: Statement, context: Resolution | null): void {
  if (context !== null && sameResolution(statement.resolution, context)) return;
  statement.resolvedAt(null);
  session.unresolved.add(statement);
}

/** True once for each context: whether the statement reads the tables that it read at its Parse, and is only described otherwise, perhaps; or nobody can say what it read. */
export function isWorthComparing(statement: Statement, context: Resolution): boolean {
  const { proof, slot, resolution, compared } = statement;
  // As if nothing had been known at its Parse. Else it could neither fill nor hit for as long as it lives.
  if (proof === null || proof.failed) {
    if (sameResolution(compared, context)) return false;
    statement.compared = context;
    return true;
  }
  const [then, now] = [proof.verdict?.signature ?? '', slot?.verdict?.signature ?? ''];
  if (then === '' || now === '' || resolution?.row !== context.row || sameResolution(compared, context)) return false;
  if (!sameResolution(statement.slotResolution, context)) return false;
  statement.compared = context;
  return then.split(' ')[0] === now.split(' ')[0];
}

function isAscii(sql: string): boolean {
  for (let i = 0; i < sql.length; i++) if (sql.charCodeAt(i) > 0x7f) return false;
  return true;
}
