"""The transductive split: single triplets held out, every entity and relation still in train.

Imports draws and config. Legend: N triplets, E entities, R relations.
"""

from __future__ import annotations

import numpy as np

from pipelines.draws import Ints, order
from pipelines.split.config import SplitConfig, SplitResult, nothing, shortfall, too_few
from wikidata5m.dataset import Triplets

VALID, TEST = 1, 2


def transductive(triplets_N3: Triplets, config: SplitConfig, seed: int) -> SplitResult:
    """Hold out triplets so that each entity and relation of valid and test occurs in train.

    Triplets are visited in random order; one is held out while its head, relation and tail keep
    another occurrence in train.
    """
    limit = int(len(triplets_N3) * config.max_share)
    sizes = [min(config.valid, limit), min(config.test, limit)]
    if min(sizes) == 0:
        return too_few("transductive", "triplets", len(triplets_N3), 1)
    held = _hold_out(triplets_N3, sum(sizes), seed)
    if len(held) < 2:
        return nothing("no transductive split: hardly a triplet has ends that occur elsewhere too")
    # The two parts share a shortfall in proportion; the draw is random, so a prefix is fair.
    first = min(max(1, len(held) * sizes[0] // sum(sizes)), len(held) - 1)
    part_N = np.zeros(len(triplets_N3), dtype=np.int8)
    part_N[held[:first]] = VALID
    part_N[held[first:]] = TEST
    return SplitResult(
        parts={
            "train": triplets_N3[part_N == 0],
            "valid": triplets_N3[part_N == VALID],
            "test": triplets_N3[part_N == TEST],
        },
        note=shortfall("transductive", "triplets", config.valid + config.test, len(held)),
    )


def _hold_out(triplets_N3: Triplets, size: int, seed: int) -> list[int]:
    """Up to `size` rows, in the order in which they were drawn."""
    left_E = np.bincount(triplets_N3[:, 0], minlength=1 + int(triplets_N3[:, [0, 2]].max()))
    left_E += np.bincount(triplets_N3[:, 2], minlength=len(left_E))
    left_R = np.bincount(triplets_N3[:, 1])
    held: list[int] = []
    for row in _candidates(triplets_N3, left_E, left_R, seed):
        head, relation, tail = triplets_N3[row].tolist()
        left_E[head] -= 1
        left_E[tail] -= 1
        left_R[relation] -= 1
        if left_E[head] and left_E[tail] and left_R[relation]:
            held.append(int(row))
            if len(held) == size:
                break
        else:
            left_E[head] += 1
            left_E[tail] += 1
            left_R[relation] += 1
    return held


def _candidates(triplets_N3: Triplets, left_E: Ints, left_R: Ints, seed: int) -> Ints:
    """Rows in random order, less those that hold the only occurrence of something from the start.

    A loop needs no exception: its entity must occur elsewhere too, and the caller checks.
    """
    rows = order(len(triplets_N3), seed, 1)
    head_N, relation_N, tail_N = triplets_N3.T
    spare_E, spare_R = left_E > 1, left_R > 1
    spare_N = spare_E[head_N] & spare_E[tail_N] & spare_R[relation_N]
    found: Ints = rows[spare_N[rows]]
    return found
