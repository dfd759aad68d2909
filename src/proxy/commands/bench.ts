/** `pgfresh bench`: hands over to bench/run.ts, which is in the repository and not in the package. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../../shared/errors.ts';

export async function bench(args: readonly string[]): Promise<void> {
  const script = fileURLToPath(new URL('../../../bench/run.ts', import.meta.url));
  if (!existsSync(script)) {
    throw new ConfigError('the package does not carry the benchmarks; run `npm run bench` in a checkout of pgfresh');
  }
  const child = spawn(process.execPath, [script, ...args], { stdio: 'inherit' });
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
