"""Find entities by name among all labels and aliases, the most connected first.

Imports console and files. The names stand end to end in one block of bytes, each as a line feed and
its words with a space before each, entity by entity from the most to the least connected: so the
first hits of a scan are the best ones, and it may stop at the limit. A second array holds the
names' places in alphabetical order, for whole names and beginnings. Large indexes are kept in the
user's cache folder and memory-mapped.

Legend: E entities, K names.
"""

from __future__ import annotations

import bisect
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from wikidata5m.console import log, progress
from wikidata5m.files import atomic_path, cache_home

Match = Literal["exact", "prefix", "words", "substring"]
"""Best first: a whole name, its beginning, all words (or their beginnings), any piece."""
MATCHES: Final[tuple[Match, ...]] = get_args(Match)

FORMAT: Final = 1
BUILD_ROWS: Final = 500_000
"""Entities whose names are cleaned at once."""
SCAN_BYTES: Final = 1 << 22
KEEP_FROM: Final = 200_000
"""Below so many names an index is made in no time, and is not kept on disk."""

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An entity that was found, and how."""

    index: int
    match: Match


class NameIndex:
    """All names of a dataset, ready to be searched."""

    def __init__(
        self,
        names: npt.NDArray[np.uint8],
        start_K: npt.NDArray[np.int64],
        entity_K: Ints,
        order_K: Ints,
    ) -> None:
        self.names = names
        """The block of bytes."""
        self.start_K = start_K
        """Where each name starts, and where the last one ends: K + 1 places."""
        self.entity_K = entity_K
        self.order_K = order_K

    def __len__(self) -> int:
        return len(self.entity_K)

    def search(self, query: str, limit: int) -> list[Hit]:
        """The best `limit` entities: by kind of match, then by degree."""
        text = clean(query)
        if not text or not len(self) or limit < 1:
            return []
        found: dict[int, Match] = {}
        for match in MATCHES:
            for place in self._places(match, text, limit - len(found), found):
                found.setdefault(int(self.entity_K[place]), match)
                if len(found) >= limit:
                    break
            if len(found) >= limit:
                break
        return [Hit(index=index, match=match) for index, match in found.items()]

    def _places(
        self, match: Match, text: str, limit: int, found: dict[int, Match]
    ) -> Iterator[int]:
        """Names that match, of the most connected entities first."""
        whole = f"\n {text}".encode()
        if match == "exact":
            yield from self._sorted_range(whole, whole, limit + len(found))
        elif match == "prefix":
            # No UTF-8 text holds the byte 0xff, so it stands after every continuation.
            yield from self._sorted_range(whole, whole + b"\xff", limit + len(found))
        elif match == "words":
            words = sorted({f" {word}".encode() for word in text.split()}, key=len)
            for place in self._scan(words[-1]):
                if all(word in self._name(place) for word in words[:-1]):
                    yield place
        else:
            yield from self._scan(text.encode())

    def _sorted_range(self, low: bytes, high: bytes, entities: int) -> Iterator[int]:
        """Names from `low` to `high` in the block's order, of at least `entities` entities."""
        first = bisect.bisect_left(self.order_K, low, key=self._name)
        last = bisect.bisect_right(self.order_K, high, lo=first, key=self._name)
        places = np.asarray(self.order_K[first:last])
        few = 32 * entities
        if len(places) > few:
            # An entity rarely has 32 names alike; whoever does is met again in the rest.
            best = np.sort(np.partition(places, few)[:few])
            yield from best.tolist()
            places = places[places > best[-1]]
        yield from np.sort(places).tolist()

    def _scan(self, piece: bytes) -> Iterator[int]:
        """Each name that holds `piece`, once, in the block's order."""
        place = 0
        while place < len(self):
            start = int(self.start_K[place])
            after = int(np.searchsorted(self.start_K, start + SCAN_BYTES, side="right")) - 1
            after = max(after, place + 1)
            block = self.names[start : int(self.start_K[after])].tobytes()
            at = block.find(piece)
            while at >= 0:
                hit = int(np.searchsorted(self.start_K, start + at, side="right")) - 1
                yield hit
                at = block.find(piece, int(self.start_K[hit + 1]) - start)
            place = after

    def _name(self, place: int) -> bytes:
        return self.names[int(self.start_K[place]) : int(self.start_K[place + 1])].tobytes()

    def save(self, folder: Path) -> None:
        """Write the four arrays below `folder`."""
        with atomic_path(folder) as temporary:
            temporary.mkdir()
            for name in ("names", "start_K", "entity_K", "order_K"):
                np.save(temporary / f"{name}.npy", getattr(self, name))

    @classmethod
    def open(cls, folder: Path) -> NameIndex:
        """Memory-map what `save` wrote."""
        names = ("names", "start_K", "entity_K", "order_K")
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names))


def build_names(
    labels: pl.Series, aliases: pl.Series, degree_E: npt.NDArray[np.int64]
) -> NameIndex:
    """Index the label and the aliases of all E entities."""
    rank_E = np.argsort(-degree_E, kind="stable").astype(np.int32)
    blocks: list[npt.NDArray[np.uint8]] = []
    lengths: list[npt.NDArray[np.int64]] = []
    entities: list[Ints] = []
    texts: list[pl.Series] = []
    # A small dataset is indexed in no time, and says nothing.
    shown = (
        progress("names, indexed", len(rank_E), "entities")
        if len(rank_E) >= KEEP_FROM
        else nullcontext(lambda _done: None)
    )
    with shown as done:
        for first in range(0, len(rank_E), BUILD_ROWS):
            index = rank_E[first : first + BUILD_ROWS]
            frame = _names(index, labels.gather(index), aliases.gather(index))
            arrow = frame["name"].to_arrow(compat_level=pl.CompatLevel.oldest())
            _, offsets, data = arrow.buffers()
            offset = np.frombuffer(offsets, dtype=np.int64)[
                arrow.offset : arrow.offset + len(arrow) + 1
            ]
            blocks.append(np.frombuffer(data, dtype=np.uint8)[offset[0] : offset[-1]])
            lengths.append(np.diff(offset))
            entities.append(frame["index"].to_numpy())
            texts.append(frame["name"])
            done(min(first + BUILD_ROWS, len(rank_E)))
    if not texts:
        none = np.zeros(0, dtype=np.int32)
        return NameIndex(none.astype(np.uint8), np.zeros(1, dtype=np.int64), none, none)
    start_K = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    order_K = pl.concat(texts).arg_sort().to_numpy().astype(np.int32)
    return NameIndex(np.concatenate(blocks), start_K, np.concatenate(entities), order_K)


def kept_names(key: str, build: Callable[[], NameIndex]) -> NameIndex:
    """The index kept under `key`, or else a new one, kept when it is large."""
    folder = cache_home() / f"names-{FORMAT}-{key}"
    if folder.is_dir():
        return NameIndex.open(folder)
    index = build()
    if len(index) < KEEP_FROM:
        return index
    try:
        index.save(folder)
    except OSError as error:
        log(f"{folder}: the index of names is not kept ({error.strerror}); set WIKIDATA5M_HOME")
        return index
    return NameIndex.open(folder)


def clean(name: str) -> str:
    """A name as it is compared: lower case, no accents, words parted by one space.

    A name without a letter or digit ("!!!") keeps its signs.
    """
    folded = unicodedata.normalize("NFKD", name).lower()
    plain = "".join(c for c in folded if not unicodedata.category(c).startswith("M"))
    words = " ".join("".join(c if c.isalnum() else " " for c in plain).split())
    return words or " ".join(plain.split())


def _names(index: Ints, labels: pl.Series, aliases: pl.Series) -> pl.DataFrame:
    """index, name: each entity's distinct names, cleaned, none empty; as `clean`, in Polars."""
    plain = pl.col("name").str.normalize("NFKD").str.to_lowercase().str.replace_all(r"\p{M}+", "")
    words = plain.str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()
    signs = plain.str.replace_all(r"\s+", " ").str.strip_chars()
    return (
        pl.DataFrame({"index": index, "label": labels, "aliases": aliases})
        .select("index", name=pl.concat_list(pl.concat_list("label"), "aliases"))
        .explode("name")
        .drop_nulls()
        .select("index", name=pl.when(words != "").then(words).otherwise(signs))
        .filter(pl.col("name") != "")
        .unique(maintain_order=True)
        .select("index", name=pl.lit("\n ") + pl.col("name"))
    )
