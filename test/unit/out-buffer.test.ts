import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Limits } from '../../src/shared/limits.ts';
import { OutBuffer, SpareSlabs } from '../../src/worker/out-buffer.ts';

/** A socket whose writes are done when the test says so; `received` is what it was given, looked at only then. */
class SlowSocket extends Writable {
  received = '';
  private readonly waiting: (() => void)[] = [];

  constructor() {
    super({ highWaterMark: 1 });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.waiting.push(() => {
      this.received += chunk.toString('latin1');
      done();
    });
  }

  /** Ends the oldest write that is under way. */
  async finish(): Promise<void> {
    this.waiting.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }

  async finishAll(): Promise<void> {
    while (this.waiting.length > 0) await this.finish();
  }
}

/** Takes everything at once. */
class FastSocket extends Writable {
  received = '';

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.received += chunk.toString('latin1');
    done();
  }
}

function setUp(): { readBuffer: Buffer; spares: SpareSlabs; out: OutBuffer } {
  const readBuffer = Buffer.alloc(Limits.readBufferBytes);
  const spares = new SpareSlabs();
  return { readBuffer, spares, out: new OutBuffer(readBuffer, spares) };
}

const turn = (out: OutBuffer, socket: Writable, text: string): void => {
  out.appendAll(Buffer.from(text));
  out.flush(socket);
};

describe('what a socket has not written yet', () => {
  it('stays as it is, whatever later turns write to this socket and to others', async () => {
    const { out } = setUp();
    const [slow, fast] = [new SlowSocket(), new FastSocket()];
    let [slowText, fastText] = ['', ''];
    for (let i = 0; i < 2000; i++) {
      const text = `${i}:${'abc'.repeat(i % 200)};`;
      turn(out, i % 3 === 0 ? slow : fast, text);
      if (i % 3 === 0) slowText += text;
      else fastText += text;
      if (i % 7 === 0) await slow.finish();
    }
    await slow.finishAll();
    expect(fast.received).toBe(fastText);
    expect(slow.received).toBe(slowText);
  });

  it('survives a turn that is larger than a slab, and positions taken before it', async () => {
    const { out } = setUp();
    const [slow, fast] = [new SlowSocket(), new FastSocket()];
    turn(out, slow, 'first');
    const mark = out.position();
    out.appendAll(Buffer.from('dropped'));
    out.reserve(600_000);
    expect(out.bytes.toString('latin1', mark, mark + 7)).toBe('dropped');
    out.rewind(mark);
    turn(out, fast, 'y'.repeat(500_000));
    turn(out, slow, 'second');
    await slow.finishAll();
    expect(slow.received).toBe('firstsecond');
    expect(fast.received).toBe('y'.repeat(500_000));
  });
});

describe('memory', () => {
  it('of pending writes is used again once they are done', async () => {
    const { out, readBuffer } = setUp();
    const socket = new SlowSocket();
    const seen = new Set<ArrayBufferLike>();
    for (let i = 0; i < 200; i++) {
      out.append(readBuffer, 0, readBuffer.length);
      seen.add(out.bytes.buffer);
      out.flush(socket);
      if (i % 4 === 3) await socket.finishAll();
    }
    expect(seen.size).toBeLessThanOrEqual(4);
  });

  it('is not used up by many small writes behind a pending one', () => {
    const { out } = setUp();
    const socket = new SlowSocket();
    const seen = new Set<ArrayBufferLike>();
    for (let i = 0; i < 5000; i++) {
      turn(out, socket, 'a notice of some forty bytes, or thereabouts');
      seen.add(out.bytes.buffer);
    }
    expect(seen.size).toBeLessThanOrEqual(2);
  });

  it('of spares is bounded', async () => {
    const { out, readBuffer, spares } = setUp();
    const socket = new SlowSocket();
    for (let i = 0; i < 10 * Limits.spareSlabsMax; i++) {
      out.append(readBuffer, 0, readBuffer.length);
      out.flush(socket);
    }
    await socket.finishAll();
    expect(spares.count).toBe(Limits.spareSlabsMax);
  });

  it('lent to a socket that is destroyed is not given to anybody while it may be read', async () => {
    const { out } = setUp();
    const socket = new SlowSocket();
    socket.on('error', () => undefined);
    const fast = new FastSocket();
    turn(out, socket, 'in flight');
    socket.destroy();
    await new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < 10; i++) turn(out, fast, 'z'.repeat(100_000));
    await socket.finishAll();
    expect(socket.received).toBe('in flight');
  });
});
