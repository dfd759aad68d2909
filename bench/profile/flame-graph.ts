/** A flame graph as SVG text: callers below, what they call above them, as wide as the time that they took. */
import type { CallTree } from './cpu-profile.ts';

const [width, rowHeight, margin, headHeight] = [1200, 17, 8, 30];
const fontSize = 11;
/** A letter is about so wide. */
const letterWidth = 6.4;
/** Narrower frames are left out, in pixels. */
const widthMin = 0.6;

interface Frame {
  readonly name: string;
  readonly depth: number;
  readonly x: number;
  readonly width: number;
  readonly share: number;
}

const escapeText = (text: string): string => text.replace(/[&<>"]/g, (each) => `&#${each.charCodeAt(0)};`);

/** Ours blue, Node's green, what V8 says of itself (garbage collector, program) red. */
function colourOf(name: string): string {
  if (name.startsWith('(')) return '#d98880';
  if (/ (?:worker|cache|shared|memory|wire|proxy|analyse)\/[\w-]+\.[jt]s:/.test(name)) return '#85b4e0';
  return '#a9cfa4';
}

function* framesOf(tree: CallTree, depth: number, x: number, pixelsPerUs: number, allUs: number): Generator<Frame> {
  const own = tree.totalUs * pixelsPerUs;
  if (own < widthMin) return;
  yield { name: tree.name, depth, x, width: own, share: tree.totalUs / allUs };
  let at = x;
  for (const child of tree.children) {
    yield* framesOf(child, depth + 1, at, pixelsPerUs, allUs);
    at += child.totalUs * pixelsPerUs;
  }
}

export function flameGraph(title: string, tree: CallTree): string {
  const frames = [...framesOf(tree, 0, margin, (width - 2 * margin) / Math.max(1, tree.totalUs), tree.totalUs)];
  const depthMax = Math.max(0, ...frames.map(({ depth }) => depth));
  const height = headHeight + (depthMax + 1) * rowHeight + margin;
  const marks = frames.map((frame) => {
    const y = height - margin - (frame.depth + 1) * rowHeight;
    const letters = Math.floor((frame.width - 4) / letterWidth);
    const text = letters < 3 ? '' : escapeText(frame.name.slice(0, letters));
    const place = `x="${frame.x.toFixed(1)}" y="${y}" width="${frame.width.toFixed(1)}" height="${rowHeight - 1}"`;
    const hint = `${escapeText(frame.name)}: ${(100 * frame.share).toFixed(1)} %`;
    const label = text === '' ? '' : `<text x="${(frame.x + 2).toFixed(1)}" y="${y + 12}">${text}</text>`;
    return `<g><title>${hint}</title><rect ${place} fill="${colourOf(frame.name)}"/>${label}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="monospace" font-size="${fontSize}">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${margin}" y="18" font-size="14" font-family="sans-serif" font-weight="bold">${escapeText(title)}</text>`,
    ...marks,
    '</svg>\n',
  ].join('\n');
}
