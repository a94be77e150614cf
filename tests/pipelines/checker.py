"""The invariants of both splits, stated plainly with sets and networkx: the oracle of split.py."""

from __future__ import annotations

import networkx as nx

from pipelines.split import SplitResult
from wikidata5m.dataset import Triplets
from wikidata5m.splits import Split

Triple = tuple[int, int, int]


def as_set(triplets_N3: Triplets) -> set[Triple]:
    found = {tuple(row) for row in triplets_N3.tolist()}
    assert len(found) == len(triplets_N3), "a triplet repeats"
    return found


def entities(triplets: set[Triple]) -> set[int]:
    return {end for head, _, tail in triplets for end in (head, tail)}


def relations(triplets: set[Triple]) -> set[int]:
    return {relation for _, relation, _ in triplets}


def check_transductive(whole_N3: Triplets, parts: Split) -> None:
    train, valid, test = (as_set(parts[part]) for part in ("train", "valid", "test"))
    assert train | valid | test == as_set(whole_N3)
    assert len(train) + len(valid) + len(test) == len(whole_N3)
    assert entities(valid | test) <= entities(train)
    assert relations(valid | test) <= relations(train)


def check_inductive(whole_N3: Triplets, result: SplitResult) -> None:
    parts = result.parts
    whole = as_set(whole_N3)
    train, valid, test = (as_set(parts[part]) for part in ("train", "valid", "test"))
    own = {part: entities(held) for part, held in (("valid", valid), ("test", test))}
    assert not own["valid"] & own["test"]
    assert not entities(train) & (own["valid"] | own["test"])
    assert train | valid | test <= whole
    assert len(whole) - len(train) - len(valid) - len(test) == result.border
    assert relations(whole) == relations(train)
    for part, held in (("valid", valid), ("test", test)):
        # A part holds every triplet among its entities, which are those of its subgraphs.
        assert held == {t for t in whole if t[0] in own[part] and t[2] in own[part]}
        grown = [subgraph for of, subgraph in result.subgraphs if of == part]
        assert own[part] == {entity for subgraph in grown for entity in subgraph}
        graph = nx.Graph((head, tail) for head, _, tail in held)
        assert all(nx.is_connected(graph.subgraph(subgraph)) for subgraph in grown)
        assert sum(map(len, grown)) == len(own[part])
