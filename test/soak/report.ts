/** What the soak has to say: a page under bench/report, written anew after each part so that an end before the time loses nothing. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import path from 'node:path';
import { repositoryRoot } from '../support/pgfresh.ts';

export interface PartReport {
  readonly part: string;
  readonly answers: number;
  readonly hits: number;
  readonly writes: number;
  /** What was done to it meanwhile. */
  readonly trouble: string;
  readonly violations: number;
  readonly seconds: number;
  readonly seed: number;
}

const thousands = (value: number): string => value.toLocaleString('en');

export class SoakReport {
  readonly #parts: PartReport[] = [];
  readonly #notes: string[] = [];
  readonly #file: string;

  constructor(name: string) {
    this.#file = path.join(repositoryRoot, 'bench/report', name);
  }

  add(part: PartReport): void {
    this.#parts.push(part);
    this.#write();
  }

  note(text: string): void {
    this.#notes.push(text);
    this.#write();
  }

  #write(): void {
    const total = this.#parts.reduce((sum, { answers }) => sum + answers, 0);
    const violations = this.#parts.reduce((sum, part) => sum + part.violations, 0);
    const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      cwd: repositoryRoot,
      encoding: 'utf8',
    }).trim();
    const rows = this.#parts.map(
      ({ part, answers, hits, writes, trouble, violations: wrong, seconds, seed }) =>
        `| ${part} | ${thousands(answers)} | ${thousands(hits)} | ${thousands(writes)} | ${trouble} | ${wrong} | ${Math.round(seconds)} | ${seed} |`,
    );
    const load = loadavg().map((value) => value.toFixed(1));
    const judged = `**${thousands(total)} answers judged, ${violations} violations.** `;
    const table = `| part | answers | hits | writes | meanwhile | violations | seconds | seed |
| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |
${rows.join('\n')}

`;
    const isJudging = rows.length > 0;
    const text = `# Soak of pgfresh

${isJudging ? judged : ''}Commit ${commit}, Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? '?'}), load average at the end
${load.join(' ')}; everything (sessions, proxy, PostgreSQL) on this machine. \`npm run soak\` runs it again, \`PGFRESH_SEED\` replays a part's choices.

${isJudging ? table : ''}${this.#notes.map((note) => `* ${note}`).join('\n')}
`;
    writeFileSync(this.#file, text);
  }
}
