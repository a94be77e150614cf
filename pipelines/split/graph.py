"""The graph as arrays: the triplets of each entity. Imports nothing of the project but Triplets.

Legend: N triplets, E entities, R relations. Triplets are (N, 3), sorted by head, relation, tail.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.draws import Ints
from wikidata5m.dataset import Triplets

_ROW = (1 << 32) - 1


class Graph:
    """Which triplets touch an entity, and what train has left when some are taken out.

    For 20 M triplets about 0.4 GB beside the triplets themselves, which are not copied.
    """

    def __init__(self, triplets_N3: Triplets, num_entities: int) -> None:
        self.triplets_N3 = triplets_N3
        out_E = np.bincount(triplets_N3[:, 0], minlength=num_entities)
        in_E = np.bincount(triplets_N3[:, 2], minlength=num_entities)
        self.degree_E: Ints = out_E + in_E
        """Occurrences as head or tail: a loop counts twice."""
        self._out = np.concatenate([[0], np.cumsum(out_E)])
        self._in = np.concatenate([[0], np.cumsum(in_E)])
        # Tail and row in one number: rows by tail without ties, so that every sort gives the same.
        packed = triplets_N3[:, 2].astype(np.int64) << 32
        packed |= np.arange(len(triplets_N3))
        packed.sort()
        self._by_tail = (packed & _ROW).astype(np.int32)

    def rows(self, entity: int) -> npt.NDArray[np.int32]:
        """The rows of an entity's triplets, as head and then as tail; a loop stands twice."""
        heads = np.arange(self._out[entity], self._out[entity + 1], dtype=np.int32)
        return np.concatenate([heads, self._by_tail[self._in[entity] : self._in[entity + 1]]])

    def neighbours(self, entity: int) -> list[int]:
        """The other end of each of its triplets, in the order of `rows`."""
        heads = self.triplets_N3[self._out[entity] : self._out[entity + 1], 2]
        tails = self.triplets_N3[self._by_tail[self._in[entity] : self._in[entity + 1]], 0]
        return [*heads.tolist(), *tails.tolist()]
