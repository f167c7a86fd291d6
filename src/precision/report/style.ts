// The report's style sheet: system fonts, one accent for each cell, light and dark by the reader's own setting.
// Why colours by class: charts are drawn once and fit both. They stay apart for readers who see red and green alike.
// Source of the colours: Okabe and Ito's palette, lightened for the dark page.

export const styleSheet = `
:root{color-scheme:light dark;--paper:#f7f7f5;--card:#fff;--ink:#1d1f23;--soft:#5d636d;--rule:#dfe1e5;--grid:#e9ebee;--warn:#fff6df;--warnline:#e3b341;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#cc79a7;--c4:#8a6d00;--c5:#3a9bdc;--c6:#7a5195;--c7:#555b66}
@media (prefers-color-scheme:dark){:root{--paper:#14161a;--card:#1c1f25;--ink:#e8eaee;--soft:#a1a8b3;--rule:#333842;--grid:#2a2f38;--warn:#2b2615;--warnline:#a8842a;
--c0:#56b4e9;--c1:#ff9248;--c2:#35c79a;--c3:#e79ac6;--c4:#e0c341;--c5:#8ecbff;--c6:#b697d8;--c7:#a9b0bc}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1180px;margin:0 auto;padding:32px 24px 64px}
header p{margin:4px 0 0;color:var(--soft)}
h1{font-size:1.75rem;line-height:1.2;margin:0;letter-spacing:-.01em}
h2{font-size:1.2rem;margin:0 0 4px}
h3{font-size:1rem;margin:0 0 8px}
.lead{color:var(--soft);margin:0 0 14px;font-size:.93rem}
section{margin-top:28px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:20px}
section>.card+.card{margin-top:16px}
.card{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:18px 20px;min-width:0}
.chart{display:block;width:100%;height:auto}
.chart text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--soft)}
.chart .title{fill:var(--ink);font-size:12.5px}
.chart .label{fill:currentColor;font-weight:700;font-size:13px;paint-order:stroke;stroke:var(--card);stroke-width:3px}
.grid{stroke:var(--grid)}
.point,.dot{fill:currentColor}
.point.front{stroke:var(--ink);stroke-width:2}
.whisker{stroke:currentColor;stroke-width:1.5;opacity:.6}
.frontline{fill:none;stroke:var(--soft);stroke-width:1.5;stroke-dasharray:5 4}
.line{fill:none;stroke:currentColor;stroke-width:2}
${Array.from({ length: 8 }, (_, index) => `.c${index}{color:var(--c${index})}`).join('')}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 16px;margin:10px 0 0;padding:0;font-size:.88rem;color:var(--soft)}
.swatch{font-weight:700;margin-right:6px}.swatch::before{content:'';display:inline-block;width:10px;height:10px;border-radius:50%;background:currentColor;margin-right:4px}
.bars{display:grid;gap:8px}
.bar{display:grid;grid-template-columns:minmax(90px,1.1fr) 2fr minmax(92px,auto);gap:10px;align-items:center;font-size:.88rem}
.bar .name{overflow-wrap:anywhere}
.track{position:relative;height:14px;background:var(--grid);border-radius:4px}
.fill{position:absolute;inset:0 auto 0 0;background:currentColor;border-radius:4px}
.interval{position:absolute;top:5px;height:4px;background:var(--ink);opacity:.75;border-radius:2px;min-width:2px}
.number{font-variant-numeric:tabular-nums;white-space:nowrap}
.number small{display:block;color:var(--soft);line-height:1.2}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:7px 10px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th{font-weight:600;color:var(--soft);white-space:normal;vertical-align:bottom;line-height:1.25}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--card)}
tr:last-child td{border-bottom:0}
.error{color:var(--soft);font-size:.85em}
.notes{background:var(--warn);border:1px solid var(--warnline);border-radius:12px;padding:14px 20px}
.notes ul{margin:6px 0 0;padding-left:20px}
.notes li{margin:3px 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;margin:0;font-size:.9rem}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
details{margin-top:12px;font-size:.9rem}summary{cursor:pointer;color:var(--soft)}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media (max-width:600px){th:first-child,td:first-child{white-space:normal;min-width:104px}main{padding:20px 12px 40px}.card{padding:14px 12px}.chart text,.chart .title,.chart .label{font-size:15px}
.bar{grid-template-columns:1fr auto}.bar .track{grid-row:2;grid-column:1/-1}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:8px}h1{font-size:1.45rem}}
@media print{body{background:#fff}.card{break-inside:avoid}}
`;
