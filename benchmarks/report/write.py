"""MAIN PATH of the report: a dataset and runs -> sections -> a page, tables and figures.

    wikidata5m report runs/transe runs/kepler --dataset dataset --out report

Imports benchmarks.{datasets,formats,metrics,results,speed,tables}, benchmarks.report and
wikidata5m.

    OUT/
      index.html                the page, which loads nothing
      results.md, results.tex   the tables for a paper
      results.csv, groups.csv   every result by direction, and by groups of queries
      figures/*.svg             each picture as a file
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.datasets import Datasets
from benchmarks.formats import csv_text, latex, markdown, render
from benchmarks.metrics import SIDES
from benchmarks.report.answers import answers_section
from benchmarks.report.blocks import Section, all_tables, pictures
from benchmarks.report.costs import costs_section
from benchmarks.report.funnel import funnel_section
from benchmarks.report.origins import origins_section
from benchmarks.report.page import html_page
from benchmarks.report.paper import paper_section
from benchmarks.report.scores import curves_section, groups_section, results_section
from benchmarks.report.sizes import dataset_section
from benchmarks.results import Result
from benchmarks.speed.run import Report
from benchmarks.tables import GROUPINGS, result_tables
from wikidata5m.dataset import Dataset
from wikidata5m.files import atomic_path

PAGE = "index.html"


def write_report(
    results: Sequence[Result],
    out: Path,
    dataset: Dataset | None = None,
    speed: Report | None = None,
) -> list[Path]:
    """Write the report into the folder `out`; returns the files.

    Any of the three may be missing. The names of relations and entities come from `dataset`, or
    from where a run says its dataset lies, if that is still the same.
    """
    datasets = Datasets(dataset)
    sections = make_sections(results, dataset, speed, datasets)
    texts = _tables(results, sections, datasets)
    drawn = [picture for section in sections for picture in pictures(section.blocks)]
    texts |= {f"figures/{picture.name}.svg": picture.document for picture in drawn}
    beside = sorted({name.split("/")[0] + ("/" if "/" in name else "") for name in texts})
    texts[PAGE] = html_page(_title(results, dataset), sections, files=beside)
    for name, text in texts.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="replace")
    return [out / name for name in sorted(texts)]


def make_sections(
    results: Sequence[Result], dataset: Dataset | None, speed: Report | None, datasets: Datasets
) -> list[Section]:
    """The page, section by section; one that has nothing to say is left out."""
    found: list[Section] = []
    if dataset:
        found += [dataset_section(dataset), funnel_section(dataset.manifest)]
    if results:
        found += [
            paper_section(results, datasets),
            results_section(results),
            curves_section(results),
            groups_section(results, datasets),
            answers_section(results, datasets),
        ]
    if results or speed:
        found.append(costs_section(results, speed))
    return [*found, origins_section(results, dataset)] if results or dataset else found


def _title(results: Sequence[Result], dataset: Dataset | None) -> str:
    names = sorted({result.dataset.name for result in results})
    if names:
        return f"Link prediction on {', '.join(names)}"
    return f"The dataset {dataset.manifest.name}" if dataset else "Speed of engines"


def _tables(
    results: Sequence[Result], sections: Sequence[Section], datasets: Datasets
) -> dict[str, str]:
    """Tables for a paper, and every number for a program."""
    told = [s for s in sections if s.anchor in {"dataset", "funnel", "paper", "costs"}]
    plain = [table for section in told for table in all_tables(section.blocks)]
    scores = result_tables(results) if results else []
    texts = {
        "results.md": "\n\n".join(
            [
                render(scores, "markdown"),
                *(markdown(t.caption, t.header, t.rows, t.note) for t in plain),
            ]
        ),
        "results.tex": "\n\n".join(
            [render(scores, "latex"), *(latex(t.caption, t.header, t.rows, t.note) for t in plain)]
        ),
    }
    texts = {name: text.strip() + "\n" for name, text in texts.items()}
    if results:
        ranked = [result for result in results if result.groups]
        groups = [
            table
            for by in GROUPINGS
            for side in SIDES
            for table in result_tables(ranked, by=by, seeds="each", side=side, datasets=datasets)
        ]
        texts["results.csv"] = csv_text(result_tables(results, seeds="each"))
        texts["groups.csv"] = csv_text(groups)
    return texts
