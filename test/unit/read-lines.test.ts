// ADR-024: who follows is answered what was asked for after it came, and nothing else.
import { describe, expect, it } from 'vitest';
import { Limits } from '../../src/shared/limits.ts';
import type { Offer } from '../../src/shared/messages.ts';
import { type Reader, type ReadLine, ReadLines } from '../../src/worker/read-lines.ts';
import { framesFor } from '../../src/worker/shared-answer.ts';

const HASH = 7;
const answerOf = (text: string) => ({ hash: HASH, bytes: Buffer.from(text) }) as unknown as Offer;

/** A reader that, like a session, leads when its turn comes and nobody does. */
class Client implements Reader {
  shared: Offer | null = null;
  turns = 0;
  nowMs = 0;
  lead: ReadLine | null = null;
  private readonly lines: ReadLines;
  private line: ReadLine | null = null;

  constructor(lines: ReadLines) {
    this.lines = lines;
  }

  read(): 'stands' | 'leads' | 'goes alone' {
    this.line = this.lines.join(HASH, this, this.nowMs);
    return this.line === null ? this.send() : 'stands';
  }

  turn(): void {
    this.turns++;
    if (this.shared === null && this.line?.holds(this) === false) this.send();
  }

  giveUp(): void {
    this.line?.leave(this);
  }

  private send(): 'leads' | 'goes alone' {
    this.line?.leave(this);
    this.lead = this.lines.lead(HASH, this, this.nowMs);
    return this.lead === null ? 'goes alone' : 'leads';
  }

  answered(text: string | null): Promise<void> {
    this.lead!.answer = text === null ? null : answerOf(text);
    this.lead!.end();
    this.lead = null;
    return Promise.resolve();
  }

  get got(): string | null {
    return this.shared === null ? null : Buffer.from(this.shared.bytes).toString();
  }
}

function bench(count: number): { lines: ReadLines; clients: Client[] } {
  const lines = new ReadLines();
  return { lines, clients: Array.from({ length: count }, () => new Client(lines)) };
}

describe('a line of reads of one key', () => {
  it('is gone when nobody came', async () => {
    const { lines, clients } = bench(1);
    expect(clients[0]!.read()).toBe('leads');
    expect(lines.size).toBe(1);
    await clients[0]!.answered('1');
    expect([lines.size, clients[0]!.turns]).toEqual([0, 0]);
  });

  it('goes as one party when the first is back: whoever came before its leader went out is answered with it', async () => {
    const { lines, clients } = bench(4);
    const [first, a, b, late] = clients as [Client, Client, Client, Client];
    first.read();
    expect([a.read(), b.read()]).toEqual(['stands', 'stands']);
    await first.answered('asked before they came');
    expect([a.got, b.got]).toEqual([null, null]);
    expect([a.lead === null, b.lead === null, lines.size]).toEqual([false, true, 1]);
    expect(late.read()).toBe('stands');
    await a.answered('2');
    expect([b.got, late.got]).toEqual(['2', null]);
    expect(late.lead).not.toBe(null);
    await late.answered('3');
    expect([b.got, lines.size]).toEqual(['2', 0]);
  });

  it('stands again where the leader got no answer to share', async () => {
    const { lines, clients } = bench(4);
    const [first, ...others] = clients as [Client, Client, Client, Client];
    first.read();
    for (const client of others) client.read();
    await first.answered(null);
    for (const client of others) {
      expect(client.lead).not.toBe(null);
      expect(others.filter(({ lead }) => lead !== null)).toHaveLength(1);
      await client.answered(null);
    }
    expect([lines.size, ...others.map(({ got }) => got)]).toEqual([0, null, null, null]);
  });

  it('lets go whose time is up: nobody waits for it, and it goes alone', async () => {
    const { lines, clients } = bench(3);
    const [first, a, b] = clients as [Client, Client, Client];
    first.read();
    a.read();
    b.read();
    a.giveUp();
    a.turn();
    expect([a.lead, a.got]).toEqual([null, null]);
    await first.answered('1');
    expect(a.turns).toBe(1);
    expect(b.lead).not.toBe(null);
    b.giveUp();
    await b.answered('2');
    expect(lines.size).toBe(0);
  });

  it('is closed where the leader has been away for long', async () => {
    const { clients } = bench(3);
    const [first, a, b] = clients as [Client, Client, Client];
    first.read();
    a.nowMs = Limits.readLineMsMax - 1;
    b.nowMs = Limits.readLineMsMax;
    expect([a.read(), b.read()]).toEqual(['stands', 'goes alone']);
    await first.answered('1');
    expect([a.lead === null, b.turns]).toEqual([false, 0]);
  });

  it('does not mix up keys, or the end of one reply with the next leader', async () => {
    const { lines, clients } = bench(2);
    const [a, b] = clients as [Client, Client];
    const other = lines.lead(HASH + 1, a, 0);
    a.read();
    const ended = a.lead!;
    await a.answered('1');
    b.read();
    ended.end();
    expect([lines.join(HASH, a, 0) === null, lines.size]).toEqual([false, 2]);
    other!.end();
  });
});

describe('an answer that others are told', () => {
  const prefix = (form: string) => Buffer.from(`\0\0\0\u0001${form}select\0`, 'latin1');
  const offer = (form: string, rowDescriptionBytes: number): Offer => {
    const key = Buffer.concat([prefix(form), Buffer.from('tail')]);
    const bytes = new Uint8Array(Buffer.concat([key, Buffer.from('DESCrows')]));
    return { bytes, keyBytes: key.length, rowDescriptionBytes, hash: HASH } as unknown as Offer;
  };
  const frames = (shared: Offer, form: string, tail: string, describe: boolean) =>
    framesFor(shared, prefix(form), Buffer.from(`..${tail}`), 2, 2 + tail.length, describe)?.toString() ?? null;

  it('has its description where one is asked for, and always for a simple query', () => {
    expect(frames(offer('E', 4), 'E', 'tail', true)).toBe('DESCrows');
    expect(frames(offer('E', 4), 'E', 'tail', false)).toBe('rows');
    expect(frames(offer('Q', 4), 'Q', 'tail', false)).toBe('DESCrows');
    expect(frames(offer('E', 0), 'E', 'tail', true)).toBe(null);
    expect(frames(offer('E', 0), 'E', 'tail', false)).toBe('DESCrows');
  });

  it('is of the very key', () => {
    for (const tail of ['tali', 'tai', 'tails']) expect(frames(offer('E', 4), 'E', tail, true)).toBe(null);
    expect(frames(offer('E', 4), 'Q', 'tail', true)).toBe(null);
  });

  it('is none when its memory has gone to the cache thread', () => {
    const shared = offer('E', 4);
    structuredClone(shared.bytes, { transfer: [shared.bytes.buffer] });
    expect(frames(shared, 'E', 'tail', true)).toBe(null);
  });
});
