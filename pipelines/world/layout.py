"""Where everything in the synthetic world is: kinds, communities, Wikidata numbers, pages.
Imports the standard library and the world's own modules.

An entity is an index i in [0, items). Each kind holds a contiguous range of indices, and inside it
each community (a country with its language and its names) a contiguous range of its own; so "the
third city of community 5" is arithmetic, and no table of entities exists. What happens to an item
(kept, or dropped and why) is read off its place in a shuffle, so every count is exact.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal

from pipelines.world.random import Shuffle
from pipelines.world.words import BARE_CLASSES, VOCABULARY

__all__ = ["Block", "Kind", "Layout", "State"]

Kind = Literal[
    "class", "rank", "gender", "occupation", "sport", "genre", "industry", "religion", "style",
    "country", "language", "bare",
    "region", "city", "person", "taxon", "film", "work", "organisation", "land", "building",
    "event", "award", "list", "disambiguation",
]  # fmt: skip
State = Literal["kept", "no_page", "page_missing", "short_lead"]

# Parts per thousand of the items that are not fixed vocabulary.
_SHARES: Final[dict[Kind, int]] = {
    "region": 12, "city": 140, "person": 330, "taxon": 100, "film": 60, "work": 95,
    "organisation": 95, "land": 50, "building": 45, "event": 28, "award": 4, "list": 26,
    "disambiguation": 15,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """The indices of one kind; bounds[c] .. bounds[c + 1] are those of community c."""

    kind: Kind
    bounds: tuple[int, ...]

    @property
    def start(self) -> int:
        return self.bounds[0]

    @property
    def stop(self) -> int:
        return self.bounds[-1]


class Layout:
    """The world's arithmetic for `entities` kept entities.

    items: lines of distinct items in the Wikidata dump; pages: pages of the Wikipedia dump;
    communities: how many countries there are.
    """

    def __init__(self, entities: int, seed: int) -> None:
        self.seed = seed
        self.communities = max(3, min(40, int(entities**0.5 / 8)))
        self._drops = {
            "no_page": max(3, entities * 6 // 100),
            "page_missing": max(6, entities * 4 // 100),
            "short_lead": max(4, entities * 4 // 100),
        }
        self.blocks: list[Block] = []
        self._fixed_blocks(entities)
        self.fixed = self.blocks[-1].stop
        self._place("bare", [len(BARE_CLASSES)])
        self.bare_stop = self.blocks[-1].stop
        self._rest = entities - self.fixed + sum(self._drops.values())
        self._open_blocks()
        self.items = self.blocks[-1].stop
        self._by_kind = {block.kind: block for block in self.blocks}
        self._starts = [block.start for block in self.blocks]
        self._fate = Shuffle(self._rest, seed, 11)
        self._number = Shuffle(self.items, seed, 12)
        self._again = Shuffle(self.items, seed, 13)
        self.repeated = max(2, self.items // 500)
        self._no_page = self._drops["no_page"]
        self._first_page = self._no_page + self._drops["page_missing"]
        self._first_kept = self._first_page + self._drops["short_lead"]
        self._page_sections(entities)

    def _place(self, kind: Kind, sizes: list[int]) -> None:
        start = self.blocks[-1].stop if self.blocks else 0
        self.blocks.append(Block(kind, tuple(accumulate(sizes, initial=start))))

    def _fixed_blocks(self, entities: int) -> None:
        for kind, words in VOCABULARY.items():
            whole = kind in ("class", "rank", "gender")
            self._place(kind, [len(words) if whole else max(3, min(len(words), entities // 120))])
        self._place("country", [1] * self.communities)
        self._place("language", [1] * self.communities)

    def _open_blocks(self) -> None:
        left, shares = self._rest, sum(_SHARES.values())
        for kind, share in _SHARES.items():
            least = self.communities if kind in ("region", "city", "person") else 1
            count = max(least, self._rest * share // shares)
            count = left if kind == "disambiguation" else count
            left -= count
            if kind in ("taxon", "award"):
                self._place(kind, [count])
                continue
            each = 1 if count >= self.communities else 0
            weights = [1 / (c + 2) for c in range(self.communities)]
            spare = count - each * self.communities
            sizes = [each + int(spare * weight / sum(weights)) for weight in weights]
            sizes[0] += count - sum(sizes)
            self._place(kind, sizes)

    def _page_sections(self, entities: int) -> None:
        """Pages: fixed articles, other articles, redirects, broken redirects, ns 14, other ns."""
        missing = self._drops["page_missing"]
        self.redirects = entities // 8
        sections = [
            self.fixed,
            self._rest - self._first_page,
            self.redirects,
            (missing + 1) // 3,
            missing // 3,
            max(3, entities // 20),
        ]
        self._page_stops = list(accumulate(sections))
        self.pages = self._page_stops[-1]
        self._page_order = Shuffle(self.pages, self.seed, 14)

    def kind(self, i: int) -> Block:
        """The block that holds entity i."""
        return self.blocks[bisect_right(self._starts, i) - 1]

    def range(self, kind: Kind) -> tuple[int, int]:
        block = self._by_kind[kind]
        return block.start, block.stop

    def members(self, kind: Kind, community: int) -> tuple[int, int]:
        """First and past-last entity of a kind in a community."""
        bounds = self._by_kind[kind].bounds
        return bounds[community], bounds[community + 1]

    def community(self, block: Block, i: int) -> tuple[int, int]:
        """Entity i's community and its ordinal there; kinds without communities have one, 0."""
        c = bisect_right(block.bounds, i, hi=len(block.bounds) - 1) - 1
        return c, i - block.bounds[c]

    def number(self, i: int) -> int:
        """The Wikidata number of entity i: Q<number>."""
        return 1 + self._number.forward(i)

    def at_number(self, number: int) -> int:
        return self._number.backward(number - 1)

    def repeats(self, i: int) -> bool:
        """Whether the dump also holds an older revision of item i."""
        return self._again.forward(i) < self.repeated

    def fate(self, i: int) -> tuple[State, int]:
        """What must happen to item i, and its ordinal among the items of that state."""
        if i < self.fixed:
            return "kept", i
        if i < self.bare_stop:
            return "no_page", i
        place = self._fate.forward(i - self.bare_stop)
        if place >= self._first_kept:
            return "kept", place - self._first_kept
        if place >= self._first_page:
            return "short_lead", place - self._first_page
        if place >= self._no_page:
            return "page_missing", place - self._no_page
        return "no_page", place

    def kept(self, i: int) -> bool:
        return self.fate(i)[0] == "kept"

    def redirect_ordinal(self, i: int) -> int:
        """The ordinal of the redirect page that leads to item i's article, or -1."""
        if i < self.bare_stop:
            return -1
        ordinal = self._rest - 1 - self._fate.forward(i - self.bare_stop)
        return ordinal if ordinal < min(self.redirects, self._rest - self._first_page) else -1

    def page(self, position: int) -> tuple[str, int]:
        """What the page at this position of the dump is, and the entity it is about."""
        place = self._page_order.forward(position)
        section = bisect_right(self._page_stops, place)
        ordinal = place - (self._page_stops[section - 1] if section else 0)
        if section == 0:
            return "article", ordinal
        name, fate = (
            ("article", self._first_page + ordinal),
            ("redirect", self._rest - 1 - ordinal),
            ("broken", self._no_page + 3 * ordinal + 1),
            ("category", self._no_page + 3 * ordinal + 2),
            ("other", self._rest - 1 - ordinal),
        )[section - 1]
        return name, self.bare_stop + self._fate.backward(fate)
