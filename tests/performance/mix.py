"""A Wikidata dump of real items, mixed as the whole one is. Imports nothing of the project.

Most items of the whole dump have no page in the English Wikipedia, and those that have one are the
long ones. Real items of both kinds are repeated under new ids, in a seeded order, until the file is
as long as asked; so what is repeated never lies within one bzip2 block, nor one gzip window, of its
twin.
"""

from __future__ import annotations

import bz2
import gzip
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGED_SHARE: Final = 0.12
"""Of all items in July 2019, those with a page in the English Wikipedia."""
MEMBERS: Final = 16
SOURCES: Final = ("union.json.bz2", "wikibrain-2014.json.bz2")
_ITEM: Final = re.compile(rb'("type":"item","id":"|^\{"id":")Q[0-9]+"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """The dump in three forms, and what it holds."""

    plain: Path
    bzip2: Path
    gzip: Path
    items: int
    bytes: int


def write_mix(real: Path, folder: Path, size: int) -> Mix:
    """Write `size` bytes of JSON from the items in `real`; what is there already is kept."""
    mix = Mix(
        plain=folder / f"mix-{size}.json",
        bzip2=folder / f"mix-{size}.json.bz2",
        gzip=folder / f"mix-{size}.json.gz",
        items=0,
        bytes=size,
    )
    if not mix.gzip.exists():
        folder.mkdir(parents=True, exist_ok=True)
        data = b"[\n" + b",\n".join(_items(real, size)) + b"\n]\n"
        mix.plain.write_bytes(data)
        mix.bzip2.write_bytes(bz2.compress(data))
        step = -(-len(data) // MEMBERS)
        pieces = (data[i : i + step] for i in range(0, len(data), step))
        mix.gzip.write_bytes(b"".join(gzip.compress(piece, 6) for piece in pieces))
    data = mix.plain.read_bytes()
    return Mix(
        plain=mix.plain,
        bzip2=mix.bzip2,
        gzip=mix.gzip,
        items=data.count(b"\n") - 2,
        bytes=len(data),
    )


def _items(real: Path, size: int) -> Iterator[bytes]:
    paged, pageless = _pools(real)
    chance, written, number = random.Random(0), 0, 0
    while written < size:
        item = chance.choice(paged if chance.random() < PAGED_SHARE else pageless)
        number += 1
        fresh = _ITEM.sub(rb"\g<1>Q%d" % number + b'"', item, count=1)
        written += len(fresh) + 2
        yield fresh


def _pools(real: Path) -> tuple[list[bytes], list[bytes]]:
    """The real items with a page in the English Wikipedia, and those without."""
    paged: list[bytes] = []
    pageless: list[bytes] = []
    for name in SOURCES:
        for line in bz2.decompress((real / name).read_bytes()).splitlines():
            item = line.strip().rstrip(b",")
            if _ITEM.search(item[:400]) and _is_current(item):
                links = item[item.rfind(b'"sitelinks"') :]
                (paged if b'"enwiki"' in links else pageless).append(item)
    return paged, pageless


def _is_current(item: bytes) -> bool:
    """Whether an item has all that dumps of 2019 give one: every key, a datatype in every snak."""
    keys = (b'"labels":', b'"descriptions":', b'"aliases":', b'"claims":', b'"sitelinks":')
    return all(key in item for key in keys) and item.count(b'"snaktype"') == item.count(
        b'"datatype"'
    )
