"""Triplet files as they are: every id survives, every bad line is named, layouts are told."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wikidata5m import lines as lines_module
from wikidata5m import tsv
from wikidata5m.errors import InputError
from wikidata5m.tsv import BadLines, Separator, TripletFiles, TripletFormat, read_triplets

Rows = list[tuple[str, str, str]]

AWKWARD = [
    "NA", "null", "nan", "None", "007", "1.0", "1e5", "-3", "true", '"quoted"', "it's", "a b",
    " lead", "trail ", "#hash", "\\N", "\\", "é", "é", "北京", "\u2028", "\x0b", "\xa0", "a,b", "'",
    "h", "tail", "10", "2", '"',
]  # fmt: skip

ids = st.one_of(
    st.sampled_from(AWKWARD),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r"), min_size=1),
)
rows = st.lists(st.tuples(ids, ids, ids), max_size=30)


def read(path: Path, bad: BadLines | None = None, **layout: Any) -> TripletFiles:
    return read_triplets([path], TripletFormat(**layout), bad or BadLines())


def names(files: TripletFiles, which: int = 0) -> Rows:
    entities, relations = files.entities.to_list(), files.relations.to_list()
    return [(entities[h], relations[r], entities[t]) for h, r, t in files.triplets[which].tolist()]


@settings(deadline=None)
@given(rows)
def test_any_id_survives_a_tab_separated_file(
    tmp_path_factory: pytest.TempPathFactory, rows: Rows
) -> None:
    path = tmp_path_factory.mktemp("tsv") / "train.txt"
    path.write_bytes("".join(f"{h}\t{r}\t{t}\n" for h, r, t in rows).encode())
    files = read(path, separator="tab", header=False)
    assert names(files) == rows
    assert files.entities.n_unique() == len(files.entities)
    assert set(files.entities) == {entity for h, _, t in rows for entity in (h, t)}


@settings(deadline=None)
@given(rows)
def test_any_id_survives_a_comma_separated_file(
    tmp_path_factory: pytest.TempPathFactory, rows: Rows
) -> None:
    path = tmp_path_factory.mktemp("csv") / "train.csv"
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    path.write_bytes(text.getvalue().encode())
    assert names(read(path, separator="comma", header=False)) == rows


@settings(deadline=None)
@given(st.lists(st.text('ab\t \r\n,"\x0b\\é', max_size=8)), st.sampled_from(tsv.SEPARATORS))
@example(["\r\r"], "space")
def test_blocks_parsed_at_once_equal_blocks_parsed_line_by_line(
    pieces: list[str], separator: Separator
) -> None:
    """Arrow's parse is kept only where it agrees with the plain one, errors included."""
    block = "a".join(pieces).encode()
    at_once, plain = BadLines(1 << 20), BadLines(1 << 20)
    parser = tsv._Parser(Path("x"), separator, "hrt", at_once)
    found = parser.parse(1, block)
    if separator == "space":
        lines = [re.sub("[ \t]+", " ", line).lstrip(" ") for line in block.decode().split("\n")]
        block = "\n".join(re.sub(" (?=\r?$)", "", line) for line in lines).encode()
    expected = tsv._Parser(Path("x"), separator, "hrt", plain)._parse_lines(1, block)
    assert found.to_pylist() == expected.to_pylist()
    assert at_once.counts == plain.counts


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("a\tr\tb\nb\tr\ta\n", {}),
        ("a,r,b\r\nb,r,a", {}),
        ("a r b\n\nb  r\ta \n\n", {}),
        ("\ufeffa\tr\tb\nb\tr\ta", {}),
        ("head,relation,tail\na,r,b\nb,r,a\n", {}),
        ("\n\nhead,relation,tail\na,r,b\nb,r,a\n", {}),
        ("Subject\tObject\tPredicate\na\tb\tr\nb\ta\tr\n", {}),
        ("index,head,relation,tail\n0,a,r,b\n1,b,r,a\n", {}),
        ("a\tb\tr\nb\ta\tr\n", {"order": "htr"}),
        ("r\tb\ta\nr\ta\tb\n", {"order": "rth"}),
        ("a\tr\tb\t2014-01-01\nb\tr\ta\t\n", {"order": "hrt-"}),
        ("x\ty\tz\na\tr\tb\nb\tr\ta\n", {"header": True}),
    ],
)
def test_layouts_are_told_or_given(tmp_path: Path, text: str, layout: dict[str, Any]) -> None:
    path = tmp_path / "train.txt"
    path.write_bytes(text.encode())
    files = read(path, **layout)
    assert names(files) == [("a", "r", "b"), ("b", "r", "a")]
    # What was told reads the file alike when it is given.
    again = read_triplets([path], files.layouts[0], BadLines())
    assert names(again) == names(files)


def test_a_header_like_first_line_is_data_where_the_user_says_so(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("head\trelation\ttail\n")
    assert names(read(path)) == []
    assert names(read(path, header=False)) == [("head", "relation", "tail")]


def test_a_layout_that_cannot_be_told_is_an_error_with_the_counts(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("a\tr\tb\t1\n" * 3)
    with pytest.raises(InputError, match=r"no separator gives 3 columns \(line 1 has 4 by tab, 1"):
        read(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"a\tb", "line 3: 2 tab-separated columns, expected 3"),
        (b"a\tb\tc\td", "line 3: 4 tab-separated columns, expected 3"),
        (b"a\t\tc", "line 3: an empty field"),
        (b"a\tr\t\xff", r"line 3: not UTF-8 text \(byte 5\)"),
    ],
)
def test_bad_lines_are_named_or_counted(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / "train.txt.gz"
    path.write_bytes(gzip.compress(b"a\tr\tb\n\n" + line + b"\nb\tr\ta"))
    with pytest.raises(InputError, match=message):
        read(path)
    bad = BadLines(1)
    assert names(read(path, bad)) == [("a", "r", "b"), ("b", "r", "a")]
    assert bad.counts.total() == 1
    path.write_bytes(gzip.compress(line + b"\n" + b"a\tr\tb\n" * 9 + line))
    with pytest.raises(InputError, match=r"line 11: .* \(after 1 bad lines before it\)"):
        read(path, BadLines(1))


def test_an_unclosed_quote_is_a_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text('a,r,b\nb,r,"a\nc,r,"a"x\n')
    bad = BadLines(2)
    assert names(read(path, bad, separator="comma")) == [("a", "r", "b")]
    assert bad.counts == {"line_columns": 2}


def test_lines_keep_their_numbers_across_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "BLOCK", 64)
    lines = [f"e{i}\tr{i % 3}\te{i + 1}" for i in range(500)]
    path = tmp_path / "train.txt"
    path.write_text("\n".join(lines))
    seen: list[int] = []
    files = read_triplets([path, path], TripletFormat(), BadLines(), on_bytes=seen.append)
    assert names(files, 1) == names(files) == [tuple(line.split("\t")) for line in lines]
    assert seen[-1] == 2 * path.stat().st_size
    assert seen == sorted(seen)
    lines[333] = "broken"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match="line 334"):
        read(path)


@pytest.mark.parametrize("kind", ["gzip", "bz2", "zstd", "pzstd", "plain"])
def test_compression_is_told_by_the_first_bytes(tmp_path: Path, kind: str) -> None:
    """Whatever the name, and where a file is made of several streams."""
    halves = [b"a\tr\tb\n" * 1000, b"b\tr\ta\n" * 1000]
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "bz2": bz2.compress,
        "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
        # Each of its frames follows one that tells its length and is to be skipped.
        "pzstd": lambda data: (
            b"\x50\x2a\x4d\x18\x04\0\0\0" + bytes(4) + pa.compress(data, "zstd", asbytes=True)
        ),
        "plain": bytes,
    }
    path = tmp_path / "train.txt"
    path.write_bytes(b"".join(map(packers[kind], halves)))
    assert names(read(path)) == [("a", "r", "b")] * 1000 + [("b", "r", "a")] * 1000


def test_a_cut_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "train.txt.gz"
    lines = "".join(f"e{i}\tr\te{i * i}\n" for i in range(1000))
    path.write_bytes(gzip.compress(lines.encode())[:-30])
    with pytest.raises(InputError, match="damaged or cut off"):
        read(path)
    path.write_bytes(lzma.compress(lines.encode()))
    with pytest.raises(InputError, match="packed as xz; unpack it"):
        read(path)
    with pytest.raises(InputError, match="No such file"):
        read(tmp_path / "absent")


def test_ids_are_sorted_by_number_where_all_are_numbers() -> None:
    def order(*ids: str) -> list[str]:
        return pl.Series(ids, dtype=pl.String)[
            tsv.sort_ids(pl.Series(ids, dtype=pl.String))
        ].to_list()

    assert order("Q10", "Q9", "Q100") == ["Q9", "Q10", "Q100"]
    assert order("10", "9", "0") == ["0", "9", "10"]
    assert order("10", "09", "1") == ["09", "1", "10"]
    assert order("Q10", "P9", "Q1") == ["P9", "Q1", "Q10"]
    assert order("é", "z", "北", "Z") == ["Z", "z", "é", "北"]
    assert order() == []


def test_entities_may_be_named_beside_the_triplets(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("Q2\tP1\tQ10\n")
    files = read_triplets(
        [path], TripletFormat(), BadLines(), more_entities=[pl.Series(["Q3", "Q2"])]
    )
    assert files.entities.to_list() == ["Q2", "Q3", "Q10"]
    assert np.array_equal(files.triplets[0], [[0, 0, 2]])


def test_texts_and_names(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("Q1\tIt is \t so\nQ2\t\n\nQ3\t NA\u2028x\r\n")
    frame = pl.concat(tsv.read_pairs(path, BadLines()))
    assert frame.rows() == [("Q1", "It is \t so"), ("Q2", ""), ("Q3", " NA\u2028x")]
    path.write_text("Q1\ta\tb\t\nQ2\nQ3\t\tnull\n")
    frame = pl.concat(tsv.read_names(path, BadLines()))
    assert frame.rows() == [("Q1", ["a", "b"]), ("Q2", []), ("Q3", ["null"])]
    with pytest.raises(InputError, match="line 2: no id and tab"):
        list(tsv.read_pairs(path, BadLines()))
