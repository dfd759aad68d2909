/**
 * Telling a client that it cannot be served before any worker has it, so that psql shows the text: requests for
 * encryption are answered 'N', then the startup packet is read, then FATAL is sent, as PostgreSQL does.
 * Manual: Frontend/Backend Protocol, Message Flow (Start-up, SSL Session Encryption), Message Formats (ErrorResponse).
 */
import type { Socket } from 'node:net';
import { Limits } from '../shared/limits.ts';
import { decodeProxyHeader } from '../shared/proxy-protocol.ts';

const SSL_REQUEST = 80877103;
const GSSENC_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;

/** A client that says nothing is not waited for longer. */
const refusalMsMax = 5_000;
/** Refusals under way; beyond them sockets are closed without a word. */
const refusalsMax = 256;
let refusals = 0;

/** ErrorResponse with severity FATAL. */
function fatalError(sqlState: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${sqlState}\0M${message}\0\0`, 'utf8');
  const head = Buffer.alloc(5);
  head[0] = 0x45; // E
  head.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
}

/** Takes the socket over and ends it. `proxied`: it begins with a header of the PROXY protocol. */
export function refuse(socket: Socket, sqlState: string, message: string, proxied = false): void {
  socket.on('error', () => socket.destroy());
  if (refusals >= refusalsMax) {
    socket.destroy();
    return;
  }
  refusals++;
  let received: Buffer = Buffer.alloc(0);
  let isHeaderDue = proxied;
  const timer = setTimeout(() => socket.destroy(), refusalMsMax);
  socket.once('close', () => {
    refusals--;
    clearTimeout(timer);
  });
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (isHeaderDue) {
      const header = decodeProxyHeader(received);
      if (header.kind === 'malformed') socket.destroy();
      if (header.kind !== 'complete') return;
      isHeaderDue = false;
      received = received.subarray(header.bytes);
    }
    received = answerPackets(socket, received, sqlState, message);
  });
  socket.resume();
}

/** Answers every complete packet; returns what is left. */
function answerPackets(socket: Socket, received: Buffer, sqlState: string, message: string): Buffer {
  while (received.length >= 8 && socket.writable) {
    const packetBytes = received.readInt32BE(0);
    const code = received.readInt32BE(4);
    if (packetBytes < 8 || packetBytes > Limits.startupPacketBytesMax || code === CANCEL_REQUEST) {
      socket.destroy();
      return received;
    }
    if (received.length < packetBytes) return received;
    received = received.subarray(packetBytes);
    if (code === SSL_REQUEST || code === GSSENC_REQUEST) socket.write('N');
    else socket.end(fatalError(sqlState, message));
  }
  return received;
}
