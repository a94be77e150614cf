"""A range, and how a dump is cut into ranges. Imports errors and storage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from pipelines.ranges.storage import Location, shown, size_of

Blocks = Iterator[tuple[bytes, bool]]
"""Decompressed data in file order, with whether the range owns it: first True, then False."""


@dataclass(frozen=True, slots=True)
class Range:
    """The bytes [start, stop) of the compressed file `path`, which is `size` bytes long."""

    path: Location
    start: int
    stop: int
    size: int
    index: int = 0
    """Which of the file's ranges this is."""
    limit: int | None = None
    """Where a trial's ranges end, for what is no piece by itself from there on; None for all."""

    @property
    def name(self) -> str:
        """The file, for a message."""
        return shown(self.path)


def plan_ranges(path: Location, target: int, *, limit: int | None = None) -> list[Range]:
    """Cut `path`, or its first `limit` bytes, into ranges of about `target` compressed bytes.

    Raises InputError when there is no such file.
    """
    size = size_of(path)
    whole = size if limit is None else min(size, limit)
    count = max(1, round(whole / target))
    cuts = [whole * i // count for i in range(count + 1)]
    return as_ranges(path, cuts, size)


def as_ranges(path: Location, cuts: list[int], size: int) -> list[Range]:
    """The ranges between `cuts`, ascending, the first of which is 0."""
    limit = cuts[-1] if cuts[-1] < size else None
    return [
        Range(path, start, stop, size, index, limit)
        for index, (start, stop) in enumerate(pairwise(cuts))
    ]
