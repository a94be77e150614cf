"""How results are named where several stand together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.results import Result, load_result
from benchmarks.tables import Row, result_tables


@pytest.fixture(scope="module")
def one(trained: dict[str, Path]) -> Result:
    return load_result(trained["transe"] / "results" / "test.json")


def rows(results: list[Result]) -> list[Row]:
    (table,) = result_tables(results, seeds="each")
    return table.rows


def row_names(results: list[Result]) -> list[str]:
    return [row.name for row in rows(results) if row.side == "both"]


def test_a_result_knows_the_folder_of_its_run(one: Result) -> None:
    assert one.run == "transe"


def test_rows_are_named_by_no_more_than_tells_them_apart(one: Result) -> None:
    other = replace(one, model="complex")
    assert row_names([one, other]) == ["transe", "complex", "(random)"]
    seeds = [one, replace(one, seed=1), other]
    assert row_names(seeds) == ["transe, seed 0", "transe, seed 1", "complex", "(random)"]
    runs = [one, replace(one, run="b"), replace(one, seed=1), other]
    assert row_names(runs) == [
        "transe, seed 0, run transe",
        "transe, seed 0, run b",
        "transe, seed 1",
        "complex",
        "(random)",
    ]
    assert row_names([one, one])[:2] == [
        "transe, seed 0, run transe (1)",
        "transe, seed 0, run transe (2)",
    ]


def test_each_run_keeps_its_own_untrained_baseline(one: Result) -> None:
    def with_start(run: str, mrr: float) -> Result:
        values = one.metrics["both"] | {"mrr": mrr}
        start = {"untrained encoder": {**one.metrics, "both": values}}
        return replace(one, run=run, baselines=one.baselines | start)

    both = rows([with_start("a", 0.25), with_start("b", 0.125)])
    found = {row.name: row.values["mrr"] for row in both if "untrained" in row.name}
    assert found == {
        "(transe, seed 0, run a: untrained encoder)": 0.25,
        "(transe, seed 0, run b: untrained encoder)": 0.125,
    }
