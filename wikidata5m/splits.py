"""What each split must hold, as counts of what breaks it: pure functions on arrays.

Imports dataset and schema. An importer declares the counts of a graph made elsewhere, `verify`
counts again. Legend: N triplets, E entities, R relations; keys are one int64 per triplet, in the
order of (head, relation, tail).

all             no triplet twice; every relation outside train occurs in train
transductive    every entity of valid and test occurs in train, or in the support
temporal        the same
inductive       no two parts share an entity, and each holds every triplet among its own;
                with support, train shares none with the others, and the support holds those of
                valid and test
semi_inductive  outside train each triplet joins an entity of train and an unseen one, and valid
                and test share no unseen entity
classification  a triplet labelled true stands in its part, one labelled false in none
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from wikidata5m.dataset import Triplets
from wikidata5m.schema import Part, Setting, Support

__all__ = [
    "Keys",
    "Split",
    "among",
    "departures",
    "keyed_triplets",
    "mislabelled",
    "triplet_keys",
    "uncovered",
]

Keys = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Split = Mapping[Part | Support, Triplets]
"""The parts of one setting, and its support where it has one."""
Breach = tuple[Part | Support, str, int]
"""The part, the rule as in schema.DEPARTURE_MEANING, and how often it is broken."""

ORDER: Final[tuple[Part | Support, ...]] = ("train", "support", "valid", "test")


def departures(
    setting: Setting, split: Split, whole_N3: Triplets, num_entities: int, num_relations: int
) -> dict[str, int]:
    """How often `split` breaks each rule of its setting, by SETTING_PART_RULE; {} when it holds.

    `whole_N3` are all triplets of the dataset. About three seconds for 20 M triplets.
    """
    sizes = (num_entities, num_relations)
    rules = {
        "transductive": _known_entities,
        "temporal": _known_entities,
        "inductive": _inductive,
        "semi_inductive": _semi_inductive,
    }
    seen = {part: _entities(triplets_N3, num_entities) for part, triplets_N3 in split.items()}
    found = [
        *_repeated(split, sizes),
        *_unseen_relations(split, num_relations),
        *rules[setting](split, seen, whole_N3),
    ]
    return {f"{setting}_{part}_{rule}": count for part, rule, count in found if count}


def uncovered(split: Split, whole_N3: Triplets, sizes: tuple[int, int]) -> tuple[int, int]:
    """How many triplets of the whole no part holds, and how many of the parts the whole lacks.

    `whole_N3` is sorted and unique; `sizes` are (E, R).
    """
    whole = triplet_keys(whole_N3, sizes)
    held = np.zeros(len(whole), dtype=np.bool_)
    foreign = 0
    for triplets_N3 in split.values():
        keys = triplet_keys(triplets_N3, sizes)
        place = np.minimum(np.searchsorted(whole, keys), max(len(whole) - 1, 0))
        known = whole[place] == keys if len(whole) else np.zeros(len(keys), dtype=np.bool_)
        held[place[known]] = True
        foreign += int((~known).sum())
    return int((~held).sum()), foreign


def mislabelled(
    part: Part, triplets_N3: Triplets, label_N: Mask, split: Split, sizes: tuple[int, int]
) -> dict[str, int]:
    """How many labels of one classification set the split belies, as `departures` names them.

    True is a triplet of `part`, false one of no part and no support; `sizes` are (E, R).
    """
    keys = triplet_keys(triplets_N3, sizes)
    true, false = keys[label_N], np.unique(keys[~label_N])
    held = {name: triplet_keys(each_N3, sizes) for name, each_N3 in split.items()}
    # Looked up among the few false ones, so that the many of train need no sort.
    inside = np.concatenate([each[among(each, false)] for each in held.values()])
    found = {
        "not_held_out": int((~among(true, np.sort(held[part]))).sum()),
        "false_in_graph": len(np.unique(inside)),
    }
    return {f"classification_{part}_{rule}": count for rule, count in found.items() if count}


def triplet_keys(triplets_N3: Triplets, sizes: tuple[int, int]) -> Keys:
    """One int64 per triplet; `sizes` are (E, R)."""
    num_entities, num_relations = sizes
    keys: Keys = triplets_N3[:, 0].astype(np.int64)
    keys *= num_relations
    keys += triplets_N3[:, 1]
    keys *= num_entities
    keys += triplets_N3[:, 2]
    return keys


def keyed_triplets(keys: Keys, sizes: tuple[int, int]) -> Triplets:
    """(N, 3): the triplets of `triplet_keys` again."""
    num_entities, num_relations = sizes
    triplets_N3 = np.empty((len(keys), 3), dtype=np.int32)
    pairs, triplets_N3[:, 2] = np.divmod(keys, max(1, num_entities))
    triplets_N3[:, 0], triplets_N3[:, 1] = np.divmod(pairs, max(1, num_relations))
    return triplets_N3


def among(wanted: Keys, ordered: Keys) -> Mask:
    """Whether each key occurs in the sorted `ordered`."""
    if not len(ordered):
        return np.zeros(len(wanted), dtype=np.bool_)
    place = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    found: Mask = ordered[place] == wanted
    return found


def _repeated(split: Split, sizes: tuple[int, int]) -> Iterator[Breach]:
    earlier: list[Keys] = []
    for part in (part for part in ORDER if part in split):
        keys = triplet_keys(split[part], sizes)
        if np.any(keys[1:] < keys[:-1]):
            keys = np.sort(keys)
        again = np.zeros(len(keys), dtype=np.bool_)
        again[1:] = keys[1:] == keys[:-1]
        for before in earlier:
            again |= among(keys, before)
        yield part, "repeated", int(again.sum())
        earlier.append(keys)


def _unseen_relations(split: Split, num_relations: int) -> Iterator[Breach]:
    known_R = np.zeros(num_relations, dtype=np.bool_)
    known_R[split["train"][:, 1]] = True
    for part in ORDER[1:]:
        if part in split:
            yield part, "unseen_relation", int((~known_R[split[part][:, 1]]).sum())


def _known_entities(
    split: Split, seen: Mapping[Part | Support, Mask], _whole_N3: Triplets
) -> Iterator[Breach]:
    known_E = seen["train"] | seen["support"] if "support" in seen else seen["train"]
    for part in ("valid", "test"):
        yield part, "unseen_entity", _outside(split[part], known_E)


def _inductive(
    split: Split, seen: Mapping[Part | Support, Mask], whole_N3: Triplets
) -> Iterator[Breach]:
    if "support" in split:
        for part in ORDER[1:]:
            yield part, "shared_entity", int((seen[part] & seen["train"]).sum())
        for part in ("valid", "test"):
            yield part, "unseen_entity", _outside(split[part], seen["support"] | seen["train"])
        return
    yield "valid", "shared_entity", int((seen["valid"] & seen["train"]).sum())
    yield "test", "shared_entity", int((seen["test"] & (seen["train"] | seen["valid"])).sum())
    # Entities that lost all their triplets at a border belong to train, and to no triplet of it.
    own: dict[Part, Mask] = {
        "train": ~(seen["valid"] | seen["test"]),
        "valid": seen["valid"],
        "test": seen["test"],
    }
    for part, own_E in own.items():
        inside = int((own_E[whole_N3[:, 0]] & own_E[whole_N3[:, 2]]).sum())
        yield part, "left_out", max(0, inside - len(split[part]))


def _semi_inductive(
    split: Split, seen: Mapping[Part | Support, Mask], _whole_N3: Triplets
) -> Iterator[Breach]:
    known_E = seen["train"]
    for part in (part for part in ORDER[1:] if part in split):
        ends_N2 = known_E[split[part][:, [0, 2]]]
        yield part, "not_one_unseen", int((ends_N2.sum(axis=1) != 1).sum())
    yield "test", "shared_entity", int((seen["test"] & seen["valid"] & ~known_E).sum())


def _outside(triplets_N3: Triplets, known_E: Mask) -> int:
    """How many triplets have an end that is not known."""
    return int((~(known_E[triplets_N3[:, 0]] & known_E[triplets_N3[:, 2]])).sum())


def _entities(triplets_N3: Triplets, num_entities: int) -> Mask:
    """(E,): whether each entity occurs."""
    seen_E = np.zeros(num_entities, dtype=np.bool_)
    seen_E[triplets_N3[:, 0]] = True
    seen_E[triplets_N3[:, 2]] = True
    return seen_E
