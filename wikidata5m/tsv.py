"""Text files of triplets, texts and names -> arrays and frames, in bounded memory.

Imports errors and lines. Ids are strings and stay what they are: nothing is read as a number, a
missing value or a quoted field (quotes mean something in comma-separated files alone). A block of
some megabytes is parsed at once when every line of it is regular; otherwise line by line, so that
an error names its line. Empty lines hold nothing.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from wikidata5m.errors import InputError
from wikidata5m.lines import (
    BadLines,
    LineProblem,
    OnBytes,
    read_blocks,
    read_start,
    text_lines,
)

__all__ = [
    "SEPARATORS",
    "BadLines",
    "Separator",
    "TripletFiles",
    "TripletFormat",
    "read_names",
    "read_pairs",
    "read_triplets",
    "sort_ids",
]

Separator = Literal["tab", "comma", "space"]

SEPARATORS: Final[tuple[Separator, ...]] = get_args(Separator)
CHARACTER: Final[dict[Separator, str]] = {"tab": "\t", "comma": ",", "space": " "}
SAMPLE_LINES: Final = 200
COLUMN_NAMES: Final[dict[str, frozenset[str]]] = {
    "h": frozenset({"h", "head", "head_id", "subject", "subj", "s", "source", "src", "from"}),
    "r": frozenset({"r", "rel", "relation", "relation_id", "predicate", "pred", "p", "edge"}),
    "t": frozenset({"t", "tail", "tail_id", "object", "obj", "o", "target", "dst", "to"}),
}
"""What header lines call the three columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TripletFormat:
    """How a triplet file is laid out; what is None is told from its first lines."""

    separator: Separator | None = None
    order: str | None = None
    """What each column holds: h, r, t once each, `-` for a column to leave out; else as a header
    says, or hrt."""
    header: bool | None = None
    """Whether the first line is no triplet. Told by its names, such as head,relation,tail; a lone
    number, how many lines follow, is none either."""

    def __post_init__(self) -> None:
        if self.order is not None and sorted(self.order.replace("-", "")) != ["h", "r", "t"]:
            raise ValueError("order must hold h, r and t once each, and - for other columns")


@dataclass(frozen=True, slots=True, kw_only=True)
class TripletFiles:
    """The content of some triplet files over common tables of ids."""

    entities: pl.Series
    """Ids; an entity's place is its index."""
    relations: pl.Series
    triplets: tuple[npt.NDArray[np.int32], ...]
    """One (N, 3) array per file, rows as they stand in it."""
    layouts: tuple[TripletFormat, ...]
    """How each file was read, nothing left open; that asked for where a file is empty."""


def read_triplets(
    paths: Sequence[Path],
    layout: TripletFormat,
    bad: BadLines,
    *,
    more_entities: Sequence[pl.Series] = (),
    more_relations: Sequence[pl.Series] = (),
    on_bytes: OnBytes = lambda _: None,
) -> TripletFiles:
    """Read triplet files; ids become indices in the order of `sort_ids`.

    `more_entities` and `more_relations` have an index even where no triplet names them.
    Raises InputError on a file that cannot be read, whose layout cannot be told, or that has more
    bad lines than `bad` allows.
    """
    entities, relations = _Ids(), _Ids()
    rows: list[int] = []
    layouts: list[TripletFormat] = []
    before = 0
    for path in paths:
        rows.append(0)
        layouts.append(_detect(path, layout))
        for block in _triplet_blocks(path, layouts[-1], bad, _after(before, on_bytes)):
            rows[-1] += block.num_rows
            entities.add(block["h"].combine_chunks(), block["t"].combine_chunks())
            relations.add(block["r"].combine_chunks())
        before += path.stat().st_size
    for table, more in ((entities, more_entities), (relations, more_relations)):
        for series in more:
            table.add(series.to_arrow().cast(pa.large_string()))
    entity_ids, end_blocks = entities.finish()
    relation_ids, relation_blocks = relations.finish()
    triplets_N3 = np.empty((sum(rows), 3), dtype=np.int32)
    start = 0
    # What was added beside the triplets comes last, and belongs to none.
    for ends, relation in zip(end_blocks, relation_blocks, strict=False):
        block_N3 = triplets_N3[start : start + len(relation)]
        if len(block_N3):
            block_N3[:, 1] = relation
            # A block holds all its heads, then all its tails.
            block_N3[:, [0, 2]] = ends.reshape(2, -1).T
        start += len(block_N3)
    return TripletFiles(
        entities=entity_ids,
        relations=relation_ids,
        triplets=tuple(np.split(triplets_N3, np.cumsum(rows)[:-1])) if rows else (),
        layouts=tuple(layouts),
    )


def _after(before: int, on_bytes: OnBytes) -> OnBytes:
    """Tells `on_bytes` of a file's bytes on top of those of the files before it."""
    return lambda done: on_bytes(before + done)


def sort_ids(ids: pl.Series) -> npt.NDArray[np.int64]:
    """The order of unique ids: by number when all are one prefix and a number (Q42, 17), else by
    code point. Ids of leading zeros are no numbers.
    """
    parts = ids.str.extract_groups(r"^([A-Za-z]*)(0|[1-9][0-9]{0,17})$").struct.unnest()
    prefix, number = parts.get_columns()
    if ids.len() and not prefix.null_count() and prefix.n_unique() == 1:
        ids = number.cast(pl.Int64)
    return ids.arg_sort().to_numpy().astype(np.int64)


class _Ids:
    """Strings as they come, block by block -> their indices in the sorted table of all of them."""

    def __init__(self) -> None:
        self._blocks: list[pa.DictionaryArray] = []

    def add(self, *arrays: pa.Array) -> None:
        self._blocks.append(pa.concat_arrays(arrays).dictionary_encode())

    def finish(self) -> tuple[pl.Series, list[npt.NDArray[np.int32]]]:
        """The ids in their order, and the index of every string of each block."""
        kind = pa.dictionary(pa.int32(), pa.large_string())
        chunked = pa.chunked_array(self._blocks, type=kind).unify_dictionaries()
        self._blocks.clear()
        if not chunked.num_chunks:
            return pl.Series("id", [], dtype=pl.String), []
        ids = pl.Series("id", pl.from_arrow(chunked.chunk(0).dictionary))
        order = sort_ids(ids)
        place = np.empty(len(order), dtype=np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        return ids[order], [place[chunk.indices.to_numpy()] for chunk in chunked.chunks]


def _triplet_blocks(
    path: Path, layout: TripletFormat, bad: BadLines, on_bytes: OnBytes
) -> Iterator[pa.Table]:
    """Tables of the columns h, r, t of one file, whose layout leaves nothing open."""
    parser = _Parser(path, layout.separator or "tab", layout.order or "hrt", bad)
    for line, block in read_blocks(path, on_bytes):
        if layout.header and line == 1:
            body = block.lstrip(b"\r\n")
            empty = block.count(b"\n") - body.count(b"\n")
            yield parser.parse(empty + 2, body.partition(b"\n")[2])
        else:
            yield parser.parse(line, block)


@dataclass(frozen=True, slots=True)
class _Parser:
    path: Path
    separator: Separator
    order: str
    bad: BadLines

    def parse(self, line: int, block: bytes) -> pa.Table:
        """The triplets of a block whose first line has the number `line`."""
        if self.separator == "space":
            block = re.sub(rb"(?m)^ +| +(?=\r?$)", b"", re.sub(rb"[ \t]+", b" ", block))
        table = None if self._is_awkward(block) else self._parse_regular(block)
        return self._parse_lines(line, block) if table is None else table

    def _is_awkward(self, block: bytes) -> bool:
        """Whether Arrow's idea of a line or a quoted field could differ from ours."""
        quoted = self.separator == "comma" and b'"' in block
        return quoted or block.count(b"\r") != block.count(b"\r\n")

    def _parse_regular(self, block: bytes) -> pa.Table | None:
        """The whole block at once; None when any line of it has a problem."""
        names = [name if name != "-" else f"-{i}" for i, name in enumerate(self.order)]
        try:
            table = pa_csv.read_csv(
                pa.BufferReader(block),
                read_options=pa_csv.ReadOptions(column_names=names),
                parse_options=pa_csv.ParseOptions(
                    delimiter=CHARACTER[self.separator],
                    quote_char=False,
                    double_quote=False,
                    escape_char=False,
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.large_string()),
                    include_columns=["h", "r", "t"],
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid:
            return None
        shortest = [pc.min(pc.binary_length(column)).as_py() for column in table.columns]
        return None if 0 in shortest else table

    def _parse_lines(self, line: int, block: bytes) -> pa.Table:
        kept: list[tuple[str, ...]] = []
        places = [self.order.index(name) for name in "hrt"]
        for number, text in text_lines(self.path, line, block, self.bad):
            fields = _fields(text, self.separator)
            if fields is None:
                self.bad.add(self.path, number, "line_columns", "a quote that is not closed")
            elif len(fields) != len(self.order):
                problem = f"{len(fields)} {self.separator}-separated columns"
                problem += f", expected {len(self.order)}"
                self.bad.add(self.path, number, "line_columns", problem)
            elif not all(fields[place] for place in places):
                self.bad.add(self.path, number, "line_empty_field", "an empty field")
            else:
                kept.append(tuple(fields[place] for place in places))
        columns = zip(*kept, strict=True) if kept else ((), (), ())
        return pa.table([pa.array(c, type=pa.large_string()) for c in columns], names=[*"hrt"])


def _fields(text: str, separator: Separator) -> list[str] | None:
    """The fields of a line; None when it breaks the rules of quoted fields."""
    if separator == "comma" and '"' in text:
        try:
            return next(csv.reader([text], strict=True))
        except csv.Error:
            return None
    return text.split(CHARACTER[separator])


def _detect(path: Path, layout: TripletFormat) -> TripletFormat:
    """The layout with what it leaves open told from the file's first lines."""
    sample = list(itertools.islice(_sample_lines(path), SAMPLE_LINES))
    if not sample:
        return layout
    separator = layout.separator or _detect_separator(path, sample, len(layout.order or "hrt"))
    named = _header_order(_split(sample[0], separator))
    header = layout.header
    if header is None:
        header = bool(named) or sample[0].isdecimal()
    order = layout.order or (named if header else "") or "hrt"
    return TripletFormat(separator=separator, order=order, header=header)


def _detect_separator(path: Path, sample: list[str], columns: int) -> Separator:
    """The separator that makes line 1 a header, or else gives the most lines `columns` fields.

    The earliest of SEPARATORS in a tie.
    """
    for separator in SEPARATORS:
        if _header_order(_split(sample[0], separator)):
            return separator
    fits = {
        separator: sum(len(_split(line, separator)) == columns for line in sample)
        for separator in SEPARATORS
    }
    best = max(SEPARATORS, key=lambda separator: fits[separator])
    if 2 * fits[best] < len(sample) - 1:
        found = ", ".join(f"{len(_split(sample[0], s))} by {s}" for s in SEPARATORS)
        raise InputError(
            path,
            f"no separator gives {columns} columns (line 1 has {found})",
            fix="pass --separator, and --order with `-` for columns to leave out, such as hrt-",
        )
    return best


def _split(line: str, separator: Separator) -> list[str]:
    if separator == "space":
        return line.split()
    return _fields(line, separator) or []


def _header_order(fields: list[str]) -> str:
    """The order that a header line states; '' when the fields are no names of columns."""
    letters = [
        next((letter for letter, names in COLUMN_NAMES.items() if field.lower() in names), "-")
        for field in (field.strip().lstrip("#").strip() for field in fields)
    ]
    order = "".join(letters)
    return order if sorted(order.replace("-", "")) == ["h", "r", "t"] else ""


def _sample_lines(path: Path) -> Iterator[str]:
    for line in read_start(path).split(b"\n"):
        if text := line.removesuffix(b"\r").decode("utf-8", errors="replace"):
            yield text


def read_pairs(
    path: Path, bad: BadLines, on_bytes: OnBytes = lambda _: None
) -> Iterator[pl.DataFrame]:
    """Frames of (id, text) from lines of `id⇥text`; all behind the first tab is text."""
    for line, block in read_blocks(path, on_bytes):
        ids, texts = [], []
        for number, row in text_lines(path, line, block, bad):
            key, tab, text = row.partition("\t")
            if not tab or not key:
                problem: LineProblem = "line_empty_field" if tab else "line_columns"
                bad.add(path, number, problem, "no id and tab before the text")
                continue
            ids.append(key)
            texts.append(text)
        yield pl.DataFrame({"id": ids, "text": texts}, schema={"id": pl.String, "text": pl.String})


def read_names(
    path: Path, bad: BadLines, on_bytes: OnBytes = lambda _: None
) -> Iterator[pl.DataFrame]:
    """Frames of (id, names) from lines of `id⇥name⇥name…`; a line may have no name."""
    for line, block in read_blocks(path, on_bytes):
        rows = []
        for number, row in text_lines(path, line, block, bad):
            if row.startswith("\t"):
                bad.add(path, number, "line_empty_field", "no id before the first tab")
            else:
                rows.append(row)
        # Polars makes the lists: a list of Python lists would take it many times as long.
        fields = pl.Series("fields", rows, dtype=pl.String).str.split("\t")
        frame = pl.DataFrame({"id": fields.list.first(), "names": fields.list.slice(1)})
        yield frame.with_columns(pl.col("names").list.filter(pl.element().str.strip_chars() != ""))
