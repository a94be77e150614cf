"""Text files as blocks of whole lines, plain or compressed, and what to do with bad ones.

Imports errors. A file may be plain, gzip, bzip2 or zstd, told by its first bytes and not its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import pyarrow as pa

from wikidata5m.errors import InputError

__all__ = [
    "BadLines",
    "LineProblem",
    "OnBytes",
    "read_blocks",
    "read_start",
    "read_whole",
    "text_lines",
]

LineProblem = Literal["line_columns", "line_encoding", "line_empty_field"]
"""As in schema.DROP_MEANING."""
OnBytes = Callable[[int], None]
"""Told how many bytes, as they are on disk, were read so far."""

FOREIGN: Final = {b"\xfd7zX": "xz", b"PK\x03\x04": "zip", b"7z\xbc\xaf": "7z"}
COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"} | {
    # Frames to be skipped, with which pzstd begins a file (RFC 8878, section 3.1.2).
    bytes([first]) + b"\x2a\x4d\x18": "zstd"
    for first in range(0x50, 0x60)
}
BLOCK: Final = 32 << 20
START: Final = 1 << 20
LONGEST_LINE: Final = 256 << 20
"""A small compressed file may hold gigabytes of zeros; a description has kilobytes."""
NEWLINE: Final = b"\n"
BOM: Final = b"\xef\xbb\xbf"


class BadLines:
    """Lines that cannot be read: counted by problem up to `limit`, the next one is an error."""

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self.counts: Counter[LineProblem] = Counter()

    def add(self, path: Path, line: int, problem: LineProblem, found: str) -> None:
        """Count one line. Raises InputError, which names it, when there are more than allowed."""
        self.counts[problem] += 1
        if self.counts.total() > self.limit:
            more = f" (after {self.limit:,} bad lines before it)" if self.limit else ""
            raise InputError(
                path,
                found + more,
                where=f"line {line:,}",
                fix="correct the file, or drop such lines with --max-errors",
            )


def text_lines(path: Path, line: int, block: bytes, bad: BadLines) -> Iterator[tuple[int, str]]:
    """Number and text of each line that holds something and is UTF-8."""
    for number, raw in enumerate(block.split(b"\n"), line):
        try:
            text = raw.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            bad.add(path, number, "line_encoding", f"not UTF-8 text (byte {error.start + 1})")
            continue
        if text:
            yield number, text


def read_start(path: Path) -> bytes:
    """The first lines that the file holds, the last perhaps cut; the byte order mark left out."""
    with _opened(path) as (_, stream):
        return _read(path, stream, START).removeprefix(BOM)


def read_whole(path: Path) -> bytes:
    """All that the file holds."""
    return b"".join(block for _, block in read_blocks(path))


def read_blocks(path: Path, on_bytes: OnBytes = lambda _: None) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines with the number of their first line; the byte order mark left out.

    Where a file is cut into blocks depends on what it holds, not on how it is compressed.
    """
    line, rest = 1, b""
    with _opened(path) as (raw, stream):
        while True:
            data = _read(path, stream, BLOCK)
            last = len(data) < BLOCK
            data = rest + (data.removeprefix(BOM) if line == 1 and not rest else data)
            end = len(data) if last else data.rfind(b"\n") + 1
            block, rest = data[:end], data[end:]
            if len(rest) > LONGEST_LINE:
                problem = f"a line of more than {LONGEST_LINE:,} bytes"
                where = f"line {line + block.count(NEWLINE):,}"
                raise InputError(path, problem, where=where, fix="this is no file of lines")
            if block:
                yield line, block
                line += block.count(b"\n")
            on_bytes(raw.tell())
            if last:
                return


def _read(path: Path, stream: pa.NativeFile, size: int) -> bytes:
    """The next `size` bytes; fewer at the end alone."""
    pieces: list[bytes] = []
    missing = size
    try:
        while missing and (piece := stream.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
    except (OSError, pa.ArrowException) as error:
        problem = f"damaged or cut off ({str(error).splitlines()[0]})"
        raise InputError(path, problem, fix="get the file again") from None
    return b"".join(pieces)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, Any]]:
    """The file as it is on disk, for its position, and the stream of what it holds."""
    try:
        raw = path.open("rb")
    except OSError as error:
        problem = "a folder" if path.is_dir() else error.strerror or "unreadable"
        raise InputError(path, problem, fix="check the path") from None
    with raw:
        start = raw.read(4)
        raw.seek(0)
        foreign = next((name for magic, name in FOREIGN.items() if start == magic), None)
        if foreign:
            raise InputError(
                path, f"packed as {foreign}", fix="unpack it, or pack it as .gz or .zst"
            )
        codec = next((name for magic, name in COMPRESSED.items() if start.startswith(magic)), None)
        source = pa.PythonFile(raw, mode="r")
        with pa.CompressedInputStream(source, codec) if codec else source as stream:
            yield raw, stream
