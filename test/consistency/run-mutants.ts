/**
 * `npm run rules [-- C7 C18]`: breaks each rule on purpose in a copy of the repository and runs the test that must notice. Prints a line a mutant; exits 1
 * when one survived. Takes about a quarter of a minute each.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Mutant, rules } from './rules.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const copied = [
  'src',
  'test',
  'bench',
  'bin',
  'package.json',
  'tsconfig.json',
  'rolldown.config.ts',
  'vitest.config.ts',
];

/** A copy that tests can run in; dependencies are shared. */
function copyRepository(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'pgfresh-rules-'));
  for (const name of copied) cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  return folder;
}

/** @throws Error when a piece of source is not there exactly once: the table is out of date. */
function apply(folder: string, { edits }: Mutant): () => void {
  const before = new Map<string, string>();
  for (const { file, from, to } of edits) {
    const target = path.join(folder, 'src', file);
    const text = readFileSync(target, 'utf8');
    const count = text.split(from).length - 1;
    if (count !== 1) throw new Error(`src/${file} has ${count} times: ${from}`);
    if (!before.has(target)) before.set(target, text);
    writeFileSync(
      target,
      text.replace(from, () => to),
    );
  }
  return () => {
    for (const [target, text] of before) writeFileSync(target, text);
  };
}

interface Outcome {
  readonly failed: number;
  readonly passed: number;
  readonly output: string;
}

function runTest(folder: string, { test, name }: Mutant): Promise<Outcome> {
  const report = path.join(folder, 'report.json');
  rmSync(report, { force: true });
  const vitest = path.join(root, 'node_modules/.bin/vitest');
  const args = ['run', `test/${test}`, '--reporter=json', `--outputFile=${report}`, '--retry=0'];
  if (name !== undefined) args.push('-t', name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new Promise((resolve) => {
    const child = spawn(vitest, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    child.once('close', () => {
      try {
        const { numFailedTests, numPassedTests } = JSON.parse(readFileSync(report, 'utf8')) as {
          numFailedTests: number;
          numPassedTests: number;
        };
        resolve({ failed: numFailedTests, passed: numPassedTests, output });
      } catch (error) {
        resolve({ failed: 0, passed: 0, output: `${output}\n${error}` });
      }
    });
  });
}

async function tryMutant(folder: string, mutant: Mutant): Promise<{ noticed: boolean; text: string }> {
  const restore = apply(folder, mutant);
  try {
    let last: Outcome = { failed: 0, passed: 0, output: '' };
    for (let run = 1; run <= (mutant.runsMax ?? 1); run++) {
      last = await runTest(folder, mutant);
      if (last.failed > 0) return { noticed: true, text: `${last.failed} of ${last.failed + last.passed} failed` };
    }
    const tail = last.passed > 0 ? `${last.passed} passed` : `nothing ran:\n${last.output.slice(-2_000)}`;
    return { noticed: false, text: tail };
  } finally {
    restore();
  }
}

async function main(wanted: readonly string[]): Promise<void> {
  const folder = copyRepository();
  let survivors = 0;
  try {
    for (const { id, mutants } of rules) {
      if (wanted.length > 0 && !wanted.includes(id)) continue;
      for (const mutant of mutants) {
        const { noticed, text } = await tryMutant(folder, mutant).catch((error: Error) => ({
          noticed: false,
          text: error.message,
        }));
        if (!noticed) survivors++;
        process.stdout.write(`${noticed ? 'noticed ' : 'SURVIVED'} ${id} without ${mutant.without} (${text})\n`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  process.exitCode = survivors === 0 ? 0 : 1;
}

await main(process.argv.slice(2));
