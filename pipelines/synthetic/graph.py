"""The triplets of a synthetic graph. Imports draws, plan, errors and splits.

Legend: N triplets, E entities, R relations. Until the end a triplet is one int64, in the order of
(head, relation, tail), so that 20 M of them are 165 MB.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pipelines.draws import Ints, bits, order, unit
from pipelines.synthetic.plan import INSTANCE_OF, Plan
from wikidata5m.console import Progress
from wikidata5m.dataset import Triplets
from wikidata5m.errors import ConfigError
from wikidata5m.splits import among, keyed_triplets

BATCH: Final = 1 << 21
LEAST: Final = 1000
"""Draws of a round, at least."""
LEAST_RATE: Final = 0.05
"""When fewer draws than this give a new triplet, the graph is full."""


def draw_triplets(plan: Plan, update: Progress) -> Triplets:
    """(N, 3) exactly as many as asked for, sorted and unique, without loops.

    Each entity is a head once at least, and each relation occurs. Heads are drawn by a power law of
    exponent 1/3, tails within a relation's pool by one of exponent 2/3. Raises ConfigError when the
    graph cannot hold so many different triplets.
    """
    wanted = plan.config.triplets
    artist = _Artist(plan)
    fixed = np.unique(np.concatenate([artist.one_of_each_entity(), artist.one_of_each_relation()]))
    drawn = np.zeros(0, dtype=np.int64)
    rate = 1 + plan.config.mutual  # triplets that a draw gives; at first, the most it can
    while len(fixed) + len(drawn) < wanted:
        missing = wanted - len(fixed) - len(drawn)
        count = max(LEAST, min(wanted, int(missing / rate)))
        fresh = [artist.some(min(BATCH, count - k)) for k in range(0, count, BATCH)]
        found = np.concatenate([drawn, *fresh])
        found.sort()
        found = _unique(found)
        found = found[~among(found, fixed)]
        rate = (len(found) - len(drawn)) / count
        if rate < LEAST_RATE:
            raise ConfigError(
                f"{wanted:,} different triplets do not fit this graph; "
                "ask for fewer, or for more entities or relations"
            )
        drawn = found
        update(min(wanted, len(fixed) + len(drawn)))
    # The surplus is small, and goes at random; draws of different keys never tie.
    kept = np.argpartition(bits(drawn, plan.config.seed, 30), wanted - len(fixed) - 1)
    keys = np.concatenate([fixed, drawn[kept[: wanted - len(fixed)]]])
    keys.sort()
    return artist.triplets(keys)


class _Artist:
    """Draws triplets as keys; every draw has an index of its own."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._seed = plan, plan.config.seed
        self._entities, self._relations = plan.config.entities, plan.config.relations
        self._by_activity = order(self._entities, self._seed, 31).astype(np.int32)
        self._next = 0

    def one_of_each_entity(self) -> Ints:
        """Its class where that has a page, and otherwise a fact of its own."""
        plan = self._plan
        entity_E = np.arange(self._entities)
        classed = plan.has_page_K[plan.type_E]
        tail = plan.class_of(plan.type_E)
        tail[tail == entity_E] += 1
        stated = self._keys(entity_E, np.full(len(tail), INSTANCE_OF), tail)[classed]
        others = entity_E[~classed]
        index = self._indices(len(others))
        return np.concatenate([stated, self._facts(others, self._relation(others, index), index)])

    def one_of_each_relation(self) -> Ints:
        """From the best-known entity of a type that has the relation."""
        plan = self._plan
        relation_R = np.arange(1, self._relations)
        heads = plan.members[plan.start_K[plan.owner_R[1:]]].astype(np.int64)
        return self._facts(heads, relation_R, self._indices(len(heads)))

    def some(self, count: int) -> Ints:
        """About `count` random facts, some of them stated from both ends."""
        index = self._indices(count)
        active = unit(index, self._seed, 32)
        active *= np.sqrt(active)
        heads = self._by_activity[(active * self._entities).astype(np.int64)].astype(np.int64)
        relations = self._relation(heads, index)
        keys = self._facts(heads, relations, index)
        partners = self._plan.partner_R[relations]
        both = (partners >= 0) & (unit(index, self._seed, 33) < self._plan.config.mutual)
        tails = keys[both] % self._entities
        return np.concatenate([keys, self._keys(tails, partners[both], heads[both])])

    def triplets(self, keys: Ints) -> Triplets:
        """(N, 3) of their keys."""
        return keyed_triplets(keys, (self._entities, self._relations))

    def _indices(self, count: int) -> Ints:
        self._next += count
        return np.arange(self._next - count, self._next)

    def _relation(self, heads: Ints, index: Ints) -> Ints:
        """One of the relations of each head's type, its first ones most often."""
        profile_KS = self._plan.profile_KS
        slot = (unit(index, self._seed, 34) ** 2 * profile_KS.shape[1]).astype(np.int64)
        found: Ints = profile_KS[self._plan.type_E[heads], slot]
        return found

    def _facts(self, heads: Ints, relations: Ints, index: Ints) -> Ints:
        """A tail of the relation's pool for each head, its best-known members most often."""
        plan = self._plan
        drawn = unit(index, self._seed, 35)
        place = (drawn * drawn * drawn * plan.pool_R[relations]).astype(np.int64)
        tails = plan.members[plan.start_K[plan.tail_type_R[relations]] + place].astype(np.int64)
        tails[tails == heads] += 1
        tails[tails == self._entities] = 0
        return self._keys(heads, relations, tails)

    def _keys(self, heads: Ints, relations: Ints, tails: Ints) -> Ints:
        keys = heads * self._relations
        keys += relations
        keys *= self._entities
        keys += tails
        return keys


def _unique(ordered: Ints) -> Ints:
    fresh = np.ones(len(ordered), dtype=np.bool_)
    fresh[1:] = ordered[1:] != ordered[:-1]
    found: Ints = ordered[fresh]
    return found
