/** DEALLOCATE of one statement, name in group 1. */
const deallocateOne = /^\s*deallocate\s+(?:prepare\s+)?(?!all\b)([a-z_][a-z0-9_$]*|"(?:[^"]|"")+")\s*;?\s*$/i;

/** Name of the statement that a text deallocates, as the protocol would spell it. */
export function deallocated(sql: string): string | null {
  const name = deallocateOne.exec(sql)?.[1];
  // A longer one is cut off there.
  if (name === undefined || name.length > 63) return null;
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase();
}
