import { defineConfig, type InputOptions, type OutputOptions } from 'rolldown';

/** What is loaded on its own: the command line, the two kinds of threads, and what tests load into those. */
const entries = ['proxy/cli', 'proxy/fault-hook', 'worker/main', 'cache/main'];

/**
 * The package's JavaScript: each entry is one file in `folder` with all of ours that it needs, so that a thread reads one instead of a hundred (ADR-029).
 * Libraries stay beside it, as npm installs them.
 */
export const bundles = (folder: string): (InputOptions & { output: OutputOptions })[] =>
  entries.map((entry) => ({
    cwd: import.meta.dirname,
    input: `src/${entry}.ts`,
    platform: 'node',
    external: /^[^./]/,
    output: { file: `${folder}/${entry}.js`, codeSplitting: false, comments: false, sourcemap: true },
  }));

export default defineConfig(bundles('dist'));
