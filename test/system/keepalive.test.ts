/** TCP's own question whether a peer is still there: asked on both sides, on every listener, unless it is switched off. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ask, useProxy } from '../support/fixture.ts';
import { freePort } from '../support/postgres.ts';

const second = await freePort();
const asking = useProxy('CREATE TABLE t (id int)', { args: ['--keepalive', '30s', '--listen', `127.0.0.1:${second}`] });
const silent = useProxy('CREATE TABLE t (id int)', { args: ['--keepalive', '0'] });

const established = '01';
/** What the kernel's timer of a connection waits for: '02' is keepalive, '00' nothing (proc_net_tcp). */
function timers(port: number, side: 'local' | 'remote', of: (other: number) => boolean = () => true): string[] {
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length > 5 && fields[3] === established)
    .map((fields) => ({
      local: Number.parseInt(fields[1]!.split(':')[1]!, 16),
      remote: Number.parseInt(fields[2]!.split(':')[1]!, 16),
      timer: fields[5]!.split(':')[0]!,
    }))
    .filter((each) => each[side] === port && of(side === 'local' ? each.remote : each.local))
    .map(({ timer }) => timer);
}

it('is on for clients of each listener, and towards the origin', async () => {
  const url = new URL(asking.url);
  url.port = String(second);
  const clients = [await asking.session(), await asking.session(url.href)];
  for (const client of clients) expect(await ask(client, 'SELECT 1')).toEqual([[1]]);
  await expect.poll(() => timers(asking.pgfresh.port, 'local')).toEqual(['02']);
  await expect.poll(() => timers(second, 'local')).toEqual(['02']);
  const [[port]] = (await ask(clients[0]!, 'SELECT inet_client_port()')) as [[number]];
  const originPort = Number(new URL(asking.originUrl).port);
  await expect.poll(() => timers(originPort, 'remote', (local) => local === port)).toEqual(['02']);
});

it('is off with keepalive = 0', async () => {
  const client = await silent.session();
  expect(await ask(client, 'SELECT 1')).toEqual([[1]]);
  await expect.poll(() => timers(silent.pgfresh.port, 'local')).toEqual(['00']);
});
