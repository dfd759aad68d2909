/**
 * What a PREPARE makes: the statement as a Parse would have made it. Manual: PREPARE ("parameters … the data type is inferred from the context",
 * type modifiers count for nothing).
 */
import type { PrepareStmt, TypeName } from 'libpg-query';
import { skipSpace, skipToken } from '../../shared/lexer.ts';
import type { PreparedText } from '../../shared/messages.ts';
import { type Names, nameParts } from './names.ts';

/**
 * Null when it is not certain: a type that is not PostgreSQL's own, temporary objects that names may mean, a name that is spelled oddly.
 * @param text of the PREPARE, without comments
 */
export function preparedOf({ name, argtypes }: PrepareStmt, text: string, names: Names): PreparedText | null {
  const body = bodyOf(text);
  if (name === undefined || body === null || names.temporary(undefined) !== 'none') return null;
  const parameterTypes: number[] = [];
  for (const node of argtypes ?? []) {
    const oid = 'TypeName' in node ? typeOf(node.TypeName, names) : undefined;
    if (oid === undefined) return null;
    parameterTypes.push(oid);
  }
  return { name, text: body, parameterTypes };
}

function typeOf(typeName: TypeName, names: Names): number | undefined {
  if (typeName.setof === true || typeName.pct_type === true || nameParts(typeName.names).length === 0) return undefined;
  const type = names.type(typeName);
  if (type === undefined || !type.trusted || type.schema !== 'pg_catalog' || type.kind !== 'b') return undefined;
  return typeName.arrayBounds === undefined ? type.oid : names.catalog.types.find(type.schema, `_${type.name}`)?.oid;
}

/** The text behind `PREPARE name [(types)] AS`. */
function bodyOf(text: string): string | null {
  const name = skipSpace(text, skipToken(text, skipSpace(text, 0)));
  let at = skipSpace(text, skipToken(text, name));
  if (text[at] === '(') {
    let depth = 0;
    do {
      if (text[at] === '(') depth++;
      else if (text[at] === ')') depth--;
      at = at < text.length ? skipToken(text, at) : -1;
      if (at < 0) return null;
    } while (depth > 0);
    at = skipSpace(text, at);
  }
  const end = skipToken(text, at);
  if (end < 0 || text.slice(at, end).toLowerCase() !== 'as') return null;
  const body = text.slice(end).trim();
  return body === '' ? null : body;
}
