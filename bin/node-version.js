/**
 * Whether this Node.js can run pgfresh, in words that even one that cannot will get through. Sources need types to be stripped, which Node.js does by itself
 * since 22.18 (and 23.6).
 */

/** Major, minor and patch of "20.20.2" or ">=22.12.0". */
const parts = (version) => version.replace(/^\D*/, '').split('.').map(Number);

function isBefore(version, other) {
  const [a, b] = [parts(version), parts(other)];
  const i = a.findIndex((part, at) => part !== b[at]);
  return i >= 0 && a[i] < b[i];
}

/**
 * @param {{ node: string, needed: string, isCheckout: boolean, stripsTypes: boolean }} found versions of Node.js: this one, and the range that package.json asks for
 * @returns {string | null} what is wrong, and what to do
 */
export function nodeProblem({ node, needed, isCheckout, stripsTypes }) {
  if (isBefore(node, needed)) {
    const own = isCheckout ? ', or say `npm run pgfresh --` instead, which brings its own' : '';
    return `pgfresh: this is Node.js ${node}, and ${needed.replace('>=', '')} or later is needed: install it${own}`;
  }
  if (!isCheckout || stripsTypes) return null;
  return `pgfresh: Node.js ${node} does not run the TypeScript of a checkout: say \`npm run pgfresh --\` instead, which brings its own Node.js, or \`npm run build\` and install the package`;
}
