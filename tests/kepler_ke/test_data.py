"""Texts, batches, negatives and masks."""

from __future__ import annotations

import dataclasses
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from kepler_ke import tokens
from kepler_ke.config import KeplerConfig, NegativeSource
from kepler_ke.data import (
    check_unseen,
    contrastive_batch,
    false_negatives,
    generator,
    knowledge_batch,
    mask_tokens,
    part_entities,
)
from kepler_ke.graph import TrainGraph
from kepler_ke.order import Order, SubgraphOrder
from kepler_ke.tokens import NONE, Texts, corpus_tokens, entity_text, graph_texts
from tests.datasets import make_dataset
from tests.kepler_ke.conftest import SHORT
from wikidata5m import schema
from wikidata5m.dataset import Dataset
from wikidata5m.errors import DatasetError
from wikidata5m.files import write_parquet
from wikidata5m.writer import as_table


@pytest.fixture(scope="module")
def tokenizer(encoder: Path) -> PreTrainedTokenizerBase:
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(encoder)
    return found


def _texts(
    tokenizer: PreTrainedTokenizerBase, dataset: Dataset, **settings: Any
) -> tuple[Texts, KeplerConfig]:
    config = dataclasses.replace(SHORT, **settings)
    return graph_texts(tokenizer, dataset, config), config


def test_tokens_are_the_tokenizers_own_cut_to_the_limit(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase
) -> None:
    texts, _ = _texts(tokenizer, dataset, tokens=9)
    ids_BT, mask_BT = texts.batch(texts.keys(np.array([8, 3])))
    for row, entity in enumerate((8, 3)):
        expected = tokenizer(dataset.texts[entity], truncation=True, max_length=9)["input_ids"]
        assert ids_BT[row][mask_BT[row]].tolist() == expected
    assert ids_BT[0, 0] == tokenizer.cls_token_id
    assert bool((ids_BT[~mask_BT] == tokenizer.pad_token_id).all())


def test_equation_5_reads_the_relations_description_behind_the_entitys(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase
) -> None:
    texts, _ = _texts(tokenizer, dataset, tokens=200)
    relation = dataset.relation_index("P19")
    told = dataset.relations["description"][relation] or dataset.relations["label"][relation]

    def ids(text: str) -> list[int]:
        found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    ids_BT, mask_BT = texts.batch(texts.keys(np.array([5]), relation))
    assert ids_BT[0].tolist() == [start, *ids(dataset.texts[5]), end, *ids(told), end]
    assert bool(mask_BT.all())
    ids_BT, _ = texts.batch(texts.keys(NONE, np.array([relation + dataset.num_relations])))
    assert ids_BT[0].tolist() == [start, *ids(f"inverse of: {told}"), end]


@given(st.integers(8, 40), st.lists(st.tuples(st.integers(-1, 40), st.integers(-1, 9)), min_size=1))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_fits_its_limit_and_has_the_length_it_says(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, tokens: int, wanted: list[tuple[int, int]]
) -> None:
    texts, _ = _texts(tokenizer, dataset, tokens=64)
    texts = dataclasses.replace(texts, layout=dataclasses.replace(texts.layout, tokens=tokens))
    entity, relation = np.array(wanted).T
    keys = texts.keys(entity, relation)
    assert all((x == y).all() for x, y in zip(texts.pieces(keys), (entity, relation), strict=True))
    _, mask_BT = texts.batch(keys)
    assert mask_BT.sum(dim=1).tolist() == texts.lengths(keys).tolist()
    assert mask_BT.shape[1] <= tokens


def test_an_entity_without_description_is_read_by_its_label_and_counted(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    data = make_dataset(tmp_path / "d", countries=6)
    shard = data.path / schema.DESCRIPTIONS / "00000.parquet"
    others = pl.read_parquet(shard).filter(pl.col("index") != 4)
    blank = others.with_columns(
        text=pl.when(pl.col("index") == 5).then(pl.lit("  ")).otherwise("text")
    )
    write_parquet(blank, schema.DESCRIPTION_SCHEMA, shard)
    texts, _ = _texts(tokenizer, data)
    assert texts.labels_only == 2
    for entity in (4, 5):
        ids_BT, _ = texts.batch(texts.keys(np.array([entity])))
        assert ids_BT[0].tolist() == tokenizer(data.entities["label"][entity])["input_ids"]
    with pytest.raises(DatasetError, match=r"2 of \d+ entities have no description; add texts"):
        _texts(tokenizer, data, missing_text="refuse")


def test_name_first_puts_the_label_before_a_description_that_lacks_it() -> None:
    named = dataclasses.replace(SHORT, text="name_first")
    assert entity_text("Rome", "A city.", named) == "Rome: A city."
    assert entity_text("Rome", "Rome is a city.", named) == "Rome is a city."
    assert entity_text("Rome", "", named) == "Rome"
    assert entity_text("Rome", "A city.", SHORT) == "A city."


def test_tokens_are_written_once_for_runs_that_read_alike(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = _texts(tokenizer, dataset, tokens=31)
    with monkeypatch.context() as patch:
        patch.setattr("kepler_ke.tokens.write_tokens", lambda *_: pytest.fail("tokenised again"))
        again, _ = _texts(tokenizer, dataset, tokens=31)
    rows = range(len(first.entities))
    assert all((first.entities[row] == again.entities[row]).all() for row in rows)
    longer, _ = _texts(tokenizer, dataset, tokens=32)
    assert longer.entities is not first.entities


def test_a_corpus_is_cut_into_pieces_that_lose_nothing(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    (tmp_path / "texts").mkdir()
    texts = ["one two three four five six seven", "", "eight"]
    for number, text in enumerate(texts):
        (tmp_path / "texts" / f"{number}.txt").write_text(text, encoding="utf-8")
    tokens = corpus_tokens(tokenizer, tmp_path / "texts", "texts", 8)
    pieces = [tokens[row].tolist() for row in range(len(tokens))]
    assert all(len(piece) <= 6 for piece in pieces)
    told = tokenizer(texts, add_special_tokens=False)["input_ids"]
    assert [*chain(*pieces)] == [*chain(*told)]
    (tmp_path / "none").mkdir()
    with pytest.raises(DatasetError, match="holds no text"):
        corpus_tokens(tokenizer, tmp_path / "none", "none", 8)


@given(st.text(alphabet="ab \n", max_size=60))
def test_a_long_text_is_cut_between_words_and_loses_nothing(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "_PART", 7)
        parts = list(tokens._parts(text))
    assert "".join(parts) == text
    assert all(len(part) <= 7 for part in parts)
    for part, after in pairwise(parts):
        assert part[-1] in " \n" or not any(mark in part[3:] for mark in " \n"), (part, after)


def test_texts_may_lie_in_a_folder_named_as_a_corpus_names_its_own(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    (tmp_path / "books" / "documents").mkdir(parents=True)
    (tmp_path / "books" / "documents" / "a.txt").write_text("some words")
    assert len(corpus_tokens(tokenizer, tmp_path / "books", "books", 8)) == 1


def test_buckets_cover_every_text_once_and_pad_to_their_own_longest(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase
) -> None:
    texts, _ = _texts(tokenizer, dataset, tokens=64)
    keys = texts.keys(np.arange(50))
    seen = []
    for places, _, mask_BT in texts.buckets(keys, 7):
        seen += places.tolist()
        assert mask_BT.shape[1] == texts.lengths(keys[places]).max()
    assert sorted(seen) == list(range(50))


@given(
    st.lists(st.tuples(st.integers(0, 19), st.integers(0, 3), st.integers(0, 19)), min_size=1),
    st.integers(1, 5),
    st.sampled_from(["graph", "batch"]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 9),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_batch_holds_its_triplets_and_negatives_other_than_the_truth(
    dataset: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    triplets: list[tuple[int, int, int]],
    negatives: int,
    source: NegativeSource,
    conditioned: bool,
    told: bool,
    seed: int,
) -> None:
    texts, config = _texts(
        tokenizer,
        dataset,
        negatives=negatives,
        negative_source=source,
        conditioned=conditioned,
        relations="text" if told else "table",
    )
    triplets_B3, pool = np.array(triplets), np.unique(np.array(triplets)[:, [0, 2]])
    entities = np.arange(20) if source == "graph" else pool
    batch = knowledge_batch(triplets_B3, np.arange(20), texts, config, np.random.default_rng(seed))
    assert len(np.unique(batch.keys)) == len(batch.keys)
    head_B, with_B = texts.pieces(batch.keys[batch.head.numpy()])
    tail_B, without_B = texts.pieces(batch.keys[batch.tail.numpy()])
    assert (head_B == triplets_B3[:, 0]).all()
    assert (tail_B == triplets_B3[:, 2]).all()
    assert (with_B == (triplets_B3[:, 1] if conditioned else NONE)).all()
    assert (without_B == NONE).all()
    relation_B = batch.relation.numpy()
    if told:
        none_B, relation_B = texts.pieces(batch.keys[relation_B])
        assert (none_B == NONE).all()
    assert (relation_B == triplets_B3[:, 1]).all()
    other_head_BK, _ = texts.pieces(batch.keys[batch.other_head.numpy()])
    other_tail_BK, _ = texts.pieces(batch.keys[batch.other_tail.numpy()])
    for other_BK, truth_B in ((other_head_BK, head_B), (other_tail_BK, tail_B)):
        assert other_BK.shape == (len(triplets), negatives)
        assert np.isin(other_BK, entities).all()
        if len(entities) > 1:
            assert not (other_BK == truth_B[:, None]).any()


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 9)), min_size=1),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 9)), min_size=1),
    st.lists(st.integers(0, 9)),
    st.booleans(),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_contrastive_batch_ranks_its_entities_and_hides_known_answers(
    dataset: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    triplets: list[tuple[int, int, int]],
    others: list[tuple[int, int, int]],
    earlier: list[int],
    inverse: bool,
) -> None:
    texts, config = _texts(tokenizer, dataset, objective="contrastive", inverse=inverse)
    batch = contrastive_batch(np.array(triplets), dataset.num_relations, texts, config)
    graph = TrainGraph(np.array(triplets + others), dataset.num_entities, dataset.num_relations)
    hidden = false_negatives(graph, batch, np.array(earlier, dtype=np.int64)).numpy()
    true = set(triplets + others)
    true |= {(t, r + dataset.num_relations, h) for h, r, t in true}
    columns = [*batch.answers.tolist(), *earlier]
    wanted = [(h, r, t) for h, r, t in triplets]
    wanted += [(t, r + dataset.num_relations, h) for h, r, t in triplets] if inverse else []
    assert set(batch.answers.tolist()) == {e for h, _, t in triplets for e in (h, t)}
    for row, (asked, relation, truth) in enumerate(wanted):
        target = int(batch.target[row])
        assert batch.answers[target] == truth
        for column, entity in enumerate(columns):
            known = (asked, relation, entity) in true and column != target
            assert hidden[row, column] == known


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


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 9)), min_size=1),
    st.integers(1, 12),
    st.integers(1, 3),
    st.integers(0, 5),
)
@settings(deadline=None)
def test_a_subgraph_holds_train_triplets_once_and_is_reproducible(
    triplets: list[tuple[int, int, int]], size: int, passes: int, step: int
) -> None:
    triplets_N3 = np.unique(np.array(triplets), axis=0)
    order = SubgraphOrder(triplets_N3, 10, size, passes, seed=1)
    batch = order.batch(step)
    assert (batch == SubgraphOrder(triplets_N3, 10, size, passes, seed=1).batch(step)).all()
    parts = np.split(batch, passes)
    for part in parts:
        assert len(part) == min(size, len(triplets_N3)) == len(np.unique(part, axis=0))
        assert {tuple(x) for x in part.tolist()} <= {tuple(x) for x in triplets_N3.tolist()}


def test_subgraphs_have_fewer_entities_than_random_triplets(dataset: Dataset) -> None:
    triplets_N3 = dataset.triplets("inductive", "train").astype(np.int64)
    subgraphs = SubgraphOrder(triplets_N3, dataset.num_entities, 24, 1, seed=0)
    random = Order(triplets_N3, 24, seed=0)
    entities = [
        sum(len(np.unique(order.batch(step)[:, [0, 2]])) for step in range(5))
        for order in (subgraphs, random)
    ]
    assert entities[0] < 0.8 * entities[1]


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
