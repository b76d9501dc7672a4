/** The report's style sheet; light and dark by the reader's preference, or by the button. */
export const pageStyle: string = `
:root{color-scheme:light dark;--page:#f6f6f4;--card:#fff;--ink:#171716;--ink2:#52514d;--ink3:#85837d;--rule:#e4e3de;--grid:#ecebe7;
--c1:#2a78d6;--c2:#e0662f;--c3:#168a5f;--c4:#8a5bd1;--c5:#b8860b;--c6:#c2417c;--surprise:235,150,40;--up:#1668c4;--down:#c24a14;--good:#117a50;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){--page:#131312;--card:#1c1c1a;--ink:#f2f1ec;--ink2:#b9b7af;--ink3:#8a8881;--rule:#32312e;--grid:#292826;
--c1:#5a9bea;--c2:#f0834f;--c3:#3fbd8b;--c4:#ab85e8;--c5:#d6a637;--c6:#e470a3;--surprise:214,140,50;--up:#6fb0f5;--down:#f5936a;--good:#4cc38f;--bad:#f2837b}}
:root[data-theme=dark]{color-scheme:dark;--page:#131312;--card:#1c1c1a;--ink:#f2f1ec;--ink2:#b9b7af;--ink3:#8a8881;--rule:#32312e;--grid:#292826;
--c1:#5a9bea;--c2:#f0834f;--c3:#3fbd8b;--c4:#ab85e8;--c5:#d6a637;--c6:#e470a3;--surprise:214,140,50;--up:#6fb0f5;--down:#f5936a;--good:#4cc38f;--bad:#f2837b}
:root[data-theme=light]{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 64px}
header{display:flex;gap:16px;align-items:flex-start;justify-content:space-between;flex-wrap:wrap}
h1{font-size:24px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em}
h2{font-size:17px;margin:36px 0 10px}
h3{font-size:13px;font-weight:600;margin:0 0 6px;color:var(--ink2)}
p{margin:0 0 8px}
.sub,.hint{color:var(--ink2);font-size:13.5px}
.path{font:12.5px ui-monospace,SFMono-Regular,Menlo,monospace;color:var(--ink3);overflow-wrap:anywhere}
button{font:inherit;font-size:13px;color:var(--ink2);background:var(--card);border:1px solid var(--rule);border-radius:7px;padding:4px 10px;cursor:pointer}
.card{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:16px;min-width:0}
.tiles{display:grid;grid-template-columns:repeat(6,1fr);gap:10px;margin-top:18px}
.tile .value{font-size:22px;font-weight:600;letter-spacing:-.02em;font-variant-numeric:tabular-nums;white-space:nowrap}
.tile.wide .value{font-size:28px}
.tile .value small{font-size:15px;font-weight:500;color:var(--ink3)}
.tile .name{font-size:12.5px;color:var(--ink2)}
.tile.wide{grid-column:span 3}
.grid3{display:grid;grid-template-columns:repeat(auto-fill,minmax(310px,1fr));gap:10px}
.grid2{display:grid;grid-template-columns:repeat(auto-fit,minmax(380px,1fr));gap:10px}
@media (max-width:760px){.tiles{grid-template-columns:repeat(2,1fr)}.tile.wide{grid-column:span 2}.grid2,.grid3{grid-template-columns:1fr}}
.plot{position:relative}
svg.chart{display:block;width:100%;height:auto;overflow:visible}
.grid{stroke:var(--grid);stroke-width:1}
.tick{fill:var(--ink3);font-size:11px;font-variant-numeric:tabular-nums}
.line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.bound{opacity:.45}
.mark{stroke:var(--card);stroke-width:2}
.cursor{stroke:var(--ink3);stroke-dasharray:3 3;visibility:hidden}
.line.c1{stroke:var(--c1)}.line.c2{stroke:var(--c2)}.line.c3{stroke:var(--c3)}.line.c4{stroke:var(--c4)}.line.c5{stroke:var(--c5)}.line.c6{stroke:var(--c6)}
.mark.c1{fill:var(--c1)}.mark.c2{fill:var(--c2)}.mark.c3{fill:var(--c3)}.mark.c4{fill:var(--c4)}.mark.c5{fill:var(--c5)}.mark.c6{fill:var(--c6)}
.swatch.c1{background:var(--c1)}.swatch.c2{background:var(--c2)}.swatch.c3{background:var(--c3)}.swatch.c4{background:var(--c4)}.swatch.c5{background:var(--c5)}.swatch.c6{background:var(--c6)}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;list-style:none;margin:0 0 6px;padding:0;font-size:13px;color:var(--ink2)}
.swatch{display:inline-block;width:14px;height:3px;border-radius:2px;margin-right:6px;vertical-align:middle}
.swatch.dot{width:9px;height:9px;border-radius:50%}
.readout{position:absolute;pointer-events:none;background:var(--ink);color:var(--page);border-radius:6px;padding:5px 9px;font-size:12px;line-height:1.45;white-space:nowrap;visibility:hidden;z-index:2;font-variant-numeric:tabular-nums}
table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th{text-align:left;font-weight:500;color:var(--ink2)}
th,td{padding:5px 10px 5px 0;border-bottom:1px solid var(--rule);vertical-align:top}
td.n,th.n{text-align:right}
.scroll{overflow-x:auto}
.bar{display:block;position:relative;height:10px;min-width:180px;border-radius:5px;background:var(--grid)}
.bar i{position:absolute;top:3.5px;height:3px;background:var(--ink3);border-radius:2px}
.bar b{position:absolute;top:0;width:10px;height:10px;margin-left:-5px;border-radius:50%;box-shadow:0 0 0 2px var(--card)}
.bar .before{background:var(--card);border:2px solid var(--c1)}.bar .after{background:var(--c1)}
details{margin-top:10px}summary{cursor:pointer;color:var(--ink2);font-size:13.5px}
.rollout{margin-top:10px}
.rollout+.rollout{border-top:1px solid var(--rule);padding-top:10px}
.facts{display:flex;flex-wrap:wrap;gap:4px 12px;align-items:center;font-size:13px;color:var(--ink2);margin-bottom:5px}
.badge{border-radius:20px;padding:1px 9px;font-size:12.5px;font-weight:600;border:1.5px solid currentColor;color:var(--ink2)}
.badge.good{color:var(--good)}.badge.bad{color:var(--bad)}
.task{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,monospace;color:var(--ink);overflow-wrap:anywhere;margin-bottom:10px;white-space:pre-wrap}
.said{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,monospace;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:plaintext}
.call{margin:0 0 8px}.call .name{font-size:12px;color:var(--ink3)}
.tokens{font:13px/1.85 ui-monospace,SFMono-Regular,Menlo,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
.token{border-radius:3px;padding:1px 0;border-bottom:2px solid transparent}
.token.s1{background:rgba(var(--surprise),.18)}.token.s2{background:rgba(var(--surprise),.34)}.token.s3{background:rgba(var(--surprise),.5)}.token.s4{background:rgba(var(--surprise),.68)}
.token.up{border-bottom:2px solid var(--up)}.token.down{border-bottom:2px dashed var(--down)}
.masked{color:var(--ink3);opacity:.8}
.note{border-left:3px solid var(--bad);padding:8px 12px;background:var(--card);border-radius:0 8px 8px 0;margin-top:14px}
.note h2{margin:4px 0 6px}.note ul{margin:0;padding-left:18px;font-size:13.5px}
@media print{button{display:none}body{background:#fff}}
`;
