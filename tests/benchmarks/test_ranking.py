"""Ranking against a plain oracle that ranks one query at a time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import counting, pruning
from benchmarks.ranking import EmbeddingPredictor, Indices, Ranks, rank_triplets
from benchmarks.scorers import SCORERS, get_scorer
from benchmarks.unfinished import Unfinished
from wikidata5m.errors import DatasetError, Wikidata5MError

ENTITIES, RELATIONS = 150, 3


class TablePredictor:
    """Scores looked up in a (heads, relations, tails) table."""

    def __init__(self, table: np.ndarray) -> None:
        self.table = torch.from_numpy(table)
        self.calls = 0

    def score_tails(self, head: Indices, relation: Indices, candidates: Indices) -> torch.Tensor:
        self.calls += 1
        return self.table[head[:, None], relation[:, None], candidates[None]]

    def score_heads(self, relation: Indices, tail: Indices, candidates: Indices) -> torch.Tensor:
        self.calls += 1
        return self.table[candidates[None], relation[:, None], tail[:, None]]


def oracle(
    table: np.ndarray, triplet: tuple[int, ...], known: set[tuple[int, ...]], candidates: set[int]
) -> dict[str, tuple[int, int, int]]:
    """Optimistic rank, pessimistic rank and the number of candidates left, by direction."""
    found = {}
    for direction, slot in (("head", 0), ("tail", 2)):
        scores = []
        for candidate in sorted(candidates):
            asked = (*triplet[:slot], candidate, *triplet[slot + 1 :])
            if asked == triplet or asked not in known:
                scores.append(float(table[asked]))
        truth = float(table[triplet])
        better = sum(score > truth for score in scores)
        equal = sum(score == truth for score in scores)
        found[direction] = (1 + better, better + equal, len(scores))
    return found


def found_at(ranks: Ranks, n: int) -> dict[str, tuple[int, int, int]]:
    return {
        name: (int(d.optimistic[n]), int(d.pessimistic[n]), int(d.candidates[n]))
        for name, d in (("head", ranks.head), ("tail", ranks.tail))
    }


NOTHING = np.zeros((0, 3), dtype=np.int64)

triplet = st.tuples(
    # A few entities far apart: queries repeat, and truths fall into several blocks of candidates.
    st.integers(0, 8).map(lambda n: n * 18),
    st.integers(0, RELATIONS - 1),
    st.integers(0, 8).map(lambda n: n * 18),
)


@settings(max_examples=150, deadline=None)
@given(
    triplets=st.lists(triplet, max_size=8),
    known=st.lists(triplet, max_size=30),
    share=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 1000),
    batch=st.integers(1, 5),
    block=st.sampled_from([64, 128, 1024]),
)
def test_ranks_are_those_of_a_plain_oracle(
    triplets: list[Any], known: list[Any], share: float, seed: int, batch: int, block: int
) -> None:
    # Few distinct scores, so that ties abound.
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 4, (ENTITIES, RELATIONS, ENTITIES)) / 2
    extra = np.flatnonzero(rng.random(ENTITIES) < share).tolist()
    candidates = set(extra) | {e for t in triplets for e in (t[0], t[2])}
    ranks = rank_triplets(
        TablePredictor(table),
        np.array(triplets, dtype=np.int32).reshape(-1, 3),
        np.array(known, dtype=np.int32).reshape(-1, 3),
        np.array(sorted(candidates, reverse=True), dtype=np.int64),
        batch=batch,
        block=block,
    )
    assert ranks.num_candidates == len(candidates)
    assert ranks.relation.tolist() == [t[1] for t in triplets]
    for n, asked in enumerate(triplets):
        assert found_at(ranks, n) == oracle(table, asked, set(known), candidates)


MODELS = [("transe", 2), *((name, 1) for name in SCORERS)]


def random_predictor(name: str, p: int = 1, *, reciprocal: bool = False) -> EmbeddingPredictor:
    generator = torch.Generator().manual_seed(1)
    scorer = get_scorer(name, p=p)
    entities = torch.randn(300, 32, generator=generator)
    rows, width = 8 if reciprocal else 4, scorer.relation_width(32)
    relations = torch.randn(rows, width, generator=generator)
    return EmbeddingPredictor(scorer, entities, relations, reciprocal=reciprocal)


def random_triplets(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, high, count) for high in (300, 4, 300)]
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(("name", "p"), MODELS)
def test_blocks_of_candidates_change_no_rank(name: str, p: int) -> None:
    triplets, known = random_triplets(40), random_triplets(4000, seed=1)
    whole, blocks = (
        rank_triplets(random_predictor(name, p), triplets, known, np.arange(300), block=block)
        for block in (1024, 64)
    )
    for n in range(40):
        assert found_at(whole, n) == found_at(blocks, n)


@pytest.mark.parametrize(("name", "p"), MODELS)
def test_collapsed_vectors_tie_everywhere(name: str, p: int) -> None:
    vector = torch.randn(1, 24, generator=torch.Generator().manual_seed(0))
    scorer = get_scorer(name, p=p)
    relation = vector[:, : scorer.relation_width(24)]
    predictor = EmbeddingPredictor(scorer, vector.expand(500, 24), relation)
    triplets = np.array([[3, 0, 4], [499, 0, 0], [17, 0, 250]])
    for block in (1024, 64):
        ranks = rank_triplets(predictor, triplets, triplets, np.arange(500), block=block)
        assert ranks.tail.optimistic.tolist() == ranks.head.optimistic.tolist() == [1, 1, 1]
        assert ranks.tail.pessimistic.tolist() == ranks.head.pessimistic.tolist() == [500] * 3
        assert ranks.tail.realistic.tolist() == [250.5] * 3


def test_reciprocal_relations_answer_head_queries_as_tail_queries() -> None:
    predictor = random_predictor("complex", reciprocal=True)
    some = np.array([5, 6]), np.array([1, 3])
    heads = predictor.score_heads(some[1], some[0], np.arange(300))
    tails = predictor.score_tails(some[0], some[1] + 4, np.arange(300))
    torch.testing.assert_close(heads, tails, rtol=0, atol=0)


def test_vectors_of_some_entities_rank_like_the_whole_table() -> None:
    index = torch.arange(0, 300, 3)
    whole = random_predictor("transe")
    part = EmbeddingPredictor(
        whole.scorer, whole.entities_ED[index], whole.relations_RD, index_E=index
    )
    triplets = random_triplets(20)
    triplets[:, [0, 2]] -= triplets[:, [0, 2]] % 3
    expected, found = (rank_triplets(p, triplets, triplets, index.numpy()) for p in (whole, part))
    assert [found_at(found, n) for n in range(20)] == [found_at(expected, n) for n in range(20)]
    with pytest.raises(DatasetError, match="entity 1 has no vector"):
        part.score_tails(np.array([0]), np.array([0]), np.array([1]))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_an_error_that_names_the_query(bad: float) -> None:
    table = np.zeros((ENTITIES, RELATIONS, ENTITIES))
    table[4, 1, 7] = bad
    with pytest.raises(Wikidata5MError, match=r"query \(4, 1, \?\): candidate tail 7 scores"):
        rank_triplets(TablePredictor(table), np.array([[4, 1, 2]]), NOTHING, np.arange(ENTITIES))


def test_a_truth_that_is_no_candidate_is_an_error_that_names_it() -> None:
    table = np.zeros((ENTITIES, RELATIONS, ENTITIES))
    for candidates, message in (([4, 5], "tail 2 of triplet"), ([], "no candidates")):
        with pytest.raises(DatasetError, match=message):
            rank_triplets(
                TablePredictor(table), np.array([[4, 1, 2]]), NOTHING, np.array(candidates)
            )


def test_a_block_is_scored_once_beside_the_truths_and_progress_counts_triplets() -> None:
    predictor = TablePredictor(np.zeros((ENTITIES, RELATIONS, ENTITIES)))
    told: list[int] = []
    triplets = np.array([[4, 1, 2], [0, 0, 0], [1, 2, 3]])
    rank_triplets(predictor, triplets, triplets, np.arange(ENTITIES), batch=2, progress=told.append)
    assert predictor.calls == 4 * 2
    assert told == [2, 3, 5, 6]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("name", "p"), [("transe", 1), ("transe", 2), ("rotate", 1)])
def test_compiled_loops_rank_like_eager_ones(
    monkeypatch: pytest.MonkeyPatch, name: str, p: int
) -> None:
    # Small integers add up exactly in any order, and tie often.
    predictor = random_predictor(name, p)
    assert isinstance(predictor.entities_ED, torch.Tensor)
    predictor.entities_ED = entities_ED = predictor.entities_ED.round()
    predictor.relations_RD = predictor.relations_RD.round() * (0 if name == "rotate" else 1)
    if name == "rotate":
        entities_ED[:, 16:] = 0
    triplets, known = random_triplets(40), random_triplets(400, seed=1)
    eager = rank_triplets(predictor, triplets, known, np.arange(300), block=64)
    monkeypatch.setattr(counting, "WORTH_COMPILING", 0)
    monkeypatch.setattr(counting, "WORTH_COMPILING_COMPARE", 0)
    monkeypatch.setattr(pruning, "WORTH_BUILDING", 0)
    found = rank_triplets(predictor, triplets, known, np.arange(300), block=64)
    assert [found_at(found, n) for n in range(40)] == [found_at(eager, n) for n in range(40)]


@pytest.mark.parametrize("slices", [1 << 15, 5])
def test_many_truths_of_one_query_are_scored_once_and_ranked_each(
    monkeypatch: pytest.MonkeyPatch, slices: int
) -> None:
    monkeypatch.setattr(counting, "TRUTHS", slices)
    table = np.random.default_rng(0).integers(0, 9, (ENTITIES, RELATIONS, ENTITIES)) / 1.0
    predictor = TablePredictor(table)
    triplets = np.array([[7, 1, t] for t in range(0, 100, 3)])
    known = np.array([[7, 1, t] for t in range(0, 150, 2)])
    ranks = rank_triplets(predictor, triplets, known, np.arange(ENTITIES))
    asked = set(map(tuple, known.tolist()))
    for n, row in enumerate(triplets.tolist()):
        assert found_at(ranks, n) == oracle(table, tuple(row), asked, set(range(ENTITIES)))


class Interrupted(TablePredictor):
    """Breaks off at its last call."""

    def __init__(self, table: np.ndarray, calls: int) -> None:
        super().__init__(table)
        self.left = calls

    def score_heads(self, *asked: Indices) -> torch.Tensor:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().score_heads(*asked)


def test_an_interrupted_ranking_goes_on_after_its_last_batch(tmp_path: Path) -> None:
    table = np.random.default_rng(0).integers(0, 9, (ENTITIES, RELATIONS, ENTITIES)) / 1.0
    triplets = random_triplets(9) // 2
    (tmp_path / "embeddings").mkdir()
    (tmp_path / "embeddings" / "vectors").write_bytes(b"some")

    def rank(predictor: TablePredictor, asked: np.ndarray = triplets) -> tuple[Ranks, Unfinished]:
        everything = np.arange(ENTITIES)
        with Unfinished(tmp_path / "results" / "kept.npz", tmp_path / "embeddings") as kept:
            ranks = rank_triplets(predictor, asked, asked, everything, batch=2, unfinished=kept)
        return ranks, kept

    with pytest.raises(KeyboardInterrupt):
        rank(Interrupted(table, calls=3))
    rest, whole = TablePredictor(table), TablePredictor(table)
    found, kept = rank(rest)
    expected = rank_triplets(whole, triplets, triplets, np.arange(ENTITIES), batch=2)
    assert [found_at(found, n) for n in range(9)] == [found_at(expected, n) for n in range(9)]
    assert 0 < rest.calls < whole.calls / 2
    # Other triplets or other vectors are other questions.
    other = TablePredictor(table)
    rank(other, triplets[:, ::1] * [1, 1, 0])
    assert other.calls
    (tmp_path / "embeddings" / "vectors").write_bytes(b"other")
    again = TablePredictor(table)
    rank(again)
    assert again.calls == whole.calls
    kept.finish()
    assert not kept.path.exists()
    kept.path.write_bytes(b"damaged")
    assert Unfinished(kept.path, tmp_path / "embeddings").found == {}
