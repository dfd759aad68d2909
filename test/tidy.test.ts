/** Keeps the guide (style.md) where a compiler and a linter cannot: directions, bans with their replacement, dead code. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { reasonCodes } from '../src/shared/reasons.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Source {
  readonly file: string;
  readonly text: string;
  /** The text without comments, and with the contents of strings kept. */
  readonly code: string;
}

function read(folder: string): Source[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|js|mjs)$/.test(name))
    .map((name) => {
      const file = path.join(folder, name);
      const text = readFileSync(path.join(root, file), 'utf8');
      return { file, text, code: withoutComments(text) };
    });
}

/** Blanks out comments; quotes protect what looks like one inside a string. Line numbers stay. */
function withoutComments(text: string): string {
  const token = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
  return text.replace(token, (match) => (match.startsWith('/') ? match.replace(/[^\n]/g, ' ') : match));
}

/** `file:line: text` of each match outside comments. */
function matches(sources: readonly Source[], pattern: RegExp): string[] {
  return sources.flatMap(({ file, code, text }) =>
    code
      .split('\n')
      .flatMap((line, i) => (pattern.test(line) ? [`${file}:${i + 1}: ${text.split('\n')[i]!.trim()}`] : [])),
  );
}

const src = read('src');
const tests = read('test').filter(({ file }) => file !== 'test/tidy.test.ts');
const everything = [...src, ...tests, ...read('bench'), ...read('bin')];

/** Targets of static and dynamic imports and re-exports; relative ones as paths from the root. */
function importsOf({ code, file }: Source): string[] {
  const patterns = [
    /^(?:import|export)\b[^'"`;]*?\bfrom\s+'([^']+)'/gm,
    /^import\s+'([^']+)'/gm,
    /\bimport\(\s*'([^']+)'\s*\)/g,
  ];
  return patterns
    .flatMap((pattern) => [...code.matchAll(pattern)])
    .map(([, target]) => (target!.startsWith('.') ? path.join(path.dirname(file), target!) : target!));
}

describe('imports', () => {
  it.each(['proxy', 'worker', 'cache', 'shared'])('src/%s imports from itself and src/shared only', (part) => {
    const own = `src/${part}/`;
    const strays = src
      .filter(({ file }) => file.startsWith(own))
      .flatMap((source) => importsOf(source).map((target) => [source.file, target] as const))
      .filter(([, target]) => target.startsWith('src/') && !target.startsWith(own) && !target.startsWith('src/shared/'))
      .map(([file, target]) => `${file} imports ${target}`);
    expect(strays).toEqual([]);
  });

  it('src imports nothing of tests, benchmarks or development dependencies', () => {
    const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Record<string, object>;
    const allowed = new Set(Object.keys(manifest['dependencies']!));
    const nameOf = (target: string) =>
      target
        .split('/')
        .slice(0, target.startsWith('@') ? 2 : 1)
        .join('/');
    const strays = src
      // The demo runs from a checkout only.
      .filter(({ file }) => !file.startsWith('src/proxy/demo/'))
      .flatMap((source) => importsOf(source).map((target) => [source.file, target] as const))
      .filter(([, target]) => !target.startsWith('src/') && !target.startsWith('node:') && !allowed.has(nameOf(target)))
      .map(([file, target]) => `${file} imports ${target}`);
    expect(strays).toEqual([]);
  });

  it('threads.js is known to one file, and to the mains that it starts', () => {
    const users = src.filter((source) => importsOf(source).some((target) => /^threads(\/|$)/.test(target)));
    const allowed = ['src/cache/main.ts', 'src/proxy/thread.ts', 'src/worker/main.ts'];
    expect(users.map(({ file }) => file).filter((file) => !allowed.includes(file))).toEqual([]);
    for (const { file, code } of users.filter((user) => user.file.endsWith('/main.ts'))) {
      expect({ file, imports: /from 'threads\/worker'/.test(code) }).toEqual({ file, imports: true });
    }
  });

  it('every dependency is used', () => {
    const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Record<string, object>;
    // ioredis is for several nodes (issue 7 and later); pino-pretty is named to pino as a transport.
    const waiting = new Set(['ioredis']);
    const unused = Object.keys(manifest['dependencies']!).filter(
      (name) => !waiting.has(name) && !everything.some(({ code }) => code.includes(`'${name}`)),
    );
    expect(unused).toEqual([]);
  });
});

describe('bans, and what to use instead', () => {
  it.each([
    ['enum', /^\s*(?:export\s+)?(?:const\s+)?enum\s/, 'an `as const` object'],
    ['namespace', /^\s*(?:export\s+)?namespace\s/, 'a module'],
    ['any', /(?:[:<|&,(]|\bas)\s*any\b(?!\s*\()/, 'unknown, and a check'],
    ['Date.now', /\bDate\.now\(|new Date\(\)/, 'the Clock that was passed in'],
    ['Math.random', /\bMath\.random\(/, 'randomness that was passed in'],
    ['console', /\bconsole\./, 'the logger of shared/log.ts, or process.stdout for what a command prints'],
    ['a type check switched off', /@ts-(?:ignore|nocheck|expect-error)/, 'the right type'],
    ['an empty catch', /catch\s*(?:\([^)]*\))?\s*\{\s*\}/, 'a comment-worthy decision, or a log line'],
  ])('src has no %s', (_what, pattern, instead) => {
    // The clocks themselves are where the bans on reading time point to.
    const sources = src.filter(({ file }) => file !== 'src/shared/clock.ts');
    expect({ instead, found: matches(sources, pattern) }).toEqual({ instead, found: [] });
  });

  it('src has no suppressed type checks in comments, no unfinished places', () => {
    const found = everything.flatMap(({ file, text }) =>
      text
        .split('\n')
        .flatMap((line, i) =>
          /@ts-(?:ignore|nocheck)|\b(?:TODO|FIXME|XXX|HACK)\b|not implemented/.test(line)
            ? [`${file}:${i + 1}: ${line.trim()}`]
            : [],
        ),
    );
    expect(found).toEqual([]);
  });

  it('no test is skipped, singled out or left for later', () => {
    expect(matches(tests, /\b(?:it|test|describe)(?:\.\w+)*\.(?:skip|only|todo|fails|skipIf|runIf)\b/)).toEqual([]);
  });
});

describe('tests that share a server', () => {
  it('make roles only where the others are not disturbed: each change of a role empties every cache before its server', () => {
    const makes = /\b(?:CREATE|ALTER|DROP) (?:ROLE|USER)\b/;
    const isApart = /pg(?:15|18)roles|roles`\)|ownServer|: Cluster\b|startCluster/;
    const disturbing = read('test')
      .filter(({ file }) => file.endsWith('.test.ts') && !file.startsWith('test/unit') && !file.includes('tidy'))
      .filter(({ code }) => makes.test(code) && !isApart.test(code));
    expect(disturbing.map(({ file }) => file)).toEqual([]);
  });
});

describe('size', () => {
  it('no source file is longer than 400 lines', () => {
    const long = src
      .map(({ file, text }) => [file, text.split('\n').length - 1] as const)
      .filter(([, lines]) => lines > 400);
    expect(long).toEqual([]);
  });
});

interface Exported {
  readonly name: string;
  readonly isType: boolean;
}

/** Names that a module exports, apart from `export { … } from`. */
function exportsOf({ code }: Source): Exported[] {
  const pattern = /^export\s+(?:async\s+)?(?:abstract\s+)?(const|let|function\*?|class|interface|type)\s+(\w+)/gm;
  return [...code.matchAll(pattern)].map(([, kind, name]) => ({
    name: name!,
    isType: kind === 'interface' || kind === 'type',
  }));
}

/** A value must be imported by another file; a type may also be there for the signatures of its own. */
function isUsed(source: Source, { name, isType }: Exported): boolean {
  const word = new RegExp(`\\b${name}\\b`, 'g');
  if (isType && (source.code.match(word)?.length ?? 0) > 1) return true;
  return everything.some(
    (other) => other !== source && other.file !== source.file && new RegExp(word).test(other.code),
  );
}

describe('nothing is dead', () => {
  it('each export of src is imported somewhere', () => {
    const dead = src.flatMap((source) =>
      exportsOf(source)
        .filter((exported) => !isUsed(source, exported))
        .map(({ name }) => `${source.file}: ${name}`),
    );
    expect(dead).toEqual([]);
  });

  it('each limit is enforced somewhere', () => {
    const limits = src.find(({ file }) => file === 'src/shared/limits.ts')!;
    const names = [...limits.code.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name!);
    expect(names.length).toBeGreaterThan(5);
    const others = src.filter((source) => source !== limits);
    expect(names.filter((name) => !others.some(({ code }) => code.includes(`Limits.${name}`)))).toEqual([]);
  });

  it('each reason is given somewhere', () => {
    const others = src.filter(({ file }) => file !== 'src/shared/reasons.ts');
    expect(reasonCodes.filter((code) => !others.some((source) => source.code.includes(`'${code}'`)))).toEqual([]);
  });
});

describe('the checker of this guide', () => {
  it('sees code and not comments', () => {
    const code = withoutComments("const a = '// kept'; // gone enum\n/* any */ let b;");
    expect(code).toContain('// kept');
    expect(code).not.toMatch(/gone|any/);
    expect(code.split('\n')).toHaveLength(2);
  });
});
