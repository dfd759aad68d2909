import type { TestProject } from 'vitest/node';
import { type Cluster, startCluster } from './postgres.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    pg15: string;
    pg18: string;
    pg15roles: string;
    pg18roles: string;
  }
}

const versions = { pg15: 15, pg18: 18, pg15roles: 15, pg18roles: 18 } as const;

/**
 * The origins of the whole run; test files make their own databases in them (`createDatabase`). Roles are the whole server's, and a change of one empties
 * every cache before it: files that make roles do so in servers that the others do not use.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const names = Object.keys(versions) as (keyof typeof versions)[];
  const clusters: Cluster[] = await Promise.all(names.map((name) => startCluster({ version: versions[name] })));
  for (const [i, name] of names.entries()) project.provide(name, clusters[i]!.url);
  return async () => {
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  };
}
