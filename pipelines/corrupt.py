"""Records that cannot be read: an error, or, up to a limit, left out and listed.

Imports errors, ranges and tasks. A task lists what it leaves out by number in its range; over all
tasks that gives the number in the dump, which does not depend on how the dump was cut.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.ranges import Range
from pipelines.tasks import TableWriter
from wikidata5m.errors import InputError

Unit = Literal["line", "page"]

TABLE: Final = "corrupt"
LAYOUT: Final = pa.schema([("number", pa.int64()), ("problem", pa.string())])
EXPECTED: Final[dict[Unit, str]] = {
    "line": "one entity per line, as Wikidata's JSON dumps have it",
    "page": "MediaWiki's XML export in UTF-8",
}
MAX_NAMED: Final = 20
MAX_PROBLEM: Final = 200
"""Characters of a problem that are kept: a message may quote the record."""


class Tolerance:
    """The corrupt records of one task; the one past `limit` is raised as InputError.

    Without `out` there is no place to list them: none is left out, and no option is named.
    """

    def __init__(
        self, source: Range, unit: Unit, out: TableWriter | None = None, limit: int = 0
    ) -> None:
        self._source, self._unit = source, unit
        self._out, self._limit = out, limit
        self._seen = 0

    def leave_out(self, number: int, problem: str) -> None:
        """List the record; it is the range's `number`-th line or page, from 1."""
        told = problem if len(problem) <= MAX_PROBLEM else f"{problem[:MAX_PROBLEM]}..."
        self._seen += 1
        if self._out is None or self._seen > self._limit:
            allowed = f", after {self._limit:,} that --max-errors allows" if self._limit else ""
            fix = f"expected {EXPECTED[self._unit]}: download the dump again"
            option = ", or leave out up to N such records with --max-errors N" if self._out else ""
            raise InputError(
                self._source.name, told + allowed, where=self._where(number), fix=fix + option
            )
        self._out.add(TABLE, (number, told))

    def _where(self, number: int) -> str:
        start = self._source.start
        return f"{self._unit} {number}" + (f" after byte {start:,}" if start else "")


def forget_left_out(tasks: Sequence[Path]) -> None:
    """Have the finished tasks that left a record out done again: their dump may be mended."""
    for folder in tasks:
        found = folder / f"{TABLE}.parquet"
        if found.is_file() and pq.read_metadata(found).num_rows:
            shutil.rmtree(folder)


def left_out(tasks: Sequence[Path], unit: Unit, name: str) -> Iterator[tuple[str, str]]:
    """(place, problem) of each record that the finished `tasks` of one dump left out, in order.

    `tasks` are the folders of all its ranges in order, whose counts tell how many lines or pages
    each has.
    """
    before = 0
    for folder in tasks:
        for number, problem in pl.read_parquet(folder / f"{TABLE}.parquet", glob=False).iter_rows():
            yield f"{name}, {unit} {before + number:,}", problem
        before += int(pl.read_parquet(folder / "counts.parquet", glob=False)[f"{unit}s"].sum())


def check(found: Sequence[tuple[str, str]], limit: int) -> None:
    """Raise InputError when more records were left out than `limit` over all tasks."""
    if len(found) > limit:
        place, problem = found[limit]
        raise InputError(
            place,
            f"{problem}, after {limit:,} that --max-errors allows",
            fix=f"download the dump again, or --resume with --max-errors {len(found)} or more",
        )


def notes(found: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """One sentence per record left out, the first MAX_NAMED of them, and one for the rest."""
    named = tuple(
        f"corrupt_record: {place}: {problem}; left out" for place, problem in found[:MAX_NAMED]
    )
    rest = len(found) - MAX_NAMED
    return (*named, f"corrupt_record: {rest:,} more were left out") if rest > 0 else named
