"""Ranges against a plain sequential read: each record once, whatever the cut."""

from __future__ import annotations

import bz2
import gzip
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.ranges import Range, head, lines, pages, plan_ranges
from wikidata5m.errors import InputError

MAGIC = bytes.fromhex("314159265359")

records = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.integers(1, 400_000).map(lambda n: (b"%d " % n) * (n % 50_000)),
        st.just("é漢𝄞".encode() * 50),
        st.just(MAGIC * 20),
    ).map(lambda line: line.replace(b"\n", b" ") + b"."),
    min_size=1,
    max_size=60,
)


def multistream(data: bytes, pieces: int) -> bytes:
    step = -(-len(data) // pieces)
    return b"".join(bz2.compress(data[i : i + step], 1) for i in range(0, len(data), step))


WRITERS = {
    "one.bz2": lambda data: bz2.compress(data, 1),
    "many.bz2": lambda data: multistream(data, 7),
    "one.gz": gzip.compress,
    "many.gz": lambda data: b"".join(
        gzip.compress(data[i : i + 10_000]) for i in range(0, len(data), 10_000)
    ),
    "plain.json": lambda data: data,
}


def cut(path: Path, cuts: list[float]) -> list[Range]:
    size = path.stat().st_size
    if path.suffix == ".gz":
        return plan_ranges(path, 1)
    places = sorted({0, size, *(int(size * c) for c in cuts)})
    return [Range(path, a, b, size) for a, b in pairwise(places)]


def read_pages(path: Path, size: int) -> list[bytes]:
    return [page for part in plan_ranges(path, size) for page in pages(part)]


def read_all(path: Path, size: int) -> list[bytes]:
    return [line for part in plan_ranges(path, size) for line in lines(part)]


@pytest.mark.parametrize("name", WRITERS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(records=records, cuts=st.lists(st.floats(0, 1), max_size=6), end=st.booleans())
def test_lines_come_once_whatever_the_cut(
    tmp_path: Path, name: str, records: list[bytes], cuts: list[float], end: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(WRITERS[name](b"\n".join(records) + (b"\n" if end else b"")))
    assert [line for part in cut(path, cuts) for line in lines(part)] == records


@pytest.mark.parametrize("name", WRITERS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(records=records, cuts=st.lists(st.floats(0, 1), max_size=6))
def test_pages_come_once_whatever_the_cut(
    tmp_path: Path, name: str, records: list[bytes], cuts: list[float]
) -> None:
    path = tmp_path / name
    whole = [b"<page>%s</page>" % record.replace(b"<", b" ") for record in records]
    path.write_bytes(WRITERS[name](b"<mediawiki>\n  " + b"\n  ".join(whole) + b"\n</mediawiki>\n"))
    assert [page for part in cut(path, cuts) for page in pages(part)] == whole


def test_every_byte_cut_of_a_small_file_is_right(tmp_path: Path) -> None:
    path = tmp_path / "small.bz2"
    data = b"".join(b"line %d %s\n" % (i, b"x" * (i % 70)) for i in range(4000))
    path.write_bytes(multistream(data, 40))
    size = path.stat().st_size
    for place in range(1, size, 13):
        parts = [Range(path, 0, place, size), Range(path, place, size, size)]
        assert b"\n".join(line for part in parts for line in lines(part)) + b"\n" == data


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.999])
@pytest.mark.parametrize("name", ["one.bz2", "many.bz2", "one.gz"])
def test_a_truncated_file_is_an_error_that_names_the_byte(
    tmp_path: Path, name: str, keep: float
) -> None:
    path = tmp_path / name
    whole = WRITERS[name](b"".join(b"%d %s\n" % (i, b"abc" * (i % 9)) for i in range(60_000)))
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(InputError, match=r"byte [\d,]+.*download it again"):
        read_all(path, 1 << 14)


@pytest.mark.parametrize("name", ["one.bz2", "one.gz"])
def test_a_flipped_byte_is_an_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    whole = bytearray(WRITERS[name](b"".join(b"%d\n" % (i * i) for i in range(200_000))))
    whole[len(whole) // 2] ^= 0x55
    path.write_bytes(whole)
    with pytest.raises(InputError, match=path.name):
        read_all(path, 1 << 20)


def test_a_page_cut_in_half_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.xml"
    path.write_bytes(b"<mediawiki><page>one</page><page>tw")
    reader = pages(*plan_ranges(path, 100))
    assert next(reader) == b"<page>one</page>"
    with pytest.raises(InputError, match="ends inside a <page>"):
        next(reader)


def test_a_dump_cut_between_pages_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.xml"
    path.write_bytes(b"<mediawiki><page>one</page>\n<page>two</page>\n" + b" " * 64)
    with pytest.raises(InputError, match="ends without </mediawiki>"):
        read_pages(path, 1000)


@pytest.mark.parametrize("keep", [1, 4, 9, 13])
def test_a_multistream_cut_in_the_head_of_a_stream_is_an_error(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.bz2"
    path.write_bytes(bz2.compress(b"one\n" * 50_000) + bz2.compress(b"two\n" * 5)[:keep])
    with pytest.raises(InputError, match="without its end mark"):
        read_all(path, 1 << 20)


def test_head_refuses_what_its_name_does_not_say(tmp_path: Path) -> None:
    for name, data in {"a.bz2": b"plain text", "b.gz": b"plain text", "c.json": b""}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=re.escape(name)):
            head(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        head(tmp_path / "absent.bz2")


def test_real_dumps_read_in_ranges_as_in_one_piece(real_data: Path) -> None:
    dump = real_data / "wikidata" / "union.json.bz2"
    expected = bz2.decompress(dump.read_bytes()).splitlines()
    assert read_all(dump, 300_000) == expected
    dump = real_data / "wikipedia" / "enwiki-gensim206-multistream10.xml.bz2"
    whole = bz2.decompress(dump.read_bytes())
    assert read_pages(dump, 100_000) == re.findall(rb"<page>.*?</page>", whole, re.DOTALL)
