/** The functions that a .cpuprofile spent its time in, idle time left out: `node bench/top-functions.ts FILE…` */
import { readFileSync } from 'node:fs';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const shown = 30;

for (const file of process.argv.slice(2)) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8')) as Profile;
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      return [id, `${functionName || '(anonymous)'} ${url.split('/').slice(-2).join('/')}:${lineNumber + 1}`];
    }),
  );
  const times = new Map<string, number>();
  samples.forEach((id, i) => {
    const name = names.get(id)!;
    if (!name.startsWith('(idle)')) times.set(name, (times.get(name) ?? 0) + timeDeltas[i]!);
  });
  const busy = [...times.values()].reduce((sum, us) => sum + us, 0);
  const rows = [...times].sort((a, b) => b[1] - a[1]).slice(0, shown);
  const lines = rows.map(([name, us]) => `${((100 * us) / busy).toFixed(1).padStart(6)} %  ${name}`);
  process.stdout.write(`${file}\n${lines.join('\n')}\n`);
}
