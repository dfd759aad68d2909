/**
 * Whether two servers said the same. What names a process or an object made in the session is masked: the sender of a notification, and oids of tables
 * beyond those that both databases have from their template. So is the place in the server's source that refuses a message in a failed block (25P02): where the
 * server lacks what the client prepared or bound here, it refuses our message about that instead of the client's.
 */
import { withoutStateError } from './query-in-pipeline.ts';

export interface ServerMessage {
  readonly code: string;
  readonly body: Buffer;
}

export function cut(bytes: Buffer): ServerMessage[] {
  const messages: ServerMessage[] = [];
  let at = 0;
  while (at + 5 <= bytes.length) {
    const length = bytes.readInt32BE(at + 1);
    if (length < 4 || at + 1 + length > bytes.length) break;
    messages.push({ code: String.fromCharCode(bytes[at]!), body: bytes.subarray(at + 5, at + 1 + length) });
    at += 1 + length;
  }
  if (at < bytes.length) messages.push({ code: 'half a message', body: bytes.subarray(at) });
  return messages;
}

function withoutProcess(body: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(4), body.subarray(4)]);
}

function maskedDescription(body: Buffer, oidMax: number): Buffer {
  const masked = Buffer.from(body);
  let at = 2;
  for (let columns = masked.readInt16BE(0); columns > 0; columns--) {
    at = masked.indexOf(0, at) + 1;
    if (masked.readUInt32BE(at) > oidMax) masked.writeUInt32BE(0, at);
    at += 18;
  }
  return masked;
}

const FAILED_BLOCK = 'C25P02\0';

/** File, line and routine are fields F, L and R. */
function withoutPlace(body: Buffer): string {
  const fields = body.toString('latin1').split('\0');
  return fields.filter((field) => !/^[FLR]/.test(field)).join('\0');
}

function masked({ code, body }: ServerMessage, oidMax: number): string {
  if (code === 'A') return `A ${withoutProcess(body).toString('latin1')}`;
  if (code === 'T') return `T ${maskedDescription(body, oidMax).toString('latin1')}`;
  if (code === 'E' && body.includes(FAILED_BLOCK)) return `E ${withoutPlace(body)}`;
  return `${code} ${body.toString('latin1')}`;
}

/** The refusal of a statement whose columns are others by now. */
const isChanged = (line: string | undefined): boolean => line?.startsWith('E ') === true && line.includes('C0A000\0');

/**
 * In a failed block a Bind with the wrong number of parameters is refused for that (08P01) where the server has the statement. One that was made here it
 * lacks, and takes no Parse for it, so the Bind is refused for the block (25P02). One that was found to be another by now is refused for that (0A000). ADR-007.
 */
function isEitherRefusal(direct: string | undefined, proxied: string | undefined): boolean {
  const isCount = direct?.startsWith('E ') === true && direct.includes('C08P01\0Mbind message supplies ');
  return isCount && proxied?.startsWith('E ') === true && (proxied.includes(FAILED_BLOCK) || isChanged(proxied));
}

/**
 * Without the parameters of a statement whose columns have changed: a server tells them before it finds that, and a statement that was made here is found to be
 * another before anything is told. ADR-007.
 */
function withoutRefused(lines: readonly string[]): string[] {
  return lines.filter((line, i) => !(line.startsWith('t ') && isChanged(lines[i + 1])));
}

const shown = (line: string | undefined): string =>
  line === undefined ? '(nothing)' : JSON.stringify(line.length > 300 ? `${line.slice(0, 300)}…` : line);

/** Null when equal; otherwise what was said around the first difference. */
export function difference(direct: Buffer, proxied: Buffer, oidMax: number): string | null {
  if (direct.equals(proxied)) return null;
  const lines = (bytes: Buffer) => withoutRefused(cut(bytes).map((message) => masked(message, oidMax)));
  const [a, b] = withoutStateError(lines(direct), lines(proxied));
  const length = Math.max(a!.length, b!.length);
  for (let i = 0; i < length; i++) {
    if (a![i] === b![i] || isEitherRefusal(a![i], b![i])) continue;
    const before = a!.slice(Math.max(0, i - 3), i).map((line) => `    both    ${shown(line)}`);
    const after = [0, 1, 2].flatMap((n) => [`    direct  ${shown(a![i + n])}`, `    pgfresh ${shown(b![i + n])}`]);
    return [`message ${i} of ${a!.length} (direct), ${b!.length} (pgfresh):`, ...before, ...after].join('\n');
  }
  return null;
}
