import type { TestProject } from 'vitest/node';
import { type Cluster, startCluster } from './postgres.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    pg15: string;
    pg18: string;
  }
}

/** Two origins for the whole run; test files make their own databases in them (`createDatabase`). */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const clusters: Cluster[] = await Promise.all([startCluster({ version: 15 }), startCluster({ version: 18 })]);
  project.provide('pg15', clusters[0]!.url);
  project.provide('pg18', clusters[1]!.url);
  return async () => {
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  };
}
