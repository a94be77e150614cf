"""The rules of every setting, counted on arrays, against the same rules said with sets."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wikidata5m.dataset import Triplets
from wikidata5m.schema import SETTINGS, Part, Setting, Support
from wikidata5m.splits import Split, departures, uncovered

ENTITIES, RELATIONS = 8, 3
Rows = list[tuple[int, int, int]]
ORDER: tuple[Part | Support, ...] = ("train", "support", "valid", "test")

rows = st.lists(
    st.tuples(
        st.integers(0, ENTITIES - 1), st.integers(0, RELATIONS - 1), st.integers(0, ENTITIES - 1)
    ),
    max_size=12,
)


def array(triplets: Iterable[tuple[int, int, int]]) -> Triplets:
    return np.array(list(triplets), np.int32).reshape(-1, 3)


def entities(triplets: Iterable[tuple[int, int, int]]) -> set[int]:
    return {end for head, _, tail in triplets for end in (head, tail)}


def plainly(setting: Setting, split: dict[Part | Support, Rows], whole: Rows) -> dict[str, int]:
    """The rules in the words of wikidata5m.splits, one triplet at a time."""
    seen = {part: entities(triplets) for part, triplets in split.items()}
    relations = {relation for _, relation, _ in split["train"]}
    found: dict[str, int] = {}
    earlier: set[tuple[int, int, int]] = set()
    for part in (part for part in ORDER if part in split):
        own: set[tuple[int, int, int]] = set()
        for triplet in split[part]:
            found[f"{part}_repeated"] = found.get(f"{part}_repeated", 0) + (
                triplet in earlier or triplet in own
            )
            own.add(triplet)
        earlier |= own
        found[f"{part}_unseen_relation"] = sum(r not in relations for _, r, _ in split[part])
    known = seen["train"] | seen.get("support", set())
    supported = "support" in split
    for part in ("valid", "test"):
        if setting in ("transductive", "temporal") or (setting == "inductive" and supported):
            found[f"{part}_unseen_entity"] = sum(
                not {head, tail} <= known for head, _, tail in split[part]
            )
    if setting == "inductive" and supported:
        for part in ORDER[1:]:
            found[f"{part}_shared_entity"] = len(seen[part] & seen["train"])
    elif setting == "inductive":
        found["valid_shared_entity"] = len(seen["valid"] & seen["train"])
        found["test_shared_entity"] = len(seen["test"] & (seen["train"] | seen["valid"]))
        owned = seen | {"train": set(range(ENTITIES)) - seen["valid"] - seen["test"]}
        for part, members in owned.items():
            inside = sum({head, tail} <= members for head, _, tail in whole)
            found[f"{part}_left_out"] = max(0, inside - len(split[part]))
    elif setting == "semi_inductive":
        for part in (part for part in ORDER[1:] if part in split):
            found[f"{part}_not_one_unseen"] = sum(
                (head in seen["train"]) + (tail in seen["train"]) != 1
                for head, _, tail in split[part]
            )
        found["test_shared_entity"] = len((seen["test"] & seen["valid"]) - seen["train"])
    return {f"{setting}_{name}": count for name, count in found.items() if count}


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(SETTINGS),
    st.fixed_dictionaries({"train": rows, "valid": rows, "test": rows}, optional={"support": rows}),
)
def test_departures_are_what_sets_count(
    setting: Setting, drawn: dict[Part | Support, Rows]
) -> None:
    whole = sorted({triplet for triplets in drawn.values() for triplet in triplets})
    split: Split = {part: array(triplets) for part, triplets in drawn.items()}
    assert departures(setting, split, array(whole), ENTITIES, RELATIONS) == plainly(
        setting, drawn, whole
    )


@settings(deadline=None)
@given(rows, st.fixed_dictionaries({"train": rows, "valid": rows, "test": rows}))
def test_uncovered_is_the_difference_of_sets(
    whole: Rows, drawn: dict[Part | Support, Rows]
) -> None:
    held = [triplet for triplets in drawn.values() for triplet in triplets]
    split: Split = {part: array(triplets) for part, triplets in drawn.items()}
    assert uncovered(split, array(sorted(set(whole))), (ENTITIES, RELATIONS)) == (
        len(set(whole) - set(held)),
        sum(triplet not in set(whole) for triplet in held),
    )
