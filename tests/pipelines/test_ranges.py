"""Ranges against a plain sequential read: each record once, whatever the cut."""

from __future__ import annotations

import bz2
import gzip
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.ranges import (
    Location,
    Range,
    describe,
    head,
    lines,
    locate,
    pages,
    plan_indexed_ranges,
    plan_ranges,
    storage,
)
from pipelines.ranges import bzip2 as bzip2_module
from pipelines.ranges import records as records_module
from pipelines.ranges.bzip2 import BLOCK_MAGIC, END_MAGIC, Mark
from pipelines.ranges.plan import as_ranges
from tests.server import Server, serve
from wikidata5m.errors import InputError

MAGIC = bytes.fromhex("314159265359")
GZIP_HEADER = gzip.compress(b"")[:10]
ZSTD_HEADER = zstd.compress(b"")[:4]
SKIPPED_FRAME = b"\x5e\x2a\x4d\x18" + (7).to_bytes(4, "little") + b"skip me"

records = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.integers(1, 400_000).map(lambda n: (b"%d " % n) * (n % 50_000)),
        st.just("é漢𝄞".encode() * 50),
        st.just((MAGIC + GZIP_HEADER + ZSTD_HEADER) * 20),
    ).map(lambda line: line.replace(b"\n", b" ") + b"."),
    min_size=1,
    max_size=60,
)


def joined(data: bytes, pieces: int, pack: Callable[[bytes], bytes]) -> bytes:
    """The data packed in pieces, an empty one between any two."""
    step = -(-len(data) // pieces)
    return pack(b"").join(pack(data[i : i + step]) for i in range(0, len(data), step))


def pack_bzip2(data: bytes) -> bytes:
    return bz2.compress(data, 1)


def pack_stored(data: bytes) -> bytes:
    return gzip.compress(data, 0)


def pack_zstd(data: bytes) -> bytes:
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


WRITERS: dict[str, Callable[[bytes], bytes]] = {
    "one.bz2": pack_bzip2,
    "many.bz2": lambda data: joined(data, 7, pack_bzip2),
    "one.gz": gzip.compress,
    "many.gz": lambda data: joined(data, 9, gzip.compress),
    "tiny.gz": lambda data: joined(data, 400, gzip.compress),
    "stored.gz": lambda data: joined(data, 9, pack_stored) + bytes(100),
    "one.zst": pack_zstd,
    "many.zst": lambda data: joined(data, 9, pack_zstd) + SKIPPED_FRAME,
    "tiny.zst": lambda data: joined(data, 400, zstd.compress),
    "plain.json": lambda data: data,
}


def cut(path: Path, cuts: list[float]) -> list[Range]:
    size = path.stat().st_size
    places = sorted({0, size, *(int(size * c) for c in cuts)})
    return as_ranges(path, places, size)


def read_pages(path: Location, size: int) -> list[bytes]:
    return [page for part in plan_ranges(path, size) for page in pages(part)]


def read_all(path: Location, size: int) -> list[bytes]:
    return [line for part in plan_ranges(path, size) for line in lines(part)]


@pytest.mark.parametrize("name", WRITERS)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(records=records, cuts=st.lists(st.floats(0, 1), max_size=6), end=st.booleans())
def test_lines_come_once_whatever_the_cut(
    tmp_path: Path, name: str, records: list[bytes], cuts: list[float], end: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(WRITERS[name](b"\n".join(records) + (b"\n" if end else b"")))
    assert [line for part in cut(path, cuts) for line in lines(part)] == records


@settings(deadline=None)
@given(cuts=st.lists(st.floats(0, 1), max_size=6), damaged=st.integers(0, 3))
def test_a_page_whose_tag_is_damaged_is_given_too_whatever_the_cut(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[float], damaged: int
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "dump.xml"
    whole = [b"<page>%d</page>" % number for number in range(4)]
    whole[damaged] = whole[damaged].replace(b"<page>", b"<pagf>")
    start = b"<mediawiki>\n<siteinfo><sitename>W</sitename></siteinfo>\n  "
    path.write_bytes(start + b"\n  ".join(whole) + b"\n</mediawiki>\n")
    assert [page for part in cut(path, cuts) for page in pages(part)] == whole


@pytest.mark.parametrize("name", WRITERS)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(records=records, cuts=st.lists(st.floats(0, 1), max_size=6))
def test_pages_come_once_whatever_the_cut(
    tmp_path: Path, name: str, records: list[bytes], cuts: list[float]
) -> None:
    path = tmp_path / name
    whole = [b"<page>%s</page>" % record.replace(b"<", b" ") for record in records]
    path.write_bytes(WRITERS[name](b"<mediawiki>\n  " + b"\n  ".join(whole) + b"\n</mediawiki>\n"))
    assert [page for part in cut(path, cuts) for page in pages(part)] == whole


@pytest.mark.parametrize("suffix", ["bz2", "gz", "zst"])
def test_every_byte_cut_of_a_small_file_is_right(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"small.{suffix}"
    data = b"".join(b"line %d %s\n" % (i, b"x" * (i % 70)) for i in range(600))
    pack = {"bz2": pack_bzip2, "gz": gzip.compress, "zst": pack_zstd}[suffix]
    path.write_bytes(joined(data, 12, pack))
    size = path.stat().st_size
    for place in range(1, size, 3):
        parts = as_ranges(path, [0, place, size], size)
        assert b"\n".join(line for part in parts for line in lines(part)) + b"\n" == data


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.999])
@pytest.mark.parametrize("name", ["one.bz2", "many.bz2", "one.gz", "many.gz", "many.zst"])
def test_a_truncated_file_is_an_error_that_names_the_byte(
    tmp_path: Path, name: str, keep: float
) -> None:
    path = tmp_path / name
    whole = WRITERS[name](b"".join(b"%d %s\n" % (i, b"abc" * (i % 9)) for i in range(60_000)))
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(InputError, match=r"byte [\d,]+.*download it again"):
        read_all(path, 1 << 14)


@pytest.mark.parametrize("name", ["one.bz2", "many.bz2", "one.gz", "many.gz", "many.zst"])
@pytest.mark.parametrize("size", [1 << 20, 10_000])
def test_a_flipped_byte_is_an_error(tmp_path: Path, name: str, size: int) -> None:
    path = tmp_path / name
    whole = WRITERS[name](b"".join(b"%d\n" % (i * i) for i in range(60_000)))
    for place in random.Random(0).sample(range(40, len(whole) - 40), 12):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=path.name):
            read_all(path, size)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    false=st.lists(
        st.tuples(st.floats(0.01, 0.99), st.sampled_from([BLOCK_MAGIC, END_MAGIC])), max_size=6
    ),
    cuts=st.lists(st.floats(0, 1), max_size=6),
)
def test_magics_that_stand_in_a_block_by_chance_change_nothing(
    tmp_path: Path, false: list[tuple[float, int]], cuts: list[float]
) -> None:
    path = tmp_path / "false.bz2"
    path.write_bytes(pack_bzip2(FALSE_DATA))
    bits = path.stat().st_size * 8
    added = [(int(place * bits), magic) for place, magic in false]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bzip2_module, "_Scan", scan_with(added))
        patch.setattr(bzip2_module, "MAX_FALSE_MAGICS", 6)
        # A range that opens just before such a mark must not take it for a block.
        own = [place / bits - 1e-7 for place, _ in added]
        found = [line for part in cut(path, [*cuts, *own]) for line in lines(part)]
    assert b"\n".join(found) == FALSE_DATA


FALSE_DATA = b"\n".join(b"%d" % (i * i * 7919) for i in range(30_000))


def scan_with(added: list[Mark]) -> type:
    """The scan for marks, made to find `added` too."""

    class Scan(bzip2_module._Scan):
        def _fill(self) -> None:
            first = self._offset + self._scanned
            super()._fill()
            last = self._offset + self._scanned
            here = {mark for mark in added if first <= mark[0] // 8 < last}
            self._marks = deque(sorted({*self._marks, *here}))

    return Scan


def test_a_member_within_a_member_is_passed_by_or_an_error_but_never_read_twice(
    tmp_path: Path,
) -> None:
    path = tmp_path / "nested.gz"
    for inner, told in ((b"inner\n" * 50, True), (b"inner\n" * 500_000, False)):
        outer = b"a\n" + gzip.compress(inner) + b"\nb\n"
        path.write_bytes(pack_stored(outer) + gzip.compress(b"c\n"))
        parts = cut(path, [0.1 if told else 0.003])
        if told:
            assert b"\n".join(line for part in parts for line in lines(part)) == outer + b"c"
        else:
            # The inner one is long enough to pass for a member of the file.
            with pytest.raises(InputError, match="whose start cannot be told"):
                [line for part in parts for line in lines(part)]


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


@pytest.mark.parametrize("place", [0.4, 1.0])
def test_zeros_where_bzip2_blocks_should_be_are_an_error_before_they_are_all_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: float
) -> None:
    path = tmp_path / "hole.bz2"
    packed = WRITERS["many.bz2"](FALSE_DATA)
    path.write_bytes(packed[: int(len(packed) * place)])
    with path.open("r+b") as file:
        file.truncate(64 << 20)
    taken: list[int] = []

    @contextmanager
    def reading(location: Location, start: int = 0) -> Iterator[storage.Read]:
        with storage.reading(location, start) as read:
            yield lambda count: taken.append(count) or read(count)  # type: ignore[func-returns-value]

    monkeypatch.setattr(bzip2_module, "reading", reading)
    for part in plan_ranges(path, 16 << 20):
        taken.clear()
        with pytest.raises(InputError, match=r"byte [\d,]+: corrupt bzip2 block.*not all there"):
            list(lines(part))
        assert sum(taken) < 8 << 20


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (lines, b"one\ntwo", "byte 4 of the text: no line ends within 2 MiB"),
        (pages, b"<mediawiki><page>1</page><page>", "byte 25 of the text: no <page> ends"),
        (pages, b"<mediawiki><page>1</page>", "byte 25 of the text: no <page> ends"),
    ],
)
@pytest.mark.parametrize("suffix", ["json", "gz"])
def test_a_record_without_an_end_is_an_error_before_it_is_all_held(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read: Callable[[Range], Iterator[bytes]],
    text: bytes,
    message: str,
    suffix: str,
) -> None:
    path = tmp_path / f"hole.{suffix}"
    data = text + bytes(5 << 20)
    path.write_bytes(gzip.compress(data) if suffix == "gz" else data)
    monkeypatch.setattr(records_module, "MAX_RECORD_BYTES", 2 << 20)
    (whole,) = plan_ranges(path, 1 << 30)
    with pytest.raises(InputError, match=message):
        list(read(whole))


def test_a_long_page_is_searched_once_and_not_again_for_each_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long.xml"
    page = b"<page>" + b"a <b> " * (4 << 20) + b"</page>"
    path.write_bytes(b"<mediawiki>" + page + b"</mediawiki>")
    monkeypatch.setattr(records_module, "READ_BYTES", 1 << 12)
    begun = time.process_time()
    assert read_pages(path, 1 << 30) == [page]
    # It takes 0.1 s; to search all that is held for every block took 45.
    assert time.process_time() - begun < 3


@pytest.mark.parametrize("step", [1, 2, 5, 6, 7, 9])
def test_a_tag_that_many_blocks_hold_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    path = tmp_path / "tiny.xml"
    whole = [b"<page>%s</page>" % (b"</pag<" * n) for n in range(30)]
    path.write_bytes(b"<mediawiki>\n" + b"\n <pag ".join(whole) + b"</mediawiki>")
    monkeypatch.setattr(records_module, "READ_BYTES", step)
    found = [page for part in plan_ranges(path, 100) for page in pages(part)]
    assert [page for page in found if page != b"<pag"] == whole


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
    os.mkfifo(tmp_path / "pipe.bz2")
    with pytest.raises(InputError, match="a pipe or device"):
        head(tmp_path / "pipe.bz2")


def test_real_dumps_read_in_ranges_as_in_one_piece(real_data: Path) -> None:
    dump = real_data / "wikidata" / "union.json.bz2"
    expected = bz2.decompress(dump.read_bytes()).splitlines()
    assert read_all(dump, 300_000) == expected
    dump = real_data / "wikipedia" / "enwiki-gensim206-multistream10.xml.bz2"
    whole = bz2.decompress(dump.read_bytes())
    assert read_pages(dump, 100_000) == re.findall(rb"<page>.*?</page>", whole, re.DOTALL)


@pytest.mark.parametrize(
    ("suffix", "command"),
    [
        ("bz2", "bzip2 -1"),
        ("bz2", "lbzip2 -1 -n 2"),
        ("bz2", "pbzip2 -1 -p2 -b1"),
        ("gz", "gzip"),
        ("gz", "pigz -p 2 -b 128"),
        ("zst", "zstd"),
        ("zst", "pzstd -p 2"),
    ],
)
def test_files_of_every_writer_read_as_what_went_in(
    tmp_path: Path, suffix: str, command: str
) -> None:
    tool, *options = command.split()
    if not shutil.which(tool):
        pytest.skip(f"no {tool} here")
    path = tmp_path / f"data.{suffix}"
    plain = tmp_path / "data"
    plain.write_bytes(FALSE_DATA * 5)
    packed = subprocess.run([tool, *options, "-c", str(plain)], check=True, capture_output=True)
    path.write_bytes(packed.stdout)
    for size in (10_000, 150_000, 1 << 30):
        assert read_all(path, size) == (FALSE_DATA * 5).split(b"\n")


def test_ranges_of_an_index_start_where_streams_do(real_data: Path) -> None:
    folder = real_data / "wikipedia"
    for pages_each in (10, 100):
        dump = folder / f"enwiki-gensim206-multistream{pages_each}.xml.bz2"
        index = folder / f"enwiki-gensim206-multistream{pages_each}-index.txt.bz2"
        listed = bz2.decompress(index.read_bytes()).splitlines()
        offsets = {int(line.split(b":")[0]) for line in listed}
        expected = read_pages(dump, 1 << 30)
        for target in (5_000, 300_000, 1 << 30):
            parts = plan_indexed_ranges(dump, target, index)
            assert {part.start for part in parts} <= {0, *offsets}
            assert [page for part in parts for page in pages(part)] == expected
        limited = plan_indexed_ranges(dump, 50_000, index, limit=400_000)
        assert limited[-1].stop == 400_000
        assert len(plan_indexed_ranges(dump, 5_000, index)) > len(offsets) * 2 // 3


def test_a_wrong_index_is_an_error_that_names_it(tmp_path: Path) -> None:
    dump = tmp_path / "dump.xml.bz2"
    dump.write_bytes(joined(FALSE_DATA, 5, pack_bzip2))
    size = dump.stat().st_size
    for text, message in {
        f"{size // 2}:1:A\n": f"no stream of {dump} starts at byte {size // 2:,}",
        f"{size + 5}:1:A\n": "do not lie in ascending order within",
        f"{'9' * 5000}:1:A\n": "line 1: not a line `offset:id:title`",
        "500:1:A\n3:2:B\n": "do not lie in ascending order within",
        "<mediawiki>\n": "line 1: not a line `offset:id:title`",
    }.items():
        index = tmp_path / "index.txt"
        index.write_text(text)
        with pytest.raises(InputError, match=re.escape(message)) as caught:
            plan_indexed_ranges(dump, 1000, index)
        assert str(caught.value).startswith(str(index))
    with pytest.raises(InputError, match="not a multistream bzip2 dump"):
        plan_indexed_ranges(tmp_path / "dump.xml.gz", 1000, index)


def test_a_limit_reads_the_records_that_start_before_it(tmp_path: Path) -> None:
    path = tmp_path / "plain.json"
    path.write_bytes(b"".join(b"%05d\n" % i for i in range(1000)))
    for target in (50, 333, 10_000):
        parts = plan_ranges(path, target, limit=604)
        found = [line for part in parts for line in lines(part)]
        assert found == [b"%05d" % i for i in range(101)]


@pytest.mark.parametrize("name", ["one.gz", "many.gz", "one.zst", "many.zst"])
def test_a_limit_ends_within_a_member_wherever_the_ranges_are_cut(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(WRITERS[name](FALSE_DATA))
    size = path.stat().st_size
    wanted = FALSE_DATA.split(b"\n")
    for limit in (1000, size // 3, size - 1):
        read = {
            tuple(line for part in plan_ranges(path, target, limit=limit) for line in lines(part))
            for target in (size // 9, size // 2, 1 << 30)
        }
        (found,) = read
        assert list(found) == wanted[: len(found)]
        # zstd gives a block of up to 128 KiB at a time.
        assert abs(len(found) / len(wanted) - limit / size) < 0.15
    assert read_all(path, 1000) == wanted


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.mark.parametrize("name", ["many.bz2", "many.gz", "many.zst", "plain.json"])
def test_a_remote_file_reads_as_a_local_one(server: Server, name: str) -> None:
    packed = WRITERS[name](FALSE_DATA)
    fsspec.filesystem("memory").pipe_file(f"/dumps/{name}", packed)
    for url in (server.put(f"/{name}", packed), f"memory://dumps/{name}"):
        assert read_all(url, 40_000) == FALSE_DATA.split(b"\n")
        assert head(url) == FALSE_DATA[:4096]
    assert all(asked.startswith("bytes=") for asked in server.ranges(f"/{name}"))


def test_a_look_at_a_remote_file_costs_little_and_a_pass_few_requests(server: Server) -> None:
    url = server.put("/long.json", bytes(9 << 20))
    with storage.reading(url, 5) as read:
        assert len(read(10)) == 10
        assert server.ranges("/long.json") == [f"bytes=5-{5 + storage.FIRST_BYTES - 1}"]
        while read(1 << 16):
            pass
    assert len(server.ranges("/long.json")) < 15


def test_what_a_server_says_of_a_file_stands_in_its_record(server: Server) -> None:
    url = server.put("/dump.json", b"{}\n", etag='"v7"')
    secret = url.replace("http://", "http://user:password@") + "?token=5"
    server.put("/dump.json?token=5", b"{}\n", etag='"v7"')
    for address in (url, secret):
        record = describe("wikidata", address, hashed=True)
        assert record == {"role": "wikidata", "path": url, "bytes": 3, "etag": '"v7"'}


def test_a_connection_that_breaks_is_taken_up_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "FIRST_PAUSE_SECONDS", 0)
    packed = WRITERS["many.bz2"](FALSE_DATA)
    url = server.put("/flaky.bz2", packed)
    assert len(head(url)) == 4096
    server.files["/flaky.bz2"].fail_first = [503, 503]
    server.files["/flaky.bz2"].cut_after = [1000]
    assert read_all(url, 1 << 20) == FALSE_DATA.split(b"\n")
    server.files["/flaky.bz2"].fail_first = [503] * 9
    with pytest.raises(InputError, match=r"cannot be read .* with --resume"):
        read_all(url, 1 << 20)


def test_a_remote_file_that_cannot_be_had_is_an_error(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "FIRST_PAUSE_SECONDS", 0)
    with pytest.raises(InputError, match=r"cannot be had \(.*\); check the address"):
        plan_ranges(f"{server.url}/absent.bz2", 10)
    for attempt in ("head", "lines"):
        url = server.put(f"/whole-{attempt}.json", b"1\n" * 5000, ranges=False)
        with pytest.raises(InputError, match=r"does not serve parts|cannot be read"):
            read_all(url, 1000)
    with pytest.raises(InputError, match="check the address and the connection"):
        head("http://127.0.0.1:9/dump.json")


def test_http_without_its_extra_is_an_error_that_names_it(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "sys.modules['aiohttp'] = None\n"
        "from wikidata5m.cli import main\n"
        "main(['build', '--wikidata', 'https://host/w.gz', '--wikipedia', 'p', "
        f"'--out', {str(tmp_path / 'out')!r}])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install -c constraints.txt '.[remote]'" in done.stderr


def test_an_address_stays_text_and_a_file_is_a_path() -> None:
    assert locate("a/b.gz") == Path("a/b.gz")
    assert locate("file:///a/b.gz") == Path("/a/b.gz")
    assert locate("https://host/b.gz?x=1") == "https://host/b.gz?x=1"
    assert storage.suffix("https://host/b.gz?x=1.bz2") == ".gz"
