"""Results by side, by groups of queries and by epoch. Results that cannot be compared stand apart.

Imports benchmarks.{datasets,formats,results,tables} and benchmarks.report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.datasets import Datasets
from benchmarks.formats import cells, header
from benchmarks.report import charts
from benchmarks.report.blocks import Block, Fold, Note, Part, Section, Table, Term
from benchmarks.report.names import named, training_runs
from benchmarks.results import CurvePoint, Result
from benchmarks.tables import ResultTable, group_results, result_tables

RELATIONS_SHOWN = 20


def results_section(results: Sequence[Result]) -> Section:
    """A table of each kind of result, with its protocol, and MRR by direction."""
    blocks: list[Block] = []
    for number, table in enumerate(result_tables(results), start=1):
        picture = [charts.by_side(table, f"mrr-{number}")] if _has_mrr(table) else []
        blocks.append(Part(table.title, [_shown(table, "Metrics by direction"), *picture]))
    return Section("results", "Results", blocks)


def groups_section(results: Sequence[Result], datasets: Datasets) -> Section:
    """By mapping type, by degree and by relation."""
    blocks: list[Block] = []
    groups = group_results([result for result in results if result.groups])
    for number, comparable in enumerate(groups, start=1):
        (mapping,) = result_tables(comparable, by="mapping")
        given, answer = result_tables(comparable, by="degree")
        (relation,) = result_tables(comparable, by="relation", datasets=datasets)
        names = {group: named(label, group) for group, label in relation.labels.items()}
        plain = {group: term.text for group, term in names.items()}
        blocks.append(
            Part(
                mapping.title,
                [
                    *_by_group(mapping, f"mapping-{number}", ordered=False),
                    *_by_group(given, f"given-degree-{number}", ordered=True),
                    *_by_group(answer, f"answer-degree-{number}", ordered=True),
                    charts.by_relation(relation, f"relations-{number}", plain),
                    Fold("Numbers by mapping type", [_shown(mapping)]),
                    Fold("Numbers by degree", [_shown(given), _shown(answer)]),
                    *_relation_tables(comparable, names),
                ],
            )
        )
    if not blocks:
        blocks = [Note("No run was ranked among all candidates.")]
    return Section("groups", "By kind of query", blocks)


def curves_section(results: Sequence[Result]) -> Section:
    """Validation MRR and loss by epoch; runs on one split together."""
    blocks: list[Block] = []
    by_split: dict[tuple[str, str], dict[str, tuple[CurvePoint, ...]]] = {}
    for name, run in training_runs(results).items():
        by_split.setdefault((run.dataset.hash, run.setting), {})[name] = run.train.curve
    for number, curves in enumerate(by_split.values(), start=1):
        valid = {
            name: [(p.epoch, p.valid_mrr) for p in points if p.valid_mrr is not None]
            for name, points in curves.items()
        }
        loss = {name: [(p.epoch, p.loss) for p in points] for name, points in curves.items()}
        for what, lines in (("validation MRR", valid), ("training loss", loss)):
            long = {name: points for name, points in lines.items() if len(points) > 1}
            if long:
                anchor = what.replace(" ", "-").lower()
                blocks.append(charts.curves(long, f"{anchor}-{number}", what))
    note = (
        "No run was validated more than once."
        if not blocks
        else ("Losses of different models and objectives cannot be compared; their shapes can.")
    )
    return Section("curves", "Learning curves", [*blocks, Note(note)])


def _has_mrr(table: ResultTable) -> bool:
    return any("mrr" in row.values for row in table.rows)


def _shown(of: ResultTable, caption: str = "") -> Table:
    rows = [cells(of, row) for row in of.rows]
    return Table(caption=caption or of.caption, header=header(of), rows=rows, note=of.note)


def _by_group(of: ResultTable, name: str, *, ordered: bool) -> list[Block]:
    """One group alone says no more than the whole."""
    several = len({row.group for row in of.rows}) > 1
    return [charts.by_group(of, name, ordered=ordered)] if several else []


def _relation_tables(comparable: Sequence[Result], names: Mapping[str, Term]) -> list[Block]:
    """The most frequent relations of each row of the results, directions apart."""
    sides = {
        side: result_tables(comparable, by="relation", side=side)[0].rows
        for side in ("both", "head", "tail")
    }
    mrr = {(row.name, row.group, side): row.values["mrr"] for side in sides for row in sides[side]}
    found: list[Block] = []
    for model in dict.fromkeys(row.name for row in sides["both"]):
        mine = [row for row in sides["both"] if row.name == model]
        rows = [
            [
                names.get(row.group, Term(row.group, "")),
                int(row.values["count"]) // 2,
                *(mrr.get((model, row.group, side), "-") for side in ("head", "tail", "both")),
            ]
            for row in mine[:RELATIONS_SHOWN]
        ]
        table = Table(
            caption=f"The {len(rows)} most frequent of {len(mine)} relations",
            header=["relation", "triplets", "MRR head", "MRR tail", "MRR both"],
            rows=rows,
            note="groups.csv has all of them.",
        )
        found.append(Fold(f"Relations: {model}", [table]))
    return found
