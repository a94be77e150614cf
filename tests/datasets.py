"""A small dataset for tests: a typed graph with texts, and both splits. No dump is read."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.schema import PARTS, Part, Setting
from wikidata5m.splits import Split
from wikidata5m.writer import Provenance, Tables, write_dataset

RELATIONS = {
    "P17": "country",
    "P19": "place of birth",
    "P27": "country of citizenship",
    "P47": "shares border with",
    "P57": "director",
}
CLASSES = {"Q5": "human", "Q515": "city", "Q6256": "country", "Q11424": "film"}
PEOPLE_PER_CITY, CITIES_PER_COUNTRY = 4, 2


@dataclass
class _World:
    labels: list[str]
    types: list[str]
    texts: list[str]
    triplets: list[tuple[int, int, int]]

    def add(self, label: str, kind: str, text: str) -> int:
        self.labels.append(label)
        self.types.append(kind)
        self.texts.append(text)
        return len(self.labels) - 1


def make_dataset(
    folder: Path, *, countries: int = 12, seed: int = 0, name: str = "small"
) -> Dataset:
    """Write a dataset of about 15 entities per country and return it.

    Countries form a chain of borders; each has cities, people born there and films by them, and the
    texts say these facts. The first two thirds of the countries are the inductive train part, then
    valid, then test; the two borders between the parts are dropped. Transductive valid and test are
    drawn so that every entity and relation stays in train.
    """
    rng = np.random.default_rng(seed)
    world = _World([], [], [], [])
    part_of_country: list[Part] = [
        "train" if i < countries * 2 // 3 else "valid" if i < countries * 5 // 6 else "test"
        for i in range(countries)
    ]
    owner: list[Part] = []
    capitals: list[int] = []
    for part in part_of_country:
        capitals.append(_add_country(world, rng, len(capitals)))
        owner += [part] * (len(world.labels) - len(owner))
    for left, right in itertools.pairwise(capitals):
        world.triplets += [(left, 3, right), (right, 3, left)]
    triplets = np.unique(np.array(world.triplets, dtype=np.int32), axis=0)
    inductive = _inductive(triplets, np.array(owner))
    splits: dict[Setting, Split] = {
        "transductive": _transductive(triplets, rng),
        "inductive": inductive,
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_dataset(
        folder,
        _tables(world, triplets),
        splits,
        Provenance(
            name=name,
            sources=(),
            config={"countries": countries, "seed": seed},
            drops={"inductive_border": len(triplets) - sum(len(x) for x in inductive.values())},
        ),
    )
    return Dataset(folder)


def _add_country(world: _World, rng: np.random.Generator, number: int) -> int:
    country = world.add(
        f"Land {number}", "Q6256", f"Land {number} is a sovereign country of this small world."
    )
    for _ in range(CITIES_PER_COUNTRY):
        n = len(world.labels)
        city = world.add(
            f"Town {n}", "Q515", f"Town {n} is a city in the country of Land {number}."
        )
        world.triplets.append((city, 0, country))
        for _ in range(PEOPLE_PER_CITY):
            n = len(world.labels)
            label = f"Person {n}"
            person = world.add(
                label, "Q5", f"{label} is a person from Land {number}, born in Town {city}."
            )
            world.triplets += [(person, 1, city), (person, 2, country)]
            if rng.random() < 0.5:
                film = world.add(
                    f"Film {n}", "Q11424", f"Film {n} is a film that {label} directed."
                )
                world.triplets.append((film, 4, person))
    return country


def _inductive(triplets: Triplets, owner: np.ndarray) -> Split:
    head, tail = owner[triplets[:, 0]], owner[triplets[:, 2]]
    return {part: triplets[(head == part) & (tail == part)] for part in PARTS}


def _transductive(triplets: Triplets, rng: np.random.Generator) -> Split:
    """A triplet may leave train while its ends and relation still occur there."""
    uses = np.bincount(triplets[:, [0, 2]].ravel())
    taken: list[int] = []
    for n in rng.permutation(len(triplets)):
        head, _, tail = triplets[n]
        if len(taken) < len(triplets) // 8 and uses[head] > 1 and uses[tail] > 1:
            uses[[head, tail]] -= 1
            taken.append(n)
    held = np.array(taken)
    rest = np.setdiff1d(np.arange(len(triplets)), held)
    half = len(held) // 2
    return {
        "train": triplets[rest],
        "valid": triplets[np.sort(held[:half])],
        "test": triplets[np.sort(held[half:])],
    }


def _tables(world: _World, triplets: Triplets) -> Tables:
    count = len(world.labels)
    return Tables(
        entities=pl.DataFrame(
            {
                "entity": [f"Q{1000 + i}" for i in range(count)],
                "label": world.labels,
                "title": world.labels,
                "types": [[kind] for kind in world.types],
                "aliases": [[f"{label} (alias)"] for label in world.labels],
                "disambiguation": [False] * count,
            }
        ),
        relations=pl.DataFrame(
            {
                "relation": list(RELATIONS),
                "label": list(RELATIONS.values()),
                "description": [f"what {label} means" for label in RELATIONS.values()],
                "aliases": [[] for _ in RELATIONS],
            },
            schema_overrides={"aliases": pl.List(pl.String)},
        ),
        classes=pl.DataFrame({"class": list(CLASSES), "label": list(CLASSES.values())}),
        triplets=triplets,
        descriptions=[
            pl.DataFrame(
                {"index": range(count), "text": world.texts}, schema_overrides={"index": pl.Int32}
            )
        ],
    )
