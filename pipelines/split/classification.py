"""Triple classification with hard negatives: each held-out triplet beside a false one like it.

Imports config, dataset, schema, splits and world.random. Legend: N triplets, E entities,
R relations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from pipelines.draws import Ints
from pipelines.split.config import SplitConfig
from pipelines.world.random import Stream
from wikidata5m import schema
from wikidata5m.dataset import Triplets
from wikidata5m.schema import Part, Support
from wikidata5m.splits import triplet_keys

HELD: Final[tuple[Part, ...]] = ("valid", "test")
DRAWS: Final = 16
"""How many false entities are drawn at random before all candidates are looked through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """The labelled triplets of valid and test, and how many true ones had no false one."""

    tables: Mapping[Part, pa.Table] = field(default_factory=dict)
    """Under CLASSIFICATION_SCHEMA: each true triplet, and in the next row its false one."""
    without: int = 0


def classification(
    parts: Mapping[Part | Support, Triplets],
    num_entities: int,
    num_relations: int,
    config: SplitConfig,
    seed: int,
) -> Classified:
    """For each valid and test triplet of a transductive split a false one with one other entity.

    That entity stands in train in the same relation at the same end, so that its type does not
    give it away; the false triplet is in no part, and occurs once. With `config.nearest_degree`
    its degree does not give it away either. A triplet for which there is none at either end is
    left out and counted.
    """
    forge = _Forge(parts, (num_entities, num_relations), config.nearest_degree)
    tables: dict[Part, pa.Table] = {}
    without = 0
    for part in HELD:
        rows: list[tuple[int, int, int]] = []
        for triplet in map(tuple, parts[part].tolist()):
            # Keyed by the triplet: what else is held out does not change the draw.
            false = forge.false(triplet, Stream(seed, 6, *triplet))
            if false is None:
                without += 1
            else:
                rows += [triplet, false]
        tables[part] = _table(rows)
    return Classified(tables=tables, without=without)


def _table(rows: list[tuple[int, int, int]]) -> pa.Table:
    columns = np.array(rows, dtype=np.int32).reshape(-1, 3)
    labels = np.arange(len(rows)) % 2 == 0
    return pa.table(
        [*(pa.array(columns[:, i]) for i in range(3)), pa.array(labels)],
        schema=schema.CLASSIFICATION_SCHEMA,
    )


class _Forge:
    """Makes false triplets that look true."""

    def __init__(
        self, parts: Mapping[Part | Support, Triplets], sizes: tuple[int, int], nearest: int
    ) -> None:
        train_N3 = parts["train"]
        self._sizes, self._nearest = sizes, nearest
        self._true = np.concatenate(
            [triplet_keys(parts[part], sizes) for part in ("train", "valid", "test")]
        )
        self._true.sort()
        self._made: set[int] = set()
        self._degree_E = np.bincount(train_N3[:, 0], minlength=sizes[0])
        self._degree_E += np.bincount(train_N3[:, 2], minlength=sizes[0])
        self._stands = {position: _stands(train_N3, position) for position in (0, 2)}
        self._pools: dict[tuple[int, int], Ints] = {}

    def false(self, triplet: tuple[int, ...], stream: Stream) -> tuple[int, int, int] | None:
        """The triplet with another head or tail; None when every candidate makes a true one."""
        first = 0 if stream.chance(50) else 2
        for position in (first, 2 - first):
            pool = self._pool(triplet[1], position)
            if not len(pool):
                continue
            for tried in (self._draw(pool, triplet[position], stream), pool):
                free = self._free(tried, triplet, position)
                if len(free):
                    false = list(triplet)
                    false[position] = int(free[stream.below(len(free))])
                    self._made.add(int(self._keys(np.array([false], dtype=np.int32))[0]))
                    return false[0], false[1], false[2]
        return None

    def _pool(self, relation: int, position: int) -> Ints:
        """The entities that stand in train at this end of the relation, by degree and index."""
        if (relation, position) not in self._pools:
            stands = self._stands[position]
            start, stop = np.searchsorted(stands, [relation << 32, (relation + 1) << 32])
            found = stands[start:stop] & ((1 << 32) - 1)
            by_degree = np.argsort(self._degree_E[found], kind="stable")
            self._pools[relation, position] = found[by_degree]
        return self._pools[relation, position]

    def _draw(self, pool: Ints, end: int, stream: Stream) -> Ints:
        """Some candidates: those nearest in degree to the true end, or random ones."""
        if not self._nearest:
            return pool[[stream.below(len(pool)) for _ in range(DRAWS)]]
        place = int(np.searchsorted(self._degree_E[pool], self._degree_E[end]))
        start = min(max(0, place - self._nearest // 2), max(0, len(pool) - self._nearest))
        return pool[start : start + self._nearest]

    def _free(self, tried: Ints, triplet: tuple[int, ...], position: int) -> Ints:
        """Those that make a triplet which is neither true nor made already."""
        false_K3 = np.repeat(np.array([triplet], dtype=np.int32), len(tried), axis=0)
        false_K3[:, position] = tried
        keys = self._keys(false_K3)
        place = np.minimum(np.searchsorted(self._true, keys), len(self._true) - 1)
        fresh = np.array([key not in self._made for key in keys.tolist()])
        free: Ints = tried[(self._true[place] != keys) & fresh]
        return free

    def _keys(self, triplets_N3: Triplets) -> Ints:
        return triplet_keys(triplets_N3, self._sizes)


def _stands(train_N3: Triplets, position: int) -> Ints:
    """Which entities stand at one end of which relation: sorted, relation above entity."""
    packed = train_N3[:, 1].astype(np.int64) << 32
    packed |= train_N3[:, position]
    packed.sort()
    fresh = np.ones(len(packed), dtype=np.bool_)
    fresh[1:] = packed[1:] != packed[:-1]
    return packed[fresh]
