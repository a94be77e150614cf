"""Metrics from ranks, by hand-computed values and by enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.buckets import Groups
from benchmarks.metrics import Side, by_group, metrics, random_expectation
from benchmarks.ranking import DirectionRanks, Ranks


def direction(optimistic: list[int], pessimistic: list[int], left: list[int]) -> DirectionRanks:
    return DirectionRanks(*(np.array(x, dtype=np.int64) for x in (optimistic, pessimistic, left)))


RANKS = Ranks(
    head=direction([1, 4], [2, 4], [5, 7]),
    tail=direction([1, 10], [1, 12], [9, 21]),
    relation=np.array([0, 3]),
    num_candidates=21,
)


def test_realistic_metrics_are_those_computed_by_hand() -> None:
    found = metrics(RANKS)
    assert found["head"]["mr"] == pytest.approx((1.5 + 4) / 2)
    assert found["head"]["mrr"] == pytest.approx((1 / 1.5 + 1 / 4) / 2)
    assert found["head"]["hits@1"] == 0
    assert found["head"]["hits@3"] == 0.5
    assert found["tail"]["hits@1"] == 0.5
    assert found["tail"]["mrr"] == pytest.approx((1 + 1 / 11) / 2)
    assert found["both"]["mr"] == pytest.approx((1.5 + 4 + 1 + 11) / 4)
    assert found["both"]["amri"] == pytest.approx(1 - (4.375 - 1) / ((3 + 4 + 5 + 11) / 4 - 1))
    assert found["both"]["count"] == 4


def test_tie_rules_bracket_the_realistic_ranks() -> None:
    optimistic, pessimistic = metrics(RANKS, "optimistic"), metrics(RANKS, "pessimistic")
    assert optimistic["both"]["mr"] == pytest.approx((1 + 4 + 1 + 10) / 4)
    assert pessimistic["both"]["mr"] == pytest.approx((2 + 4 + 1 + 12) / 4)
    assert optimistic["head"]["hits@1"] == 0.5


def test_groups_may_cut_the_two_queries_of_a_triplet_apart() -> None:
    groups = Groups(("low", "none", "high"), np.array([0, 2]), np.array([2, 2]))
    found = by_group(RANKS, groups)
    assert list(found) == ["low", "high"]
    assert found["high"]["both"]["mr"] == pytest.approx((4 + 1 + 11) / 3)
    assert found["high"]["head"]["count"] == 1
    assert found["low"]["tail"] == {"count": 0.0}
    assert by_group(RANKS, groups, "optimistic")["high"]["tail"]["mr"] == pytest.approx(5.5)


def test_random_expectation_is_the_mean_over_all_orders() -> None:
    ranks = Ranks(direction([1], [1], [4]), direction([1], [1], [2]), np.array([0]), 4)
    expected = random_expectation(ranks)
    sizes: dict[Side, int] = {"head": 4, "tail": 2}
    for side, size in sizes.items():
        orders = [1 + order.index(0) for order in itertools.permutations(range(size))]
        assert expected[side]["mrr"] == pytest.approx(np.mean([1 / r for r in orders]))
        assert expected[side]["mr"] == pytest.approx(np.mean(orders))
        assert expected[side]["hits@3"] == pytest.approx(np.mean([r <= 3 for r in orders]))
    assert expected["both"]["mrr"] == pytest.approx(
        (expected["head"]["mrr"] + expected["tail"]["mrr"]) / 2
    )


def test_no_queries_give_a_count_of_zero_and_no_metric() -> None:
    empty = direction([], [], [])
    ranks = Ranks(empty, empty, np.zeros(0, dtype=np.int64), 4)
    assert metrics(ranks)["both"] == {"count": 0.0}
    assert random_expectation(ranks)["head"] == {"count": 0.0}
    none = np.zeros(0, dtype=np.int64)
    assert by_group(ranks, Groups(("a",), none, none)) == {}
