"""Confidence intervals: against textbook formulas, and by how often they hold the exact value."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from benchmarks.estimator import (
    Sampling,
    intervals,
    mean_interval,
    share_interval,
    student_quantile,
)
from benchmarks.mean_rank import estimate_mean_ranks
from benchmarks.metrics import HITS, SIDES, metrics
from benchmarks.ranking import DirectionRanks, EmbeddingPredictor, Ranks, rank_triplets
from benchmarks.scorers import get_scorer
from tests.performance.coverage import METRICS, coverage, simulated
from wikidata5m.errors import ConfigError

MANY = 10**12
SHARES = ("mrr", *(f"hits@{k}" for k in HITS))


def ranks_of(head: np.ndarray, tail: np.ndarray) -> Ranks:
    left = np.full(len(head), 1000)
    return Ranks(
        DirectionRanks(head, head, left),
        DirectionRanks(tail, tail, left),
        np.zeros(len(head), dtype=np.int64),
        1000,
    )


@pytest.mark.parametrize("freedom", [4, 9, 30, 1999])
def test_the_quantile_is_students(freedom: int) -> None:
    expected = stats.t.ppf(0.975, freedom)
    assert student_quantile(0.975, freedom) == pytest.approx(expected, rel=1e-3)


def test_coin_flips_give_wilsons_interval() -> None:
    drawn = Sampling(size=200, population=MANY)
    flips = np.arange(200) < 60
    low, high = share_interval(flips.astype(float), drawn)
    z, p, n = drawn.quantile, 0.3, 199.0  # the sample variance divides by n - 1
    centre, root = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert low == pytest.approx((centre - root) / (1 + z * z / n))
    assert high == pytest.approx((centre + root) / (1 + z * z / n))


def test_values_without_skew_give_students_interval() -> None:
    drawn = Sampling(size=100, population=400)
    x = np.tile([1.0, 3.0], 50)
    half = stats.t.ppf(0.975, 99) * x.std(ddof=1) / 10 * math.sqrt(1 - 100 / 400)
    assert mean_interval(x, drawn) == pytest.approx((2 - half, 2 + half), rel=1e-6)


def test_two_queries_of_a_triplet_that_say_the_same_count_as_one() -> None:
    rank = np.random.default_rng(0).integers(1, 30, 300)
    found = intervals(ranks_of(rank, rank), 5000)
    assert found["both"] == found["head"]


def test_a_whole_part_or_a_single_triplet_has_no_interval() -> None:
    rank = np.array([1, 2, 3])
    assert intervals(ranks_of(rank, rank), 3) == {}
    assert intervals(ranks_of(rank[:1], rank[:1]), 3) == {}


@settings(deadline=None)
@given(st.lists(st.integers(1, 1000), min_size=2, max_size=40), st.integers(1, 10**6))
def test_an_interval_is_around_the_estimate_and_shares_stay_shares(
    rank: list[int], more: int
) -> None:
    ranks = ranks_of(np.array(rank), np.array(rank[::-1]))
    estimate, found = metrics(ranks), intervals(ranks, len(rank) + more)
    for side in SIDES:
        assert set(found[side]) == set(METRICS)
        for name, (low, high) in found[side].items():
            assert low - 1e-6 <= estimate[side][name] <= high + 1e-6
            assert name not in SHARES or -1e-9 <= low <= high <= 1 + 1e-9


def test_nothing_seen_is_not_nothing_there() -> None:
    ranks = ranks_of(np.full(100, 500), np.full(100, 500))
    low, high = intervals(ranks, MANY)["both"]["hits@1"]
    assert low == pytest.approx(0, abs=1e-9)
    assert high == pytest.approx(0.038, abs=0.001)


@pytest.mark.parametrize("name", ["typical", "poor"])
@pytest.mark.parametrize("size", [200, 1000])
def test_the_interval_holds_the_exact_mrr_in_93_to_97_of_100_samples(name: str, size: int) -> None:
    found = coverage(simulated(name), size, draws=1000)
    assert 0.93 <= found["both"]["mrr"] <= 0.97
    for side in SIDES:
        assert all(0.92 <= share <= 0.985 for share in found[side].values()), found[side]


class _Graph:
    """A random model and graph of 400 entities, with ties."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        entities = torch.randn(400, 6, generator=generator).round(decimals=1)
        relations = torch.randn(3, 6, generator=generator)
        self.predictor = EmbeddingPredictor(get_scorer("distmult"), entities, relations)
        rng = np.random.default_rng(0)
        columns = [rng.integers(0, 400, 900), rng.integers(0, 3, 900), rng.integers(0, 400, 900)]
        self.known = np.stack(columns, axis=1)
        self.asked = self.known[:40]
        ranks = rank_triplets(self.predictor, self.asked, self.known, np.arange(400))
        self.exact = metrics(ranks)


def test_sampled_candidates_estimate_mean_ranks_without_bias() -> None:
    graph = _Graph()
    held, means = 0, []
    for seed in range(60):
        found = estimate_mean_ranks(
            graph.predictor, graph.asked, graph.known, 400, candidates=60, population=40, seed=seed
        )
        assert set(found.metrics["both"]) == {"mr", "amri", "count"}
        assert found.intervals["both"]["mr"][0] >= 1
        assert found.intervals["both"]["amri"][1] <= 1
        low, high = found.intervals["both"]["mr"]
        held += low <= graph.exact["both"]["mr"] <= high
        means.append(found.metrics["both"]["mr"])
    error = np.std(means) / math.sqrt(len(means))
    assert abs(np.mean(means) - graph.exact["both"]["mr"]) < 3 * error
    assert 0.9 <= held / 60 <= 0.99


@pytest.mark.parametrize(("asked", "dearer"), [(40, True), (2, False)])
def test_where_ranking_among_all_costs_less_that_is_said(
    capsys: pytest.CaptureFixture[str], asked: int, *, dearer: bool
) -> None:
    graph = _Graph()
    triplets = graph.asked[:asked]
    estimate_mean_ranks(
        graph.predictor, triplets, graph.known, 400, candidates=20, population=asked, seed=0
    )
    assert ("leave --candidates out" in capsys.readouterr().err) == dearer


def test_triplets_that_leave_nothing_to_sample_are_told_so() -> None:
    graph = _Graph()
    end_N = np.arange(395)
    triplets = np.stack([end_N, 0 * end_N, end_N], axis=1)
    with pytest.raises(ConfigError, match=r"5 entities lie outside.*too few to sample"):
        estimate_mean_ranks(
            graph.predictor, triplets, graph.known, 400, candidates=20, population=395, seed=0
        )


def test_more_candidates_than_there_are_is_an_error() -> None:
    graph = _Graph()
    for wrong in (5, 399):
        with pytest.raises(ConfigError, match="sampled candidates"):
            estimate_mean_ranks(
                graph.predictor,
                graph.asked,
                graph.known,
                400,
                candidates=wrong,
                population=40,
                seed=0,
            )
