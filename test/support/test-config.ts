/** A complete configuration for tests that compose parts of the main thread themselves. */
import { loadConfig } from '../../src/proxy/config.ts';
import type { SettingKey } from '../../src/proxy/settings.ts';
import type { Config } from '../../src/shared/config.ts';

export function testConfig(flags: Readonly<Partial<Record<SettingKey, string>>> = {}): Config {
  return loadConfig({
    flags: {
      upstream: 'postgres://u:p@127.0.0.1:1/db',
      listen: '127.0.0.1:0',
      workers: '2',
      'restart.backoff_min': '10ms',
      ...flags,
    },
    env: {},
    file: undefined,
    terminal: false,
  });
}
