"""Bytes that a process sends per batch, when dimensions are shared and when rows are.

    python -m tests.performance.slices

Counted on drawn batches, over as many entities as Wikidata5M has. See
docs/decisions/0013-slices-of-dimensions.md.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.config import TrainConfig
from benchmarks.sampling import Batch, Sampler
from wikidata5m.console import emit, table

TRIPLETS, ENTITIES, RELATIONS = 2_000_000, 4_594_485, 822
FLOAT = 4


def main() -> None:
    """Print a row per kind of batch and number of processes."""
    rng = np.random.default_rng(0)
    columns = [
        rng.integers(ENTITIES, size=TRIPLETS),
        RELATIONS * rng.random(TRIPLETS) ** 4,
        ENTITIES * rng.random(TRIPLETS) ** 6,
    ]
    triplets_N3 = torch.from_numpy(np.stack(columns, axis=1).astype(np.int32))
    rows = []
    for size, chunk, negatives in ((32768, 64, 64), (4096, 1024, 1024), (1024, 1024, 8192)):
        train = TrainConfig(batch=size, chunk=chunk, negatives=negatives)
        batch = next(Sampler(triplets_N3, ENTITIES, train, seed=1).epoch(0))
        for count in (2, 4):
            shared = [by_rows(batch, count, dim) / 1e6 for dim in (128, 512)]
            rows.append([size, chunk, negatives, count, by_slices(batch, count) / 1e6, *shared])
    header = ["batch", "chunk", "negatives", "processes", "slices MB", "rows 128", "rows 512"]
    emit({}, as_json=False, text=table(header, rows))


def by_slices(batch: Batch, count: int) -> float:
    """Of a ring of all-reduces over both sides' scores and the squares of Adagrad's rows."""
    head_M, relation_M, tail_M = (x.flatten() for x in batch.positives_GB3.unbind(-1))
    scores = 2 * len(head_M) * (1 + batch.negatives_GK.shape[1])
    entities = torch.cat([head_M, tail_M, batch.negatives_GK.flatten()])
    squares = len(entities.unique()) + len(relation_M.unique())
    return FLOAT * 2 * (count - 1) / count * (scores + squares)


def by_rows(batch: Batch, count: int, dim: int) -> float:
    """Of fetching the rows that others hold for a share of the positives, and their gradients."""
    head_M, _, tail_M = (x.flatten() for x in batch.positives_GB3.unbind(-1))
    chunks, foreign = len(batch.negatives_GK), 0
    for rank in range(count):
        mine = slice(rank * len(head_M) // count, (rank + 1) * len(head_M) // count)
        # A single chunk is shared by all; more of them are dealt out whole.
        held = slice(rank * chunks // count, (rank + 1) * chunks // count)
        negatives = batch.negatives_GK[held] if chunks > 1 else batch.negatives_GK
        needed = torch.cat([head_M[mine], tail_M[mine], negatives.flatten()]).unique()
        foreign += int((needed % count != rank).sum())
    return FLOAT * 2 * dim * foreign / count


if __name__ == "__main__":
    main()
