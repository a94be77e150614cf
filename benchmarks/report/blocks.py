"""What a section of the report is made of. Plain text throughout: the page escapes it.

Imports benchmarks.plots.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from benchmarks.plots import Picture


@dataclass(frozen=True, slots=True)
class Term:
    """A name, and in small letters what it is called elsewhere or what it means."""

    text: str
    small: str

    def __str__(self) -> str:
        return f"{self.text} ({self.small})" if self.small else self.text


Cell = object
"""A number, right-aligned; a Term; anything else as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under a header; the first column names the row."""

    kind: ClassVar = "table"
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers: plain ones, or written with a unit, deviation or interval."""
        columns = ([row[i] for row in self.rows] for i in range(len(self.header)))
        return [
            any(isinstance(cell, int | float) for cell in column)
            or (bool(column) and all(_is_written_number(cell) for cell in column))
            for column in columns
        ]


def _is_written_number(cell: Cell) -> bool:
    return isinstance(cell, str) and re.fullmatch(r"-|[\d.,]+( ?[±%\[\]\d., ]+)?", cell) is not None


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture and what it shows."""

    kind: ClassVar = "figure"
    picture: Picture
    caption: str


@dataclass(frozen=True, slots=True)
class Note:
    """A paragraph."""

    kind: ClassVar = "note"
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Text as it stands in a file."""

    kind: ClassVar = "code"
    caption: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One query that a model was asked."""

    given: str
    """The entity that was given."""
    relation: str
    asked_for: str
    """"head" or "tail"."""
    truth: str
    verdict: str
    """The rank in words."""
    rivals: Sequence[str]
    texts: Sequence[tuple[str, str]]
    """Names and descriptions of the two entities."""


@dataclass(frozen=True, slots=True)
class Answers:
    """A list of queries under a title."""

    kind: ClassVar = "answers"
    title: str
    items: Sequence[Answered]


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks that are shown when asked for."""

    kind: ClassVar = "fold"
    title: str
    blocks: Sequence[Block]
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Blocks under a heading of their own."""

    kind: ClassVar = "part"
    title: str
    blocks: Sequence[Block]


Block = Table | Figure | Note | Code | Answers | Fold | Part


@dataclass(frozen=True, slots=True)
class Section:
    """A heading of the page, and of its list of contents."""

    anchor: str
    title: str
    blocks: Sequence[Block] = field(default_factory=list)


def within(blocks: Iterable[Block]) -> Iterator[Block]:
    """These blocks and all that they hold, in the order of the page."""
    for block in blocks:
        yield block
        if isinstance(block, Fold | Part):
            yield from within(block.blocks)


def pictures(blocks: Iterable[Block]) -> list[Picture]:
    """All pictures, folded ones too."""
    return [block.picture for block in within(blocks) if isinstance(block, Figure)]


def all_tables(blocks: Iterable[Block]) -> list[Table]:
    """All tables, folded ones too."""
    return [block for block in within(blocks) if isinstance(block, Table)]
