// Lesson 23: health checks that connect and close, SSLRequest and GSSENCRequest, unknown protocol options, slow-loris.
import { connect } from 'node:net';
import { setImmediate as nextRound } from 'node:timers/promises';
import { serialize } from 'pg-protocol';
import { expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { rowsOf } from '../support/origin-state.ts';
import { startTap } from '../support/tap.ts';

const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY)');

const request = (code: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32BE(8, 0);
  bytes.writeInt32BE(code, 4);
  return bytes;
};
const sslRequest = request(80877103);
const gssEncRequest = request(80877104);

/** Sends `chunks` one by one, each after the answer to the one before, and returns the answers. */
function talk(chunks: readonly Buffer[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let [answer, next] = ['', 0];
    const socket = connect({ host: '127.0.0.1', port: proxy.pgfresh.port });
    const step = () => {
      const chunk = chunks[next++];
      if (chunk === undefined) socket.end();
      else socket.write(chunk);
    };
    socket.on('connect', step);
    socket.on('data', (data) => {
      answer += data.toString('latin1');
      step();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

it('connecting and closing, also after an SSLRequest or GSSENCRequest, opens nothing on the origin', async () => {
  const connections =
    "SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
  const before = (await rowsOf(proxy.originUrl, connections))[0]![0];
  for (let i = 0; i < 20; i++) {
    await talk([]);
    expect(await talk([sslRequest])).toBe('N');
    expect(await talk([gssEncRequest, sslRequest])).toBe('NN');
  }
  expect((await rowsOf(proxy.originUrl, connections))[0]![0]).toBe(before);
});

/** What the port answers to `chunks`, sent one after the other, until it closes. */
function answerTo(port: number, chunks: readonly Buffer[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect({ host: '127.0.0.1', port, noDelay: true }, async () => {
      for (const chunk of chunks) {
        socket.write(chunk);
        await nextRound();
      }
    });
    socket.on('data', (data) => {
      answer += data.toString('latin1');
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

// Found with the tests of pg 4 ("quick disconnect"): connect() and end().
it.each([
  ['in one piece', [serialize.end()]],
  ['in two', [serialize.end().subarray(0, 4), serialize.end().subarray(4)]],
])('Terminate before the startup packet, %s, is answered with nothing, as by the origin', async (_how, chunks) => {
  const expected = await answerTo(Number(new URL(proxy.originUrl).port), chunks);
  expect(expected).toBe('');
  expect(await answerTo(proxy.pgfresh.port, chunks)).toBe(expected);
});

/** Protocol 3.`minor` with an option that no server knows. */
function startup(minor: number): Buffer {
  const body = Buffer.from(`user\0postgres\0database\0${proxy.database}\0_pq_.novelty\0on\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + body.length, 0);
  head.writeInt32BE((3 << 16) | minor, 4);
  return Buffer.concat([head, body]);
}

it.each([0, 2, 9])('protocol 3.%i with an unknown option is negotiated as by the origin', async (minor) => {
  const answer = (port: number) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port }, () => socket.write(startup(minor)));
      let text = '';
      socket.on('data', (data) => {
        text += data.toString('latin1');
        socket.end();
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
    });
  const tap = await startTap(Number(new URL(proxy.originUrl).port));
  const direct = await answer(tap.port);
  await tap.close();
  expect(direct[0]).toMatch(/[vR]/);
  expect(await answer(proxy.pgfresh.port)).toBe(direct);
});
