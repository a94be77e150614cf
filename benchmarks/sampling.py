"""Batches of positives and the negatives they share, from (seed, epoch) alone.

Imports numpy and torch. Nothing is carried over from one epoch to the next, so a run resumes at
any epoch exactly.

Shapes: N triplets, G chunks of a batch, B positives of a chunk, K negatives that a chunk shares.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


def batches(
    triplets_N3: Tensor,
    *,
    num_entities: int,
    batch: int,
    chunk: int,
    negatives: int,
    seed: int,
    epoch: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every triplet once, in random order: positives (G, B, 3) and uniform negatives (G, K).

    The last batches may be smaller; a remainder that fills no chunk forms a chunk of its own.
    """
    device = triplets_N3.device
    generator = torch.Generator(device).manual_seed(_mix(seed, epoch))
    order_N = torch.randperm(len(triplets_N3), generator=generator, device=device)
    for start, stop in _spans(len(triplets_N3), batch, chunk):
        positives = triplets_N3[order_N[start:stop]]
        chunks = max(1, (stop - start) // chunk)
        shape = (chunks, negatives)
        negatives_GK = torch.randint(num_entities, shape, generator=generator, device=device)
        yield positives.view(chunks, -1, 3), negatives_GK


def _spans(total: int, batch: int, chunk: int) -> Iterator[tuple[int, int]]:
    start = 0
    while start < total:
        left = total - start
        size = min(batch, left if left < chunk else left - left % chunk)
        yield start, start + size
        start += size


def _mix(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)
