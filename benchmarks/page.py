"""The report's frame: $title, $created, $version, $body, each already escaped. Imports nothing."""

from __future__ import annotations

import string
from typing import Final

PAGE: Final = string.Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root { color-scheme: light dark; --rule: #8886; --soft: #8881; }
body { font: 1rem/1.55 system-ui, sans-serif; max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--rule); padding-bottom: .3rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0; }
caption { text-align: left; font-weight: 600; padding: .4rem 0; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--rule); text-align: left; }
td.number, th.number { text-align: right; }
tbody tr:nth-child(even) { background: var(--soft); }
.scroll { overflow-x: auto; }
figure { margin: 1.5rem 0; }
svg { max-width: 100%; height: auto; }
figcaption, .note { font-size: .9rem; opacity: .85; }
code { font-size: .9em; }
</style>
</head>
<body>
<main>
<h1>$title</h1>
<p class="note">Written $created by wikidata5m $version. Numbers: <code>results.csv</code>;
the tables as Markdown: <code>results.md</code>.</p>
$body
</main>
</body>
</html>
""")
