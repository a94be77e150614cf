"""Both splits against the plain checker, over graphs with loops, hubs, rare relations, islands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.split import SplitConfig, inductive, transductive
from tests.pipelines.checker import check_inductive, check_transductive, entities
from wikidata5m.dataset import Triplets

SMALL = SplitConfig(
    valid=7, test=11, inductive_entities=20, subgraph_entities=5, max_share=0.2, hub_share=0.05
)


def graph(seed: int, num_entities: int = 400, num_triplets: int = 1500) -> Triplets:
    """Power-law heads, tails with a few hubs, Zipf relations: sorted and unique."""
    rng = np.random.default_rng(seed)
    head = rng.integers(0, num_entities, num_triplets)
    tail = (num_entities * rng.random(num_triplets) ** 3).astype(np.int64)
    relation = np.minimum(rng.zipf(1.5, num_triplets), 30) - 1
    return np.unique(np.stack([head, relation, tail], 1), axis=0).astype(np.int32)


@pytest.mark.parametrize("seed", range(20))
def test_both_splits_keep_every_invariant(seed: int) -> None:
    triplets = graph(seed)
    result = transductive(triplets, SMALL, seed)
    check_transductive(triplets, result.parts)
    assert len(result.parts["valid"]) == 7
    assert len(result.parts["test"]) == 11
    result = inductive(triplets, 400, SMALL, seed)
    check_inductive(triplets, result)
    for part in ("valid", "test"):
        held = {tuple(row) for row in result.parts[part].tolist()}
        assert 15 <= len(entities(held)) <= 20


triplets_of_any_shape = st.lists(
    st.tuples(st.integers(0, 15), st.integers(0, 3), st.integers(0, 15)), max_size=120
).map(lambda rows: np.unique(np.array(rows, np.int32).reshape(-1, 3), axis=0))


@settings(deadline=None)
@given(triplets=triplets_of_any_shape, seed=st.integers(0, 5))
def test_any_graph_gets_a_right_split_or_none_and_is_told(triplets: Triplets, seed: int) -> None:
    config = SplitConfig(
        valid=3, test=3, inductive_entities=4, subgraph_entities=3, max_share=0.3, hub_share=0.2
    )
    result = transductive(triplets, config, seed)
    if result.parts:
        assert len(result.parts["valid"])
        assert len(result.parts["test"])
        check_transductive(triplets, result.parts)
    else:
        assert "no transductive split" in result.note
    result = inductive(triplets, 16, config, seed)
    if result.parts:
        check_inductive(triplets, result)
    else:
        assert "no inductive split" in result.note


def test_a_star_has_no_transductive_split() -> None:
    star = np.array([(0, 0, leaf) for leaf in range(1, 101)], np.int32)
    result = transductive(star, SplitConfig(), seed=0)
    assert not result.parts
    assert "no transductive split" in result.note


def test_the_seed_decides_the_split() -> None:
    triplets = graph(0)
    for split in (
        lambda seed: transductive(triplets, SMALL, seed),
        lambda seed: inductive(triplets, 400, SMALL, seed),
    ):
        first, again, other = split(3).parts, split(3).parts, split(4).parts
        assert all(np.array_equal(first[part], again[part]) for part in first)
        assert not np.array_equal(first["test"], other["test"])


def test_a_short_graph_gets_a_smaller_split_that_says_so() -> None:
    triplets = graph(1)
    result = transductive(triplets, SplitConfig(), seed=0)
    check_transductive(triplets, result.parts)
    assert "smaller transductive split" in result.note
    assert len(result.parts["test"]) == int(0.05 * len(triplets))


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"valid": 0}, {"subgraph_entities": 1}, {"max_share": 0.5}, {"hub_share": 1.0}):
        with pytest.raises(ValueError, match="must"):
            SplitConfig(**wrong)
