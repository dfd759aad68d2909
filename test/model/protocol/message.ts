/**
 * Frontend messages as a test thinks of them: encoded by code of their own (not by the code under test), printed so that a failing
 * sequence can be read and written down. Manual: Message Formats.
 */

/** A parameter: text, bytes in binary format, or NULL. */
export type Value = string | Buffer | null;

export type Message =
  | { readonly kind: 'query'; readonly sql: string }
  | { readonly kind: 'parse'; readonly name: string; readonly sql: string; readonly types: readonly number[] }
  | {
      readonly kind: 'bind';
      readonly portal: string;
      readonly statement: string;
      readonly values: readonly Value[];
      /** Format codes of the parameters; undefined: as the values are. */
      readonly formats?: readonly number[];
      readonly results: readonly number[];
    }
  | { readonly kind: 'describe' | 'close'; readonly target: 'S' | 'P'; readonly name: string }
  | { readonly kind: 'execute'; readonly portal: string; readonly rows: number }
  | { readonly kind: 'sync' | 'flush' | 'copyDone' }
  | { readonly kind: 'copyData'; readonly data: string }
  | { readonly kind: 'copyFail'; readonly why: string }
  | { readonly kind: 'call'; readonly oid: number; readonly values: readonly Value[]; readonly result: number };

const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value & 0xffff);
  return bytes;
};
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
};
const cstring = (text: string): Buffer => Buffer.from(`${text}\0`);
const counted = (codes: readonly number[]): Buffer => Buffer.concat([int16(codes.length), ...codes.map(int16)]);

/** `code ‖ length ‖ body`; `length` may be told a lie. */
export function frame(code: string, parts: readonly Buffer[] = [], length?: number): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(code), int32(length ?? 4 + body.length), body]);
}

function valueBytes(value: Value): Buffer {
  if (value === null) return int32(-1);
  const bytes = Buffer.from(value as string);
  return Buffer.concat([int32(bytes.length), bytes]);
}

function valuesBytes(values: readonly Value[], formats?: readonly number[]): Buffer {
  const codes =
    formats ?? (values.some(Buffer.isBuffer) ? values.map((value) => (Buffer.isBuffer(value) ? 1 : 0)) : []);
  return Buffer.concat([counted(codes), int16(values.length), ...values.map(valueBytes)]);
}

export function encode(message: Message): Buffer {
  switch (message.kind) {
    case 'query':
      return frame('Q', [cstring(message.sql)]);
    case 'parse':
      return frame('P', [
        cstring(message.name),
        cstring(message.sql),
        int16(message.types.length),
        ...message.types.map(int32),
      ]);
    case 'bind':
      return frame('B', [
        cstring(message.portal),
        cstring(message.statement),
        valuesBytes(message.values, message.formats),
        counted(message.results),
      ]);
    case 'describe':
      return frame('D', [Buffer.from(message.target), cstring(message.name)]);
    case 'close':
      return frame('C', [Buffer.from(message.target), cstring(message.name)]);
    case 'execute':
      return frame('E', [cstring(message.portal), int32(message.rows)]);
    case 'sync':
      return frame('S');
    case 'flush':
      return frame('H');
    case 'copyData':
      return frame('d', [Buffer.from(message.data)]);
    case 'copyDone':
      return frame('c');
    case 'copyFail':
      return frame('f', [cstring(message.why)]);
    case 'call':
      return frame('F', [int32(message.oid), valuesBytes(message.values), int16(message.result)]);
  }
}

const short = (text: string): string =>
  text.length <= 120 ? JSON.stringify(text) : `${JSON.stringify(text.slice(0, 60))}…(${text.length})`;
const named = (name: string): string => (name === '' ? '(unnamed)' : name);
const printValue = (value: Value): string =>
  value === null ? 'NULL' : typeof value === 'string' ? short(value) : `0x${value.toString('hex').slice(0, 40)}`;
const printValues = (values: readonly Value[]): string => `[${values.map(printValue).join(', ')}]`;

/** One line, as in a protocol trace. */
export function print(message: Message): string {
  switch (message.kind) {
    case 'query':
      return `Query ${short(message.sql)}`;
    case 'parse':
      return `Parse ${named(message.name)} ${short(message.sql)} types=[${message.types.join(',')}]`;
    case 'bind': {
      const { portal, statement, values, formats, results } = message;
      const given = formats === undefined ? '' : ` formats=[${formats.join(',')}]`;
      return `Bind portal=${named(portal)} statement=${named(statement)} ${printValues(values)}${given} results=[${results.join(',')}]`;
    }
    case 'describe':
    case 'close':
      return `${message.kind === 'close' ? 'Close' : 'Describe'} ${message.target === 'S' ? 'statement' : 'portal'} ${named(message.name)}`;
    case 'execute':
      return `Execute ${named(message.portal)} rows=${message.rows}`;
    case 'copyData':
      return `CopyData ${short(message.data)}`;
    case 'copyFail':
      return `CopyFail ${short(message.why)}`;
    case 'call':
      return `FunctionCall ${message.oid} ${printValues(message.values)} result=${message.result}`;
    default:
      return { sync: 'Sync', flush: 'Flush', copyDone: 'CopyDone' }[message.kind];
  }
}
