"""What tables over results hold; benchmarks.formats writes them.

Imports numpy, ujson, benchmarks.{buckets,checkpoint,datasets,estimator,metrics,results} and
wikidata5m. Results are comparable within a table only: one per dataset, setting, part and protocol.
Runs of one configuration that differ in their seeds alone are one row, of means and standard
deviations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import ujson

from benchmarks.buckets import GroupName
from benchmarks.checkpoint import INCIDENTAL, flat_settings
from benchmarks.datasets import Datasets
from benchmarks.estimator import CONFIDENCE
from benchmarks.metrics import SIDES, Side, Values
from benchmarks.results import Result
from wikidata5m.console import log
from wikidata5m.errors import Wikidata5MError

By = Literal["relation", "mapping", "degree", "unseen", "ties"]
Seeds = Literal["mean", "each"]
COLUMNS: Final = ("mr", "mrr", "hits@1", "hits@3", "hits@10", "amri")
GROUPINGS: Final[dict[By, tuple[GroupName, ...]]] = {
    "relation": ("relation",),
    "mapping": ("mapping",),
    "degree": ("given_degree", "answer_degree"),
    "unseen": ("entities",),
    "ties": ("ties",),
}
HEADINGS: Final[dict[GroupName, str]] = {
    "relation": "relation",
    "mapping": "mapping type",
    "given_degree": "degree of the given entity",
    "answer_degree": "degree of the answer",
    "entities": "entities, in train",
    "ties": "equal scores",
}
OF_ONE_SEED: Final = ("seed", "dataset_hash", "top1_self", *INCIDENTAL)
"""Keys of a result's configuration that may differ between runs of one configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The metrics of one model, on one side, in one group."""

    name: str
    side: Side
    values: Values
    """Means where there are several runs."""
    group: str = ""
    """Empty in a table without groups."""
    spread: Values = field(default_factory=dict)
    """Sample standard deviations over the runs' seeds; empty for one run."""
    interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Confidence intervals where a sample was ranked by one run."""
    runs: tuple[Result, ...] = ()
    """Whose metrics they are; none for a baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultTable:
    """Rows that can be compared."""

    title: str
    by: GroupName | None
    rows: list[Row]
    note: str
    """The protocol in words."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The labels of groups that are ids; empty where nothing knows them."""

    @property
    def caption(self) -> str:
        """The title, and by what the rows are grouped."""
        return f"{self.title}, by {HEADINGS[self.by]}" if self.by else self.title


def result_tables(
    results: Sequence[Result],
    *,
    by: By | None = None,
    seeds: Seeds = "mean",
    side: Side | None = None,
    datasets: Datasets | None = None,
) -> list[ResultTable]:
    """The tables that hold `results`, by groups of queries where asked for.

    Of all sides without `side`; by groups only of both together. `datasets` know the labels of
    relations.
    """
    sides: Sequence[Side] = (side,) if side else ("both",) if by else SIDES
    found = []
    for comparable in group_results(_grouped(results) if by else results):
        first = comparable[0]
        entries = _entries(comparable, seeds)
        title = _title(first)
        if by is None:
            rows = [*_rows(entries, sides), *_baselines(entries, side or "both")]
            found.append(ResultTable(title=title, by=None, rows=rows, note=_note(first, rows)))
        for grouping in GROUPINGS[by] if by else ():
            rows = _group_rows(entries, sides, grouping)
            labels = datasets.relations(first) if datasets and grouping == "relation" else {}
            if all(label == group for group, label in labels.items()):
                labels = {}
            found.append(
                ResultTable(
                    title=title,
                    by=grouping,
                    rows=rows,
                    note=_note(first, rows),
                    labels=labels,
                )
            )
    return found


def _grouped(results: Sequence[Result]) -> list[Result]:
    """Those that tell groups apart. Raises Wikidata5MError when there are none."""
    found = [result for result in results if result.groups]
    without = [result for result in results if not result.groups]
    if without and not found:
        raise Wikidata5MError(
            f"{without[0].run}: a sample of candidates has no results by groups; "
            "leave --by out, or evaluate without --candidates"
        )
    for result in without:
        log(f"{result.run}, {result.part}: left out, as a sample of candidates has no groups")
    return found


def group_results(results: Sequence[Result]) -> list[list[Result]]:
    """The results that one table can hold, in the order given."""
    groups: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        key = (result.dataset.name, result.dataset.hash, result.setting, result.part)
        groups.setdefault((*key, result.protocol), []).append(result)
    return list(groups.values())


def distinct(names: Sequence[str], results: Sequence[Result]) -> list[str]:
    """The name of each result: with its run where two are alike, and a number where still alike."""
    found = [
        f"{name}, run {result.run}" if names.count(name) > 1 else name
        for name, result in zip(names, results, strict=True)
    ]
    return [
        f"{name} ({found[:n].count(name) + 1})" if found.count(name) > 1 else name
        for n, name in enumerate(found)
    ]


def _entries(results: Sequence[Result], seeds: Seeds) -> dict[str, list[Result]]:
    """The runs of each row, by the row's name: of no more than tells it from the others."""
    found: dict[tuple[object, ...], list[Result]] = {}
    for number, result in enumerate(results):
        alone = number if seeds == "each" else None
        found.setdefault((result.kind, result.model, _configuration(result), alone), []).append(
            result
        )
    entries: list[list[Result]] = []
    for runs in found.values():
        # A repeated seed is no further draw: such runs stand alone.
        repeated = len({result.seed for result in runs}) < len(runs)
        entries += [[result] for result in runs] if repeated else [runs]
    models = [runs[0].model for runs in entries]

    def name(runs: list[Result]) -> str:
        model = runs[0].model
        if len(runs) > 1:
            return f"{model}, {len(runs)} seeds"
        return f"{model}, seed {runs[0].seed}" if models.count(model) > 1 else model

    names = distinct([name(runs) for runs in entries], [runs[0] for runs in entries])
    return dict(zip(names, entries, strict=True))


def _configuration(result: Result) -> str:
    """What runs of several seeds have in common, as text to compare."""
    settings = flat_settings(result.config)
    kept = {key: value for key, value in settings.items() if key not in OF_ONE_SEED}
    return ujson.dumps(kept, sort_keys=True)


def _rows(entries: Mapping[str, list[Result]], sides: Sequence[Side]) -> list[Row]:
    """Each configuration, and what it is without triplets of unseen entities where it has some."""
    rows = []
    for name, runs in entries.items():
        rows += [_row(name, side, runs, [r.metrics[side] for r in runs]) for side in sides]
        some = 0 < runs[0].protocol.unseen < runs[0].protocol.triplets
        if some and runs[0].groups:
            alone = f"{name}, seen entities only"
            values = [r.groups["entities"]["seen"] for r in runs]
            rows += [_row(alone, s, runs, [v[s] for v in values], "seen") for s in sides]
    return rows


def _group_rows(
    entries: Mapping[str, list[Result]], sides: Sequence[Side], by: GroupName
) -> list[Row]:
    """Group by group, so that the models stand side by side; relations by their frequency."""
    groups = {
        group: values["both"]["count"]
        for runs in entries.values()
        for result in runs
        for group, values in result.groups[by].items()
    }
    names = sorted(groups, key=lambda group: -groups[group]) if by == "relation" else groups
    return [
        _row(name, side, runs, [r.groups[by][group][side] for r in runs], group)
        for group in names
        for name, runs in entries.items()
        for side in sides
        if runs[0].groups[by][group][side]["count"]
    ]


def _row(name: str, side: Side, runs: list[Result], values: list[Values], group: str = "") -> Row:
    alone = len(runs) == 1
    return Row(
        name=name,
        side=side,
        group=group,
        values=_over(values, 0),
        spread={} if alone else _over(values, 1),
        interval=runs[0].intervals.get(side, {}) if alone and not group else {},
        runs=tuple(runs),
    )


def _over(values: Sequence[Values], moment: Literal[0, 1]) -> Values:
    """The mean of each metric, or its sample standard deviation."""
    found = {}
    for key in values[0]:
        column = [each[key] for each in values]
        found[key] = float(np.std(column, ddof=1) if moment else np.mean(column))
    return found


def _baselines(entries: Mapping[str, list[Result]], side: Side) -> list[Row]:
    """A random order's, which a table shares, and those that each configuration has of its own."""
    found: dict[str, list[Values]] = {}
    for name, runs in entries.items():
        for result in runs:
            for baseline, values in result.baselines.items():
                known = baseline if baseline == "random" else f"{name}: {baseline}"
                found.setdefault(known, []).append(values[side])
    return [Row(name=f"({x})", side=side, values=_over(values, 0)) for x, values in found.items()]


def _title(first: Result) -> str:
    protocol, title = first.protocol, f"{first.dataset.name}, {first.setting} {first.part}"
    if protocol.triplets < protocol.of:
        title += f", {protocol.triplets:,} of {protocol.of:,} triplets"
    if protocol.sampled_candidates is not None:
        title += f", {protocol.sampled_candidates:,} candidates"
    return title


def _note(first: Result, rows: Sequence[Row]) -> str:
    told = first.protocol.in_words()
    if any(row.interval for row in rows):
        told += f" In brackets: {CONFIDENCE:.0%} confidence intervals of what all would give."
    if any(row.spread for row in rows):
        told += " Mean ± sample standard deviation over seeds"
        sampled = first.protocol.sample_seed is not None
        told += ", which leaves the sampling out." if sampled else "."
    return told
