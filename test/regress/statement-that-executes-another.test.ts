// A statement of the protocol that is an EXECUTE has the columns of what it executes, and none while that is not there. Made anew at the origin, for having been
// prepared before pgfresh knew the session, it was another, and was given up: its name was free again, its use refused (found by the protocol differential).
import { describe, expect, it } from 'vitest';
import { useProxy } from '../support/fixture.ts';
import { connectRaw, type Frame, serialize, sqlState } from '../support/raw-client.ts';

const sync = serialize.sync();
const parse = (name: string, text: string) => serialize.parse({ name, text });
const run = Buffer.concat([serialize.bind({ statement: 's2', values: [] }), serialize.execute({})]);
const question = serialize.query('SELECT 1');

/** Sent one behind the other, with so many ReadyForQuery to wait for each time. */
const steps: readonly (readonly [ready: number, ...messages: Buffer[]])[] = [
  // What it runs is not known, and may have changed settings: under which it was prepared is not known, either.
  [2, parse('s2', 'EXECUTE s3'), serialize.query('BEGIN'), run, sync],
  [2, serialize.query('ROLLBACK'), serialize.close({ type: 'S', name: 's2' }), parse('s2', 'EXECUTE s3'), run, sync],
  ...Array<[number, Buffer]>(20).fill([1, question]),
  [1, parse('s3', 'SELECT id FROM t'), sync],
  [2, question, question],
  [1, parse('s2', 'SELECT 2'), sync],
  [2, run, sync, run, sync],
];

const said = (frames: readonly Frame[]) =>
  frames.map((frame) => (frame.code === 'E' ? sqlState(frame) : `${frame.code} ${frame.body.toString('hex')}`));

describe.each([
  ['pg15', []],
  ['pg18', []],
  ['pg18', ['--consistency', 'off']],
] as const)('on %s with %j', (origin, args) => {
  const proxy = useProxy('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)', { origin, args: [...args] });

  it('is left as it is', async () => {
    for (let i = 0; i < 3; i++) {
      const [direct, through] = [await connectRaw(proxy.originUrl), await connectRaw(proxy.url)];
      for (const [at, [ready, ...messages]] of steps.entries()) {
        direct.send(...messages);
        through.send(...messages);
        const expected = said(await direct.until('Z', ready));
        expect({ at, said: said(await through.until('Z', ready)) }).toEqual({ at, said: expected });
      }
      for (const client of [direct, through]) client.close();
    }
  });
});
