"""Tables: seeds, groups, unseen entities, and each format."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.datasets import Datasets
from benchmarks.formats import header, markdown_table, render
from benchmarks.metrics import SIDES, Side, Values
from benchmarks.results import Result, load_result
from benchmarks.tables import GROUPINGS, result_tables


@pytest.fixture(scope="module")
def one(trained: dict[str, Path]) -> Result:
    return load_result(trained["transe"] / "results" / "test.json")


def with_mrr(result: Result, seed: int, mrr: float) -> Result:
    metrics: dict[Side, Values] = {side: result.metrics[side] | {"mrr": mrr} for side in SIDES}
    # top1_self is what KEPLER's evaluation notes beside its settings.
    config = result.config | {"seed": seed, "dataset": f"/elsewhere/{seed}", "top1_self": mrr}
    return replace(result, seed=seed, metrics=metrics, config=config, run=f"run-{seed}")


def test_seeds_of_one_configuration_are_one_row_of_means_and_deviations(one: Result) -> None:
    runs = [with_mrr(one, seed, mrr) for seed, mrr in enumerate((0.25, 0.30, 0.44))]
    (table,) = result_tables(runs, side="both")
    row, random = table.rows
    assert row.name == "transe, 3 seeds"
    assert row.values["mrr"] == pytest.approx(0.33)
    assert row.spread["mrr"] == pytest.approx(np.std([0.25, 0.30, 0.44], ddof=1))
    assert random.name == "(random)"
    text = render([table], "markdown")
    assert "| 0.3300 ± 0.0985 |" in text
    assert "Mean ± sample standard deviation over seeds." in text
    assert len(result_tables(runs, side="both", seeds="each")[0].rows) == 4


def test_notes_tell_of_brackets_only_where_there_are_some(one: Result) -> None:
    sampled = replace(
        one,
        protocol=replace(one.protocol, triplets=2, sample_seed=0),
        intervals={side: {"mrr": (0.1, 0.9)} for side in SIDES},
    )
    seeds = [with_mrr(sampled, seed, 0.5) for seed in (0, 1)]
    told = [result_tables(runs, side="both")[0].note for runs in ([one], [sampled], seeds)]
    told.insert(2, result_tables([sampled], by="mapping")[0].note)
    assert ["In brackets" in note for note in told] == [False, True, False, False]
    assert "over seeds, which leaves the sampling out." in told[3]


def test_how_and_where_runs_were_made_keeps_no_seeds_apart(one: Result) -> None:
    train = one.config["train"]
    assert isinstance(train, dict)
    runs = [
        replace(with_mrr(one, seed, 0.5), config=one.config | {"seed": seed, "train": made})
        for seed, made in enumerate((train, train | {"device": "cuda:1", "weights": "/x"}))
    ]
    assert result_tables(runs, side="both")[0].rows[0].name == "transe, 2 seeds"


def test_a_start_that_knew_the_answers_is_told_and_stands_apart(one: Result) -> None:
    knew = replace(one, protocol=replace(one.protocol, trained_before=3), run="knew")
    may = replace(one, protocol=replace(one.protocol, trained_before=None), run="may")
    tables = result_tables([one, knew, may])
    assert ["started from" in table.note for table in tables] == [False, True, True]
    assert "was trained on 3 of this part's triplets." in tables[1].note


def test_other_settings_and_repeated_seeds_are_never_averaged(one: Result) -> None:
    other = replace(with_mrr(one, 1, 0.5), config=one.config | {"model": {"dim": 8}, "seed": 1})
    (table,) = result_tables([one, other], side="both")
    assert [row.name for row in table.rows[:2]] == ["transe, seed 0", "transe, seed 1"]
    (table,) = result_tables([one, replace(one, run="copy")], side="both")
    assert [row.spread for row in table.rows[:2]] == [{}, {}]


@pytest.mark.parametrize("by", GROUPINGS)
def test_groups_hold_every_query_once(one: Result, by: str) -> None:
    for table in result_tables([one], by=by):  # type: ignore[arg-type]
        counts = [row.values["count"] for row in table.rows]
        each_rule = 3 if by == "ties" else 1
        assert sum(counts) == each_rule * one.metrics["both"]["count"]
        assert header(table)[3] == "queries"
        assert table.rows[0].group in render([table], "markdown")


def test_relations_are_told_by_their_labels_beside_their_ids(one: Result) -> None:
    (table,) = result_tables([one], by="relation", datasets=Datasets())
    assert header(table)[:2] == ["relation", "label"]
    assert re.search(r"\| P19 +\| place of birth +\|", render([table], "markdown"))
    assert "P19 & place of birth &" in render([table], "latex")
    gone = replace(one, dataset=replace(one.dataset, path="/nowhere"))
    (table,) = result_tables([gone], by="relation", datasets=Datasets())
    assert header(table)[:2] == ["relation", "model"]


def test_triplets_of_unseen_entities_are_told_both_ways(one: Result) -> None:
    seen = {side: one.metrics[side] | {"mrr": 0.75} for side in SIDES}
    mixed = replace(
        one,
        protocol=replace(one.protocol, unseen=2),
        groups=one.groups | {"entities": {"seen": seen, "unseen": one.metrics}},
    )
    text = markdown_table([mixed])
    assert "| transe, seen entities only | both       |" in text
    assert "0.7500" in text
    assert "2 have an entity that train lacks" in text
    assert "seen entities only" not in markdown_table([one])


def test_latex_is_escaped_balanced_and_bold_where_best(one: Result) -> None:
    best, other = with_mrr(one, 0, 0.5), replace(with_mrr(one, 0, 0.25), model="a_b & 50%")
    text = render(result_tables([best, other], side="both"), "latex")
    assert r"a\_b \& 50\%" in text
    assert r"\textbf{0.500}" in text
    assert r"\textbf{0.250}" not in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in lines} == {7}
    spread = render(result_tables([with_mrr(one, s, s / 10) for s in range(3)]), "latex")
    assert r"0.100 $\pm$ 0.100" in spread


def test_csv_tells_every_row_apart_and_leaves_baselines_out(one: Result) -> None:
    runs = [with_mrr(one, seed, seed / 10) for seed in range(3)]
    text = render(result_tables(runs) + result_tables([one], by="mapping"), "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["predicting"] for row in rows[:3]] == list(SIDES)
    assert rows[0]["seed"] == "0 1 2"
    assert rows[0]["run"] == "run-0 run-1 run-2"
    assert float(rows[0]["mrr_sd"]) == pytest.approx(0.1)
    assert {row["grouping"] for row in rows[3:]} == {"mapping"}
    keys = ("predicting", "grouping", "group", "seed")
    assert len({tuple(row[key] for key in keys) for row in rows}) == len(rows)
