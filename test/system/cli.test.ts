import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { publicationsOf, slotsOf } from '../support/origin-state.ts';
import { repositoryRoot, spawnCli, startPgfresh } from '../support/pgfresh.ts';
import { createDatabase, freePort, run, startCluster } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

const manifest = JSON.parse(readFileSync(path.join(repositoryRoot, 'package.json'), 'utf8')) as { version: string };
const folder = mkdtempSync(path.join(tmpdir(), 'pgfresh-cli-'));
let database: Awaited<ReturnType<typeof createDatabase>>;

beforeAll(async () => {
  database = await createDatabase(
    inject('pg18'),
    `CREATE TABLE kept (id int PRIMARY KEY, v text);
     CREATE TABLE "No Key" (v text);
     CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY)`,
  );
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function cli(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; text: string }> {
  const { lines, exited } = spawnCli(args, env);
  const { code } = await exited;
  return { code, text: lines.join('\n') };
}

describe('the command line', () => {
  it('prints its version and its help', async () => {
    expect(await cli(['--version'])).toEqual({ code: 0, text: manifest.version });
    const { code, text } = await cli(['serve', '--help']);
    expect(code).toBe(0);
    expect(text).toContain('--cache-memory <SIZE>');
    expect(text).toContain('PGFRESH_CACHE_MEMORY');
    expect(text).not.toContain('--faults');
  });

  it('says which Node.js a checkout needs to one that does not run TypeScript', () => {
    const args = ['--no-experimental-strip-types', 'bin/pgfresh.js', '--version'];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: repositoryRoot, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringMatching(
        /^pgfresh: Node.js \S+ does not run the TypeScript of a checkout\. Say `npm run pgfresh --`/,
      ),
    });
  });

  const wrong = path.join(folder, 'wrong.toml');
  writeFileSync(wrong, '[cache]\nmemroy = "1GB"\n');
  it.each([
    [['serve'], /^pgfresh: no origin: give --upstream/],
    [['serve', '--upstream', 'localhost'], /^pgfresh: --upstream: not a connection string/],
    [
      ['serve', '--upstream', 'postgres://h/d', '--cache-memory', 'much'],
      /^pgfresh: --cache-memory: "much" is not a size/,
    ],
    [
      ['serve', '--upstream', 'postgres://h/d', '--config', wrong],
      /unknown key "cache.memroy" .* did you mean "cache.memory"\?$/,
    ],
    [['--cache-memorie', '1GB'], /unknown option '--cache-memorie'\n\(Did you mean --cache-memory\?\)/],
    [['--no-such-flag'], /unknown option '--no-such-flag'\n\(pgfresh --help says what there is\)/],
    [['srve'], /error.*\n\(pgfresh --help says what there is\)/],
  ])('a wrong configuration ends it with code 2: %j', async (args, message) => {
    const { code, text } = await cli(args);
    expect({ code, text }).toMatchObject({ code: 2, text: expect.stringMatching(message) });
    expect(text).not.toMatch(/^\s+at /m);
  });

  it('a refused login ends it with code 2, an origin that is not there with code 1, neither shows the password', async () => {
    const url = new URL(database.url);
    url.password = 'wrongsecret';
    const refused = await cli(['doctor', '--upstream', url.href]);
    expect(refused.code).toBe(2);
    expect(refused.text).toMatch(/refused the login of "postgres"/);
    url.port = String(await freePort());
    const absent = await cli(['doctor', '--upstream', url.href]);
    expect(absent.code).toBe(1);
    expect(absent.text).toContain(`the origin 127.0.0.1:${url.port} cannot be reached`);
    expect(refused.text + absent.text).not.toContain('wrongsecret');
  });

  it.each(['--listen', '--admin'])('an address in use (%s) is one line and code 1', async (flag) => {
    const taken = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as net.AddressInfo;
    const other = flag === '--listen' ? '--admin' : '--listen';
    const { code, text } = await cli(
      ['serve', '--upstream', database.url, flag, `127.0.0.1:${port}`, other, '127.0.0.1:0'],
      { PGFRESH_LOG_LEVEL: 'silent' },
    );
    taken.close();
    expect(code).toBe(1);
    expect(text).toMatch(
      new RegExp(`^pgfresh: cannot listen on 127.0.0.1:${port}.*: already in use by another process$`),
    );
  });

  it('reads the environment and a file', async () => {
    const file = path.join(folder, 'good.toml');
    writeFileSync(file, `upstream = "${database.url}"\nadmin = "off"\nlisten = "127.0.0.1:0"\n`);
    const { child, lines, exited } = spawnCli(['--config', file], { PGFRESH_WORKERS: '1' });
    await waitFor(
      'ready',
      () => lines.some((line) => line.includes('pgfresh ready on 127.0.0.1:')),
      30_000,
      () => lines.join('\n'),
    );
    child.kill('SIGTERM');
    expect((await exited).code).toBe(0);
  });
});

describe('doctor', () => {
  it('finds nothing wrong with a good origin, and names the tables that cannot be cached with the remedy', async () => {
    const { code, text } = await cli(['doctor', '--upstream', database.url]);
    expect(code).toBe(0);
    expect(text).toMatch(/ {2}ok {3}wal_level: logical/);
    expect(text).toContain('ALTER TABLE "No Key" REPLICA IDENTITY FULL');
    expect(text).toContain('ALTER TABLE fleeting SET LOGGED');
    expect(text).not.toContain('kept');
  });

  it('names the fault and the remedy, and exits with 1', async () => {
    const cluster = await startCluster({ version: 15, settings: ['wal_level=replica'] });
    const { code, text } = await cli(['doctor', '--upstream', cluster.url]);
    await cluster.stop();
    expect(code).toBe(1);
    expect(text).toMatch(/FAULT {2}wal_level: replica\n +remedy: ALTER SYSTEM SET wal_level = 'logical'/);
  });
});

describe('cleanup', () => {
  it('removes what nobody uses, and leaves alone what is in use', async () => {
    const own = await createDatabase(inject('pg18'), 'CREATE PUBLICATION pgfresh_gone; CREATE PUBLICATION theirs');
    await run(own.url, `SELECT pg_create_logical_replication_slot('pgfresh_${own.name}', 'pgoutput')`);
    const pgfresh = await startPgfresh({ upstream: own.url });
    const [used] = (await publicationsOf(own.url)).filter((name) => name !== 'pgfresh_gone' && name !== 'theirs');
    const { code, text } = await cli(['cleanup', '--upstream', own.url]);
    expect(code).toBe(0);
    expect(text).toContain('dropped publication pgfresh_gone');
    expect(text).toContain(`dropped slot pgfresh_${own.name}`);
    expect(text).toContain(`left alone, in use: ${used}`);
    expect([...(await publicationsOf(own.url))].sort()).toEqual([used, 'theirs'].sort());
    await pgfresh.stop();
    expect(await slotsOf(own.url)).toEqual([]);
    expect((await cli(['cleanup', '--upstream', own.url])).text).toContain(`nothing to remove in database ${own.name}`);
    await own.drop();
  });
});

describe('explain', () => {
  it('says what a statement depends on, or why it is not cached, and leaves nothing on the origin', async () => {
    const yes = await cli(['explain', '--json', '--upstream', database.url, 'SELECT v FROM kept WHERE id = 1']);
    expect(yes.code).toBe(0);
    expect(JSON.parse(yes.text.split('\n').at(-1)!)).toMatchObject({ cacheable: true, reason: null });
    const no = await cli(['explain', '--upstream', database.url, 'SELECT v, random() FROM kept']);
    expect(no.text).toMatch(/not cacheable: uncacheable\.volatileFunction/);
    expect(await publicationsOf(database.url)).toEqual([]);
    expect(await slotsOf(database.url)).toEqual([]);
  });
});

describe('bench', () => {
  it('passes its arguments on in a checkout', () => {
    const help = execFileSync(
      path.join(repositoryRoot, 'node_modules/.bin/node'),
      ['bin/pgfresh.js', 'bench', '--help'],
      {
        cwd: repositoryRoot,
        encoding: 'utf8',
      },
    );
    expect(help).toMatch(/bench/);
  });
});
