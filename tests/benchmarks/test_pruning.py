"""Pruned counting gives the very counts of the dense loops, for any vectors."""

from __future__ import annotations

import math
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import counting, native, pruning
from benchmarks.predictors import DIRECTIONS, EmbeddingPredictor, Indices
from benchmarks.queries import Queries, make_queries
from benchmarks.scorers import get_scorer
from wikidata5m.errors import Wikidata5MError

ENTITIES, RELATIONS, DIM = 2100, 3, 40
EVERYTHING = np.arange(ENTITIES)
KINDS = ["spread", "tied", "collapsed", "far apart"]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "WORTH_COMPILING", 0)


def make_predictor(name: str, kind: str) -> EmbeddingPredictor:
    generator = torch.Generator().manual_seed(5)
    scorer = get_scorer(name, gamma=9.0, p=1)
    entities = torch.randn(ENTITIES, DIM, generator=generator)
    if kind == "tied":
        # Copies of vectors, some moved by one rounding.
        entities[::3] = entities[: len(entities[::3])]
        entities[5::9] = entities[4::9][: len(entities[5::9])] * (1 + 2**-23)
    if kind == "collapsed":
        entities[:] = entities[0]
    if kind == "far apart":
        entities *= 10 ** torch.linspace(-20, 12, ENTITIES)[:, None]
    relations = torch.randn(RELATIONS, scorer.relation_width(DIM), generator=generator)
    return EmbeddingPredictor(scorer, entities, relations * 0.1)


def make_triplets(predictor: EmbeddingPredictor) -> tuple[Indices, Indices]:
    """Triplets whose tails rank high or anywhere, and known ones that repeat their queries."""
    rng = np.random.default_rng(2)
    head, relation = rng.integers(ENTITIES, size=24), rng.integers(RELATIONS, size=24)
    scores = predictor.score_tails(head, relation, EVERYTHING)
    tail = scores.argsort(dim=1, descending=True)[np.arange(24), 3 ** np.arange(24).clip(max=6)]
    triplets = np.stack([head, relation, tail.numpy()], axis=1)
    triplets[12:, 2] = rng.integers(ENTITIES, size=12)
    known = np.concatenate([triplets[:18]] * 3)
    known[18:, 2] = rng.integers(ENTITIES, size=36)
    return np.concatenate([triplets, triplets[:4, [2, 1, 0]]]), known


def queries_of(predictor: EmbeddingPredictor) -> list[Queries]:
    triplets, known = make_triplets(predictor)
    return [make_queries(triplets, known, EVERYTHING, direction) for direction in DIRECTIONS]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["transe", "rotate"])
def test_pruned_counts_are_the_dense_ones(
    monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    predictor = make_predictor(name, kind)
    for queries in queries_of(predictor):
        dense = counting.count(predictor, queries, EVERYTHING)
        for share in (0.0, 0.125, 1.0):
            monkeypatch.setattr(pruning, "UNDECIDED", share)
            pruned = pruning.count(predictor, queries, EVERYTHING)
            for one, other in zip(astuple(pruned), astuple(dense), strict=True):
                assert one.tolist() == other.tolist()


def test_bytes_decide_most_candidates() -> None:
    for name in ("transe", "rotate"):
        predictor = make_predictor(name, "spread")
        queries = queries_of(predictor)[0]
        library = native.load_native(pruning.SOURCE)
        assert library is not None
        pruner = pruning.Pruner(library, predictor, EVERYTHING)
        best = queries.truth_row_N[np.isin(queries.triplet_N, np.arange(6))]
        assert pruner.easy(queries)[best].mean() > 0.5


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_vector_that_is_not_finite_is_an_error(bad: float) -> None:
    predictor = make_predictor("transe", "spread")
    queries = queries_of(predictor)[0]
    predictor.entities_ED[1700, 3] = bad
    with pytest.raises(Wikidata5MError, match="candidate tail 1700 scores"):
        pruning.count(predictor, queries, EVERYTHING)


def test_without_a_compiler_the_dense_loops_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.cpp"
    broken.write_text("int f( {", encoding="utf-8")
    assert native.load_native(broken) is None
    assert "does not build broken.cpp" in capsys.readouterr().err
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("shutil.which", lambda name: None)
    other = tmp_path / "other.cpp"
    assert native.load_native(other) is None
    assert "install g++" in capsys.readouterr().err
    predictor = make_predictor("transe", "spread")
    monkeypatch.setattr(pruning, "load_native", lambda source: None)
    queries = queries_of(predictor)[0]
    pruned, dense = (x(predictor, queries, EVERYTHING) for x in (pruning.count, counting.count))
    assert pruned.above.tolist() == dense.above.tolist()
