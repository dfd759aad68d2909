/** Names of what pgfresh makes on the origin. `pgfresh cleanup` knows them by their prefix. */
import { createHash } from 'node:crypto';

/** Every publication and slot of pgfresh begins so. */
const OBJECT_PREFIX = 'pgfresh_';
const NAME_CHARS_MAX = 63;

/** A name of lower-case letters, digits and underscores (all that a slot may have), at most 63, different for different nodes. */
function objectName(nodeName: string, suffix: string): string {
  const plain = nodeName.toLowerCase().replace(/[^a-z0-9_]/g, '_');
  const name = OBJECT_PREFIX + plain + suffix;
  if (plain === nodeName && name.length <= NAME_CHARS_MAX) return name;
  // What was lost in the spelling comes back as a hash.
  const hash = createHash('sha256').update(nodeName).digest('hex').slice(0, 8);
  const room = NAME_CHARS_MAX - OBJECT_PREFIX.length - 1 - hash.length - suffix.length;
  return `${OBJECT_PREFIX}${plain.slice(0, room)}_${hash}${suffix}`;
}

export const publicationName = (nodeName: string): string => objectName(nodeName, '');

/** Unique per process and attempt: an old walsender may hold on to its slot for a while. */
export const temporarySlotName = (nodeName: string, pid: number, attempt: number): string =>
  objectName(nodeName, `_${pid}_${attempt}`);
