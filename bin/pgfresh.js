#!/usr/bin/env node
// The packed package carries compiled JavaScript in dist/; a checkout runs its TypeScript sources unbuilt.
import { existsSync, readFileSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const compiled = new URL('../dist/proxy/cli.js', import.meta.url);
const source = new URL('../src/proxy/cli.ts', import.meta.url);
const isCheckout = existsSync(source);
// Node.js strips types by itself from 22.18 on.
if (isCheckout && !process.features.typescript) {
  const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  process.stderr.write(
    `pgfresh: Node.js ${process.versions.node} does not run the TypeScript of a checkout. ` +
      'Say `npm run pgfresh --` instead, which brings its own Node.js, ' +
      `or \`npm run build\` and install the package (node ${engines.node})\n`,
  );
  process.exit(2);
}
if (isCheckout) {
  // Stripping types takes some 10 MB in every thread and much of a start: the result is kept for the next one. Threads read the variable.
  process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../node_modules/.cache/pgfresh', import.meta.url));
  module.enableCompileCache(process.env.NODE_COMPILE_CACHE);
}
await import(isCheckout ? source.href : compiled.href);
