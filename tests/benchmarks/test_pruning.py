"""Pruned counting gives the very counts of the dense loops, for any vectors."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import bounds, counting, native, pruning
from benchmarks.predictors import DIRECTIONS, EmbeddingPredictor, Indices
from benchmarks.queries import Queries, make_queries
from benchmarks.scorers import get_scorer
from wikidata5m.errors import Wikidata5MError

ENTITIES, RELATIONS, DIM = 2100, 3, 40
EVERYTHING = np.arange(ENTITIES)
NAMES = ["transe", "transe-l2", "rotate"]
KINDS = ["spread", "tied", "collapsed", "far apart", "off centre", "huge"]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "WORTH_COMPILING", 0)
    monkeypatch.setattr(pruning, "WORTH_BUILDING", 0)


def make_predictor(name: str, kind: str) -> EmbeddingPredictor:
    generator = torch.Generator().manual_seed(5)
    p = 2 if name.endswith("-l2") else 1
    scorer = get_scorer(name.removesuffix("-l2"), gamma=9.0, p=p)
    entities = torch.randn(ENTITIES, DIM, generator=generator)
    if kind == "tied":
        # Copies of vectors, some moved by one rounding.
        entities[::3] = entities[: len(entities[::3])]
        entities[5::9] = entities[4::9][: len(entities[5::9])] * (1 + 2**-23)
    if kind == "collapsed":
        entities[:] = entities[0]
    if kind == "far apart":
        entities *= 10 ** torch.linspace(-20, 12, ENTITIES)[:, None]
    if kind == "off centre":
        entities += 30
        entities[::7] = 0
    if kind == "huge":
        # Their squares reach the end of single precision.
        entities *= 1.2e18
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
@pytest.mark.parametrize("name", NAMES)
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


def make_bounds(name: str, sample: torch.Tensor) -> bounds.Bounds:
    if name == "l2":
        return bounds.Products(sample.shape[1])
    library = native.load_native(pruning.SOURCE)
    assert library is not None
    return bounds.Bytes(library, name, sample)


def rough_distances(kind: bounds.Bounds, queries: bounds.Codes, others: bounds.Codes) -> np.ndarray:
    if isinstance(kind, bounds.Products):
        return kind.products(queries, others).astype(np.float64)
    apart = np.abs(queries.bytes_KF.astype(np.float64)[:, None] - others.bytes_KF)
    return np.asarray(apart.sum(axis=2))


@given(
    name=st.sampled_from(["l1", "modulus", "l2"]),
    seed=st.integers(0, 1 << 16),
    dim=st.sampled_from([2, 6, 40, 130]),
    centre=st.sampled_from([0.0, 1.0, 1e4]),
    scale=st.sampled_from([1e-18, 1e-3, 1.0, 1e6]),
)
def test_no_distance_is_beyond_its_bounds(
    name: str, seed: int, dim: int, centre: float, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((40, dim)) + centre * rng.standard_normal(dim)
    vectors[10:20] = vectors[:10] * (1 + 2**-22 * rng.standard_normal((10, 1)))
    vectors[20:24] = 0
    vectors = (scale * vectors).astype(np.float32)
    table = torch.from_numpy(vectors)
    kind = make_bounds(name, table[::3].contiguous())
    codes = kind.encode(table)
    apart = vectors.astype(np.float64)[:, None] - vectors
    if name == "modulus":
        apart = np.hypot(*np.split(apart, 2, axis=2))
    distance = np.linalg.norm(apart, ord=2 if name == "l2" else 1, axis=2)
    near, far = kind.units(distance, distance)
    low, high = codes.low_K.astype(np.float64), codes.high_K.astype(np.float64)
    rough = rough_distances(kind, codes, codes)
    assert (rough + low[:, None] + low <= far).all()
    assert (rough + high[:, None] + high >= near).all()


def test_bounds_decide_most_candidates() -> None:
    for name, least in (("transe", 0.5), ("rotate", 0.5), ("transe-l2", 1.0)):
        predictor = make_predictor(name, "spread")
        queries = queries_of(predictor)[0]
        library = native.load_native(pruning.SOURCE)
        assert library is not None
        pruner = pruning.Pruner(library, predictor, EVERYTHING)
        best = queries.truth_row_N[np.isin(queries.triplet_N, np.arange(6))]
        assert pruner.easy(queries)[best].mean() >= least


def test_threads_change_no_count_and_keep_their_number() -> None:
    predictor = make_predictor("transe-l2", "tied")
    queries = queries_of(predictor)[0]
    one = pruning.count(predictor, queries, EVERYTHING)
    torch.set_num_threads(3)
    try:
        three = pruning.count(predictor, queries, EVERYTHING)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(1)
    assert [x.tolist() for x in astuple(three)] == [x.tolist() for x in astuple(one)]


def test_products_of_less_than_single_precision_bound_nothing() -> None:
    predictor = make_predictor("transe-l2", "spread")
    queries = queries_of(predictor)[0]
    assert pruning._library(predictor, queries, ENTITIES) is not None
    torch.set_float32_matmul_precision("medium")
    try:
        assert pruning._library(predictor, queries, ENTITIES) is None
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e25])
def test_a_score_that_is_not_finite_is_an_error(bad: float) -> None:
    name = "transe-l2" if bad == 1e25 else "transe"
    predictor = make_predictor(name, "spread")
    queries = queries_of(predictor)[0]
    assert isinstance(predictor.entities_ED, torch.Tensor)
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


def test_a_compiler_may_have_words_behind_it_and_a_library_may_not_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [tmp_path / f"{name}.cpp" for name in ("words", "gone", "noexec")]
    for source in sources:
        source.write_text('extern "C" void nothing() {}')
    for compiler, source in zip(("g++ -O1", "no-such-compiler"), sources, strict=False):
        monkeypatch.setenv("CXX", compiler)
        assert native.load_native(source) is not None

    def noexec(_: str) -> None:
        raise OSError("failed to map segment from shared object")

    monkeypatch.setattr("ctypes.CDLL", noexec)
    assert native.load_native(sources[2]) is None
    assert "noexec cannot be loaded, so ranking is slower" in capsys.readouterr().err
