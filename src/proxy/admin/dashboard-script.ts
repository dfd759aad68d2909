/** What the dashboard does: reads /status each second and /history each two, and draws. Texts go in as text, never as markup. */
export const script = `
const $ = (id) => document.getElementById(id);
const number = (n) => Math.round(n).toLocaleString('en');
const short = (n) => n >= 1e6 ? (n/1e6).toFixed(1)+' M' : n >= 1e4 ? (n/1e3).toFixed(0)+' k' : n >= 1e3 ? (n/1e3).toFixed(1)+' k' : n >= 10 || n === 0 ? n.toFixed(0) : n.toFixed(1);
const percent = (x) => (x * 100).toFixed(x < .1 || x > .99 ? 1 : 0) + ' %';
const bytes = (n) => n >= 2**30 ? (n/2**30).toFixed(1)+' GB' : n >= 2**20 ? (n/2**20).toFixed(1)+' MB' : (n/1024).toFixed(1)+' kB';
const span = (ms) => ms < 120e3 ? Math.round(ms/1e3)+' s' : ms < 7200e3 ? Math.round(ms/6e4)+' min' : ms < 172800e3 ? Math.round(ms/36e5)+' h' : Math.round(ms/864e5)+' days';
const make = (tag, name, ...children) => { const e = document.createElement(tag); if (name) e.className = name; e.append(...children); return e; };
const row = (cells) => { const tr = document.createElement('tr');
  cells.forEach((c) => { const td = tr.insertCell(); td.append(typeof c === 'number' ? number(c) : c); if (typeof c === 'number') td.className = 'n'; }); return tr; };
const rows = (id, list) => $(id).replaceChildren(...list.map(row));

function showReasons(s) {
  const list = Object.entries(s.reasons).sort((a, b) => b[1] - a[1]).slice(0, 8);
  const all = list.reduce((n, [, count]) => n + count, 0);
  $('reasons').replaceChildren(...list.map(([code, count]) => {
    const { meaning, remedy, example } = s.reasonDetails[code];
    const bar = make('i'); bar.style.width = (100 * count / all) + '%';
    const parts = [make('header', '', make('b', '', code), make('em', '', number(count) + ' · ' + percent(count / all))),
      make('div', 'bar', bar), make('div', 'dim', meaning)];
    if (example) parts.push(make('code', '', example));
    if (remedy) parts.push(make('div', 'fix', remedy));
    return make('div', 'reason', ...parts);
  }));
  if (list.length === 0) $('reasons').textContent = 'Nothing has been passed through yet.';
}
function showTables({ published, uncacheable }) {
  $('published').replaceChildren(...published.map((t) => make('span', '', t)));
  if (published.length === 0) $('published').textContent = 'None yet: tables join the change stream when they are first read.';
  $('uncacheable').replaceChildren(...uncacheable.map((t) => make('div', 'reason', make('header', '', make('b', '', t.table), make('em', 'dim', t.reason)), make('div', 'fix', t.remedy))));
}
function show(s) {
  $('state').textContent = s.state; $('state').className = 'badge ' + s.state;
  $('version').textContent = 'version ' + s.version + ' · consistency ' + s.consistency + ' · up ' + span(s.uptimeMs);
  $('problem').textContent = s.cdc.problem || '';
  $('hits').textContent = short(s.cache.hits);
  $('entries').textContent = short(s.cache.entries);
  $('memory').textContent = bytes(s.cache.bytes);
  $('memoryMax').textContent = 'of ' + bytes(s.cache.bytesMax) + ' memory';
  $('meter').max = s.cache.bytesMax || 1; $('meter').value = s.cache.bytes;
  $('sessions').textContent = number(s.workers.reduce((n, w) => n + w.sessions, 0));
  $('fresh').textContent = s.cdc.freshAsOfMs < 0 ? '–' : s.cdc.freshAsOfMs < 1e4 ? Math.round(s.cdc.freshAsOfMs) + ' ms' : span(s.cdc.freshAsOfMs);
  rows('cdc', [['state', s.cdc.state], ['applied', s.cdc.appliedLsn], ['lag', bytes(s.cdc.lagBytes)], ['transactions applied', s.cdc.transactions], ['rows changed', s.cdc.rows], ['answers invalidated', s.cache.invalidated]]);
  rows('cache', [['hits', s.cache.hits], ['misses', s.cache.misses], ['passed through', s.cache.passthrough], ['answers admitted', s.cache.admitted], ['answers refused', s.cache.rejected], ['evicted for room', s.cache.evicted], ['statements parsed', s.analysed]]);
  rows('threads', [...s.workers.map((w) => ['worker ' + w.id, number(w.sessions) + (w.sessions === 1 ? ' session' : ' sessions'), w.restarts ? w.restarts + ' restarts' : '']),
    ['cache thread', 'generation ' + s.cacheThread.generation, s.cacheThread.restarts ? s.cacheThread.restarts + ' restarts' : ''],
    ['connections', number(s.connections.accepted) + ' accepted', number(s.connections.refused) + ' refused']]);
  showReasons(s); showTables(s.tables);
}
function draw({ stepMs, samples }) {
  const recent = samples.slice(-30), sum = (list, key) => list.reduce((n, x) => n + x[key], 0);
  const answered = sum(recent, 'hits') + sum(recent, 'misses') + sum(recent, 'passthrough');
  $('ratio').textContent = answered ? percent(sum(recent, 'hits') / answered) : '–';
  const last = samples.slice(-3);
  $('rate').textContent = last.length ? short((sum(last, 'hits') + sum(last, 'misses') + sum(last, 'passthrough')) * 1e3 / (stepMs * last.length)) : '–';
  const top = Math.max(1, ...samples.map((x) => x.hits + x.misses + x.passthrough)), nice = [1,2,5].map((m) => m * 10 ** Math.floor(Math.log10(top))).concat(10 ** Math.ceil(Math.log10(top))).find((n) => n >= top);
  const W = $('chart').clientWidth || 1000, H = 160, width = W / 300, x0 = W - samples.length * width, parts = [];
  const element = (tag, attributes, text) => { const e = document.createElementNS('http:' + '//www.w3.org/2000/svg', tag); for (const k in attributes) e.setAttribute(k, attributes[k]); if (text) e.textContent = text; parts.push(e); };
  for (const share of [0, .5, 1]) { const y = H - share * H;
    element('line', { x1: 0, x2: W, y1: y, y2: y, class: 'grid' });
    element('text', { x: 2, y: y - 3 }, share === 0 ? '' : short(nice * share * 1e3 / stepMs) + ' /s'); }
  samples.forEach((sample, i) => { let y = H;
    for (const [key, name] of [['hits', 'hit'], ['misses', 'miss'], ['passthrough', 'pass']]) { const h = sample[key] / nice * H; if (h <= 0) continue; y -= h;
      element('rect', { x: (x0 + i * width).toFixed(2), y: y.toFixed(2), width: (width * .86).toFixed(2), height: h.toFixed(2), class: name }); } });
  element('text', { x: 2, y: H + 13 }, 'ten minutes ago'); element('text', { x: W, y: H + 13, 'text-anchor': 'end' }, 'now');
  $('chart').setAttribute('viewBox', '0 0 ' + W + ' 176'); $('chart').replaceChildren(...parts);
}
const read = async (path) => (await fetch(path)).json();
async function poll(turn) {
  try { show(await read('status')); if (turn % 2 === 0) draw(await read('history')); }
  catch { $('state').textContent = 'unreachable'; $('state').className = 'badge down'; }
  setTimeout(poll, 1000, turn + 1);
}
$('ask').addEventListener('submit', async (event) => {
  event.preventDefault();
  const e = await read('explain?sql=' + encodeURIComponent($('sql').value));
  if (e.error) { $('answer').replaceChildren(make('b', 'no', e.error)); return; }
  const list = [[make('b', e.cacheable ? 'yes' : 'no', e.cacheable ? 'cacheable' : 'not cacheable'), e.reason ? e.reason + ': ' + e.meaning : '']];
  if (e.detail) list.push(['detail', e.detail]);
  if (e.remedy) list.push(['remedy', e.remedy]);
  for (const relation of e.relations) list.push(['reads', relation]);
  for (const constraint of e.constraints) list.push(['depends on', constraint]);
  if (!e.readOnly) list.push(['writes', [].concat(e.writes).join(', ')]);
  for (const entry of e.entries) list.push(['in the cache', entry.protocol + ' protocol, ' + bytes(entry.bytes) + ', ' + span(entry.ageS * 1e3) + ' old']);
  if (e.hits !== null) list.push(['hits of its shape', number(e.hits)]);
  $('answer').replaceChildren(...list.map(row));
});
poll(0);
`;
