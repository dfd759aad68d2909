/** What bin/pgfresh.js says of a Node.js that cannot run it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { repositoryRoot } from '../support/pgfresh.ts';

interface Found {
  readonly node: string;
  readonly needed: string;
  readonly isCheckout: boolean;
  readonly stripsTypes: boolean;
}

const { nodeProblem } = (await import(pathToFileURL(path.join(repositoryRoot, 'bin/node-version.js')).href)) as {
  nodeProblem(found: Found): string | null;
};
const { engines } = JSON.parse(readFileSync(path.join(repositoryRoot, 'package.json'), 'utf8')) as {
  engines: { node: string };
};
const found: Found = { node: '22.18.0', needed: engines.node, isCheckout: false, stripsTypes: false };

describe('a Node.js that cannot run pgfresh', () => {
  it.each(['20.20.2', '18.19.0', '22.11.0', '9.11.2'])('%s is too old', (node) => {
    expect(nodeProblem({ ...found, node })).toBe(
      `pgfresh: this is Node.js ${node}, and 22.12.0 or later is needed: install it`,
    );
    expect(nodeProblem({ ...found, node, isCheckout: true })).toContain('npm run pgfresh --');
  });

  it.each(['22.12.0', '22.13.1', '24.0.0', '100.0.0'])('%s runs the package', (node) => {
    expect(nodeProblem({ ...found, node })).toBeNull();
  });

  it('runs a checkout only if it strips types', () => {
    expect(nodeProblem({ ...found, node: '22.12.0', isCheckout: true })).toMatch(/^pgfresh: Node.js 22.12.0 does not/);
    expect(nodeProblem({ ...found, isCheckout: true, stripsTypes: true })).toBeNull();
  });
});
