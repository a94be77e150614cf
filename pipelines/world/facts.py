"""What is true in the synthetic world: the facts of each entity. Imports the world's modules.

A fact is (relation key, tail index), in the order in which Wikidata states it. Inverse and
symmetric relations need no lookup: families, capitals, rivers, station lines and series are
arithmetic on ordinals, so both ends derive the same fact on their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from pipelines.world.layout import Kind, Layout
from pipelines.world.names import FAMILY, taxon_counts
from pipelines.world.random import Stream, mix
from pipelines.world.relations import THEMES, themed
from pipelines.world.words import CLASS_PARENTS, VARIANTS, VOCABULARY

__all__ = ["Fact", "Facts"]

Fact = tuple[str, int]

_KIND_CLASS: Final[dict[str, str]] = {
    "person": "human", "taxon": "taxon", "film": "film", "country": "country", "region": "region",
    "language": "language", "event": "championship", "award": "award", "occupation": "occupation",
    "sport": "sport",
}  # fmt: skip


class Facts:
    """Facts by entity index; pure, so that every process derives the same."""

    def __init__(self, layout: Layout, relations: int) -> None:
        self.layout = layout
        self.seed = layout.seed
        self._themed = {block.kind: themed(block.kind, relations) for block in layout.blocks}
        start = layout.range("class")[0]
        self.classes = {word: start + k for k, word in enumerate(VOCABULARY["class"])}
        self._by_kind: dict[str, Callable[[int, int, int, Stream], Iterator[Fact]]] = {
            "class": self._class, "country": self._country, "language": self._language,
            "region": self._region, "city": self._city, "person": self._person,
            "taxon": self._taxon, "film": self._film, "work": self._work,
            "organisation": self._organisation, "land": self._land, "building": self._building,
            "event": self._event, "award": self._award, "list": self._list,
        }  # fmt: skip
        # Texts and statements ask for the same entity in turn.
        self.of = lru_cache(maxsize=16)(self._of)
        self.occupation = lru_cache(maxsize=1 << 13)(self._occupation)

    def _of(self, i: int) -> tuple[Fact, ...]:
        """The distinct facts of entity i; never about i itself."""
        block = self.layout.kind(i)
        c, m = self.layout.community(block, i)
        found = dict.fromkeys(self._types(i, block.kind, m))
        stream = Stream(self.seed, 31, i)
        if block.kind in self._by_kind:
            found.update(dict.fromkeys(self._by_kind[block.kind](i, c, m, stream)))
        found.update(dict.fromkeys(self._themes(block.kind, c, stream)))
        return tuple(fact for fact in found if fact[1] != i)

    def _types(self, i: int, kind: Kind, m: int) -> Iterator[Fact]:
        bare = self.layout.range("bare")[0]
        if kind in VARIANTS:
            yield "type", self.classes[VARIANTS[kind][m % len(VARIANTS[kind])]]
        elif kind in _KIND_CLASS:
            yield "type", self.classes[_KIND_CLASS[kind]]
        if kind == "list":
            yield "type", bare
        if kind == "disambiguation":
            yield "type", bare + 1
        if kind == "city" and self.is_capital(i):
            yield "type", bare + 2
        if kind == "award" and m % 5 == 0:
            yield "type", bare + 3

    def _themes(self, kind: Kind, c: int, stream: Stream) -> Iterator[Fact]:
        for family in self._themed[kind]:
            if family and stream.chance(11):
                j = family[stream.skewed(len(family))]
                yield f"theme{j}", self.near(THEMES[j % len(THEMES)].tail, c, stream)

    def near(self, kind: Kind, c: int, stream: Stream) -> int:
        """An entity of a kind, mostly of community c, and mostly one of the few that are hubs."""
        if stream.chance(8):
            c = stream.skewed(self.layout.communities)
        low, high = self.layout.members(kind, c)
        if low == high:
            low, high = self.layout.range(kind)
        return low + stream.skewed(high - low)

    def any_of(self, kind: Kind, stream: Stream) -> int:
        low, high = self.layout.range(kind)
        return low + stream.skewed(high - low)

    def of_class(self, kind: Kind, c: int, variant: str, stream: Stream) -> int | None:
        """An entity of one class of a kind in community c, or None where there is none."""
        low, high = self.layout.members(kind, c)
        words = VARIANTS[kind]
        first = words.index(variant)
        count = (high - low - first + len(words) - 1) // len(words)
        return low + first + len(words) * stream.skewed(count) if count > 0 else None

    def _of_class(
        self, key: str, kind: Kind, c: int, variant: str, stream: Stream
    ) -> Iterator[Fact]:
        found = self.of_class(kind, c, variant, stream)
        if found is not None:
            yield key, found

    def country(self, c: int) -> int:
        return self.layout.members("country", c)[0]

    def language(self, c: int) -> int:
        return self.layout.members("language", c)[0]

    def region_of_city(self, c: int, m: int) -> int:
        """The region of the m-th city: cities go round the regions, so the first are capitals."""
        low, high = self.layout.members("region", c)
        return low + m % (high - low)

    def is_capital(self, i: int) -> bool:
        c, m = self.layout.community(self.layout.kind(i), i)
        low, high = self.layout.members("region", c)
        return m < high - low

    def _occupation(self, i: int) -> int:
        """A person's first occupation: kin often share one."""
        c, m = self.layout.community(self.layout.kind(i), i)
        stream = Stream(self.seed, 32, c, m // FAMILY)
        shared = self.any_of("occupation", stream)
        own = Stream(self.seed, 33, i)
        return shared if own.chance(40) else self.any_of("occupation", own)

    def _class(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        parent = CLASS_PARENTS.get(VOCABULARY["class"][m])
        if parent:
            yield "subclass", self.classes[parent]

    def _neighbours(self, kind: Kind, c: int, m: int, low: int, high: int) -> Iterator[Fact]:
        """A ring of neighbours: the one before and the one after, symmetric by construction."""
        if high - low > 2:
            for other in ((m - 1) % (high - low), (m + 1) % (high - low)):
                yield "borders", low + other

    def _country(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        yield "official_language", self.language(c)
        yield "capital", self.layout.members("city", c)[0]
        low, high = self.layout.members("region", c)
        for region in range(low, min(high, low + 30)):
            yield "contains", region
        start, stop = self.layout.range("country")
        yield from self._neighbours("country", c, c, start, stop)

    def _language(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        yield "country", self.country(c)

    def _region(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        yield "country", self.country(c)
        yield "within", self.country(c)
        low, high = self.layout.members("city", c)
        if low + m < high:
            yield "capital", low + m
        start, stop = self.layout.members("region", c)
        for city in range(low + m, min(high, low + m + 4 * (stop - start)), stop - start):
            yield "contains", city
        yield from self._neighbours("region", c, m, start, stop)

    def _city(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        yield "country", self.country(c)
        yield "within", self.region_of_city(c, m)
        if m == 0:
            yield "capital_of", self.country(c)
        if self.is_capital(i):
            yield "capital_of", self.region_of_city(c, m)
        other = c ^ 1
        if other < self.layout.communities:
            low, high = self.layout.members("city", other)
            if m < high - low and mix(self.seed, 34, c >> 1, m) % 4 == 0:
                yield "twin", low + m

    def _person(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        yield "gender", self.layout.range("gender")[0] + m % 2
        yield "citizenship", self.country(c)
        first = self.occupation(i)
        yield "occupation", first
        if stream.chance(18):
            yield "occupation", self.any_of("occupation", stream)
        if stream.chance(85):
            yield "birthplace", self.near("city", c, stream)
        if stream.chance(28):
            yield "deathplace", self.near("city", c, stream)
        if stream.chance(18):
            yield from self._of_class("educated", "organisation", c, "university", stream)
        if stream.chance(15):
            yield from self._of_class("employer", "organisation", c, "business", stream)
        job = VOCABULARY["occupation"][first - self.layout.range("occupation")[0]]
        if job == "footballer":
            yield from self._of_class("team", "organisation", c, "football club", stream)
        if job == "politician":
            yield from self._of_class("party", "organisation", c, "political party", stream)
        if stream.chance(10):
            yield "religion", self.any_of("religion", stream)
        if stream.chance(10):
            yield "award", self.any_of("award", stream)
        if stream.chance(8):
            yield "speaks", self.language(c)
        if stream.chance(8):
            yield "residence", self.near("city", c, stream)
        yield from self._kin(i, c, m)

    def _kin(self, i: int, c: int, m: int) -> Iterator[Fact]:
        """Members 0 and 1 of a family are the parents of 2 to 5; one family in three is known."""
        family, member = divmod(m, FAMILY)
        if mix(self.seed, 35, c, family) % 3:
            return
        base, high = i - member, self.layout.members("person", c)[1]
        children = range(base + 2, min(base + FAMILY, high))
        if member < 2:
            if base + 1 < high:
                yield "spouse", base + 1 - member
            yield from (("child", child) for child in children)
            return
        yield "father", base
        yield "mother", base + 1
        # Siblings in pairs keep the fact symmetric without stating all of them.
        if base + (member ^ 1) < high:
            yield "sibling", base + (member ^ 1)

    def _taxon(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        low, high = self.layout.range("taxon")
        orders, families, genera = taxon_counts(high - low)
        ranks = self.layout.range("rank")[0]
        if m < orders:
            yield "rank", ranks + 3
        elif m < orders + families:
            yield "rank", ranks + 2
            yield "parent_taxon", low + (m - orders) % orders
        elif m < orders + families + genera:
            yield "rank", ranks + 1
            yield "parent_taxon", low + orders + (m - orders - families) % families
        else:
            yield "rank", ranks
            yield "parent_taxon", low + orders + families + (m - orders - families) % genera
            if stream.chance(60):
                yield "endemic", self.country(stream.skewed(self.layout.communities))

    def _film(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        yield "origin", self.country(c)
        yield "language", self.language(c)
        yield "director", self.near("person", c, stream)
        yield "genre", self.any_of("genre", stream)
        for _ in range(stream.between(1, 4)):
            yield "cast", self.near("person", c, stream)

    def _work(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        variant = VARIANTS["work"][m % len(VARIANTS["work"])]
        if variant in ("album", "song"):
            yield from self._of_class("performer", "organisation", c, "band", stream)
        elif variant == "painting":
            yield "creator", self.near("person", c, stream)
        else:
            yield "author", self.near("person", c, stream)
            yield "origin", self.country(c)
        yield "language", self.language(c)
        if stream.chance(70):
            yield "genre", self.any_of("genre", stream)
        if stream.chance(30):
            yield from self._of_class("publisher", "organisation", c, "business", stream)
        yield from self._series(i, c, m, "work", step=len(VARIANTS["work"]), length=3)

    def _series(
        self, i: int, c: int, m: int, kind: Kind, *, step: int, length: int
    ) -> Iterator[Fact]:
        """Every `length` things at a distance of `step` form a series."""
        place = m // step % length
        if place > 0:
            yield "follows", i - step
        if place < length - 1 and i + step < self.layout.members(kind, c)[1]:
            yield "followed_by", i + step

    def _organisation(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        variant = VARIANTS["organisation"][m % len(VARIANTS["organisation"])]
        yield "country", self.country(c)
        if stream.chance(80):
            yield "headquarters", self.near("city", c, stream)
        if variant == "business":
            yield "industry", self.any_of("industry", stream)
        if variant == "football club":
            yield "sport", self.any_of("sport", stream)
        if variant == "band":
            yield "genre", self.any_of("genre", stream)
        if stream.chance(30):
            yield "founder", self.near("person", c, stream)

    def _land(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        yield "country", self.country(c)
        low, high = self.layout.members("region", c)
        yield "within", low + stream.below(high - low)
        step = len(VARIANTS["land"])
        if m % step == 0:
            river = m // step
            start, stop = self.layout.members("land", c)
            if river:
                yield "mouth", start + (river - 1) // 3 * step
            for source in range(3 * river + 1, 3 * river + 4):
                if start + source * step < stop:
                    yield "tributary", start + source * step

    def _building(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        step = len(VARIANTS["building"])
        yield "country", self.country(c)
        yield "within", self.near("city", c, stream)
        if stream.chance(40):
            yield "style", self.any_of("style", stream)
        if m % step == 0:
            start, stop = self.layout.members("building", c)
            if i - step >= start:
                yield "adjacent", i - step
            if i + step < stop:
                yield "adjacent", i + step

    def _event(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        yield "country", self.country(c)
        yield "location", self.near("city", c, stream)
        yield "sport", self.any_of("sport", Stream(self.seed, 36, c, m // 4))
        if stream.chance(80):
            yield "winner", self.near("person", c, stream)
        yield from self._series(i, c, m, "event", step=1, length=4)

    def _award(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        yield "country", self.country(stream.skewed(self.layout.communities))

    def _list(self, i: int, c: int, m: int, stream: Stream) -> Iterator[Fact]:
        yield "country", self.country(c)
        if m % 3 == 0:
            yield "list_of", self.classes[stream.pick(("museum", "bridge", "business", "river"))]
