"""The temporal split: learn from an earlier dataset, be asked for what a later one states anew.

Imports draws, config, dataset, errors and splits. Legend: N triplets, E entities, R relations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines.draws import Ints, order
from pipelines.split.config import SplitConfig, SplitResult, nothing
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.splits import among, triplet_keys

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An earlier dataset's triplets in a later one's indices, and what had no place there."""

    triplets: Triplets
    """Sorted and unique."""
    entity_gone: int = 0
    relation_gone: int = 0


def read_earlier(earlier: Dataset, later: Dataset) -> Earlier:
    """Map the earlier triplets by the string ids of their entities and relations."""
    entity_E = _places(earlier.entities["entity"], later.entities["entity"])
    relation_R = _places(earlier.relations["relation"], later.relations["relation"])
    head, relation, tail = earlier.triplets().T
    mapped_N3 = np.stack([entity_E[head], relation_R[relation], entity_E[tail]], axis=1)
    no_entity = (mapped_N3[:, 0] < 0) | (mapped_N3[:, 2] < 0)
    no_relation = (mapped_N3[:, 1] < 0) & ~no_entity
    kept_N3 = mapped_N3[~(no_entity | no_relation)].astype(np.int32)
    keys = triplet_keys(kept_N3, (later.num_entities, later.num_relations))
    return Earlier(
        triplets=kept_N3[np.argsort(keys)],
        entity_gone=int(no_entity.sum()),
        relation_gone=int(no_relation.sum()),
    )


def _places(ids: pl.Series, among: pl.Series) -> Ints:
    """The row of each id in `among`, -1 where it is not there."""
    rows = pl.DataFrame({"id": among}).with_row_index("row")
    joined = pl.DataFrame({"id": ids}).join(rows, on="id", how="left", maintain_order="left")
    return joined["row"].cast(pl.Int64).fill_null(-1).to_numpy()


def temporal(
    later_N3: Triplets,
    earlier: Earlier,
    num_entities: int,
    num_relations: int,
    config: SplitConfig,
    seed: int,
) -> SplitResult:
    """Train on the earlier triplets; a random half each of the later's new ones is valid and test.

    A new fact about an entity or a relation that train lacks is dropped and counted, or kept with
    `config.keep_unseen`. What the later dataset states no more stays in train, which is what was
    known then, and is counted as `temporal_removed`.
    """
    sizes = (num_entities, num_relations)
    before = triplet_keys(earlier.triplets, sizes)
    now = triplet_keys(later_N3, sizes)
    new_N3 = later_N3[~among(now, before)]
    unseen_entity, unseen_relation = _unseen(new_N3, earlier.triplets, sizes)
    drops = {
        "temporal_entity_gone": earlier.entity_gone,
        "temporal_relation_gone": earlier.relation_gone,
        "temporal_unseen_entity": 0 if config.keep_unseen else int(unseen_entity.sum()),
        "temporal_unseen_relation": 0 if config.keep_unseen else int(unseen_relation.sum()),
    }
    asked_N3 = new_N3 if config.keep_unseen else new_N3[~(unseen_entity | unseen_relation)]
    if not len(earlier.triplets) or len(asked_N3) < 2:
        return nothing(
            f"no temporal split: {len(earlier.triplets):,} triplets known before and "
            f"{len(asked_N3):,} new ones are too few; name an --earlier dataset further back"
        )
    valid = np.zeros(len(asked_N3), dtype=np.bool_)
    valid[order(len(asked_N3), seed, 7)[: len(asked_N3) // 2]] = True
    return SplitResult(
        parts={
            "train": earlier.triplets,
            "valid": asked_N3[valid],
            "test": asked_N3[~valid],
        },
        drops=drops,
        counts={
            "temporal_new": len(new_N3),
            "temporal_removed": int((~among(before, now)).sum()),
        },
    )


def _unseen(new_N3: Triplets, train_N3: Triplets, sizes: tuple[int, int]) -> tuple[Mask, Mask]:
    """Which new triplets have an entity that train lacks, and which of the others a relation."""
    known_E = np.zeros(sizes[0], dtype=np.bool_)
    known_E[train_N3[:, 0]] = True
    known_E[train_N3[:, 2]] = True
    known_R = np.zeros(sizes[1], dtype=np.bool_)
    known_R[train_N3[:, 1]] = True
    no_entity = ~(known_E[new_N3[:, 0]] & known_E[new_N3[:, 2]])
    return no_entity, ~known_R[new_N3[:, 1]] & ~no_entity
