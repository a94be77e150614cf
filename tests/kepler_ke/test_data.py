"""Texts, batches, negatives and masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from kepler_ke.config import NegativeSource
from kepler_ke.data import (
    Order,
    check_unseen,
    generator,
    knowledge_batch,
    mask_tokens,
    part_entities,
    tokenize,
)
from tests.datasets import make_dataset
from wikidata5m import schema
from wikidata5m.dataset import Dataset
from wikidata5m.errors import DatasetError
from wikidata5m.files import write_parquet
from wikidata5m.writer import as_table


@pytest.fixture(scope="module")
def tokenizer(encoder: Path) -> PreTrainedTokenizerBase:
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(encoder)
    return found


def test_tokens_are_the_tokenizers_own_cut_to_the_limit(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase
) -> None:
    texts = tokenize(tokenizer, dataset, np.array([3, 5, 8]), 9)
    ids_BT, mask_BT = texts.batch(np.array([2, 0]))
    for row, entity in enumerate((8, 3)):
        expected = tokenizer(dataset.texts[entity], truncation=True, max_length=9)["input_ids"]
        assert ids_BT[row][mask_BT[row]].tolist() == expected
    assert ids_BT[0, 0] == tokenizer.cls_token_id
    assert bool((ids_BT[~mask_BT] == tokenizer.pad_token_id).all())


def test_an_entity_without_description_is_read_by_its_label_and_counted(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    data = make_dataset(tmp_path / "d", countries=6)
    shard = data.path / schema.DESCRIPTIONS / "00000.parquet"
    others = pl.read_parquet(shard).filter(pl.col("index") != 4)
    write_parquet(others, schema.DESCRIPTION_SCHEMA, shard)
    texts = tokenize(tokenizer, data, np.arange(6), 16)
    ids_BT, mask_BT = texts.batch(np.array([4]))
    assert texts.labels_only == 1
    assert ids_BT[0][mask_BT[0]].tolist() == tokenizer(data.entities["label"][4])["input_ids"]


def test_buckets_cover_every_text_once_and_pad_to_their_own_longest(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase
) -> None:
    texts = tokenize(tokenizer, dataset, np.arange(50), 64)
    seen = []
    for places, _, mask_BT in texts.buckets(np.arange(50), 7):
        seen += places.tolist()
        assert mask_BT.shape[1] == texts.lengths(places).max()
    assert sorted(seen) == list(range(50))


@given(
    st.lists(st.tuples(st.integers(0, 19), st.integers(0, 3), st.integers(0, 19)), min_size=1),
    st.integers(1, 5),
    st.sampled_from(["graph", "batch"]),
    st.integers(0, 9),
)
def test_a_batch_holds_its_triplets_and_negatives_other_than_the_truth(
    triplets: list[tuple[int, int, int]], negatives: int, source: NegativeSource, seed: int
) -> None:
    triplets_B3 = np.array(triplets)
    batch = knowledge_batch(triplets_B3, 20, negatives, source, np.random.default_rng(seed))
    assert len(np.unique(batch.rows)) == len(batch.rows)
    ends = [batch.rows[x.numpy()] for x in (batch.head, batch.tail)]
    back = np.stack([ends[0], batch.relation.numpy(), ends[1]], axis=1)
    assert (back == triplets_B3).all()
    assert batch.other_head.shape == batch.other_tail.shape == (len(triplets), negatives)
    if len(batch.rows) > 1:
        assert not (batch.other_head == batch.head[:, None]).any()
        assert not (batch.other_tail == batch.tail[:, None]).any()
    if source == "batch":
        assert set(batch.rows.tolist()) == set(triplets_B3[:, [0, 2]].ravel().tolist())


def test_masking_chooses_15_percent_of_ordinary_tokens_and_splits_them_80_10_10(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    ids_BT = torch.full((400, 100), 300)
    ids_BT[:, 0], ids_BT[:, -1] = 0, 2
    corrupted, chosen = mask_tokens(ids_BT, tokenizer, 0.15, np.random.default_rng(0))
    assert not chosen[:, [0, -1]].any()
    assert float(chosen[:, 1:-1].float().mean()) == pytest.approx(0.15, abs=0.005)
    assert bool((corrupted[~chosen] == ids_BT[~chosen]).all())
    fate = corrupted[chosen]
    assert float((fate == tokenizer.mask_token_id).float().mean()) == pytest.approx(0.8, abs=0.02)
    assert float((fate == 300).float().mean()) == pytest.approx(0.1, abs=0.02)
    assert len(torch.unique(fate)) > 100


def test_every_epoch_is_a_different_order_of_all_triplets_and_any_step_is_reproducible() -> None:
    triplets = np.arange(30).reshape(10, 3)
    order = Order(triplets, 4, seed=3)
    epochs = [np.concatenate([order.batch(3 * e + i) for i in range(3)]) for e in range(2)]
    assert all((np.sort(epoch, axis=0) == triplets).all() for epoch in epochs)
    assert (epochs[0] != epochs[1]).any()
    assert (Order(triplets, 4, seed=3).batch(4) == order.batch(4)).all()


def test_streams_and_steps_draw_independently() -> None:
    draws = {
        generator(0, stream, step).integers(2**60)
        for stream in ("order", "negatives", "mlm")
        for step in (0, 1)
    }
    assert len(draws) == 6


def test_inductive_parts_that_share_an_entity_are_refused(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "d", countries=6)
    check_unseen(data)
    test = data.triplets("inductive", "test").copy()
    test[0, 0] = data.triplets("inductive", "train")[0, 0]
    write_parquet(
        as_table(test),
        schema.TRIPLET_SCHEMA,
        data.path / schema.split_file("inductive", "test"),
    )
    with pytest.raises(DatasetError, match="test shares 1 entities with train"):
        check_unseen(data)


def test_candidates_are_the_parts_own_entities_only_in_the_inductive_setting(
    dataset: Dataset,
) -> None:
    assert len(part_entities(dataset, "transductive", "test")) == dataset.num_entities
    own = part_entities(dataset, "inductive", "test")
    assert set(own.tolist()) == set(
        dataset.triplets("inductive", "test")[:, [0, 2]].ravel().tolist()
    )
