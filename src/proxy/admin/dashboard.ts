/** The page at `/`: one self-contained document that reads /status and /history. No asset comes from elsewhere. */
import { script } from './dashboard-script.ts';
import { style } from './dashboard-style.ts';

const tile = (id: string, label: string, more = ''): string =>
  `<div class="card tile"><b id="${id}">–</b><span>${label}</span>${more}</div>`;
const card = (title: string, body: string): string => `<section class="card"><h2>${title}</h2>${body}</section>`;
const table = (id: string, title: string): string => card(title, `<table><tbody id="${id}"></tbody></table>`);
const legend = (['hit', 'miss', 'pass'] as const)
  .map((name, i) => {
    const label = ['answered from the cache', 'cacheable, answered by the origin', 'passed through'][i];
    return `<span><i style="background:var(--${name})"></i>${label}</span>`;
  })
  .join('');

const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>pgfresh</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>${style}</style></head><body><main>
<header><h1>pg<i>fresh</i></h1><span id="state" class="badge">…</span><small id="version"></small></header>
<p id="problem"></p>
<div class="tiles"><div class="card tile lead"><b id="ratio">–</b><span>hit ratio, last minute</span></div>
${tile('rate', 'statements a second')}${tile('hits', 'queries the origin was spared')}${tile('entries', 'answers cached')}
${tile('memory', '<span id="memoryMax">memory</span>', '<meter id="meter" min="0" max="1" value="0"></meter>')}
${tile('sessions', 'sessions')}${tile('fresh', 'behind the origin')}</div>
${card('Statements', `<svg viewBox="0 0 1000 176" id="chart" role="img" aria-label="statements over ten minutes"></svg><div class="legend">${legend}</div>`)}
<div class="two"><div class="stack">${card('Why statements pass through', '<div id="reasons"></div>')}
${card('Explain a statement', '<form id="ask"><input id="sql" placeholder="SELECT …" aria-label="statement" spellcheck="false"><button>Explain</button></form><table><tbody id="answer"></tbody></table>')}</div>
<div class="stack">${card('Tables', '<div class="chips" id="published"></div><div id="uncacheable"></div>')}
${table('cdc', 'Change stream')}${table('threads', 'Threads')}${table('cache', 'Counters')}</div></div>
</main><script>${script}</script></body></html>`;

export const dashboard = {
  html,
  headers: {
    'content-security-policy':
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'",
    'cache-control': 'no-store',
  },
} as const;
