"""Tables as text: Markdown to read, LaTeX for a paper, CSV for a program.

Imports benchmarks.{metrics,results,tables} and wikidata5m.console.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Literal

from benchmarks.metrics import Side
from benchmarks.results import Result
from benchmarks.tables import COLUMNS, HEADINGS, ResultTable, Row, result_tables
from wikidata5m.console import table

Format = Literal["markdown", "latex", "csv"]
Cells = Sequence[object]
Key = tuple[str, Side, str]
"""Group, side and metric: what values are compared within."""


def render(tables: Sequence[ResultTable], form: Format) -> str:
    """All tables in one format."""
    if form == "csv":
        return csv_text(tables)
    one = _markdown if form == "markdown" else _latex
    return "\n\n".join(one(each) for each in tables)


def markdown_table(results: Sequence[Result]) -> str:
    """One row per configuration and side, and the protocol of each table in words below it."""
    return render(result_tables(results), "markdown")


def markdown(caption: str, names: Sequence[str], rows: Sequence[Cells], note: str = "") -> str:
    """Any table as Markdown, under its caption."""
    return "\n\n".join(part for part in (caption, table(names, rows), note) if part)


def latex(caption: str, names: Sequence[str], rows: Sequence[Cells], note: str = "") -> str:
    """Any table for the booktabs package; numbers with separators, everything escaped."""
    right = [any(isinstance(row[i], int | float) for row in rows) for i in range(len(names))]
    lines = [_comment(f"{caption}: {note}" if note else caption)]
    lines += [rf"\begin{{tabular}}{{{''.join('r' if x else 'l' for x in right)}}}", r"\toprule"]
    lines += [_latex_line([_escaped(name) for name in names]), r"\midrule"]
    for row in rows:
        told = [f"{x:,}" if isinstance(x, int) else _told(x) for x in row]
        lines.append(_latex_line([_escaped(" ".join(x.split())) for x in told]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def header(of: ResultTable) -> list[str]:
    """The columns that `cells` fills."""
    measures = [c.upper() for c in COLUMNS]
    if of.by is None:
        return ["model", "predicting", *measures]
    label = ["label"] if of.labels else []
    return [HEADINGS[of.by], *label, "model", "predicting", "queries", *measures]


def cells(of: ResultTable, row: Row) -> list[object]:
    """Numbers, or text where one stands with its spread or interval."""
    return [*_names(of, row), *(_cell(row, column) for column in COLUMNS)]


def csv_text(tables: Sequence[ResultTable]) -> str:
    """One line per row, with all that tells rows apart; baselines are left out."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    of_run = ["kind", "model", "run", "dataset", "dataset_hash", "setting", "part", "seed"]
    how = ["candidates", "sampled_candidates", "triplets", "of", "sample_seed", "ties", "filter"]
    around = [f"{column}_{kind}" for column in COLUMNS for kind in ("sd", "low", "high")]
    grouped = ["grouping", "group", "label", "predicting"]
    writer.writerow([*of_run, *how, *grouped, *COLUMNS, "count", *around])
    for each in tables:
        for row in (row for row in each.rows if row.runs):
            first = row.runs[0]
            of = first.dataset
            runs = " ".join(result.run for result in row.runs)
            seeds = " ".join(str(result.seed) for result in row.runs)
            known = [first.kind, first.model, runs, of.name, of.hash, first.setting, first.part]
            protocol = [getattr(first.protocol, column) for column in how]
            # In a table without groups only the row of seen entities has one.
            grouping = each.by or ("entities" if row.group else "")
            numbers = [row.values.get(column, "") for column in (*COLUMNS, "count")]
            for column in COLUMNS:
                numbers += [row.spread.get(column, ""), *row.interval.get(column, ("", ""))]
            group = [grouping, row.group, each.labels.get(row.group, ""), row.side]
            writer.writerow([*known, seeds, *protocol, *group, *numbers])
    return stream.getvalue()


def _names(of: ResultTable, row: Row) -> list[object]:
    if of.by is None:
        return [row.name, row.side]
    label = [of.labels.get(row.group, "")] if of.labels else []
    return [row.group, *label, row.name, row.side, int(row.values["count"])]


def _cell(row: Row, column: str) -> object:
    if column not in row.values:
        return "-"
    value = row.values[column]
    if column in row.spread:
        return f"{_number(value)} ± {_number(row.spread[column])}"
    if column in row.interval:
        low, high = row.interval[column]
        return f"{_number(value)} [{_number(low)}, {_number(high)}]"
    return value


def _number(value: float) -> str:
    return f"{value:,.4f}" if abs(value) < 100 else f"{value:,.1f}"


def _markdown(of: ResultTable) -> str:
    return f"{of.caption}\n\n{table(header(of), [cells(of, row) for row in of.rows])}\n\n{of.note}"


def _latex(of: ResultTable) -> str:
    """A tabular for the booktabs package; the best value of each group and side is bold."""
    best = _best(of.rows)
    names = header(of)
    columns = "l" * (len(names) - len(COLUMNS)) + "r" * len(COLUMNS)
    lines = [_comment(f"{of.caption}: {of.note}"), rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines += [_latex_line([_escaped(name) for name in names])]
    for _, rows in groupby(of.rows, lambda row: (bool(row.runs), of.by and row.group)):
        lines.append(r"\midrule")
        for row in rows:
            told = [f"{x:,}" if isinstance(x, int) else str(x) for x in _names(of, row)]
            numbers = [_latex_cell(row, column, best) for column in COLUMNS]
            lines.append(_latex_line([*(_escaped(x) for x in told), *numbers]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _comment(text: str) -> str:
    """One line, whatever the text holds: the next line would be read as LaTeX."""
    return f"% {' '.join(text.split())}"


def _told(value: object) -> str:
    return _number(value) if isinstance(value, float) else str(value)


def _latex_line(cells_: Sequence[str]) -> str:
    return " & ".join(cells_) + r" \\"


def _best(rows: Sequence[Row]) -> dict[Key, float]:
    """The best of two or more models, as it is printed, by group, side and metric."""
    found: dict[Key, list[float]] = {}
    for row in (row for row in rows if row.runs):
        for column in (column for column in COLUMNS if column in row.values):
            value = float(_short(column, row.values[column]).replace(",", ""))
            found.setdefault((row.group, row.side, column), []).append(value)
    return {
        key: min(values) if key[2] == "mr" else max(values)
        for key, values in found.items()
        if len(values) > 1
    }


def _latex_cell(row: Row, column: str, best: Mapping[Key, float]) -> str:
    if column not in row.values:
        return "--"
    text = _short(column, row.values[column])
    is_best = float(text.replace(",", "")) == best.get((row.group, row.side, column))
    shown = rf"\textbf{{{text}}}" if row.runs and is_best else text
    if column in row.spread:
        return rf"{shown} $\pm$ {_short(column, row.spread[column])}"
    if column in row.interval:
        low, high = (_short(column, end) for end in row.interval[column])
        return f"{shown} [{low}, {high}]"
    return shown


def _short(column: str, value: float) -> str:
    return f"{value:,.0f}" if column == "mr" else f"{value:.3f}"


def _escaped(text: str) -> str:
    special = {c: rf"\{c}" for c in "&%$#_{}"} | {
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
    }
    return "".join(special.get(c, c) for c in text)
