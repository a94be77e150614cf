"""The types of a synthetic graph, and which relation leads from which to which.

Imports draws and config. Legend: E entities, K types, R relations, S slots of a type's profile.
Floating-point numbers are only added, multiplied, divided and rooted, which all machines do alike.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pipelines.draws import Floats, Ints, below, unit
from pipelines.synthetic.config import SyntheticConfig

NAMED: Final = ("human", "taxon", "Wikimedia list article", "film", "human settlement")
SHARES: Final = (0.330, 0.079, 0.026, 0.025, 0.024)
"""The largest categories of Wikidata5M (Table 2 of the paper); the rest is spread thinner."""
FIRST_CLASS: Final = 4
"""The entity that is the class of the first type: Q5, human."""
INSTANCE_OF: Final = 0
"""The index of P31."""
SHARED: Final = 24
"""Slots of a type's profile that draw from all relations."""


class Plan:
    """Everything about a graph that can be said before a triplet is drawn."""

    def __init__(self, config: SyntheticConfig) -> None:
        self.config = config
        self.types = max(8, min(300, config.entities // 500))
        number_K = np.arange(self.types)
        shares = _shares(self.types)
        self.has_page_K = number_K % 5 != 2
        """Whether a type's class is an entity of the graph; about 13% of entities have none."""
        entity_E = np.arange(config.entities)
        drawn_E = unit(entity_E, config.seed, 20)
        self.type_E = np.minimum(np.searchsorted(shares, drawn_E, side="right"), self.types - 1)
        self.type_E[: self.types] = number_K  # no type is empty
        self.members = np.argsort(self.type_E, kind="stable").astype(np.int32)
        """Entities by type; the first of a type are its best-known."""
        self.size_K = np.bincount(self.type_E, minlength=self.types)
        self.start_K = np.cumsum(self.size_K) - self.size_K
        self._relations()

    def class_of(self, type_N: Ints) -> Ints:
        """The entity that is a type's class, where the type's class has a page."""
        return FIRST_CLASS + type_N

    def _relations(self) -> None:
        relations, seed = self.config.relations, self.config.seed
        relation_R = np.arange(relations)
        own = max(4, -(-(relations - 1) // self.types))
        slots = np.arange(self.types * SHARED)
        zipf = np.cumsum(1 / (np.arange(1, relations) + 1))
        shared = 1 + np.searchsorted(zipf, unit(slots, seed, 21) * zipf[-1], side="right")
        mine = 1 + np.arange(self.types * own) % (relations - 1)
        self.profile_KS = np.concatenate(
            [shared.reshape(self.types, SHARED), mine.reshape(self.types, own)], axis=1
        )
        self.profile_KS = np.minimum(self.profile_KS, relations - 1)
        self.owner_R = np.maximum(relation_R - 1, 0) // own % self.types
        """A type that has the relation in its profile."""
        self.tail_type_R = below(self.types, relation_R, seed, 22)
        self.tail_type_R[::10] = 0
        size_R = self.size_K[self.tail_type_R]
        narrow = 2 + (2000 * unit(relation_R, seed, 23) ** 2).astype(np.int64)
        self.pool_R = np.where(relation_R % 3 == 0, np.minimum(narrow, size_R), size_R)
        """How many best-known members of the tail type a relation has; some are categories."""
        self.partner_R = _partners(relations)


def _shares(types: int) -> Floats:
    """(K,): the types' shares of all entities, summed up."""
    thin = 1 / (np.arange(types - len(SHARES)) + 11)
    thin *= (1 - sum(SHARES)) / np.cumsum(thin)[-1]
    return np.cumsum(np.concatenate([SHARES, thin]))


def _partners(relations: int) -> Ints:
    """(R,): the relation that says the same from the other end; -1 where there is none.

    Of ten relations one is symmetric and two are each other's inverse.
    """
    partner_R = np.full(relations, -1)
    for relation in range(1, relations):
        if relation % 10 == 5:
            partner_R[relation] = relation
        if relation % 10 == 8 and relation + 1 < relations:
            partner_R[relation] = relation + 1
            partner_R[relation + 1] = relation
    return partner_R
