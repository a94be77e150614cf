"""The invariants of every split, stated plainly with sets and networkx: the oracle of the splits.

Nothing here is shared with the code that makes or verifies them.
"""

from __future__ import annotations

from collections import Counter

import networkx as nx
import pyarrow as pa

from pipelines.split import Classified, Earlier, SplitConfig, SplitResult
from wikidata5m.dataset import Triplets
from wikidata5m.splits import Split

Triple = tuple[int, int, int]


def as_set(triplets_N3: Triplets | set[Triple]) -> set[Triple]:
    if isinstance(triplets_N3, set):
        return triplets_N3
    found: set[Triple] = set(map(tuple, triplets_N3.tolist()))
    assert len(found) == len(triplets_N3), "a triplet repeats"
    return found


def entities(triplets: set[Triple]) -> set[int]:
    return {end for head, _, tail in triplets for end in (head, tail)}


def relations(triplets: set[Triple]) -> set[int]:
    return {relation for _, relation, _ in triplets}


def check_transductive(whole_N3: Triplets | set[Triple], parts: Split) -> None:
    train, valid, test = (as_set(parts[part]) for part in ("train", "valid", "test"))
    assert train | valid | test == as_set(whole_N3)
    assert len(train) + len(valid) + len(test) == len(whole_N3)
    assert entities(valid | test) <= entities(train)
    assert relations(valid | test) <= relations(train)


def check_inductive(whole_N3: Triplets | set[Triple], result: SplitResult) -> None:
    parts = result.parts
    whole = as_set(whole_N3)
    train, valid, test = (as_set(parts[part]) for part in ("train", "valid", "test"))
    own = {part: entities(held) for part, held in (("valid", valid), ("test", test))}
    assert not own["valid"] & own["test"]
    assert not entities(train) & (own["valid"] | own["test"])
    assert train | valid | test <= whole
    border = len(whole) - len(train) - len(valid) - len(test)
    assert result.drops == {"inductive_border": border}
    assert relations(whole) == relations(train)
    for part, held in (("valid", valid), ("test", test)):
        # A part holds every triplet among its entities, which are those of its subgraphs.
        assert held == {t for t in whole if t[0] in own[part] and t[2] in own[part]}
        grown = [subgraph for of, subgraph in result.subgraphs if of == part]
        assert own[part] == {entity for subgraph in grown for entity in subgraph}
        graph = nx.Graph((head, tail) for head, _, tail in held)
        assert all(nx.is_connected(graph.subgraph(subgraph)) for subgraph in grown)
        assert sum(map(len, grown)) == len(own[part])


def check_semi_inductive(
    whole_N3: Triplets | set[Triple], parts: Split, config: SplitConfig
) -> None:
    whole = as_set(whole_N3)
    train, valid, test = (as_set(parts[part]) for part in ("train", "valid", "test"))
    support = as_set(parts["support"])
    # Nothing is lost and nothing stands twice.
    assert train | valid | test | support == whole
    assert len(train) + len(valid) + len(test) + len(support) == len(whole)
    seen = entities(train)
    assert relations(whole) == relations(train)

    def unseen_end(triplet: Triple) -> int:
        (unseen,) = {triplet[0], triplet[2]} - seen
        assert {triplet[0], triplet[2]} & seen, "the other end is known"
        return unseen

    queries = {
        part: Counter(map(unseen_end, held)) for part, held in (("valid", valid), ("test", test))
    }
    assert not queries["valid"].keys() & queries["test"].keys()
    asked = queries["valid"] + queries["test"]
    # Each unseen entity has exactly its shots, together and in one place, and enough to ask for.
    given = [unseen_end((h, r, t)) for h, r, t in parts["support"].tolist()]
    groups = [entity for k, entity in enumerate(given) if k == 0 or given[k - 1] != entity]
    assert groups == sorted(set(given))
    if config.shots:
        assert Counter(given) == dict.fromkeys(asked, config.shots)
    facts = Counter(end for head, _, tail in whole for end in {head, tail})
    for entity, count in asked.items():
        assert count >= config.least_queries
        assert facts[entity] == count + config.shots <= config.most_facts


def labelled(table: pa.Table) -> list[tuple[Triple, bool]]:
    columns = [table[name].to_pylist() for name in ("head", "relation", "tail", "label")]
    return [((h, r, t), label) for h, r, t, label in zip(*columns, strict=True)]


def check_classification(parts: Split, result: Classified) -> None:
    true = {part: as_set(parts[part]) for part in ("train", "valid", "test")}
    everything = true["train"] | true["valid"] | true["test"]
    stands = {(r, 0, h) for h, r, _ in true["train"]} | {(r, 2, t) for _, r, t in true["train"]}
    made: list[Triple] = []
    shown = 0
    for part in ("valid", "test"):
        rows = labelled(result.tables[part])
        assert [label for _, label in rows] == [True, False] * (len(rows) // 2)
        for (good, _), (false, _) in zip(rows[::2], rows[1::2], strict=True):
            assert good in true[part]
            assert false not in everything
            assert good[1] == false[1]
            (end,) = [position for position in (0, 2) if good[position] != false[position]]
            assert (false[1], end, false[end]) in stands
            made.append(false)
        shown += len(rows) // 2
        assert len({triplet for triplet, label in rows if label}) == len(rows) // 2
    assert len(set(made)) == len(made), "a false triplet repeats"
    assert shown + result.without == len(true["valid"]) + len(true["test"])


def check_temporal(
    later_N3: Triplets, earlier: Earlier, result: SplitResult, config: SplitConfig
) -> None:
    later, before = as_set(later_N3), as_set(earlier.triplets)
    train, valid, test = (as_set(result.parts[part]) for part in ("train", "valid", "test"))
    assert train == before
    new = later - before
    unseen = {t for t in new if t[0] not in entities(before) or t[2] not in entities(before)}
    strange = {t for t in new if t[1] not in relations(before)} - unseen
    asked = new if config.keep_unseen else new - unseen - strange
    assert valid | test == asked
    assert not valid & test
    assert len(valid) == len(asked) // 2
    assert result.counts == {"temporal_new": len(new), "temporal_removed": len(before - later)}
    assert result.drops["temporal_unseen_entity"] == (0 if config.keep_unseen else len(unseen))
    assert result.drops["temporal_unseen_relation"] == (0 if config.keep_unseen else len(strange))
