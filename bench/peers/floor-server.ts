/**
 * The floor of a hit: a server that knows one row and answers everything with it, in any protocol form, one write for each read.
 * No session, no cache, no origin. `node floor-server.ts PORT SOCKET-FILE ORIGIN-PORT [CERTIFICATE KEY]`
 */
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';

const [port, socketFile, , certFile, keyFile] = process.argv.slice(2);

function frame(code: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(5);
  head.write(code, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const int32 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeInt32BE(value, 4 * i);
  return bytes;
};
const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const text = (value: string): Buffer => Buffer.from(`${value}\0`);

const readyForQuery = frame('Z', Buffer.from('I'));
const rowDescription = frame(
  'T',
  int16(1),
  text('balance'),
  int32(16_384),
  int16(2),
  int32(23),
  int16(4),
  int32(-1),
  int16(0),
);
const rowAndEnd = Buffer.concat([frame('D', int16(1), int32(3), Buffer.from('123')), frame('C', text('SELECT 1'))]);

/** Frontend message (protocol 3.0, "Message Formats") → what it is answered with. */
const answers: Readonly<Record<string, Buffer>> = {
  Q: Buffer.concat([rowDescription, rowAndEnd, readyForQuery]),
  P: frame('1'),
  B: frame('2'),
  D: rowDescription,
  E: rowAndEnd,
  S: readyForQuery,
  C: frame('3'),
};
const login = Buffer.concat([
  frame('R', int32(0)),
  ...['server_version\x0018.0', 'client_encoding\0UTF8', 'standard_conforming_strings\0on'].map((pair) =>
    frame('S', text(pair)),
  ),
  frame('K', int32(1, 1)),
  readyForQuery,
]);

/** The codes of a read ("PBDES") → its answer as a whole, so that a read costs one look-up and one write. */
const known = new Map<string, Buffer>();

function answerTo(codes: string): Buffer {
  let answer = known.get(codes);
  if (answer === undefined) {
    answer = Buffer.concat([...codes].map((code) => answers[code] ?? Buffer.alloc(0)));
    if (known.size < 1_000) known.set(codes, answer);
  }
  return answer;
}

/** Consumes whole frames of `data` from `start`; the position of the first incomplete one. */
function answerFrames(socket: Socket, data: Buffer, start: number): number {
  let codes = '';
  let at = start;
  while (at + 5 <= data.length) {
    const end = at + 1 + data.readInt32BE(at + 1);
    if (end > data.length) break;
    codes += String.fromCharCode(data[at]!);
    at = end;
  }
  if (codes.endsWith('X')) socket.end();
  else if (codes !== '') socket.write(answerTo(codes));
  return at;
}

const [sslRequest, gssRequest] = [80_877_103, 80_877_104];
const secureContext =
  certFile === undefined || keyFile === undefined
    ? null
    : createSecureContext({ cert: readFileSync(certFile), key: readFileSync(keyFile) });

function serve(socket: Socket, mayEncrypt = true): void {
  let started = false;
  let rest: Buffer | undefined;
  const encrypts = secureContext !== null && mayEncrypt;
  const hear = (chunk: Buffer): void => {
    const data = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (!started && data.length - at >= 8 && data.length - at >= data.readInt32BE(at)) {
      const version = data.readInt32BE(at + 4);
      if (version === sslRequest && encrypts) {
        encrypt(socket, secureContext, hear);
        return;
      }
      started = version !== sslRequest && version !== gssRequest;
      socket.write(started ? login : 'N');
      at += data.readInt32BE(at);
    }
    if (started) at = answerFrames(socket, data, at);
    rest = at < data.length ? data.subarray(at) : undefined;
  };
  socket.on('error', () => socket.destroy());
  socket.on('data', hear);
}

/** Nothing follows an SSLRequest before its answer, so TLS begins with the next read. */
function encrypt(socket: Socket, context: SecureContext, listener: (chunk: Buffer) => void): void {
  socket.removeListener('data', listener);
  socket.write('S');
  serve(new TLSSocket(socket, { isServer: true, secureContext: context }), false);
}

let listening = 0;
const onListening = (): void => {
  if (++listening === 2) process.stdout.write('ready\n');
};
createServer({ noDelay: true }, (socket) => serve(socket)).listen(Number(port), '127.0.0.1', onListening);
createServer((socket) => serve(socket, false)).listen(socketFile, onListening);
