"""The style of the self-contained report page: light and dark, wide and narrow."""

CSS = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --ground: #ffffff;
  --band: #f6f8fa; --link: #0a5cc2; --good: #116329; --good-bg: #dafbe1; --bad: #a40e26; --bad-bg: #ffebe9;
  --open: #7a4e00; --open-bg: #fff4d6; --none-bg: #eaeef2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b3; --line: #3d444d; --ground: #0d1117; --band: #161b22;
  --link: #79b8ff;
    --good: #7ee2a0; --good-bg: #12351f; --bad: #ffa198; --bad-bg: #48171b; --open: #f0c36a;
  --open-bg: #3a2c0a;
    --none-bg: #262c36; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.6rem 0 .6rem; padding-top: 1.2rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { margin: .4rem 0; max-width: 48rem; }
a { color: var(--link); }
code { font: .85em ui-monospace, "SFMono-Regular", Menlo, "Liberation Mono", monospace;
  overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: .9rem 0 0; font-size: .92rem; }
.px-lead { color: var(--soft); }
.px-facts { display: flex; flex-wrap: wrap; gap: .25rem 1.4rem; margin: .8rem 0 0; padding: 0;
  list-style: none;
  color: var(--soft); font-size: .9rem; }
.px-facts b { color: var(--ink); font-weight: 600; }
.px-tag { font-size: .78rem; font-weight: 500; color: var(--soft); border: 1px solid var(--line);
  border-radius: 1rem;
  padding: .1rem .6rem; white-space: nowrap; vertical-align: .12em; }
.px-scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; margin: .6rem 0; }
.px-scroll:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.px-table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
.px-table th, .px-table td { padding: .42rem .75rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
.px-table tbody tr:last-child > * { border-bottom: 0; }
.px-table thead th { background: var(--band); font-weight: 600; vertical-align: bottom; }
.px-table th { font-weight: 500; text-align: left; }
.px-table .l { text-align: left; }
.px-table td.l:last-child { min-width: 10rem; }
.px-table .n { text-align: left; white-space: nowrap; }
.px-table .r { text-align: right; white-space: nowrap; }
.px-table thead .r { white-space: normal; min-width: 5.2rem; }
.px-table tbody th, .px-table thead th:first-child { position: sticky; left: 0; background: var(--ground);
  min-width: 8rem; }
.px-table thead th:first-child { background: var(--band); }
.px-table code { overflow-wrap: normal; }
.px-half, .px-small, .px-none { color: var(--soft); } .px-small { font-size: .82rem; font-weight: 400; }
.px-failed { color: var(--bad); white-space: normal; }
.px-legend { color: var(--soft); font-size: .84rem; margin: .4rem 0; padding-left: 1.1rem; }
p.px-legend { padding-left: 0; max-width: none; }
.px-badge { display: inline-block; border-radius: 1rem; padding: .05rem .6rem; font-size: .84rem;
  font-weight: 600;
  white-space: nowrap; background: var(--none-bg); color: var(--soft); }
.px-reproduced, .px-holds-exactly { background: var(--good-bg); color: var(--good); }
.px-contradicted, .px-fails { background: var(--bad-bg); color: var(--bad); }
.px-undecided { background: var(--open-bg); color: var(--open); }
.px-figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 1rem 2rem;
  margin: 1.2rem 0; align-items: start; }
figure { margin: 0; } figcaption { color: var(--soft); font-size: .84rem; }
.px-figure { width: 100%; height: auto; display: block; }
.px-figure text { font-family: inherit; }
details { margin: .8rem 0; } summary { cursor: pointer; font-weight: 500; }
footer { margin-top: 3rem; color: var(--soft); font-size: .84rem; }
.px-claims tbody th { min-width: 12rem; } .px-claims thead .r { min-width: 0; }
.px-claims td.l { min-width: 9rem; }
@media (max-width: 40rem) { main { padding: 1rem .9rem 3rem; } h1 { font-size: 1.4rem; }
  h2 { font-size: 1.12rem; }
  .px-table { font-size: .84rem; } .px-table th, .px-table td { padding: .36rem .55rem; }
  .px-table tbody th, .px-table thead th:first-child { min-width: 6.4rem; }
  .px-claims tbody th { min-width: 8rem; } }
@media print { .px-scroll { overflow: visible; } details > * { display: block; } }
"""
