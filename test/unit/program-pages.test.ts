// Issue 6, "Memory": code and data of Node that only starting needed is not resident for ever (ADR-021).
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { releaseProgramPages, unchangedMappings } from '../../src/proxy/program-pages.ts';

const node = '/opt/node';
const mapping = (range: string, rights: string, file: string, anonymous: number): string =>
  [
    `${range} ${rights} 00000000 fe:00 5333043                       ${file}`,
    'Size:               3352 kB',
    'Rss:                3352 kB',
    'Private_Dirty:         0 kB',
    `Anonymous:         ${anonymous} kB`,
    'VmFlags: rd mr mw me sd',
  ].join('\n');

it('takes what is the file’s, page for page, and nothing else', () => {
  const smaps = [
    mapping('00400000-00746000', 'r--p', node, 0),
    mapping('00746000-03044000', 'r-xp', node, 0),
    // Relocated while it was loaded: the file does not have these bytes.
    mapping('06b52000-06b56000', 'r--p', node, 8),
    mapping('06b56000-06b7d000', 'rw-p', node, 0),
    mapping('06c00000-06c01000', 'rwxp', node, 0),
    mapping('06d00000-06d01000', 'r-xs', node, 0),
    mapping('7f7900000000-7f7900001000', 'r-xp', '/lib/libc.so.6', 0),
    mapping('7f7900100000-7f7900101000', 'r-xp', `${node} (deleted)`, 0),
    mapping('7f7900200000-7f7900201000', 'r--p', '', 0),
  ].join('\n');
  expect(unchangedMappings(smaps, node)).toEqual([
    { start: 0x400000, bytes: 0x346000 },
    { start: 0x746000, bytes: 0x28fe000 },
  ]);
  expect(unchangedMappings('', node)).toEqual([]);
});

/** Null where the system does not say. */
const fileMib = (): number | null => {
  if (process.platform !== 'linux') return null;
  const status = readFileSync('/proc/self/status', 'latin1');
  return Number(/^RssFile:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
};

it('lets go of what starting needed, and the process goes on', () => {
  const before = fileMib();
  releaseProgramPages();
  const after = fileMib();
  process.stdout.write(`program pages: ${before?.toFixed(1)} MiB → ${after?.toFixed(1)} MiB\n`);
  if (before !== null) expect(after).toBeLessThan(before * 0.8);
  // Parser, compiler, regular expressions, numbers and internationalisation of Node are still what they were.
  expect(new Function('a', 'return JSON.parse(a).map((n) => n ** 2)')('[1,2,3]')).toEqual([1, 4, 9]);
  expect(new Intl.NumberFormat('de').format(1234.5)).toBe('1.234,5');
  expect('ä'.normalize('NFD').replace(/\p{M}/gu, '')).toBe('a');
});
