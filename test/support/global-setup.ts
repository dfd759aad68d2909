import type { TestProject } from 'vitest/node';
import { buildPackage } from './built-package.ts';
import { type Cluster, startCluster } from './postgres.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    pg15: string;
    pg18: string;
    pg15roles: string;
    pg18roles: string;
    cli: string;
    compileCache: string;
  }
}

const versions = { pg15: 15, pg18: 18, pg15roles: 15, pg18roles: 18 } as const;

/**
 * The package, and the origins of the whole run; test files make their own databases in them (`createDatabase`). Roles are the whole server's, and a
 * change of one empties every cache before it: files that make roles do so in servers that the others do not use.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const names = Object.keys(versions) as (keyof typeof versions)[];
  const [built, ...clusters] = await Promise.all([
    buildPackage(),
    ...names.map((name): Promise<Cluster> => startCluster({ version: versions[name] })),
  ]);
  project.provide('cli', built.cli);
  project.provide('compileCache', built.compileCache);
  for (const [i, name] of names.entries()) project.provide(name, clusters[i]!.url);
  return async () => {
    built.remove();
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  };
}
