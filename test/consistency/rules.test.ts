// The table of rules is complete, and what it names is there. Whether each mutant is noticed: `npm run rules`.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { rules } from './rules.ts';

const tests = fileURLToPath(new URL('..', import.meta.url));
const read = (file: string): string => readFileSync(path.join(tests, file), 'utf8');

it('each rule has a test that fails when the rule is broken', () => {
  const expected = Array.from({ length: 25 }, (_, i) => `C${i + 1}`);
  expect(rules.map(({ id }) => id)).toEqual(expected);
  expect(rules.filter(({ mutants }) => mutants.length === 0)).toEqual([]);
});

it('the tests that it names are there', () => {
  const missing = rules.flatMap(({ id, mutants }) =>
    mutants
      .filter(
        ({ test, name }) => !existsSync(path.join(tests, test)) || (name !== undefined && !read(test).includes(name)),
      )
      .map(({ test, name }) => `${id}: ${test}: ${name ?? ''}`),
  );
  expect(missing).toEqual([]);
});

it('what its mutants change stands in the sources, once', () => {
  const sources = path.join(tests, '../src');
  const lost = rules.flatMap(({ id, mutants }) =>
    mutants
      .flatMap(({ edits }) => edits)
      .filter(({ file, from }) => readFileSync(path.join(sources, file), 'utf8').split(from).length !== 2)
      .map(({ file, from }) => `${id}: ${file}: ${from}`),
  );
  expect(lost).toEqual([]);
});

it('the page about them names each of them', () => {
  const page = read('consistency/README.md');
  expect(rules.filter(({ id }) => !page.includes(`| ${id} `)).map(({ id }) => id)).toEqual([]);
});
