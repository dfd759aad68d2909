#!/usr/bin/env node
// The packed package carries compiled JavaScript in dist/; a checkout runs its TypeScript sources unbuilt.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const compiled = new URL('../dist/proxy/cli.js', import.meta.url);
const source = new URL('../src/proxy/cli.ts', import.meta.url);
if (existsSync(source)) {
  // Stripping types takes some 10 MB in every thread and much of a start: the result is kept for the next one. Threads read the variable.
  process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../node_modules/.cache/pgfresh', import.meta.url));
  // An older Node than we ask for has none; it is told so by what needs more.
  module.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
}
await import(existsSync(source) ? source.href : compiled.href);
