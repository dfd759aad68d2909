/** The package's version, from the package.json beside bin/: two levels up from src/proxy and from dist/proxy. */
import { readFileSync } from 'node:fs';

export const version = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string }
).version;
