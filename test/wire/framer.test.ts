import { serialize } from 'pg-protocol';
import { describe, expect, it } from 'vitest';
import { backendCodes, frontendCodes, streamedBackendCodes } from '../../src/shared/wire/codes.ts';
import { Framer, type FrameSink, WireError } from '../../src/shared/wire/framer.ts';

const noneStreamed = new Uint8Array(256);

/** Puts frames and segments together again, and keeps what it was told. */
class Collector implements FrameSink {
  readonly frames: Buffer[] = [];
  readonly segments: string[] = [];
  private streamed: Buffer[] = [];

  frame(code: number, bytes: Buffer, start: number, end: number): void {
    expect(bytes[start]).toBe(code);
    this.frames.push(Buffer.from(bytes.subarray(start, end)));
  }

  segment(code: number, bytes: Buffer, start: number, end: number, first: boolean, last: boolean): void {
    if (first) {
      expect(bytes[start]).toBe(code);
      this.streamed = [];
    }
    this.streamed.push(Buffer.from(bytes.subarray(start, end)));
    this.segments.push(`${String.fromCharCode(code)}${first ? '<' : ''}${last ? '>' : ''}`);
    if (last) this.frames.push(Buffer.concat(this.streamed));
  }
}

const messages = [
  serialize.query('SELECT 1'),
  serialize.parse({ name: 's', text: 'SELECT $1', types: [23] }),
  serialize.bind({ statement: 's', values: ['x'.repeat(300)] }),
  serialize.describe({ type: 'P', name: '' }),
  serialize.execute({ portal: '', rows: 0 }),
  serialize.sync(),
];
const stream = Buffer.concat(messages);

function cut(pieces: readonly Buffer[], streamed = noneStreamed, assembledMax?: number): Collector {
  const collector = new Collector();
  const framer = new Framer(collector, frontendCodes, streamed, assembledMax);
  for (const piece of pieces) framer.push(piece, 0, piece.length);
  expect(framer.atBoundary).toBe(true);
  expect(framer.bytesHeld).toBe(0);
  return collector;
}

describe('framer', () => {
  it('cuts every message the same wherever the stream is split', () => {
    for (let at = 0; at <= stream.length; at++) {
      expect(cut([stream.subarray(0, at), stream.subarray(at)]).frames).toEqual(messages);
    }
  });

  it('cuts a stream that arrives byte by byte', () => {
    expect(cut([...stream].map((byte) => Buffer.from([byte]))).frames).toEqual(messages);
  });

  it('hands streamed messages on as they arrive, whole or in pieces', () => {
    const streamed = new Uint8Array(256);
    streamed['B'.charCodeAt(0)] = 1;
    expect(cut([stream], streamed).segments).toEqual(['B<>']);
    for (let at = 0; at <= stream.length; at++) {
      expect(cut([stream.subarray(0, at), stream.subarray(at)], streamed).frames).toEqual(messages);
    }
  });

  it('keeps no more than its limit of a long message', () => {
    const long = serialize.query('x'.repeat(10_000));
    const collector = new Collector();
    const framer = new Framer(collector, frontendCodes, noneStreamed, 1000);
    for (let at = 0; at < long.length; at += 7) {
      framer.push(long, at, Math.min(long.length, at + 7));
      expect(framer.bytesHeld).toBeLessThanOrEqual(1000);
    }
    expect(collector.frames).toEqual([long]);
  });

  it('begins a long message with as much as it may hold, however that comes', () => {
    const long = serialize.query('x'.repeat(10_000));
    for (const step of [1, 3, 999, 5_000]) {
      const firsts: number[] = [];
      const sink: FrameSink = {
        frame: () => expect.unreachable(),
        segment: (_code, _bytes, start, end, first) => void (first && firsts.push(end - start)),
      };
      const framer = new Framer(sink, frontendCodes, noneStreamed, 1000);
      for (let at = 0; at < long.length; at += step) framer.push(long, at, Math.min(long.length, at + step));
      expect(firsts).toEqual([1000]);
    }
  });

  it('refuses lengths and codes that no server sends, before keeping a byte of the body', () => {
    const push = (...bytes: number[]) => {
      const framer = new Framer(new Collector(), backendCodes, streamedBackendCodes);
      framer.push(Buffer.from(bytes), 0, bytes.length);
    };
    expect(() => push(0x5a, 0, 0, 0, 3)).toThrow(WireError);
    expect(() => push(0x5a, 0x7f, 0xff, 0xff, 0xff)).toThrow(WireError);
    expect(() => push(0x5a, 0xff, 0xff, 0xff, 0xff)).toThrow(WireError);
    expect(() => push(0x21, 0, 0, 0, 4)).toThrow(/message type 0x21/);
  });

  it('stops at once when told to from within', () => {
    const seen: number[] = [];
    const sink: FrameSink = {
      frame(code) {
        seen.push(code);
        framer.stop();
      },
      segment: () => undefined,
    };
    const framer = new Framer(sink, frontendCodes, noneStreamed);
    framer.push(stream, 0, stream.length);
    expect(seen).toEqual(['Q'.charCodeAt(0)]);
  });
});
