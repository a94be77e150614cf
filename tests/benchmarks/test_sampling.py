"""Batches: what they hold, how often, and that they follow from (seed, epoch) alone."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.config import TrainConfig
from benchmarks.sampling import Batch, Sampler, inverse_root_degrees
from wikidata5m.errors import ConfigError

TRAIN = TrainConfig(batch=12, chunk=4, negatives=5)


def graph(count: int, *, entities: int = 9, relations: int = 3, seed: int = 0) -> Tensor:
    """Random triplets; each entity of 0 .. entities-1 may be missing."""
    rng = np.random.default_rng(seed)
    columns = [rng.integers(high, size=count) for high in (entities, relations, entities)]
    return torch.from_numpy(np.stack(columns, axis=1).astype(np.int32))


def sampler(triplets_N3: Tensor, *, entities: int = 9, seed: int = 1, **other: Any) -> Sampler:
    keep = {key: other.pop(key) for key in ("all_entities", "weight_N") if key in other}
    return Sampler(triplets_N3, entities, replace(TRAIN, **other), seed=seed, **keep)


def same(one: Batch, other: Batch) -> bool:
    return all(
        torch.equal(a, b) if isinstance(a, Tensor) else a == b
        for a, b in ((getattr(one, name), getattr(other, name)) for name in Batch.__slots__)
    )


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 60),
    chunk=st.integers(1, 9),
    chunks=st.integers(1, 4),
    epoch=st.integers(0, 3),
    in_batch=st.booleans(),
    all_entities=st.booleans(),
)
def test_an_epoch_holds_every_triplet_once(
    count: int, chunk: int, chunks: int, epoch: int, in_batch: bool, all_entities: bool
) -> None:
    triplets = torch.arange(count * 3, dtype=torch.int32).view(count, 3)
    source = sampler(
        triplets,
        entities=3 * count + 1,
        batch=chunk * chunks,
        chunk=chunk,
        in_batch=in_batch,
        all_entities=all_entities,
        weight_N=torch.arange(1.0, count + 1),
    )
    batches = list(source.epoch(epoch))
    assert len(batches) == len(source.spans)
    seen = []
    for batch in batches:
        g, b, _ = batch.positives_GB3.shape
        assert batch.weight_GB is not None
        assert g == 1 or b == chunk
        assert g * b <= chunk * chunks
        torch.testing.assert_close(
            batch.weight_GB, (batch.positives_GB3[..., 0] / 3 + 1) / ((count + 1) / 2)
        )
        if all_entities:
            assert batch.negatives_GK.tolist() == [list(range(3 * count + 1))]
        else:
            assert batch.negatives_GK.shape == (g, 5 + (2 * b if in_batch else 0))
            assert batch.negatives_GK.max() <= 3 * count
        seen += batch.positives_GB3.reshape(-1, 3).tolist()
    assert sorted(seen) == triplets.tolist()


@pytest.mark.parametrize("positives", ["uniform", "degree"])
def test_batches_follow_from_seed_and_epoch_alone(positives: str) -> None:
    triplets = graph(40)

    def drawn(seed: int, epoch: int) -> list[Batch]:
        return list(sampler(triplets, seed=seed, positives=positives).epoch(epoch))

    first = drawn(0, 1)
    assert all(same(a, b) for a, b in zip(first, drawn(0, 1), strict=True))
    assert not same(first[0], drawn(0, 0)[0])
    assert not same(first[0], drawn(1, 1)[0])


def test_sides_alternate() -> None:
    triplets = graph(40)
    assert [b.side for b in sampler(triplets, sides="alternate").epoch(0)] == [
        "tails",
        "heads",
        "tails",
        "heads",
    ]
    assert {b.side for b in sampler(triplets).epoch(0)} == {"both"}
    # An epoch of an odd number of updates leaves the other side to begin the next.
    odd = sampler(graph(36), sides="alternate")
    assert [b.side for n in range(2) for b in odd.epoch(n)] == ["tails", "heads"] * 3


def test_in_batch_negatives_are_the_other_ends_of_the_chunk() -> None:
    triplets = graph(30, entities=1000)
    for batch in sampler(triplets, entities=1000, in_batch=True, negatives=0).epoch(0):
        head_GB, _, tail_GB = batch.positives_GB3.unbind(-1)
        torch.testing.assert_close(batch.negatives_GK, torch.cat([head_GB, tail_GB], dim=1))
        clash_GBK = batch.clash(tail_GB)
        for g in range(len(clash_GBK)):
            for b in range(clash_GBK.shape[1]):
                ends = [x for i, x in enumerate(head_GB[g].tolist()) if i != b]
                ends += [x for i, x in enumerate(tail_GB[g].tolist()) if i != b]
                kept = [x for x in ends if x != int(tail_GB[g, b])]
                assert batch.negatives_GK[g][~clash_GBK[g, b]].tolist() == kept


def test_a_negative_that_is_the_truth_clashes() -> None:
    for batch in sampler(graph(30, entities=3), entities=3).epoch(0):
        head_GB = batch.positives_GB3[..., 0]
        clash_GBK = batch.clash(head_GB)
        for (g, b, k), found in np.ndenumerate(clash_GBK.numpy()):
            assert found == (batch.negatives_GK[g, k] == head_GB[g, b])
        assert clash_GBK.any()


@pytest.mark.parametrize("options", [{}, {"in_batch": True}, {"sides": "alternate"}])
def test_filtered_negatives_are_those_that_make_a_training_triplet(
    options: dict[str, Any],
) -> None:
    triplets = graph(60, entities=9, seed=2)
    known = set(map(tuple, triplets.tolist()))
    found: Counter[tuple[str, bool]] = Counter()
    for batch in sampler(triplets, filter_negatives=True, **options).epoch(0):
        masks = {"heads": batch.known_heads_GBK, "tails": batch.known_tails_GBK}
        assert [side for side, mask in masks.items() if mask is None] == [
            side for side in masks if batch.side not in ("both", side)
        ]
        for side, mask_GBK in masks.items():
            if mask_GBK is None:
                continue
            truth_GB = batch.positives_GB3[..., 0 if side == "heads" else 2]
            clash_GBK = batch.clash(truth_GB, mask_GBK)
            assert (clash_GBK | ~batch.clash(truth_GB)).all()
            for (g, b, k), masked in np.ndenumerate(mask_GBK.numpy()):
                head, relation, tail = batch.positives_GB3[g, b].tolist()
                other = int(batch.negatives_GK[g, k])
                made = (other, relation, tail) if side == "heads" else (head, relation, other)
                assert masked == (made in known)
                found[side, bool(masked)] += 1
    assert len(found) == 4


@pytest.mark.parametrize("positives", ["uniform", "degree"])
@pytest.mark.parametrize("negatives", [0, 6])
def test_shares_are_the_inverse_of_how_often_negatives_are_drawn(
    positives: str, negatives: int
) -> None:
    """Over many epochs, every entity's negatives add up to the count that the shares say."""
    triplets = graph(60, entities=9, seed=4)
    triplets[triplets == 5] = 2  # entity 5 is never an end
    source = sampler(
        triplets, positives=positives, in_batch=True, negatives=negatives, batch=20, chunk=10
    )
    covered_E = torch.zeros(9)
    rows = 0
    for epoch in range(150):
        for batch in source.epoch(epoch):
            g, b, _ = batch.positives_GB3.shape
            assert batch.log_share_GK is not None
            own_GBK = batch.clash(torch.full((g, b), -1))
            share_GBK = batch.log_share_GK.exp()[:, None].masked_fill(own_GBK, 0)
            index_GBK = batch.negatives_GK[:, None].expand_as(share_GBK)
            covered_E.index_add_(0, index_GBK.flatten(), share_GBK.flatten())
            rows += g * b
    # Each entity is covered once per positive, in the mean; without uniform ones entity 5 never is.
    expected_E = torch.ones(9)
    if not negatives:
        expected_E[5] = 0
    torch.testing.assert_close(covered_E / rows, expected_E, atol=0.06, rtol=0)


def test_degree_weights_are_graphvites() -> None:
    triplets = graph(200, entities=6)
    tails = Counter((h, r) for h, r, _ in triplets.tolist())
    heads = Counter((t, r) for _, r, t in triplets.tolist())
    expected = [1 / math.sqrt(tails[h, r] * heads[t, r]) for h, r, t in triplets.tolist()]
    torch.testing.assert_close(inverse_root_degrees(triplets), torch.tensor(expected))


def test_positives_by_degree_come_as_often_as_their_weight_says() -> None:
    triplets = torch.cat([torch.arange(40)[:, None], graph(40, entities=4)[:, 1:]], dim=1).int()
    source = sampler(triplets, entities=40, positives="degree")
    counts_N = torch.zeros(40)
    for epoch in range(400):
        heads = torch.cat([b.positives_GB3[..., 0].flatten() for b in source.epoch(epoch)])
        assert len(heads) == 40
        counts_N += torch.bincount(heads, minlength=40)
    chances_N = inverse_root_degrees(triplets)
    expected_N = 400 * 40 * chances_N / chances_N.sum()
    assert ((counts_N - expected_N).abs() < 5 * expected_N.sqrt()).all()
    assert not torch.equal(heads.sort().values, heads)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"negatives": 0}, "train.negatives = 0: must be above zero, or zero with"),
        ({"negatives": -1, "in_batch": True}, "train.negatives = -1"),
        ({"entity_dropout": 1.0}, "train.entity_dropout = 1.0: at least 0, below 1"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(TRAIN, **wrong)
