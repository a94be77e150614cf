"""Texts to vectors, in length-sorted batches.

Imports numpy, torch and kepler_ke.{encoder,tokens,world}.

Shapes: M distinct texts, S of one process, D vector width, R relations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor

from kepler_ke.encoder import Kepler
from kepler_ke.tokens import NONE, Indices, Texts
from kepler_ke.world import World

BUCKET: Final = 64
"""Texts per forward pass: enough to fill a core's or a GPU's units, few enough to pad little."""


def encode_keys(model: Kepler, texts: Texts, keys_M: Indices, world: World | None = None) -> Tensor:
    """The vectors of these texts in the order given, (M, D), with gradients.

    Among several processes each encodes every size-th text by length, so that all have alike to do.
    """
    here = world or World()
    order_M = np.argsort(-texts.lengths(keys_M), kind="stable")
    filled = np.pad(order_M, (0, -len(order_M) % here.size), mode="edge")
    own_S = filled[here.rank :: here.size]
    vectors_MD = here.gather(_encode(model, texts, keys_M[own_S]))
    # Row i of what was gathered is text back[i]; a filled-up row repeats the last text.
    back = np.concatenate([filled[rank :: here.size] for rank in range(here.size)])
    place_M = np.empty(len(keys_M), dtype=np.int64)
    place_M[back] = np.arange(len(back))
    return vectors_MD[torch.from_numpy(place_M).to(model.device)]


def _encode(model: Kepler, texts: Texts, keys_S: Indices) -> Tensor:
    places, vectors = [], []
    for place_B, ids_BT, mask_BT in texts.buckets(keys_S, BUCKET):
        places.append(place_B)
        vectors.append(model.encode(ids_BT.to(model.device), mask_BT.to(model.device)))
    back_S = torch.from_numpy(np.argsort(np.concatenate(places))).to(model.device)
    return torch.cat(vectors)[back_S]


def encode_texts(
    model: Kepler,
    texts: Texts,
    keys_M: Indices,
    update: Callable[[int], object] = lambda _: None,
    world: World | None = None,
) -> Tensor:
    """The vectors of these texts, (M, D), on the CPU, without gradients or dropout.

    `update` is told how many are done. Several processes, all of which must call it, share the
    work; the first gets the vectors, the others (0, D).
    """
    here, was_training = world or World(), model.training
    model.eval()
    vectors_MD = torch.empty(len(keys_M) if here.first else 0, model.dim)
    order_M = np.argsort(-texts.lengths(keys_M), kind="stable")
    size = BUCKET * here.size
    with torch.inference_mode():
        for start in range(0, len(order_M), size):
            place_B = order_M[start : start + size]
            vectors_BD = encode_keys(model, texts, keys_M[place_B], here)
            if here.first:
                vectors_MD[torch.from_numpy(place_B)] = vectors_BD.cpu()
            update(start + len(place_B))
    model.train(was_training)
    return vectors_MD


def relation_vectors(model: Kepler, texts: Texts, rows: int, start: int = 0) -> Tensor:
    """`rows` relations' vectors, (R, D), on the CPU: those of their texts, or learned ones.

    Of the learned ones, rows `start` and on are this graph's.
    """
    if model.config.relations == "table":
        return model.relations_RD.detach()[start : start + rows].cpu()
    return encode_texts(model, texts, texts.keys(NONE, np.arange(rows)))
