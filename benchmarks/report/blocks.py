"""What a section of the report is made of. Plain text throughout: the page escapes it.

Imports benchmarks.plots.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        """Which columns hold numbers, or are empty."""
        return [
            any(isinstance(row[i], int | float) for row in self.rows)
            for i in range(len(self.header))
        ]


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


def pictures(blocks: Sequence[Block]) -> list[Picture]:
    """All pictures, folded ones too, in the order of the page."""
    found: list[Picture] = []
    for block in blocks:
        if isinstance(block, Figure):
            found.append(block.picture)
        elif isinstance(block, Fold | Part):
            found += pictures(block.blocks)
    return found


def all_tables(blocks: Sequence[Block]) -> list[Table]:
    """All tables, folded ones too, in the order of the page."""
    found: list[Table] = []
    for block in blocks:
        if isinstance(block, Table):
            found.append(block)
        elif isinstance(block, Fold | Part):
            found += all_tables(block.blocks)
    return found
