/** Looks of the dashboard: light and dark by the system's choice, no font or picture from elsewhere. */
export const style = `
:root{color-scheme:light dark;--bg:light-dark(#f6f7f9,#101318);--card:light-dark(#fff,#181c23);--line:light-dark(#e3e6eb,#2a303a);
--ink:light-dark(#1b1f26,#e8eaee);--dim:light-dark(#687080,#8d96a5);--hit:light-dark(#12946a,#2fbf8f);--miss:light-dark(#d9932b,#e0a84e);
--pass:light-dark(#8d97a8,#5f6a7c);--bad:light-dark(#c93a4e,#ef6a7c);--accent:light-dark(#2b62d9,#79a3ff)}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif;margin:0;background:var(--bg);color:var(--ink)}
main{max-width:76rem;margin:0 auto;padding:1.4rem 1.2rem 4rem}
header{display:flex;gap:.8rem;align-items:center;flex-wrap:wrap;margin-bottom:1rem}
h1{font-size:1.35rem;margin:0;letter-spacing:-.01em}h1 i{font-style:normal;color:var(--hit)}
header small{color:var(--dim);margin-left:auto}
h2{font-size:.82rem;font-weight:600;text-transform:uppercase;letter-spacing:.06em;color:var(--dim);margin:0 0 .7rem}
.badge{padding:.12rem .7rem;border-radius:1rem;color:#fff;font-size:.82rem;font-weight:600;background:var(--dim)}
.live{background:var(--hit)}.starting{background:var(--miss)}.down{background:var(--bad)}
#problem:empty{display:none}#problem{background:var(--card);border-left:4px solid var(--bad);padding:.7rem 1rem;border-radius:.4rem;white-space:pre-wrap}
.card{background:var(--card);border:1px solid var(--line);border-radius:.7rem;padding:1rem 1.1rem;min-width:0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.6rem,1fr));gap:.8rem;margin-bottom:.8rem}
.tile b{display:block;font-size:1.6rem;line-height:1.25;font-variant-numeric:tabular-nums;letter-spacing:-.02em}
.tile span{color:var(--dim);font-size:.85rem}.tile.lead b{color:var(--hit);font-size:2.1rem;line-height:1}
meter{width:100%;height:.5rem;margin-top:.35rem}
.two{display:grid;grid-template-columns:3fr 2fr;gap:.8rem;margin-top:.8rem;align-items:start}
@media(max-width:60rem){.two{grid-template-columns:1fr}}
.stack{display:grid;gap:.8rem}
svg{width:100%;height:176px;display:block;overflow:visible}
svg text{fill:var(--dim);font-size:11px}
.hit{fill:var(--hit)}.miss{fill:var(--miss)}.pass{fill:var(--pass)}.grid{stroke:var(--line);stroke-width:1}
.legend{display:flex;gap:1.1rem;color:var(--dim);font-size:.85rem;margin-top:.5rem;flex-wrap:wrap}
.legend i{display:inline-block;width:.7rem;height:.7rem;border-radius:.2rem;margin-right:.35rem;vertical-align:-.05rem}
.reason{padding:.55rem 0;border-top:1px solid var(--line)}.reason:first-child{border-top:0;padding-top:0}
.reason header{margin:0;gap:.5rem;flex-wrap:nowrap}.reason b{font-weight:600;min-width:0;overflow-wrap:anywhere}
.reason em{font-style:normal;margin-left:auto;font-variant-numeric:tabular-nums;white-space:nowrap}
.bar{height:.3rem;border-radius:.2rem;background:var(--line);margin:.3rem 0}.bar i{display:block;height:100%;border-radius:.2rem;background:var(--pass)}
.dim{color:var(--dim);font-size:.87rem}.fix{font-size:.87rem}.fix::before{content:'→ ';color:var(--hit);font-weight:700}
code,pre{font:12.5px/1.5 ui-monospace,'SF Mono',Menlo,Consolas,monospace}
code{display:block;color:var(--dim);overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-size:.92rem}td,th{text-align:left;padding:.3rem .5rem .3rem 0;border-top:1px solid var(--line);vertical-align:top}
tr:first-child td{border-top:0}td.n{text-align:right;font-variant-numeric:tabular-nums;padding-right:0}
.chips{display:flex;flex-wrap:wrap;gap:.35rem;margin-bottom:.6rem}.chips span{border:1px solid var(--line);border-radius:1rem;padding:0 .6rem;font-size:.85rem}
.chips span::before{content:'● ';color:var(--hit);font-size:.7rem;vertical-align:.08rem}
form{display:flex;gap:.5rem}input{flex:1;min-width:0;font:inherit;padding:.45rem .7rem;border:1px solid var(--line);border-radius:.5rem;background:var(--bg);color:inherit}
button{font:inherit;padding:.45rem 1rem;border:0;border-radius:.5rem;background:var(--accent);color:light-dark(#fff,#0c1220);cursor:pointer}
#answer{margin-top:.8rem}#answer:empty{display:none}.yes{color:var(--hit)}.no{color:var(--bad)}
`;
