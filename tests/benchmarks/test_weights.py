"""Weights of triplets, from the file to the loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import run
from benchmarks.embeddings import load_embeddings
from benchmarks.weights import read_weights
from tests.benchmarks.conftest import quick_config
from wikidata5m.dataset import Dataset
from wikidata5m.errors import InputError


def line(dataset: Dataset, triplet: np.ndarray, weight: object) -> str:
    head, relation, tail = (int(each) for each in triplet)
    ids, relations = dataset.entity_ids, dataset.relations["relation"]
    return f"{ids[head]}\t{relations[relation]}\t{ids[tail]}\t{weight}\n"


def test_each_named_triplet_gets_its_weight_and_the_rest_one(
    small: Dataset, tmp_path: Path
) -> None:
    triplets = small.triplets("transductive", "train")
    path = tmp_path / "weights.tsv"
    chosen = np.random.default_rng(0).permutation(len(triplets))[:40]
    path.write_text("".join(line(small, triplets[n], n / 8) for n in chosen))
    expected = np.ones(len(triplets), dtype=np.float32)
    expected[chosen] = chosen / 8
    np.testing.assert_array_equal(read_weights(path, small, triplets), expected)


def test_a_triplet_of_weight_zero_is_not_learnt(small: Dataset, tmp_path: Path) -> None:
    """With all triplets of a relation at weight 0, its vector stays where it started."""
    triplets = small.triplets("transductive", "train")
    path, silent = tmp_path / "weights.tsv", 4
    none = [line(small, each, 0) for each in triplets if each[1] == silent]
    path.write_text("".join(none))
    config = quick_config(small, "model.name=distmult", f"train.weights={path}")
    start = run.engine_for(config, small).relations.table_ND.clone()
    run.train(config, tmp_path / "run")
    end = load_embeddings(tmp_path / "run" / "embeddings").relations
    moved = (start != end).any(dim=1)
    assert moved.tolist() == [relation != silent for relation in range(small.num_relations)]


def test_equal_weights_change_nothing(small: Dataset, tmp_path: Path) -> None:
    triplets = small.triplets("transductive", "train")
    path = tmp_path / "weights.tsv"
    path.write_text("".join(line(small, each, 3.5) for each in triplets))
    run.train(quick_config(small, f"train.weights={path}"), tmp_path / "a")
    run.train(quick_config(small), tmp_path / "b")
    a, b = (load_embeddings(tmp_path / x / "embeddings").entities for x in "ab")
    torch.testing.assert_close(a, b)


def test_what_is_no_weight_is_refused_with_its_line(small: Dataset, tmp_path: Path) -> None:
    triplets = small.triplets("transductive", "train")
    path = tmp_path / "weights.tsv"
    good = line(small, triplets[0], 1)
    for bad, message in (
        (line(small, triplets[1], -1), "line 2: a weight that is no number"),
        (line(small, triplets[1], "nan"), "line 2: a weight that is no number"),
        (line(small, triplets[1], ""), "line 2: a weight that is no number"),
        (good, "line 1: a triplet named twice"),
        ("Q1\tP19\tQ2\t1\n", "line 2: a triplet that is not trained on"),
        ("Q1\tP19\n", "line 2: a weight that is no number"),
        (line(small, triplets[1], "much"), "not readable as weights"),
    ):
        path.write_text(good + bad)
        with pytest.raises(InputError, match=message):
            read_weights(path, small, triplets)
    path.write_text("".join(line(small, each, 0) for each in triplets))
    with pytest.raises(InputError, match="all weights are 0"):
        read_weights(path, small, triplets)
    with pytest.raises(InputError, match="no such file"):
        read_weights(tmp_path / "none", small, triplets)
