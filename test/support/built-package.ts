/** The package as it is packed, built once a run: what users install is what is tested, and it starts with less work than the sources do. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { build } from 'rolldown';
import { bundles } from '../../rolldown.config.ts';

const root = new URL('../..', import.meta.url).pathname;

export interface BuiltPackage {
  readonly cli: string;
  /** For NODE_COMPILE_CACHE. */
  readonly compileCache: string;
  remove(): void;
}

/** Below node_modules, where its libraries are found. */
export async function buildPackage(): Promise<BuiltPackage> {
  const parent = path.join(root, 'node_modules/.cache');
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(path.join(parent, 'pgfresh-built-'));
  copyFileSync(path.join(root, 'package.json'), path.join(folder, 'package.json'));
  await build(bundles(path.join(folder, 'dist')));
  return {
    cli: path.join(folder, 'dist/proxy/cli.js'),
    compileCache: path.join(folder, 'compile-cache'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
