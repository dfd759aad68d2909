/**
 * `send(2)` of the process's own C library, through koffi, past Node's streams: a small answer is with the kernel in one call, without the
 * bookkeeping of `Writable` and a callback on a later tick. What the kernel does not take goes the ordinary way. ADR-015.
 *
 * Only plain sockets are written to like this (never TLS, whose descriptor carries ciphertext), and only while nothing waits in the stream,
 * so that no byte overtakes another. The descriptor is asked for each time: a number kept could by now name somebody else's socket.
 */
import net from 'node:net';
import type { Writable } from 'node:stream';
import { addressOf, loadFunction } from '../shared/libc.ts';

/** Memory that answers are sent from. It is told to C by its address, asked for once: to describe a part of a Buffer takes a quarter of the call. */
export class SendMemory {
  readonly bytes: Buffer;
  /** 0: not known. */
  readonly address: number;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.address = addressOf(this.bytes);
  }
}

/** Bytes of `memory.bytes[start, end)` that the kernel took, 0 when none. */
export type DirectSend = (socket: Writable, memory: SendMemory, start: number, end: number) => number;

type Send = (fd: number, address: number, count: number, flags: number) => number;

/** MSG_DONTWAIT | MSG_NOSIGNAL on Linux. */
const FLAGS = 0x40 | 0x4000;

export const sendNothing: DirectSend = () => 0;

/** `sendNothing` where there is no koffi, and off Linux, whose flags these are. */
export function loadDirectSend(): DirectSend {
  if (process.platform !== 'linux') return sendNothing;
  const send = loadFunction<Send>('int64_t send(int fd, uintptr_t bytes, size_t count, int flags)');
  if (send === null) return sendNothing;
  return (socket, { address }, start, end) => {
    // Not a subclass: TLSSocket is one.
    const isPlain: boolean = socket.constructor === net.Socket;
    if (!isPlain || socket.writableLength > 0 || address === 0) return 0;
    const { _handle: handle } = socket as unknown as { readonly _handle: { readonly fd?: number } | null };
    const fd = handle?.fd ?? -1;
    if (fd < 0) return 0;
    // An error is left for the stream to meet again and report.
    return Math.max(0, send(fd, address + start, end - start, FLAGS));
  };
}
