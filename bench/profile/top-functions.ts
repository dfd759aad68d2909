/** The functions that a .cpuprofile spent its time in, idle time left out: `node bench/profile/top-functions.ts FILE…` */
import { readFileSync } from 'node:fs';
import { type CpuProfile, topFunctions } from './cpu-profile.ts';

const shown = 30;

for (const file of process.argv.slice(2)) {
  const rows = topFunctions(JSON.parse(readFileSync(file, 'utf8')) as CpuProfile, shown);
  const lines = rows.map(({ name, share }) => `${(100 * share).toFixed(1).padStart(6)} %  ${name}`);
  process.stdout.write(`${file}\n${lines.join('\n')}\n`);
}
