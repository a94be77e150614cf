"""One self-contained page over many runs, with the same numbers as Markdown and CSV.

Imports benchmarks.{formats,page,plots,results,tables} and wikidata5m.
The page loads nothing from anywhere.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks import plots
from benchmarks.formats import cells, csv_text, header, markdown_table
from benchmarks.page import PAGE
from benchmarks.results import Result
from benchmarks.tables import By, ResultTable, result_tables
from wikidata5m import schema
from wikidata5m.dataset import Dataset
from wikidata5m.files import atomic_path
from wikidata5m.manifest import Manifest, now

RELATIONS_SHOWN: Final = 20


def write_report(results: Sequence[Result], out: Path, dataset: Dataset | None) -> list[Path]:
    """Write index.html, results.md and results.csv into `out`; returns their paths.

    The page describes `dataset` where one is given.
    """
    parts = [
        *([_dataset_section(dataset)] if dataset else []),
        _results_section(results),
        _curves_section(results),
        _groups_section(results),
        _relations_section([result for result in results if result.groups]),
        _runs_section(results),
    ]
    title = f"Link prediction on {', '.join(sorted({r.dataset.name for r in results}))}"
    page = PAGE.substitute(
        title=html.escape(title),
        created=now(),
        version=version("wikidata5m"),
        body="\n".join(parts),
    )
    texts = {
        "index.html": page,
        "results.md": f"# {title}\n\n{markdown_table(results)}\n",
        "results.csv": csv_text(result_tables(results, seeds="each")),
    }
    for name, text in texts.items():
        with atomic_path(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [out / name for name in texts]


def _dataset_section(dataset: Dataset) -> str:
    manifest = dataset.manifest
    counts = _table(
        "What it holds",
        ["", "count"],
        [[k.replace("_", " "), v] for k, v in manifest.counts.items()],
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in manifest.notes)
    figure = _figure(
        plots.degrees(dataset), "Degree distribution: entities by their number of triplets."
    )
    return (
        f"<section><h2>Dataset: {html.escape(manifest.name)}</h2>{counts}{_funnel(manifest)}"
        f"{f'<ul>{notes}</ul>' if notes else ''}{figure}</section>"
    )


def _funnel(manifest: Manifest) -> str:
    """What was left out on the way, by reason."""
    rows = [
        [reason, schema.DROP_MEANING.get(reason, ""), count]
        for reason, count in manifest.drops.items()
    ]
    if not rows:
        return "<p>The manifest counts no dropped record.</p>"
    return _table("What was dropped, and why", ["reason", "meaning", "count"], rows)


def _results_section(results: Sequence[Result]) -> str:
    tables = "".join(_result_table(each) for each in result_tables(results))
    ranked = [result for result in results if result.groups]
    bars = plots.mrr_bars(ranked) if ranked else ""
    figure = _figure(bars, "MRR by direction; dotted: a random order's.") if bars else ""
    return f"<section><h2>Results</h2>{tables}{figure}</section>"


def _result_table(of: ResultTable) -> str:
    rows = [cells(of, row) for row in of.rows]
    return _table(of.caption, header(of), rows) + f'<p class="note">{html.escape(of.note)}</p>'


def _groups_section(results: Sequence[Result]) -> str:
    """Mapping types and degrees, both directions together."""
    shown: tuple[By, ...] = ("mapping", "degree")
    ranked = [result for result in results if result.groups]
    tables = [each for by in shown for each in result_tables(ranked, by=by)]
    folded = "".join(
        f"<details><summary>{html.escape(each.caption)}</summary>{_result_table(each)}</details>"
        for each in tables
    )
    return f"<section><h2>By kind of query</h2>{folded}</section>"


def _curves_section(results: Sequence[Result]) -> str:
    picture = plots.learning_curves(results)
    shown = (
        _figure(picture, "Validation MRR during training.")
        if picture
        else ("<p>No run was validated more than once.</p>")
    )
    return f"<section><h2>Learning curves</h2>{shown}</section>"


def _relations_section(results: Sequence[Result]) -> str:
    """The most frequent relations of each result, both directions apart."""
    tables = []
    for name_of_result, result in zip(plots.labels(results), results, strict=True):
        relations = sorted(
            result.groups["relation"].items(), key=lambda item: -item[1]["both"]["count"]
        )
        rows = [
            [name, int(v["head"]["count"]), v["head"]["mrr"], v["tail"]["mrr"], v["both"]["mrr"]]
            for name, v in relations[:RELATIONS_SHOWN]
        ]
        header = ["relation", "triplets", "MRR head", "MRR tail", "MRR both"]
        shown = _table(f"The {len(rows)} most frequent of {len(relations)}", header, rows)
        title = html.escape(name_of_result)
        tables.append(f"<details><summary>{title}</summary>{shown}</details>")
    return f"<section><h2>By relation</h2>{''.join(tables)}</section>"


def _runs_section(results: Sequence[Result]) -> str:
    rows = [
        [
            name,
            r.seed,
            f"{r.train.epochs:g}",
            r.train.seconds,
            r.train.triplets_per_second,
            (r.git_commit or "")[:10],
            r.created,
        ]
        for name, r in zip(plots.labels(results), results, strict=True)
    ]
    header = ["run", "seed", "epochs", "seconds", "triplets/s", "commit", "ranked at"]
    table = _table("How they were trained", header, rows)
    machine = "; ".join(
        sorted(
            {", ".join(f"{k} {v}" for k, v in (r.machine | r.software).items()) for r in results}
        )
    )
    return f'<section><h2>Runs</h2>{table}<p class="note">{html.escape(machine)}</p></section>'


def _table(caption: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(
        f"<th{_class(rows[0][i] if rows else '')} scope='col'>{html.escape(name)}</th>"
        for i, name in enumerate(header)
    )
    body = "".join(
        "<tr>" + "".join(f"<td{_class(v)}>{html.escape(_text(v))}</td>" for v in row) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _class(value: object) -> str:
    return " class='number'" if isinstance(value, int | float) else ""


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) < 100 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{html.escape(caption)}</figcaption></figure>"
