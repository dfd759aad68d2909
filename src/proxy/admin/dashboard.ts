/** The page at `/`: one self-contained document that reads /status once a second. No asset comes from elsewhere. */

const style = `
:root{color-scheme:light dark;--line:#8884;--dim:#888;--good:#1a9c5b;--warn:#c98a00;--bad:#d3455b;--accent:#3273dc}
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.3rem;display:flex;gap:.6rem;align-items:baseline}h1 small{color:var(--dim);font-weight:400}
h2{font-size:.95rem;margin:2rem 0 .4rem}
.badge{padding:.1rem .6rem;border-radius:1rem;color:#fff;font-size:.85rem;background:var(--dim)}
.live{background:var(--good)}.starting{background:var(--warn)}.down{background:var(--bad)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.7rem}
.tile{border:1px solid var(--line);border-radius:.6rem;padding:.6rem .8rem}.tile b{display:block;font-size:1.35rem}
.tile span,.note{color:var(--dim);font-size:.85rem}
svg{width:100%;height:6rem;border:1px solid var(--line);border-radius:.6rem}polyline{fill:none;stroke:var(--accent);stroke-width:2}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .5rem;border-bottom:1px solid var(--line)}
td.n{text-align:right;font-variant-numeric:tabular-nums}#problem{color:var(--bad);white-space:pre-wrap}
`;

const script = `
const $ = (id) => document.getElementById(id);
const number = (n) => n.toLocaleString('en');
const bytes = (n) => n >= 2**30 ? (n/2**30).toFixed(1)+' GB' : n >= 2**20 ? (n/2**20).toFixed(1)+' MB' : (n/1024).toFixed(1)+' kB';
const row = (cells) => { const tr = document.createElement('tr');
  cells.forEach((c) => { const td = tr.insertCell(); td.textContent = typeof c === 'number' ? number(c) : c; if (typeof c === 'number') td.className = 'n'; }); return tr; };
const rows = (id, list) => $(id).replaceChildren(...list.map(row));
let last; const ratios = [];
function show(s) {
  $('state').textContent = s.state; $('state').className = 'badge ' + s.state;
  $('version').textContent = s.version + ' · ' + s.consistency + ' · up ' + Math.round(s.uptimeMs/1000) + ' s';
  $('problem').textContent = s.cdc.problem || '';
  const all = (x) => x.cache.hits + x.cache.misses + x.cache.passthrough;
  if (last) {
    const n = all(s) - all(last), seconds = Math.max(.001, (s.uptimeMs - last.uptimeMs) / 1000);
    $('rate').textContent = number(Math.round(n / seconds));
    if (n > 0) ratios.push((s.cache.hits - last.cache.hits) / n);
    if (ratios.length > 120) ratios.shift();
    $('ratio').textContent = ratios.length ? (ratios.at(-1) * 100).toFixed(1) + ' %' : '–';
    $('line').setAttribute('points', ratios.map((r, i) => (i * 1000 / 119).toFixed(1) + ',' + (96 - r * 92).toFixed(1)).join(' '));
  }
  last = s;
  $('entries').textContent = number(s.cache.entries);
  $('memory').textContent = bytes(s.cache.bytes) + ' / ' + bytes(s.cache.bytesMax);
  $('sessions').textContent = number(s.workers.reduce((n, w) => n + w.sessions, 0));
  $('fresh').textContent = s.cdc.freshAsOfMs < 0 ? '–' : Math.round(s.cdc.freshAsOfMs) + ' ms';
  rows('cdc', [['stream', s.cdc.state], ['applied', s.cdc.appliedLsn], ['lag', bytes(s.cdc.lagBytes)], ['transactions', s.cdc.transactions], ['rows', s.cdc.rows]]);
  rows('cache', ['hits','misses','passthrough','admitted','rejected','invalidated','evicted'].map((k) => [k, s.cache[k]]));
  rows('threads', [['cache thread', 'generation ' + s.cacheThread.generation, s.cacheThread.restarts + ' restarts'],
    ...s.workers.map((w) => ['worker ' + w.id, w.sessions + ' sessions', w.restarts + ' restarts'])]);
  rows('reasons', Object.entries(s.reasons).sort((a, b) => b[1] - a[1]));
  rows('tables', [...s.tables.published.map((t) => [t, 'cached', '']), ...s.tables.uncacheable.map((t) => [t.table, t.reason, t.remedy])]);
}
async function poll() {
  try { show(await (await fetch('status')).json()); }
  catch { $('state').textContent = 'unreachable'; $('state').className = 'badge down'; }
  setTimeout(poll, 1000);
}
$('ask').addEventListener('submit', async (event) => {
  event.preventDefault();
  const answer = await fetch('explain?sql=' + encodeURIComponent($('sql').value));
  $('answer').textContent = JSON.stringify(await answer.json(), null, 2);
});
poll();
`;

const tile = (id: string, label: string): string => `<div class="tile"><b id="${id}">–</b><span>${label}</span></div>`;
const table = (id: string, title: string): string => `<h2>${title}</h2><table><tbody id="${id}"></tbody></table>`;

const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>pgfresh</title>
<meta name="viewport" content="width=device-width"><style>${style}</style></head><body>
<h1>pgfresh <span id="state" class="badge">…</span> <small id="version"></small></h1><p id="problem"></p>
<div class="tiles">${tile('ratio', 'hit ratio, last second')}${tile('rate', 'statements a second')}
${tile('entries', 'answers cached')}${tile('memory', 'memory')}${tile('sessions', 'sessions')}${tile('fresh', 'fresh as of')}</div>
<h2>Hit ratio</h2><svg viewBox="0 0 1000 100" preserveAspectRatio="none"><polyline id="line" points=""/></svg>
<h2>Explain</h2><form id="ask"><input id="sql" size="70" placeholder="SELECT …" aria-label="statement"> <button>Explain</button></form>
<pre id="answer"></pre>
${table('cache', 'Statements and answers')}${table('cdc', 'Change stream')}${table('threads', 'Threads')}
${table('reasons', 'Why statements passed through')}${table('tables', 'Tables')}
<script>${script}</script></body></html>`;

export const dashboard = {
  html,
  headers: {
    'content-security-policy':
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'",
    'cache-control': 'no-store',
  },
} as const;
