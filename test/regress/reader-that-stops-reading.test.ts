// Lesson 21: `socket.write()` returning false ignored: memory grows with the answer, or both sides wait for ever. A client asks for
// more than fits any buffer and stops reading; another sends more than the origin takes at once.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { rowsOf } from '../support/origin-state.ts';
import { connectRaw, serialize, statement } from '../support/raw-client.ts';

const proxy = useProxy('CREATE TABLE sink (id int, filler text)');
const MiB = 2 ** 20;

/** What the proxy has resident; the kernel's mark of the most that it had begins anew (proc(5), Linux only). */
function resetPeak(): number {
  writeFileSync(`/proc/${proxy.pgfresh.pid}/clear_refs`, '5');
  return residentBytes('VmRSS');
}

function residentBytes(field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${proxy.pgfresh.pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)![1]) * 1024;
}

/** Of the most that was ever resident, for however short. */
function expectBounded(idle: number): void {
  expect(residentBytes('VmHWM') - idle).toBeLessThan(150 * MiB);
}

it('a 200 MB answer to a reader that stops: memory stays, others are served, and every row arrives in the end', async () => {
  const idle = resetPeak();
  const client = await connectRaw(proxy.url);
  client.send(statement("SELECT i, repeat('x', 1000) FROM generate_series(1, 200000) AS i"), serialize.sync());
  await client.until('D');
  client.socket.pause();
  // The origin waits for its client to read: then nothing more can arrive in the proxy.
  await expect
    .poll(
      async () =>
        (
          await rowsOf(proxy.originUrl, `SELECT wait_event FROM pg_stat_activity WHERE pid = ${client.processId}`)
        )[0]![0],
      { timeout: 30_000 },
    )
    .toBe('ClientWrite');
  expectBounded(idle);
  const other = await proxy.session();
  expect(await ask(other, 'SELECT 1')).toEqual([[1]]);
  client.socket.resume();
  const frames = await client.until('Z');
  expect(frames.filter(({ code }) => code === 'D')).toHaveLength(199_999);
  expectBounded(idle);
  client.close();
}, 120_000);

it('200 MB of COPY into the origin, and a pipeline that is written without reading', async () => {
  const idle = resetPeak();
  const client = await connectRaw(proxy.url);
  client.send(serialize.query('COPY sink FROM STDIN'));
  await client.until('G');
  const chunk = serialize.copyData(Buffer.from(`1\t${'y'.repeat(1000)}\n`.repeat(1000)));
  for (let i = 0; i < 200; i++) {
    if (!client.socket.write(chunk)) await new Promise((resolve) => client.socket.once('drain', resolve));
  }
  client.send(serialize.copyDone());
  await client.until('Z');
  expectBounded(idle);
  // 3,000 statements whose answers are several megabytes together, none of them read before the last is written.
  const questions = Array.from({ length: 3000 }, (_, i) =>
    Buffer.concat([statement(`SELECT ${i}, repeat('z', 2000)`), serialize.sync()]),
  );
  client.send(...questions);
  const frames = await client.until('Z', 3000);
  expect(frames.filter(({ code }) => code === 'D')).toHaveLength(3000);
  client.close();
  expect(await rowsOf(proxy.originUrl, 'SELECT count(*)::int FROM sink')).toEqual([[200_000]]);
}, 120_000);

it('200 MB of COPY out of the origin: buffers that were written do not pile up until they are collected', async () => {
  const client = await connectRaw(proxy.url);
  const idle = resetPeak();
  client.send(serialize.query("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 200000)) TO STDOUT"));
  const frames = await client.until('Z');
  expect(frames.filter(({ code }) => code === 'd')).toHaveLength(200_000);
  expectBounded(idle);
  client.close();
}, 120_000);
