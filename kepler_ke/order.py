"""Which triplets each update sees: random ones, or those of connected subgraphs.

Imports numpy and kepler_ke.{data,tokens}. Shapes: N triplets, E entities, I ends of triplets (2 N).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from kepler_ke.data import generator
from kepler_ke.tokens import Indices


class Batches(Protocol):
    """The triplets of any update, from its number alone."""

    steps: int
    """Updates of an epoch."""

    def batch(self, step: int) -> Indices:
        """The triplets of an update, (up to the effective batch, 3)."""


class Order:
    """Which triplets each update sees: every epoch is a permutation by (seed, epoch)."""

    def __init__(self, triplets_N3: Indices, size: int, seed: int) -> None:
        self.triplets_N3, self.size, self.seed = triplets_N3, size, seed
        self.steps = -(-len(triplets_N3) // size)
        """Updates of an epoch; the last one may see fewer triplets."""
        self._epoch = -1
        self._permutation = np.zeros(0, dtype=np.int64)

    def batch(self, step: int) -> Indices:
        """The triplets of an update, (up to size, 3)."""
        epoch, place = divmod(step, self.steps)
        if epoch != self._epoch:
            rng = generator(self.seed, "order", epoch)
            self._epoch, self._permutation = epoch, rng.permutation(len(self.triplets_N3))
        return self.triplets_N3[self._permutation[place * self.size :][: self.size]]


class SubgraphOrder:
    """Passes of `size` triplets among few entities, so that one encoding serves several.

    A subgraph starts at a random triplet and grows by a random neighbour of a random member; each
    new entity brings all its triplets with the members. An epoch is as many triplets as there are,
    but no list of them: well-connected entities come more often, some triplets not at all.
    """

    def __init__(
        self, triplets_N3: Indices, num_entities: int, size: int, passes: int, seed: int
    ) -> None:
        self.triplets_N3, self.size, self.passes, self.seed = triplets_N3, size, passes, seed
        self.num_entities = num_entities
        self.steps = -(-len(triplets_N3) // (size * passes))
        ends_I = triplets_N3[:, [0, 2]].ravel()
        order_I = np.argsort(ends_I, kind="stable")
        self._edge_I = order_I // 2
        self._other_I = triplets_N3[:, [2, 0]].ravel()[order_I]
        self._start_E = np.searchsorted(ends_I[order_I], np.arange(num_entities + 1))

    def batch(self, step: int) -> Indices:
        """`passes` subgraphs one after the other, (passes * size, 3)."""
        rng = generator(self.seed, "order", step)
        return np.concatenate([self._subgraph(rng) for _ in range(self.passes)])

    def _subgraph(self, rng: np.random.Generator) -> Indices:
        chosen: set[int] = set()
        while len(chosen) < min(self.size, len(self.triplets_N3)):
            # Again from another triplet where a component is used up.
            self._grow(chosen, rng)
        rows = np.fromiter(chosen, dtype=np.int64)
        rng.shuffle(rows)
        return self.triplets_N3[rows[: self.size]]

    def _grow(self, chosen: set[int], rng: np.random.Generator) -> None:
        members: list[int] = []
        inside_E = np.zeros(self.num_entities, dtype=np.bool_)
        first = self.triplets_N3[rng.integers(len(self.triplets_N3))]
        found = int(first[0])
        misses = 0
        while len(chosen) < self.size and misses < 2 * len(members) + 8:
            if not inside_E[found]:
                inside_E[found] = True
                members.append(found)
                edge_I, other_I = self._around(found)
                chosen.update(edge_I[inside_E[other_I]].tolist())
                misses = 0
            member = members[rng.integers(len(members))]
            _, other_I = self._around(member)
            found = int(other_I[rng.integers(len(other_I))])
            misses += 1

    def _around(self, entity: int) -> tuple[Indices, Indices]:
        """The triplets of an entity, and its neighbour in each."""
        here = slice(self._start_E[entity], self._start_E[entity + 1])
        return self._edge_I[here], self._other_I[here]
