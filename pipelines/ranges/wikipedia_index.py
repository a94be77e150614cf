"""The index beside a multistream Wikipedia dump: ranges that start where a stream does.

Imports errors and the package's own modules. The index has a line `offset:page id:title` for each
page, and an offset is where the stream of some hundred pages starts.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from pipelines.ranges.bzip2 import starts_stream
from pipelines.ranges.plan import Range, as_ranges, plan_ranges
from pipelines.ranges.records import lines
from pipelines.ranges.storage import Location, reading, shown, size_of, suffix
from wikidata5m.errors import InputError

MAX_DIGITS: Final = 20


def plan_indexed_ranges(
    path: Location, target: int, index: Location, *, limit: int | None = None
) -> list[Range]:
    """As plan_ranges, with each range starting at one of the stream offsets in `index`.

    Raises InputError when `index` is no such index, or not that of `path`.
    """
    if suffix(path) != ".bz2":
        raise InputError(
            shown(path),
            "not a multistream bzip2 dump, which alone has an index",
            fix="leave out --wikipedia-index",
        )
    size = size_of(path)
    offsets = _offsets(index, size)
    even = plan_ranges(path, target, limit=limit)
    stop = even[-1].stop
    places = (bisect_left(offsets, part.start) for part in even[1:])
    chosen = {offsets[place] for place in places if place < len(offsets)}
    cuts = sorted(offset for offset in chosen if 0 < offset < stop)
    for offset in cuts:
        with reading(path, offset) as read:
            if not starts_stream(read(10)):
                raise _wrong(index, f"no stream of {shown(path)} starts at byte {offset:,}")
    return as_ranges(path, [0, *cuts, stop], size)


def _offsets(index: Location, size: int) -> list[int]:
    """The distinct offsets, ascending."""
    offsets: list[int] = []
    (whole,) = plan_ranges(index, size_of(index) + 1)
    for number, line in enumerate(lines(whole), start=1):
        offset, colon, _ = line.partition(b":")
        if not (colon and offset.isdigit() and len(offset) < MAX_DIGITS):
            raise _wrong(index, "not a line `offset:id:title`", f"line {number}")
        if not offsets or int(offset) != offsets[-1]:
            offsets.append(int(offset))
    if offsets != sorted(offsets) or (offsets and offsets[-1] >= size):
        raise _wrong(index, f"its offsets do not lie in ascending order within {size:,} bytes")
    return offsets


def _wrong(index: Location, problem: str, where: str = "") -> InputError:
    return InputError(
        shown(index),
        problem,
        where=where,
        fix="give the index that was published with this dump, or leave out --wikipedia-index",
    )
