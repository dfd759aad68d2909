import { expect, it } from 'vitest';
import { ClientInput } from '../../src/worker/client-input.ts';

function query(text: string): Buffer {
  const head = Buffer.from([0x51, 0, 0, 0, 0]);
  head.writeInt32BE(text.length + 5, 1);
  return Buffer.concat([head, Buffer.from(`${text}\0`)]);
}

function bind(name: string): Buffer {
  const message = query(name);
  message[0] = 0x42;
  return message;
}

const sync = Buffer.from([0x53, 0, 0, 0, 4]);

/** For each batch: its bytes without the message's head, and whether nothing is behind it. */
function cutting() {
  const batches: [string, boolean][] = [];
  let isTaken = true;
  const input = new ClientInput({
    batch({ bytes, start, end, isLast }) {
      if (isTaken) batches.push([bytes.toString('latin1', start + 5, end - 1), isLast]);
      return isTaken;
    },
    mayStream: () => true,
    longFrame: () => undefined,
    piece: () => undefined,
  });
  return {
    input,
    push: (...parts: readonly Buffer[]) => {
      const bytes = Buffer.concat(parts);
      input.push(bytes, 0, bytes.length);
      return batches.splice(0);
    },
    refuse: () => void (isTaken = false),
    resume: () => {
      isTaken = true;
      input.resume();
      return batches.splice(0);
    },
  };
}

it('says of each batch whether the client has sent something behind it', () => {
  const { push } = cutting();
  expect(push(query('a'))).toEqual([['a', true]]);
  expect(push(query('a'), query('b'))).toEqual([
    ['a', false],
    ['b', true],
  ]);
});

it('counts the beginning of a message as something behind', () => {
  const { push } = cutting();
  const cut = query('SELECT 1');
  expect(push(query('a'), cut.subarray(0, 3))).toEqual([['a', false]]);
  expect(push(cut.subarray(3))).toEqual([['SELECT 1', true]]);
});

it('says so of those that were held back, too', () => {
  const { push, refuse, resume } = cutting();
  refuse();
  expect(push(query('a'), query('b'))).toEqual([]);
  expect(resume()).toEqual([
    ['a', false],
    ['b', true],
  ]);
});

it('keeps the beginning of a batch until its end has come', () => {
  const { push } = cutting();
  expect(push(bind('a'))).toEqual([]);
  expect(push(bind('b'), sync)).toHaveLength(1);
});

it('hands it on where nobody has the patience, and the rest as it comes', () => {
  const { input, push } = cutting();
  const asked: [number, boolean][] = [];
  input.patience = { isOver: ({ count, ended }) => asked.push([count, ended]) > 1 };
  const cut = bind('c');
  expect(push(bind('a'))).toEqual([]);
  expect(push(bind('b'), cut.subarray(0, 3))).toHaveLength(1);
  expect([asked, input.bytesHeld]).toEqual([
    [
      [1, false],
      [2, false],
    ],
    3,
  ]);
  expect(push(cut.subarray(3))).toEqual([['c', false]]);
  expect(input.atBoundary).toBe(true);
  expect(push(sync)).toHaveLength(1);
  expect(input.taken).toBe(3);
});

it('asks again when told to, unless a batch waits to be taken', () => {
  const { input, push, refuse, resume } = cutting();
  let isOver = false;
  input.patience = { isOver: () => isOver };
  push(bind('a'));
  input.lookAgain();
  expect(push()).toEqual([]);
  isOver = true;
  refuse();
  input.lookAgain();
  expect(input.isBlocked).toBe(true);
  input.lookAgain();
  expect(resume()).toEqual([['a', false]]);
});
