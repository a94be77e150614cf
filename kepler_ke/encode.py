"""Descriptions to vectors, in length-sorted batches.

Imports torch, transformers, benchmarks, kepler_ke.data, kepler_ke.encoder and wikidata5m.

Shapes: N texts, M distinct texts, D vector width.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from benchmarks.embeddings import EmbeddingsMeta, save_embeddings
from benchmarks.scorers import TransE
from kepler_ke.data import Indices, Texts, tokenize
from kepler_ke.encoder import Kepler
from wikidata5m.console import progress
from wikidata5m.dataset import Dataset

BUCKET: Final = 64
"""Texts per forward pass: enough to fill a core's or a GPU's units, few enough to pad little."""


def encode_rows(model: Kepler, texts: Texts, rows_M: Indices) -> Tensor:
    """The vectors of these texts in the order given, (M, D), with gradients."""
    places, vectors = [], []
    for place_B, ids_BT, mask_BT in texts.buckets(rows_M, BUCKET):
        places.append(place_B)
        vectors.append(model.encode(ids_BT.to(model.device), mask_BT.to(model.device)))
    back_M = torch.from_numpy(np.argsort(np.concatenate(places))).to(model.device)
    return torch.cat(vectors)[back_M]


def encode_texts(model: Kepler, texts: Texts, *, what: str = "") -> Tensor:
    """The vectors of all texts, (N, D), on the CPU, without gradients or dropout.

    With `what`, progress is shown under that name.
    """
    was_training = model.training
    model.eval()
    vectors_ND = torch.empty(len(texts), model.dim)
    done = 0
    shown = progress(what, len(texts), "texts") if what else nullcontext()
    with torch.inference_mode(), shown as update:
        for place_B, ids_BT, mask_BT in texts.buckets(np.arange(len(texts)), BUCKET):
            vectors_BD = model.encode(ids_BT.to(model.device), mask_BT.to(model.device))
            vectors_ND[torch.from_numpy(place_B)] = vectors_BD.cpu()
            done += len(place_B)
            if update:
                update(done)
    model.train(was_training)
    return vectors_ND


def write_embeddings(
    folder: Path,
    dataset: Dataset,
    model: Kepler,
    tokenizer: PreTrainedTokenizerBase,
    scorer: TransE,
    *,
    entities: Indices,
    tokens: int,
) -> Texts:
    """Encode the descriptions of `entities` (ascending) into an artefact; returns their texts."""
    texts = tokenize(tokenizer, dataset, entities, tokens)
    vectors_ND = encode_texts(model, texts, what="encode")
    meta = EmbeddingsMeta(
        scorer=scorer.name,
        dim=model.dim,
        dataset=dataset.manifest.name,
        dataset_hash=dataset.manifest.dataset_hash,
        gamma=scorer.gamma,
        p=scorer.p,
        extra={"kind": "kepler", "pooling": model.pooling, "tokens": tokens},
    )
    save_embeddings(
        folder,
        vectors_ND,
        model.relations_RD,
        meta,
        index_E=None if len(entities) == dataset.num_entities else torch.from_numpy(entities),
    )
    return texts
