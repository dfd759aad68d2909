#!/usr/bin/env node
// The packed package carries compiled JavaScript in dist/; a checkout runs its TypeScript sources unbuilt.
import { existsSync } from 'node:fs';

const compiled = new URL('../dist/proxy/cli.js', import.meta.url);
const source = new URL('../src/proxy/cli.ts', import.meta.url);
await import(existsSync(source) ? source.href : compiled.href);
