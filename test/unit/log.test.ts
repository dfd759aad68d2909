import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const module = new URL('../../src/shared/log.ts', import.meta.url).href;

/** What a thread called `main` writes to stderr. */
function written(pretty: boolean): string {
  const script = `import { createLogger } from '${module}';
    createLogger({ log: { level: 'info', pretty: ${pretty} } }, 'main').info({ password: 'secret', port: 5432 }, 'accepting');`;
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  return spawnSync(process.execPath, ['--input-type=module', '--eval', script], { cwd, encoding: 'utf8' }).stderr;
}

it('writes a JSON object a line, without secrets', () => {
  expect(JSON.parse(written(false))).toMatchObject({ level: 30, thread: 'main', port: 5432, password: '***' });
});

it('writes readable lines on a terminal', () => {
  const text = written(true);
  expect(text).toContain('[main] accepting');
  expect(text).toContain('5432');
  expect(text).not.toContain('secret');
});
