/** A complete configuration for tests that compose parts of the main thread themselves. */
import { loadConfig } from '../../src/proxy/config.ts';
import type { SettingKey } from '../../src/proxy/settings.ts';
import type { Config } from '../../src/shared/config.ts';

/** Undefined stands for pgfresh's own default where this file has another. */
export type TestFlags = { readonly [key in SettingKey]?: string | undefined };

export function testConfig(flags: TestFlags = {}): Config {
  const all: TestFlags = {
    upstream: 'postgres://u:p@127.0.0.1:1/db',
    listen: '127.0.0.1:0',
    workers: '2',
    'restart.backoff_min': '10ms',
    ...flags,
  };
  return loadConfig({
    flags: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
    env: {},
    file: undefined,
    terminal: false,
  });
}
