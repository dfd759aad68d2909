import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type ConfigSources, editDistance, loadConfig } from '../../src/proxy/config.ts';
import {
  formatAddress,
  parseAddress,
  parseDuration,
  parsePollTime,
  parseSize,
  parseUpstream,
} from '../../src/proxy/config-text.ts';
import { environmentName, flagName, settingKeys } from '../../src/proxy/settings.ts';
import { ConfigError } from '../../src/shared/errors.ts';

const upstream = 'postgres://app:secretword@db.example:5433/shop';
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function file(toml: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'pgfresh-config-'));
  folders.push(folder);
  const name = path.join(folder, 'pgfresh.toml');
  writeFileSync(name, toml);
  return name;
}

const load = (sources: Partial<ConfigSources> = {}) =>
  loadConfig({ flags: { upstream }, env: {}, file: undefined, terminal: false, ...sources });

describe('settings', () => {
  it('take a flag over the environment over the file over the default', () => {
    const toml = file(
      'workers = 3\nlisten = ["127.0.0.1:1", "[::1]:2"]\n[cache]\nmemory = "64MB"\nmax_staleness = "2s"',
    );
    const config = load({
      flags: { upstream, workers: '5' },
      env: { PGFRESH_WORKERS: '4', PGFRESH_CACHE_MEMORY: '32MB' },
      file: toml,
    });
    expect(config.workers).toBe(5);
    expect(config.cache).toEqual({
      memoryBytes: 32 * 2 ** 20,
      singleFlightWaitMs: 1000,
      maxStalenessMs: 2_000,
      inPlace: true,
      refreshAhead: false,
      entryBytesMax: 2 ** 20,
    });
    expect(config.listen).toEqual([
      { host: '127.0.0.1', port: 1 },
      { host: '::1', port: 2 },
    ]);
    expect(config.admin).toEqual({ host: '127.0.0.1', port: 9432 });
  });

  it('have flags and environment variables of distinct names', () => {
    for (const name of [flagName, environmentName]) {
      expect(new Set(settingKeys.map(name)).size).toBe(settingKeys.length);
    }
    expect(flagName('limits.startup_timeout')).toBe('startup-timeout');
    expect(environmentName('cache.max_staleness')).toBe('PGFRESH_CACHE_MAX_STALENESS');
  });

  it('do not mind variables that an orchestrator invents for a service named pgfresh', () => {
    expect(
      load({ env: { PGFRESH_SERVICE_HOST: '10.0.0.1', PGFRESH_PORT: 'tcp://10.0.0.1:6432' } }).listen,
    ).toHaveLength(1);
  });

  it('use the origin for the change stream unless told otherwise', () => {
    expect(load().cdcUpstream).toEqual(load().upstream);
    expect(load({ flags: { upstream, 'cdc.url': 'postgres://repl@primary/shop' } }).cdcUpstream).toMatchObject({
      host: 'primary',
      user: 'repl',
    });
  });

  it('name the servers of a second tier, if there is to be one', () => {
    expect(load().tier2).toBe(null);
    const alone = { host: '127.0.0.1', port: 6379, user: undefined, password: undefined, database: 0, tls: false };
    const timing = { cluster: false, costMsMin: 5, ttlMs: 600_000, timeoutMs: 20 };
    expect(load({ env: { PGFRESH_TIER2_REDIS: 'redis://127.0.0.1' } }).tier2).toEqual({ nodes: [alone], ...timing });
    const url = 'rediss://app:secret%40word@redis.example:7000/3';
    const other = { host: 'redis.example', port: 7000, user: 'app', password: 'secret@word', database: 3, tls: true };
    expect(load({ flags: { upstream, 'tier2.redis': url } }).tier2?.nodes).toEqual([other]);
    const name = file(
      '[tier2]\nredis = ["redis://a:1", "redis://[::1]:2"]\ncluster = true\nmin_cost = "1s"\nttl = "1h"',
    );
    expect(load({ file: name }).tier2).toMatchObject({ cluster: true, costMsMin: 1_000, ttlMs: 3_600_000 });
    expect(load({ file: name }).tier2?.nodes.map(({ host, port }) => [host, port])).toEqual([
      ['a', 1],
      ['::1', 2],
    ]);
  });

  it('can switch the admin page off', () => {
    expect(load({ env: { PGFRESH_ADMIN: 'off' } }).admin).toBeUndefined();
  });
});

describe('a wrong configuration is named in one line', () => {
  it.each([
    [{ flags: {} }, /no origin: give --upstream/],
    [{ flags: { upstream: 'mysql://x:secretword@y' } }, /^--upstream: not a connection string; write postgres:/],
    [{ flags: { upstream: 'postgres://u:100%@h/d' } }, /^--upstream: a stray %/],
    [{ flags: { upstream: 'postgres://u:secretword@h:99999/d' } }, /^--upstream: /],
    [{ flags: { upstream, 'cache.memory': '12 parsecs' } }, /^--cache-memory: "12 parsecs" is not a size; write 256MB/],
    [{ env: { PGFRESH_CACHE_MAX_STALENESS: 'soon' } }, /^PGFRESH_CACHE_MAX_STALENESS: "soon" is not a duration/],
    [{ flags: { upstream, consistency: 'eventual' } }, /^--consistency: "eventual" is none of strong, session/],
    [{ flags: { upstream, workers: '0' } }, /^--workers: "0" is not a number from 1 to 64/],
    [{ flags: { upstream, listen: 'localhost' } }, /^--listen: "localhost" is not HOST:PORT/],
    [{ flags: { upstream, 'cache.max_entry': '200MB' } }, /cache.max_entry must be at most a quarter of cache.memory/],
    [{ flags: { upstream, 'restart.backoff_min': '1min' } }, /restart.backoff_min must not exceed/],
    [
      { flags: { upstream, 'tier2.redis': 'http://secretword' } },
      /^--tier2-redis: not the URL of a Redis server; write/,
    ],
    [{ flags: { upstream, 'tier2.redis': 'redis://h:0' } }, /^--tier2-redis: "0" is not a number from 1 to 65535/],
    [{ flags: { upstream, 'tier2.redis': 'redis://h/first' } }, /^--tier2-redis: "first" is not a number/],
    [{ flags: { upstream, 'tier2.redis': 'redis://a,redis://b' } }, /set tier2.cluster, or give one/],
    [{ flags: { upstream, 'tier2.redis': 'redis://a/1', 'tier2.cluster': 'true' } }, /a Redis Cluster has database 0/],
    [
      { flags: { upstream, 'tier2.redis': 'redis://a', 'cache.single_flight_wait': '0' } },
      /^tier2.redis needs cache.single_flight_wait/,
    ],
    [{ file: '/nonexistent/pgfresh.toml' }, /^cannot read \/nonexistent\/pgfresh.toml: ENOENT/],
  ] as const)('%o', (sources, message) => {
    const attempt = () => load(sources as Partial<ConfigSources>);
    expect(attempt).toThrow(ConfigError);
    expect(attempt).toThrow(message);
    expect(attempt).not.toThrow(/secretword|\n/);
  });

  it.each([
    ['[cach]\nmemory = "1MB"', /unknown key "cach.memory" in .*; did you mean "cache.memory"\?$/],
    ['worker = 2', /unknown key "worker" in .*; did you mean "workers"\?$/],
    ['completely_different_thing_altogether = 1', /unknown key "completely_different_thing_altogether" in [^;]*$/],
    ['[cache]\nmemory = true', /^cache.memory in .*: "true" is not a size/],
    ['cache = [', /^cannot read .*pgfresh.toml: /],
  ])('in the file: %s', (toml, message) => {
    const name = file(toml);
    expect(() => load({ file: name })).toThrow(message);
  });

  it('by the distance between words', () => {
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(editDistance('', 'abc')).toBe(3);
    expect(editDistance('same', 'same')).toBe(0);
  });
});

describe('texts', () => {
  it.each([
    ['256MB', 256 * 2 ** 20],
    ['1.5 GB', 1.5 * 2 ** 30],
    ['64kB', 65_536],
    ['1MiB', 2 ** 20],
    ['1048576', 2 ** 20],
  ])('%s is a size', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each([
    ['500ms', 500],
    ['1.5s', 1_500],
    ['5min', 300_000],
    ['1h', 3_600_000],
    ['250', 250],
  ])('%s is a duration', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each([
    ['0', 0],
    ['200us', 200],
    ['0.5ms', 500],
    ['10ms', 10_000],
  ])('%s is a time to poll for', (text, us) => expect(parsePollTime(text)).toBe(us));

  it.each(['1s', '11ms', '-1', 'soon', ''])('%s is none', (text) => expect(() => parsePollTime(text)).toThrow(/200us/));

  it.each([
    ['6432', '127.0.0.1:6432'],
    ['*:6432', '0.0.0.0:6432'],
    [':6432', '0.0.0.0:6432'],
    ['localhost:0', 'localhost:0'],
    ['[::1]:6432', '[::1]:6432'],
  ])('%s is an address', (text, shown) => expect(formatAddress(parseAddress(text))).toBe(shown));

  const me = userInfo().username;
  const base = { host: 'h', port: 5432, user: 'u', password: undefined, database: 'd', sslmode: 'prefer' };
  it.each([
    ['postgres://u@h/d', {}, base],
    ['postgresql://u:p%40ss@h:5433/d%20b', {}, { ...base, port: 5433, password: 'p@ss', database: 'd b' }],
    ['postgres://h', {}, { ...base, user: me, database: me }],
    ['postgres://u@h', { PGPASSWORD: 'env' }, { ...base, database: 'u', password: 'env' }],
    ['postgres://u@/d?host=/run/postgresql', {}, { ...base, host: '/run/postgresql' }],
    ['postgres:///d?host=/run/postgresql&user=u', {}, { ...base, host: '/run/postgresql' }],
    ['postgres://u@%2Frun%2Fpostgresql/d', {}, { ...base, host: '/run/postgresql' }],
    ['postgres://u@[::1]:1/d?sslmode=require', {}, { ...base, host: '::1', port: 1, sslmode: 'require' }],
  ])('%s is a connection string', (text, env, parsed) => expect(parseUpstream(text, env)).toEqual(parsed));
});
