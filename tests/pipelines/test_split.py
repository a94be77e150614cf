"""Every split against the plain checker, over graphs with loops, hubs, rare relations, islands."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.draws import below, bits, order, unit
from pipelines.split import (
    SPLIT_NAMES,
    Earlier,
    SplitConfig,
    Whole,
    check_names,
    classification,
    inductive,
    make_splits,
    semi_inductive,
    temporal,
    transductive,
)
from pipelines.world.random import Stream
from tests.pipelines.checker import (
    check_classification,
    check_inductive,
    check_semi_inductive,
    check_temporal,
    check_transductive,
    entities,
    labelled,
)
from wikidata5m.dataset import Triplets
from wikidata5m.errors import ConfigError
from wikidata5m.schema import PARTS
from wikidata5m.splits import departures

SMALL = SplitConfig(
    valid=7,
    test=11,
    inductive_entities=20,
    subgraph_entities=5,
    max_share=0.2,
    hub_share=0.05,
    unseen_entities=8,
    shots=2,
    most_facts=12,
)
SEEDS = range(20)


def graph(seed: int, num_entities: int = 400, num_triplets: int = 1500) -> Triplets:
    """Power-law heads, tails with a few hubs, Zipf relations: sorted and unique."""
    rng = np.random.default_rng(seed)
    head = rng.integers(0, num_entities, num_triplets)
    tail = (num_entities * rng.random(num_triplets) ** 3).astype(np.int64)
    relation = np.minimum(rng.zipf(1.5, num_triplets), 30) - 1
    return np.unique(np.stack([head, relation, tail], 1), axis=0).astype(np.int32)


def whole(triplets: Triplets, num_entities: int = 400, earlier: Earlier | None = None) -> Whole:
    return Whole(triplets=triplets, num_entities=num_entities, num_relations=30, earlier=earlier)


def earlier_than(triplets: Triplets, seed: int) -> Earlier:
    """Most of the triplets, among the lower entities, and some that are stated no more."""
    rng = np.random.default_rng(seed)
    kept = triplets[(rng.random(len(triplets)) < 0.8) & (triplets[:, [0, 2]] < 350).all(axis=1)]
    gone = rng.integers(0, [350, 30, 350], (40, 3)).astype(np.int32)
    return Earlier(triplets=np.unique(np.concatenate([kept, gone]), axis=0), entity_gone=3)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_paper_s_splits_keep_every_invariant(seed: int) -> None:
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


@pytest.mark.parametrize("seed", SEEDS)
def test_the_semi_inductive_split_keeps_every_invariant(seed: int) -> None:
    triplets = graph(seed)
    result = semi_inductive(triplets, 400, SMALL, seed)
    check_semi_inductive(triplets, result.parts, SMALL)
    assert len(result.parts["support"]) == 2 * 8 * SMALL.shots


def test_fewer_shots_are_the_first_of_more() -> None:
    triplets = graph(2)
    few, many = (
        semi_inductive(
            triplets,
            400,
            SplitConfig(unseen_entities=8, shots=shots, least_queries=least, max_share=0.2),
            0,
        ).parts["support"]
        for shots, least in ((1, 4), (3, 2))
    )
    assert np.array_equal(few, many[::3])


def test_no_shots_leave_the_support_empty() -> None:
    triplets = graph(3)
    config = SplitConfig(unseen_entities=8, shots=0, max_share=0.2)
    result = semi_inductive(triplets, 400, config, 0)
    check_semi_inductive(triplets, result.parts, config)
    assert result.parts["support"].shape == (0, 3)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("nearest", [0, 6])
def test_the_classification_set_keeps_every_invariant(seed: int, nearest: int) -> None:
    parts = transductive(graph(seed), SplitConfig(max_share=0.2), seed).parts
    config = SplitConfig(nearest_degree=nearest)
    result = classification(parts, 400, 30, config, seed)
    check_classification(parts, result)
    assert result.without < 0.2 * len(parts["test"])


def test_near_in_degree_is_nearer_than_at_random() -> None:
    triplets = graph(5, num_entities=2000, num_triplets=20_000)
    parts = transductive(triplets, SplitConfig(max_share=0.05), 0).parts
    degree = np.bincount(parts["train"][:, [0, 2]].ravel(), minlength=2000)

    def gap(nearest: int) -> float:
        """The median distance in degree between a true end and the false one in its place."""
        table = classification(parts, 2000, 30, SplitConfig(nearest_degree=nearest), 0).tables
        rows = np.array([triplet for triplet, _ in labelled(table["test"])])
        return float(np.median(np.abs(degree[rows[::2]] - degree[rows[1::2]])[:, [0, 2]].sum(1)))

    assert gap(10) < 0.25 * gap(0)


def test_a_triplet_without_a_false_one_is_counted() -> None:
    # Everybody knows everybody: no entity of the right place makes a false triplet.
    full = np.array([(h, 0, t) for h in range(8) for t in range(8)], np.int32)
    parts = transductive(full, SplitConfig(max_share=0.2), 0).parts
    result = classification(parts, 8, 1, SplitConfig(), 0)
    check_classification(parts, result)
    assert result.without == len(parts["valid"]) + len(parts["test"])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("keep", [False, True])
def test_the_temporal_split_keeps_every_invariant(seed: int, keep: bool) -> None:
    later = graph(seed)
    earlier = earlier_than(later, seed)
    config = SplitConfig(keep_unseen=keep)
    result = temporal(later, earlier, 400, 30, config, seed)
    check_temporal(later, earlier, result, config)
    assert result.drops["temporal_entity_gone"] == 3
    assert result.counts["temporal_removed"] > 0
    broken = departures("temporal", result.parts, later, 400, 30)
    assert bool(broken) == keep


triplets_of_any_shape = st.lists(
    st.tuples(st.integers(0, 15), st.integers(0, 3), st.integers(0, 15)), max_size=120
).map(lambda rows: np.unique(np.array(rows, np.int32).reshape(-1, 3), axis=0))


@settings(deadline=None)
@given(triplets=triplets_of_any_shape, seed=st.integers(0, 5))
def test_any_graph_gets_a_right_split_or_none_and_is_told(triplets: Triplets, seed: int) -> None:
    config = SplitConfig(
        valid=3, test=3, inductive_entities=4, subgraph_entities=3, max_share=0.3, hub_share=0.2,
        unseen_entities=3, shots=1, least_queries=1,
    )  # fmt: skip
    result = transductive(triplets, config, seed)
    if result.parts:
        assert len(result.parts["valid"])
        assert len(result.parts["test"])
        check_transductive(triplets, result.parts)
        check_classification(result.parts, classification(result.parts, 16, 4, config, seed))
    else:
        assert "no transductive split" in result.note
    result = inductive(triplets, 16, config, seed)
    if result.parts:
        check_inductive(triplets, result)
    else:
        assert "no inductive split" in result.note
    result = semi_inductive(triplets, 16, config, seed)
    if result.parts:
        check_semi_inductive(triplets, result.parts, config)
    else:
        assert "no semi_inductive split" in result.note


@settings(deadline=None)
@given(before=triplets_of_any_shape, later=triplets_of_any_shape, keep=st.booleans())
def test_any_two_graphs_get_a_right_temporal_split_or_none(
    before: Triplets, later: Triplets, keep: bool
) -> None:
    config = SplitConfig(keep_unseen=keep)
    result = temporal(later, Earlier(triplets=before), 16, 4, config, 0)
    if result.parts:
        check_temporal(later, Earlier(triplets=before), result, config)
    else:
        assert "no temporal split" in result.note


def test_a_star_has_no_transductive_split() -> None:
    star = np.array([(0, 0, leaf) for leaf in range(1, 101)], np.int32)
    result = transductive(star, SplitConfig(), seed=0)
    assert not result.parts
    assert "no transductive split" in result.note


def test_the_seed_decides_each_split() -> None:
    triplets = graph(0)
    graphs = whole(triplets, earlier=earlier_than(triplets, 0))

    def made(seed: int) -> dict[str, bytes]:
        done = make_splits(graphs, SPLIT_NAMES, SMALL, seed, lambda *_: None)
        found = {name: split["test"].tobytes() for name, split in done.splits.items()}
        table = done.classification["test"]
        return found | {"classification": repr(labelled(table)).encode()}

    first, again, other = made(3), made(3), made(4)
    assert first == again
    assert first.keys() == set(SPLIT_NAMES)
    assert all(first[name] != other[name] for name in first)


def test_the_splits_are_these_on_any_machine() -> None:
    # The triplets come from integer arithmetic alone, so this hash may change only with the splits.
    rows = np.arange(3000)
    triplets = np.stack([below(400, rows, 1), below(9, rows, 2), below(400, rows, 3)], axis=1)
    names = check_names(["transductive", "inductive", "semi_inductive", "classification"])
    unique: Triplets = np.unique(triplets, axis=0).astype(np.int32)
    made = make_splits(whole(unique), names, SMALL, 0, lambda *_: None)
    digest = hashlib.sha256()
    for split in made.splits.values():
        for triplets_N3 in split.values():
            digest.update(triplets_N3.astype("<i4").tobytes())
    for part in ("valid", "test"):
        digest.update(repr(labelled(made.classification[part])).encode())
    assert digest.hexdigest()[:16] == "1d8c7d09b4daaec2"


def test_the_order_of_hashes_changes_nothing() -> None:
    script = (
        "from tests.pipelines.test_split import *\n"
        "made = make_splits(whole(graph(0)), check_names(['inductive', 'semi_inductive']), SMALL,"
        " 0, lambda *_: None)\n"
        "print(hashlib.sha256(b''.join(s[p].tobytes() for s in made.splits.values() for p in s))"
        ".hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_which_splits_are_made_together_changes_none() -> None:
    triplets = graph(1)
    alone = make_splits(whole(triplets), ["inductive"], SMALL, 0, lambda *_: None)
    names = check_names(["inductive", "transductive", "semi_inductive", "classification"])
    together = make_splits(whole(triplets), names, SMALL, 0, lambda *_: None)
    for part in PARTS:
        assert np.array_equal(alone.splits["inductive"][part], together.splits["inductive"][part])


def test_a_short_graph_gets_a_smaller_split_that_says_so() -> None:
    triplets = graph(1)
    result = transductive(triplets, SplitConfig(), seed=0)
    check_transductive(triplets, result.parts)
    assert "smaller transductive split" in result.note
    assert len(result.parts["test"]) == int(0.05 * len(triplets))


@pytest.mark.parametrize(
    "wrong",
    [{"valid": 0}, {"subgraph_entities": 1}, {"max_share": 0.5}, {"hub_share": 1.0},
     {"unseen_entities": 0}, {"shots": -1}, {"least_queries": 0}, {"most_facts": 6},
     {"nearest_degree": -1}],
)  # fmt: skip
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        SplitConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["inductve"], "did you mean inductive?"),
        ([], "no split asked for"),
        (["classification"], "ask for transductive too"),
        (["temporal"], "--earlier"),
    ],
)
def test_splits_that_cannot_be_made_are_refused_with_the_fix(names: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_names(names)


def test_names_come_in_one_order() -> None:
    assert check_names(["inductive", "transductive"]) == ("transductive", "inductive")


@given(count=st.integers(1, 300), key=st.integers(0, 2**63))
def test_draws_of_an_index_are_those_of_the_plain_stream(count: int, key: int) -> None:
    stream = Stream(key, 5)
    plain = [stream.bits() for _ in range(count)]
    rows = np.arange(count)
    assert bits(rows, key, 5).tolist() == plain
    assert order(count, key, 5).tolist() == sorted(range(count), key=plain.__getitem__)
    assert below(7, rows, key, 5).tolist() == [(word >> 32) * 7 >> 32 for word in plain]
    assert unit(rows, key, 5).tolist() == [(word >> 11) / 2**53 for word in plain]
