"""Names of the synthetic world: each community has sounds of its own. Imports the world's modules.

A coined name is syllables of one consonant group and one vowel group, then an ending that no other
community or use shares. Groups alternate, so a name parses in one way only: two things never get
the same name, and no table of used names is needed. A name's ending tells community and kind; its
syllables are shared by kin, neighbours and compatriots.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Final

from pipelines.world.layout import Layout
from pipelines.world.random import Shuffle, Stream, mix
from pipelines.world.words import (
    ADJECTIVES,
    BARE_CLASSES,
    CODAS,
    EPITHETS,
    LISTED,
    NOUNS,
    NUCLEI,
    ONSETS,
    VARIANTS,
    VOCABULARY,
)

__all__ = ["FAMILY", "Names", "taxon_counts"]

FAMILY: Final = 6
_POOL: Final = 30
_ENDINGS: Final = 2
_USES: Final = (
    "country", "region", "city", "surname", "male", "female", "organisation", "land", "building",
    "work", "film", "event", "award", "stem",
)  # fmt: skip
_REGION_WORDS: Final = ("Province", "County", "District", "Voivodeship", "Canton")
_LATIN: Final = ("us", "is")


def taxon_counts(taxa: int) -> tuple[int, int, int]:
    """How many orders, families and genera stand before the species among so many taxa."""
    orders, families = max(1, taxa // 240), max(1, taxa // 50)
    return orders, families, max(1, taxa // 8)


class Names:
    """Titles and labels of entities, as pure functions of their index."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        seed = layout.seed
        triples = ["".join(parts) for parts in product(ONSETS, NUCLEI, CODAS)]
        self._endings = Stream(seed, 21).shuffled(triples)
        # One more community than there are countries: the last names what belongs to none.
        self._sounds: list[list[str]] = []
        for c in range(layout.communities + 1):
            stream = Stream(seed, 22, c)
            onsets = stream.shuffled(ONSETS)[:9]
            nuclei = [*stream.shuffled(NUCLEI[:5])[:3], stream.pick(NUCLEI[5:])]
            self._sounds.append([o + n for o, n in product(onsets, nuclei)])
        self._shuffles: dict[tuple[int, str], tuple[Shuffle, int]] = {}
        self.label = lru_cache(maxsize=1 << 15)(self._label)
        self.title = lru_cache(maxsize=1 << 15)(self._title)
        self.city_name = lru_cache(maxsize=1 << 13)(self._city_name)

    def coin(self, c: int, use: str, ordinal: int, count: int) -> str:
        """The name of the ordinal-th of `count` things of one use in community c."""
        found = self._shuffles.get((c, use))
        if found is None:
            length = 1
            while len(self._sounds[c]) ** length * _ENDINGS < 2 * count:
                length += 1
            size = len(self._sounds[c]) ** length * _ENDINGS
            found = Shuffle(size, self.layout.seed, 23, c, _USES.index(use)), length
            self._shuffles[c, use] = found
        shuffle, length = found
        code, ending = divmod(shuffle.forward(ordinal), _ENDINGS)
        syllables = []
        for _ in range(length):
            code, syllable = divmod(code, len(self._sounds[c]))
            syllables.append(self._sounds[c][syllable])
        triple = self._endings[(c * len(_USES) + _USES.index(use)) * _ENDINGS + ending]
        return ("".join(syllables) + triple).capitalize()

    def country(self, c: int) -> str:
        return self.coin(c, "country", 0, 1) + "ia"

    def demonym(self, c: int) -> str:
        return self.coin(c, "country", 0, 1) + "ian"

    def surname(self, c: int, family: int) -> str:
        low, high = self.layout.members("person", c)
        return self.coin(c, "surname", family, (high - low) // FAMILY + 2)

    def given(self, c: int, family: int, member: int) -> str:
        """Differs between the members of a family; even members are male."""
        ordinal = (mix(self.layout.seed, 24, c, family) + member * 7) % _POOL
        return self.coin(c, "female" if member % 2 else "male", ordinal, _POOL)

    def _city_name(self, c: int, ordinal: int) -> str:
        low, high = self.layout.members("city", c)
        return self.coin(c, "city", ordinal % max(1, high - low), high - low)

    def _title(self, i: int) -> str:
        """The title of i's page: its label, first letter large, with a mark where pages have it."""
        label, kind = self.label(i), self.layout.kind(i).kind
        if kind in ("film", "disambiguation"):
            return f"{label} ({kind})"
        if kind == "work":
            return f"{label} ({self.variant(i)})"
        return label[0].upper() + label[1:]

    def variant(self, i: int) -> str:
        """The class of an entity whose kind has several."""
        block = self.layout.kind(i)
        words = VARIANTS[block.kind]
        return words[self.layout.community(block, i)[1] % len(words)]

    def _label(self, i: int) -> str:
        block = self.layout.kind(i)
        c, m = self.layout.community(block, i)
        if block.kind in VOCABULARY:
            return VOCABULARY[block.kind][m]
        if block.kind == "bare":
            return BARE_CLASSES[m]
        if block.kind == "taxon":
            return self._taxon(m, block.stop - block.start)
        if block.kind == "person":
            family, member = divmod(m, FAMILY)
            return f"{self.given(c, family, member)} {self.surname(c, family)}"
        if block.kind in ("organisation", "land", "building"):
            name = self.coin(c, block.kind, m, block.bounds[c + 1] - block.bounds[c])
            return self._with_class(name, self.variant(i), c, m)
        return self._community_label(block.kind, c, m, block.bounds[c + 1] - block.bounds[c])

    def _community_label(self, kind: str, c: int, m: int, count: int) -> str:
        if kind == "list":
            return f"List of {LISTED[m % len(LISTED)]} in {self.city_name(c, m // len(LISTED))}"
        if kind == "event":
            series, edition = divmod(m, 4)
            return f"{1986 + 4 * edition} {self.coin(c, kind, series, count)} Championship"
        if kind in ("film", "work"):
            return self._work(kind, c, m, count)
        if kind == "region":
            return f"{self.coin(c, kind, m, count)} {_REGION_WORDS[c % len(_REGION_WORDS)]}"
        if kind == "award":
            return f"{self.coin(self.layout.communities, kind, m, count)} Prize"
        return self._place_label(kind, c, m)

    def _place_label(self, kind: str, c: int, m: int) -> str:
        if kind == "country":
            return self.country(c)
        if kind == "language":
            return f"{self.demonym(c)} language"
        return self.city_name(c, m) if kind == "city" else self.surname(c, m)

    def _work(self, kind: str, c: int, m: int, count: int) -> str:
        stream = Stream(self.layout.seed, 25, c, m)
        adjective, noun = stream.pick(ADJECTIVES), stream.pick(NOUNS)
        name = self.coin(c, kind, m, count)
        if kind == "film":
            return f"The {adjective} {noun} of {name}"
        return f"{noun} for {name}" if m % 2 else f"{adjective} {name}"

    def _with_class(self, name: str, variant: str, c: int, m: int) -> str:
        city = self.city_name(c, Stream(self.layout.seed, 26, c, m).skewed(1 << 16))
        return {
            "business": f"{name} & Sons" if m % 3 else f"{name} Industries",
            "university": f"{name} University of {city}",
            "football club": f"{city} {name}",
            "political party": f"{name} Party",
            "band": f"The {name}",
            "river": f"{name} River",
            "mountain": f"Mount {name}",
            "lake": f"Lake {name}",
            "island": f"{name} Island",
        }.get(variant, f"{name} {variant.title()}")

    def _taxon(self, m: int, count: int) -> str:
        orders, families, genera = taxon_counts(count)
        nowhere, seed = self.layout.communities, self.layout.seed
        if m < orders:
            return self.coin(nowhere, "stem", m, count) + "iformes"
        if m < orders + families:
            return self.coin(nowhere, "stem", m, count) + "idae"
        genus = (m - orders - families) % genera
        stem = self.coin(nowhere, "stem", genus + orders + families, count) + _LATIN[genus % 2]
        if m < orders + families + genera:
            return stem
        ordinal = (m - orders - families) // genera
        return f"{stem} {EPITHETS[(mix(seed, 27, genus) + ordinal * 7) % len(EPITHETS)]}"
