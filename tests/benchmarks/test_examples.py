"""Queries that were answered best and worst, against every rank and every score."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.examples import EACH, OF_RELATION, RIVALS, Example, find_examples
from benchmarks.ranking import EmbeddingPredictor, Ranks, rank_triplets
from benchmarks.results import load_result
from benchmarks.run import load_predictor, load_run_config
from benchmarks.validation import known_triplets, rank_split
from wikidata5m.dataset import Dataset


@pytest.fixture(scope="module")
def predictor(small: Dataset, trained: dict[str, Path]) -> EmbeddingPredictor:
    return load_predictor(trained["transe"], small, load_run_config(trained["transe"]))


@pytest.fixture(scope="module")
def ranks(small: Dataset, predictor: EmbeddingPredictor) -> Ranks:
    return rank_split(predictor, small.triplets("transductive", "test"), small, "transductive")


def found(
    small: Dataset, predictor: EmbeddingPredictor, ranks: Ranks, seed: int = 0
) -> tuple[Example, ...]:
    test_N3 = small.triplets("transductive", "test")
    everyone = np.arange(small.num_entities)
    return find_examples(predictor, ranks, test_N3, small, "transductive", everyone, seed=seed)


def test_ranks_and_rivals_are_those_of_all_scores(
    small: Dataset, predictor: EmbeddingPredictor, ranks: Ranks
) -> None:
    known = {tuple(row) for row in known_triplets(small, "transductive").tolist()}
    everyone = np.arange(small.num_entities)
    examples = found(small, predictor, ranks)
    assert examples
    for each in examples:
        head, tail = (small.entity_index(x) for x in (each.head, each.tail))
        relation = small.relation_index(each.relation)
        given = np.array([head if each.direction == "tail" else tail])
        asked = np.array([relation])
        if each.direction == "tail":
            score_E = predictor.score_tails(given, asked, everyone)[0].numpy()
            wrong = [e for e in everyone.tolist() if (head, relation, e) not in known]
        else:
            score_E = predictor.score_heads(asked, given, everyone)[0].numpy()
            wrong = [e for e in everyone.tolist() if (e, relation, tail) not in known]
        truth = score_E[tail if each.direction == "tail" else head]
        above, equal = (score_E[wrong] > truth).sum(), (score_E[wrong] == truth).sum()
        assert each.rank == 1 + above + equal / 2
        assert each.candidates == len(wrong) + 1
        best = sorted(wrong, key=lambda e: (-score_E[e], e))[:RIVALS]
        assert each.rivals == tuple(small.entity_ids[e] for e in best)


def test_the_best_and_the_worst_of_each_relation_are_chosen(
    small: Dataset, predictor: EmbeddingPredictor, ranks: Ranks
) -> None:
    examples = found(small, predictor, ranks)
    rank_Q = np.concatenate([ranks.tail.realistic, ranks.head.realistic])
    relation_Q = np.tile(ranks.relation, 2)
    for verdict in ("best", "worst"):
        mine = [each for each in examples if each.verdict == verdict]
        assert 0 < len(mine) <= EACH
        assert max(Counter(each.relation for each in mine).values()) <= OF_RELATION
        order = [each.rank for each in mine]
        assert order == sorted(order, reverse=verdict == "worst")
        extreme = rank_Q.min() if verdict == "best" else rank_Q.max()
        assert order[0] == extreme
        for relation, n in Counter(each.relation for each in mine).items():
            column = rank_Q[relation_Q == small.relation_index(relation)]
            ends = np.sort(column) if verdict == "best" else np.sort(column)[::-1]
            assert [e.rank for e in mine if e.relation == relation] == ends[:n].tolist()
    queries = [(e.direction, e.head, e.relation, e.tail) for e in examples]
    assert len(set(queries)) == len(queries)


def test_the_seed_alone_draws_among_equals(
    small: Dataset, predictor: EmbeddingPredictor, ranks: Ranks
) -> None:
    assert found(small, predictor, ranks) == found(small, predictor, ranks)
    drawn = {found(small, predictor, ranks, seed=seed) for seed in range(8)}
    assert len(drawn) > 1
    assert len({tuple(e.rank for e in each if e.verdict == "best") for each in drawn}) == 1


def test_no_query_gives_no_example(small: Dataset, predictor: EmbeddingPredictor) -> None:
    none_N3 = small.triplets("transductive", "test")[:0]
    everyone = np.arange(small.num_entities)
    ranks = rank_triplets(predictor, none_N3, none_N3, everyone)
    args = (predictor, ranks, none_N3, small, "transductive", everyone)
    assert find_examples(*args, seed=0) == ()  # type: ignore[arg-type]


def test_results_keep_their_examples(trained: dict[str, Path]) -> None:
    result = load_result(trained["transe"] / "results" / "test.json")
    assert {each.verdict for each in result.examples} == {"best", "worst"}
    assert (result.train.peak_bytes or 0) > 1e6
