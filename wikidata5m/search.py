"""Find entities by name among all labels and aliases, the most connected first.

Imports console and kept. The names stand end to end in one block of bytes, entity by entity
from the most to the least connected, so that of any names found the first ones are the best. Other
arrays hold the names in alphabetical order, for whole names and beginnings, and the distinct words
in alphabetical order with the names that each occurs in: words of one beginning are neighbours, and
so are their names. No search reads all names; large indexes are kept in the user's cache folder and
memory-mapped.

Legend: E entities, K names, W distinct words, P occurrences of words in names.
"""

from __future__ import annotations

import bisect
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from wikidata5m.console import log, progress
from wikidata5m.kept import KeptError, kept_folder, map_array, save_arrays

Match = Literal["exact", "prefix", "words", "pieces"]
"""Best first: a whole name, its beginning, all words (or their beginnings), pieces of words."""
MATCHES: Final[tuple[Match, ...]] = get_args(Match)

FORMAT: Final = 2
BUILD_ROWS: Final = 500_000
"""Entities whose names are cleaned at once."""
MOST_WORDS: Final = 16
"""Words of a query that are looked at."""
LEAST_PIECE: Final = 3
"""Bytes of a word that is sought inside words; a shorter one is the beginning of a word."""
KEEP_FROM: Final = 200_000
"""Below so many entities an index is made in no time, and is not kept on disk."""

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


_STRINGS: Final = ("names", "words")
_ARRAYS: Final = ("entity_K", "order_K", "posting_W", "place_P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An entity that was found, and how."""

    index: int
    match: Match


@dataclass(frozen=True, slots=True, kw_only=True)
class Strings:
    """Strings end to end in one block of bytes, memory-mapped or not."""

    block: Bytes
    start_K: Longs
    """Where each begins, and where the last one ends: K + 1 places."""

    def __len__(self) -> int:
        return len(self.start_K) - 1

    def __getitem__(self, place: int) -> bytes:
        return self.block[int(self.start_K[place]) : int(self.start_K[place + 1])].tobytes()

    def arrow(self) -> pa.LargeStringArray:
        """The same bytes as an Arrow array."""
        return pa.LargeStringArray.from_buffers(
            len(self), pa.py_buffer(self.start_K), pa.py_buffer(self.block)
        )

    @classmethod
    def of(cls, texts: pl.Series) -> Strings:
        """Of a Polars series without nulls."""
        arrow = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
        _, offsets, data = arrow.buffers()
        if data is None or not len(arrow):
            return cls(block=np.zeros(0, np.uint8), start_K=np.zeros(1 + len(arrow), np.int64))
        place_K = np.frombuffer(offsets, dtype=np.int64)[
            arrow.offset : arrow.offset + len(arrow) + 1
        ]
        block = np.frombuffer(data, dtype=np.uint8)[place_K[0] : place_K[-1]]
        return cls(block=block, start_K=place_K - place_K[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class NameIndex:
    """All names of a dataset, ready to be searched."""

    names: Strings
    """K cleaned names, of the most connected entity first."""
    entity_K: Ints
    order_K: Ints
    """The names' places in alphabetical order."""
    words: Strings
    """W distinct words of names in alphabetical order."""
    posting_W: Longs
    """Where each word's occurrences begin, and where the last one's end: W + 1 places."""
    place_P: Ints
    """The name of each occurrence."""

    def __len__(self) -> int:
        return len(self.entity_K)

    def search(self, query: str, limit: int) -> list[Hit]:
        """The best `limit` entities: by kind of match, then by degree."""
        text = clean(query)
        if not text or not len(self) or limit < 1:
            return []
        found: dict[int, Match] = {}
        for match in MATCHES:
            for place in self._places(match, text, limit):
                found.setdefault(int(self.entity_K[place]), match)
                if len(found) >= limit:
                    break
            if len(found) >= limit:
                break
        return [Hit(index=index, match=match) for index, match in found.items()]

    def _places(self, match: Match, text: str, limit: int) -> Iterator[int]:
        """Names that match, of the most connected entities first."""
        whole = text.encode()
        words = sorted({word.encode() for word in text.split()[:MOST_WORDS]}, key=len)[::-1]
        if match == "exact":
            yield from self._sorted_range(whole, whole, limit)
        elif match == "prefix":
            yield from self._sorted_range(whole, _after(whole), limit)
        elif match == "words":
            yield from self._with_all([self._beginning(word) for word in words])
        elif len(words[0]) >= LEAST_PIECE:
            yield from self._with_pieces(words)

    def _sorted_range(self, low: bytes, high: bytes, entities: int) -> Iterator[int]:
        """Names from `low` to `high` in the block's order, of at least `entities` entities."""
        first = bisect.bisect_left(self.order_K, low, key=self.names.__getitem__)
        last = bisect.bisect_right(self.order_K, high, lo=first, key=self.names.__getitem__)
        places = np.asarray(self.order_K[first:last])
        few = 32 * entities
        if len(places) > few:
            # An entity rarely has 32 names alike; whoever does is met again in the rest.
            best = np.sort(np.partition(places, few)[:few])
            yield from best.tolist()
            places = places[places > best[-1]]
        yield from _few_at_a_time(np.sort(places))

    def _beginning(self, word: bytes) -> Ints:
        """The names with a word that begins so, in no order."""
        first = bisect.bisect_left(self.words, word)
        last = bisect.bisect_right(self.words, _after(word), lo=first)
        return self.place_P[int(self.posting_W[first]) : int(self.posting_W[last])]

    def _holding(self, piece: bytes) -> Ints:
        """The names with a word that holds this piece, in no order."""
        word_M = np.flatnonzero(pc.match_substring(self.words.arrow(), piece.decode()))
        first_M, last_M = self.posting_W[word_M], self.posting_W[word_M + 1]
        count_M = last_M - first_M
        before_M = np.cumsum(count_M) - count_M
        step = np.arange(count_M.sum())
        places: Ints = self.place_P[step + np.repeat(first_M - before_M, count_M)]
        return places

    def _with_all(self, groups: list[Ints]) -> Iterator[int]:
        """The names that occur in every group, in the block's order."""
        groups = sorted(groups, key=len)
        inside_K = np.zeros(len(self), dtype=np.bool_)
        inside_K[groups[0]] = True
        places = np.flatnonzero(inside_K)
        for group in groups[1:]:
            if not len(places):
                return
            inside_K[:] = False
            inside_K[group] = True
            places = places[inside_K[places]]
        yield from _few_at_a_time(places)

    def _with_pieces(self, words: list[bytes]) -> Iterator[int]:
        """The names that hold every word, the longest first, in the block's order.

        One pass over all distinct words finds the longest; the others are sought in its names.
        """
        inside_K = np.zeros(len(self), dtype=np.bool_)
        inside_K[self._holding(words[0])] = True
        places = np.flatnonzero(inside_K)
        # A word alone may be held by millions of names, whose bytes nobody needs then.
        names = self.names.arrow().take(places if len(words) > 1 else places[:0])
        for word in (each.decode() for each in words[1:]):
            if len(word.encode()) >= LEAST_PIECE:
                kept = pc.match_substring(names, word)
            else:
                kept = pc.or_(pc.starts_with(names, word), pc.match_substring(names, f" {word}"))
            places, names = places[np.asarray(kept)], names.filter(kept)
        yield from _few_at_a_time(places)

    def save(self, folder: Path) -> None:
        """Write the arrays into `folder`."""
        for name in _STRINGS:
            strings: Strings = getattr(self, name)
            save_arrays(folder, {f"{name}.block": strings.block, f"{name}.start": strings.start_K})
        save_arrays(folder, {name: getattr(self, name) for name in _ARRAYS})

    @classmethod
    def open(cls, folder: Path) -> NameIndex:
        """Memory-map what `save` wrote."""
        names, words = (
            Strings(
                block=map_array(folder, f"{name}.block"),
                start_K=map_array(folder, f"{name}.start"),
            )
            for name in _STRINGS
        )
        arrays: dict[str, npt.NDArray[Any]] = {name: map_array(folder, name) for name in _ARRAYS}
        return cls(names=names, words=words, **arrays)


def build_names(
    labels: pl.Series, aliases: pl.Series, degree_E: npt.NDArray[np.int64]
) -> NameIndex:
    """Index the label and the aliases of all E entities."""
    rank_E = np.argsort(-degree_E, kind="stable").astype(np.int32)
    names: list[pl.Series] = []
    entities: list[Ints] = []
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
            names.append(frame["name"])
            entities.append(frame["index"].to_numpy())
            done(min(first + BUILD_ROWS, len(rank_E)))
    if not names:
        names, entities = [pl.Series([], dtype=pl.String)], [np.zeros(0, dtype=np.int32)]
    words, posting_W, place_P = _occurrences(names)
    whole = pl.concat(names, rechunk=True)
    return NameIndex(
        names=Strings.of(whole),
        entity_K=np.concatenate(entities),
        order_K=whole.arg_sort().to_numpy().astype(np.int32),
        words=words,
        posting_W=posting_W,
        place_P=place_P,
    )


def _occurrences(names: list[pl.Series]) -> tuple[Strings, Longs, Ints]:
    """The distinct words, and the names each occurs in, of names that stand one after another.

    Words become numbers a block at a time: as strings all of them would take gigabytes.
    """
    found: list[tuple[pl.Series, Ints, Longs]] = []
    start = 0
    for block in names:
        places = np.arange(start, start + len(block), dtype=np.int64)
        split = pl.DataFrame({"place": places, "word": block.str.split(" ")}).explode("word")
        coded = split["word"].to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
        code_P = coded.indices.to_numpy(zero_copy_only=False)
        words = pl.Series(coded.dictionary, dtype=pl.String)
        found.append((words, code_P, split["place"].to_numpy()))
        start += len(block)
    words = pl.concat([each for each, _, _ in found]).unique().sort()
    # Sorted as one number each, the occurrences of a word stand together, its names ascending.
    parts = [
        words.search_sorted(own).to_numpy().astype(np.int64)[code_P] << 32 | place_P
        for own, code_P, place_P in found
    ]
    key_P = np.concatenate(parts)
    key_P.sort()
    posting_W = np.searchsorted(key_P, np.arange(len(words) + 1, dtype=np.int64) << 32)
    return Strings.of(words), posting_W, (key_P & 0xFFFF_FFFF).astype(np.int32)


def kept_names(key: str, source: Path, entities: int, build: Callable[[], NameIndex]) -> NameIndex:
    """The index of `source` kept under `key`, or else a new one; of few entities it is not kept.

    Where the cache folder cannot be written or read, the index is made in memory.
    """
    if entities < KEEP_FROM:
        return build()
    made: list[NameIndex] = []

    def write(folder: Path) -> None:
        made.append(build())
        made[0].save(folder)

    try:
        return NameIndex.open(kept_folder("names", f"{FORMAT}-{key}", source, write))
    except KeptError as error:
        log(f"the index of names is not kept: {error}")
        return made[0] if made else build()


def _few_at_a_time(places: npt.NDArray[np.integer]) -> Iterator[int]:
    """Of millions of places a search looks at the first few."""
    for start in range(0, len(places), 1024):
        yield from places[start : start + 1024].tolist()


def _after(beginning: bytes) -> bytes:
    """What stands after every continuation: no UTF-8 text holds the byte 0xff."""
    return beginning + b"\xff"


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
    )
