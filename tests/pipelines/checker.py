"""The invariants of both splits, stated plainly with sets and networkx: the oracle of split.py."""

from __future__ import annotations

from collections.abc import Mapping

import networkx as nx

from wikidata5m.dataset import Triplets
from wikidata5m.schema import Part

Triple = tuple[int, int, int]


def as_set(triplets_N3: Triplets) -> set[Triple]:
    found = {tuple(row) for row in triplets_N3.tolist()}
    assert len(found) == len(triplets_N3), "a triplet repeats"
    return found


def entities(triplets: set[Triple]) -> set[int]:
    return {end for head, _, tail in triplets for end in (head, tail)}


def relations(triplets: set[Triple]) -> set[int]:
    return {relation for _, relation, _ in triplets}


def check_transductive(whole_N3: Triplets, parts: Mapping[Part, Triplets]) -> None:
    train, valid, test = (as_set(parts[part]) for part in ("train", "valid", "test"))
    assert train | valid | test == as_set(whole_N3)
    assert len(train) + len(valid) + len(test) == len(whole_N3)
    assert entities(valid | test) <= entities(train)
    assert relations(valid | test) <= relations(train)


def check_inductive(whole_N3: Triplets, parts: Mapping[Part, Triplets], border: int) -> None:
    whole = as_set(whole_N3)
    train, valid, test = (as_set(parts[part]) for part in ("train", "valid", "test"))
    ends = [entities(part) for part in (train, valid, test)]
    assert not ends[0] & ends[1]
    assert not ends[0] & ends[2]
    assert not ends[1] & ends[2]
    assert train | valid | test <= whole
    assert len(whole) - len(train) - len(valid) - len(test) == border
    assert relations(valid | test) <= relations(train)
    for held, own in ((valid, ends[1]), (test, ends[2])):
        # A part holds every triplet among its entities, and each lies in a connected subgraph.
        assert held == {t for t in whole if t[0] in own and t[2] in own}
        graph = nx.Graph((head, tail) for head, _, tail in held)
        assert all(len(component) >= 2 for component in nx.connected_components(graph))
