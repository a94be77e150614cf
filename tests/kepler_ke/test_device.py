"""Scores on a GPU, as far as a machine without one can tell: on tensors that know only a device."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensorMode
from transformers import AutoTokenizer

from kepler_ke.data import contrastive_batch, knowledge_batch
from kepler_ke.encoder import make_scorer
from kepler_ke.objectives import contrastive_scores, knowledge_loss, knowledge_scores
from kepler_ke.tokens import graph_texts
from tests.kepler_ke.conftest import SHORT
from wikidata5m.dataset import Dataset


@pytest.mark.parametrize("objective", ["kepler", "contrastive"])
def test_a_batch_on_the_cpu_is_scored_where_the_vectors_are(
    objective: str, dataset: Dataset, encoder: Path
) -> None:
    settings = {"objective": objective, "p": 2, "conditioned": True}
    config = dataclasses.replace(SHORT, **settings)  # type: ignore[arg-type]
    texts = graph_texts(AutoTokenizer.from_pretrained(encoder), dataset, config)
    triplets_B3 = dataset.triplets("inductive", "train")[:12].astype(np.int64)
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
        relations_RD = torch.empty(dataset.num_relations, 8, device="cuda")
        if objective == "kepler":
            entities, rng = np.unique(triplets_B3[:, [0, 2]]), np.random.default_rng(0)
            batch = knowledge_batch(triplets_B3, entities, texts, config, rng)
            vectors_MD = torch.empty(len(batch.keys), 8, device="cuda")
            scores = knowledge_scores(make_scorer(config), vectors_MD, relations_RD, batch)
            found = knowledge_loss(*scores)
        else:
            asked = contrastive_batch(triplets_B3, dataset.num_relations, texts, config)
            vectors_MD = torch.empty(len(asked.keys), 8, device="cuda")
            earlier_LD = torch.empty(5, 8, device="cuda")
            found = contrastive_scores(
                make_scorer(config), vectors_MD, relations_RD, asked, earlier_LD
            )
    assert found.device.type == "cuda"
