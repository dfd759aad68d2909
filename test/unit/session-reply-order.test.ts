import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import * as backend from '../../src/shared/wire/backend.ts';
import { Backend, TransactionStatus } from '../../src/shared/wire/codes.ts';
import { encodeFrame } from '../../src/shared/wire/frontend.ts';
import { OutBuffer } from '../../src/worker/out-buffer.ts';
import { Background, OwedKinds, OwedPhases, refreshKinds, replyStep } from '../../src/worker/owed.ts';
import { ReplyOrder } from '../../src/worker/reply-order.ts';

const none = Buffer.alloc(0);
const frames: Record<string, Buffer> = {
  '1': backend.PARSE_COMPLETE,
  '2': backend.BIND_COMPLETE,
  '3': backend.CLOSE_COMPLETE,
  n: backend.NO_DATA,
  t: backend.NO_PARAMETERS,
  T: backend.encodeTextColumns(['x']),
  D: backend.encodeTextRow(['v']),
  C: backend.encodeCommandComplete('FETCH 1'),
  u: backend.encodeCommandComplete('UPDATE 1'),
  I: encodeFrame(Backend.emptyQueryResponse, none),
  s: encodeFrame(Backend.portalSuspended, none),
  G: encodeFrame(Backend.copyInResponse, Buffer.from([0, 0, 0])),
  H: encodeFrame(Backend.copyOutResponse, Buffer.from([0, 0, 0])),
  d: encodeFrame(Backend.copyData, Buffer.from('row')),
  c: encodeFrame(Backend.copyDone, none),
  V: encodeFrame(Backend.functionCallResponse, Buffer.from([255, 255, 255, 255])),
  E: backend.encodeError({ severity: 'ERROR', sqlstate: '22012', message: 'division by zero' }),
  F: backend.encodeError({ severity: 'FATAL', sqlstate: '57P01', message: 'bye' }),
  X: backend.encodeError({ severity: 'ERROR', sqlstate: '57014', message: 'canceling statement due to user request' }),
  N: encodeFrame(Backend.noticeResponse, Buffer.from('SNOTICE\0C00000\0Mhm\0\0')),
  A: encodeFrame(Backend.notificationResponse, Buffer.from('\0\0\0\x01ch\0\0')),
  Z: backend.encodeReady(TransactionStatus.idle),
};

class Bench {
  readonly log: string[] = [];
  private readonly client = new PassThrough({ highWaterMark: 1 << 20 });
  private readonly out = new OutBuffer(Buffer.alloc(16));
  readonly order = new ReplyOrder(
    {
      ready: (_status, group, forClient) => void this.log.push(`ready:${forClient}:${group.broken}`),
      commandComplete: (_owed, tag) => void this.log.push(tag),
      answered: ({ kind }) => void (kind === 'parse' && this.log.push('parsed')),
      failed: (owed) => void this.log.push(`failed ${owed.kind}`),
      skipped: (owed) => void this.log.push(`skipped ${owed.kind}`),
      fatal: () => void this.log.push('fatal'),
      questionCancelled: (behind) => void this.log.push(`question cancelled, statement behind: ${behind}`),
      asynchronous: (code) => void this.log.push(`async ${String.fromCharCode(code)}`),
    },
    this.out,
  );

  /** Messages sent: P B D (portal) S (describe statement as 's') E C(lose) X(sync) Q F, lower case p = swallowed Parse. */
  send(letters: string): void {
    for (const letter of letters) {
      if (letter === 'P' || letter === 'p') this.order.oweExtended('parse', letter === 'p');
      else if (letter === 'B') this.order.oweExtended('bind', false);
      else if (letter === 'D') this.order.oweExtended('describePortal', false);
      else if (letter === 's') this.order.oweExtended('describeStatement', false);
      else if (letter === 'E') this.order.oweExtended('execute', false);
      else if (letter === 'C') this.order.oweExtended('close', false);
      else if (letter === 'X') this.order.oweSync();
      else if (letter === 'Q') this.order.oweWhole('query', false);
      else if (letter === 'F') this.order.oweWhole('functionCall', false);
      else if (letter === 'c') this.order.copyEnded();
    }
  }

  /** Replies of the origin; what the client got of them. */
  receive(letters: string): string {
    for (const letter of letters) {
      const frame = frames[letter]!;
      if (letter === 'D' || letter === 'd') this.order.segment(frame[0]!, frame, 0, frame.length, true, true);
      else this.order.frame(frame[0]!, frame, 0, frame.length);
    }
    return this.seen();
  }

  /** One reply in pieces: what the client got before the last of them, and what was logged until then. */
  receiveInPieces(letter: string, cuts: readonly number[]): { before: string[]; got: string } {
    const frame = frames[letter]!;
    const ends = [...cuts, frame.length];
    let before: string[] = [];
    for (const [i, end] of ends.entries()) {
      before = [...this.log];
      this.order.segment(frame[0]!, frame, ends[i - 1] ?? 0, end, i === 0, i === ends.length - 1);
    }
    return { before, got: this.seen() };
  }

  private seen(): string {
    this.order.flush(this.client);
    const got: Buffer = this.client.read() ?? none;
    let seen = '';
    for (let at = 0; at < got.length; at += 1 + got.readInt32BE(at + 1)) seen += String.fromCharCode(got[at]!);
    return seen;
  }
}

describe('owed replies', () => {
  it('relays an extended batch and is quiet after its ReadyForQuery', () => {
    const bench = new Bench();
    bench.send('PBDEX');
    expect(bench.order.isQuiet).toBe(false);
    expect(bench.receive('12TDDCZ')).toBe('12TDDCZ');
    expect(bench.order.isQuiet).toBe(true);
  });

  it('swallows what the client did not ask for', () => {
    const bench = new Bench();
    bench.send('pBEX');
    expect(bench.receive('12DCZ')).toBe('2DCZ');
  });

  it('skips to the Sync after an error, and only there', () => {
    const bench = new Bench();
    bench.send('PBDEXPBEX');
    expect(bench.receive('1EZ')).toBe('1EZ');
    expect(bench.log).toEqual([
      'parsed',
      'failed bind',
      'skipped describePortal',
      'skipped execute',
      'ready:true:true',
    ]);
    expect(bench.receive('12CZ')).toBe('12CZ');
    expect(bench.order.isQuiet).toBe(true);
  });

  it('owes nothing for what is sent between an error and the Sync', () => {
    const bench = new Bench();
    bench.send('PB');
    expect(bench.receive('E')).toBe('E');
    bench.send('EQP');
    expect(bench.order.length).toBe(0);
    expect(bench.order.isQuiet).toBe(false);
    bench.send('X');
    expect(bench.receive('Z')).toBe('Z');
    expect(bench.order.isQuiet).toBe(true);
  });

  it('keeps the ReadyForQuery owed when the Sync itself fails', () => {
    const bench = new Bench();
    bench.send('PBEX');
    expect(bench.receive('12CEZ')).toBe('12CEZ');
    expect(bench.order.isQuiet).toBe(true);
  });

  it('follows several results, errors and notices of one Query', () => {
    const bench = new Bench();
    bench.send('QQ');
    expect(bench.receive('TDCNCIEZ')).toBe('TDCNCIEZ');
    expect(bench.receive('TDCZ')).toBe('TDCZ');
    expect(bench.log).toEqual(['FETCH 1', 'async N', 'FETCH 1', 'ready:true:true', 'FETCH 1', 'ready:true:false']);
  });

  it('tells of no tag that nobody acts upon', () => {
    const bench = new Bench();
    bench.send('Q');
    expect(bench.receive('uC')).toBe('CC');
    expect(bench.log).toEqual(['FETCH 1']);
  });

  it('ignores a Sync that reached the origin inside COPY FROM STDIN', () => {
    const bench = new Bench();
    bench.send('PBEX');
    expect(bench.receive('12G')).toBe('12G');
    expect(bench.order.length).toBe(1);
    bench.send('XcX');
    expect(bench.receive('CZ')).toBe('CZ');
    expect(bench.order.isQuiet).toBe(true);
  });

  it('ignores it too when copy data, its end and the next Sync were sent ahead', () => {
    const bench = new Bench();
    bench.send('PBEXcX');
    expect(bench.receive('12GCZ')).toBe('12GCZ');
    expect(bench.order.isQuiet).toBe(true);
  });

  it('survives a COPY that fails half-way, in both protocols', () => {
    const simple = new Bench();
    simple.send('Q');
    expect(simple.receive('GEZ')).toBe('GEZ');
    expect(simple.order.isQuiet).toBe(true);
    const extended = new Bench();
    extended.send('PBEX');
    expect(extended.receive('12GE')).toBe('12GE');
    extended.send('cX');
    expect(extended.receive('Z')).toBe('Z');
    expect(extended.order.isQuiet).toBe(true);
  });

  it('relays COPY TO, row limits and function calls', () => {
    const bench = new Bench();
    bench.send('QPBEEXF');
    expect(bench.receive('HddcCZ12DsDCZVZ')).toBe('HddcCZ12DsDCZVZ');
    expect(bench.order.isQuiet).toBe(true);
  });

  it('passes a FATAL on whatever was owed', () => {
    const bench = new Bench();
    expect(bench.receive('F')).toBe('E');
    expect(bench.log).toEqual(['fatal']);
  });

  it('refuses every reply that does not fit its place', () => {
    for (const [sent, got] of [
      ['', 'Z'],
      ['', 'E'],
      ['P', '2'],
      ['Q', 's'],
      ['X', 'C'],
      ['s', 'T'],
      ['PBE', '12Z'],
      ['E', 'GD'],
    ]) {
      const bench = new Bench();
      bench.send(sent!);
      expect(() => bench.receive(got!), `${got} after ${sent}`).toThrow(/owed|asked for/);
    }
  });

  it('has an answer for every kind, phase and code', () => {
    for (const kind of OwedKinds) {
      for (const phase of OwedPhases) {
        for (let code = 0; code < 256; code++) {
          const step = replyStep(kind, phase, code);
          expect(step === null || step === 'done' || OwedPhases.includes(step)).toBe(true);
        }
      }
    }
  });
});

it('tells of a cancel that met a question of ours, and whether the statement it was meant for was sent', () => {
  for (const [sent, behind] of [
    ['', false],
    ['Q', true],
  ] as const) {
    const bench = new Bench();
    const sink = { row: () => undefined, done: () => undefined };
    bench.order.oweQuestion(['execute'], [sink], sink);
    bench.send(sent);
    expect(bench.receive('X')).toBe('');
    expect(bench.log).toContain(`question cancelled, statement behind: ${behind}`);
  }
});

it('leaves a cancel of the client’s own statement to the client', () => {
  const bench = new Bench();
  bench.send('Q');
  expect(bench.receive('X')).toBe('E');
  expect(bench.log.filter((line) => line.startsWith('question'))).toEqual([]);
});

it('keeps background work to itself, notices included, and counts as free meanwhile', () => {
  const bench = new Bench();
  const ends: boolean[] = [];
  bench.order.oweBackground(refreshKinds, new Background(100, (isFailed) => void ends.push(isFailed)));
  expect([bench.order.isQuiet, bench.order.isFree]).toEqual([false, true]);
  expect(bench.receive('312DC312')).toBe('');
  // A notification is the client's, whenever it comes.
  expect(bench.receive('TNDAC')).toBe('A');
  bench.send('Q');
  expect(bench.order.isFree).toBe(false);
  expect(bench.receive('3ZTNDCZ')).toBe('TNDCZ');
  expect(bench.order.isQuiet).toBe(true);
});

describe('an error in pieces', () => {
  it('skips to the Sync once all of it is there', () => {
    for (let cut = 40; cut < frames['E']!.length; cut++) {
      const bench = new Bench();
      bench.send('PBEX');
      bench.receive('1');
      const { before, got } = bench.receiveInPieces('E', [cut]);
      expect([before, got]).toEqual([['parsed'], 'E']);
      expect(bench.log).toEqual(['parsed', 'failed bind', 'skipped execute']);
      expect(bench.receive('Z')).toBe('Z');
      expect(bench.order.isQuiet).toBe(true);
    }
  });

  it('is part of a message for as long as it comes', () => {
    const bench = new Bench();
    bench.send('Q');
    const frame = frames['E']!;
    bench.order.segment(frame[0]!, frame, 0, 40, true, false);
    expect(bench.order.isInsideFrame).toBe(true);
    bench.order.segment(frame[0]!, frame, 40, frame.length, false, true);
    expect(bench.order.isInsideFrame).toBe(false);
    expect(bench.receive('Z')).toBe('EZ');
    expect(bench.log).toEqual(['ready:true:true']);
  });

  it('that ends the connection is known as such from its first piece on', () => {
    const bench = new Bench();
    expect(bench.receiveInPieces('F', [40, 42])).toEqual({ before: ['fatal'], got: 'E' });
  });

  it('is kept from the client when it answers a question of ours', () => {
    const bench = new Bench();
    const sink = { row: () => undefined, done: () => undefined };
    bench.order.oweQuestion(['execute'], [sink], sink);
    const { before, got } = bench.receiveInPieces('X', [40]);
    expect([before, got]).toEqual([[], '']);
    expect(bench.log).toContain('question cancelled, statement behind: false');
  });

  it('that nothing asked for is none', () => {
    expect(() => new Bench().receiveInPieces('E', [40])).toThrow(/nothing asked for: division/);
  });

  it('and a notice in pieces keep the answer from being stored', () => {
    const bench = new Bench();
    bench.send('Q');
    expect(bench.receive('TD')).toBe('TD');
    expect(bench.receiveInPieces('N', [8]).got).toBe('N');
    expect(bench.receive('CZ')).toBe('CZ');
    expect(bench.log).toContain('ready:true:true');
  });
});

it('tells the end of background work for its time from a cancel', () => {
  const background = new Background(100, () => undefined);
  expect(background.isOutOfTime('canceling statement due to statement timeout', 0)).toBe(true);
  expect(background.isOutOfTime('canceling statement due to user request', 500)).toBe(false);
  expect([99, 100].map((nowMs) => background.isOutOfTime('Anweisung wird abgebrochen', nowMs))).toEqual([false, true]);
});
