"""Byte ranges of compressed dumps as whole records. Imports errors.

A dump is cut at arbitrary compressed byte offsets. A range owns the bz2 blocks (or plain bytes)
that start in it, and yields the records whose first byte lies in what it owns, reading on into the
next range to finish the last one; so every record comes exactly once, whatever the cut. A `.gz`
file is one range: deflate has no marks to enter at.

Bzip2 blocks start at any bit. They are found by their 48-bit magic at all eight alignments, shifted
to a byte boundary and wrapped as a stream of their own, which keeps the block's CRC checked.
"""

from __future__ import annotations

import bz2
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final

from isal import igzip, isal_zlib

from wikidata5m.errors import InputError

Blocks = Iterator[tuple[bytes, bool]]
"""Decompressed data in file order, with whether the range owns it: first True, then False."""

READ_BYTES: Final = 1 << 20
WINDOW_BYTES: Final = 4 << 20

BLOCK_MAGIC: Final = 0x314159265359
END_MAGIC: Final = 0x177245385090
MAGIC_BITS: Final = 48
CRC_BITS: Final = 32
MAX_FALSE_MAGICS: Final = 2
"""How many marks a block may hold by chance before it counts as corrupt."""

PAGE: Final = b"<page>"
PAGE_END: Final = b"</page>"
XML_END: Final = b"</mediawiki>"
TAIL_BYTES: Final = 64
"""What is kept of the text after a page: enough for a tag cut in two, and for the closing one."""


@dataclass(frozen=True, slots=True)
class Range:
    """The bytes [start, stop) of the compressed file `path`, which is `size` bytes long."""

    path: Path
    start: int
    stop: int
    size: int
    index: int = 0
    """Which of the file's ranges this is."""

    def where(self, line: int) -> str:
        """A record's place, for a message."""
        return f"line {line}" if self.start == 0 else f"line {line} after byte {self.start:,}"


def plan_ranges(path: Path, target: int) -> list[Range]:
    """Cut `path` into ranges of about `target` compressed bytes; one range for .gz."""
    size = path.stat().st_size
    if path.suffix == ".gz" or size == 0:
        return [Range(path, 0, size, size)]
    count = max(1, round(size / target))
    cuts = [size * i // count for i in range(count + 1)]
    return [
        Range(path, start, stop, size, index) for index, (start, stop) in enumerate(pairwise(cuts))
    ]


def lines(source: Range) -> Iterator[bytes]:
    """Each line that starts in `source`, without its end.

    A range that does not start the file skips to after its first newline, and every range reads on
    through the first newline at or after its stop.
    """
    pieces: list[bytes] = []
    started = source.start == 0
    for block, own in _blocks(source):
        *complete, rest = block.split(b"\n")
        for part in complete:
            if started:
                yield b"".join([*pieces, part])
            pieces.clear()
            if not own:
                return
            started = True
        pieces.append(rest)
    if started and any(pieces):
        yield b"".join(pieces)


def pages(source: Range) -> Iterator[bytes]:
    """Each `<page>...</page>` whose first byte lies in `source`.

    Raises InputError when the file ends inside a page, or without its closing tag.
    """
    buffer, owned, seen = b"", 0, 0
    for block, own in _blocks(source):
        buffer += block
        seen += len(block)
        owned += len(block) if own else 0
        done = 0
        while 0 <= (start := buffer.find(PAGE, done)) < owned:
            end = buffer.find(PAGE_END, start)
            if end < 0:
                break
            done = end + len(PAGE_END)
            yield buffer[start:done]
        unfinished = 0 <= start < owned
        # A tag may straddle the range's end, so a few bytes past it must have been seen.
        if not unfinished and len(buffer) - owned >= len(PAGE):
            return
        keep = start if unfinished else max(done, len(buffer) - TAIL_BYTES)
        buffer, owned = buffer[keep:], max(0, owned - keep)
    inside = 0 <= buffer.find(PAGE) < owned
    # A last range of a few bytes may begin within the closing tag.
    at_end = source.stop == source.size and seen >= TAIL_BYTES
    if inside or (at_end and XML_END not in buffer):
        raise InputError(
            source.path,
            "ends inside a <page>" if inside else "ends without </mediawiki>",
            where=f"byte {source.size:,}",
            fix="the file is cut off: download it again",
        )


def head(path: Path) -> bytes:
    """The first decompressed bytes of a dump, to tell what it is.

    Raises InputError when the file is missing, empty, or not of the format its name says.
    """
    if not path.is_file():
        raise InputError(path, "no such file", fix="check the path")
    if path.stat().st_size == 0:
        raise InputError(path, "is empty", fix="download it again")
    whole = Range(path, 0, path.stat().st_size, path.stat().st_size)
    return next(_blocks(whole), (b"", True))[0][:4096]


def _blocks(source: Range) -> Blocks:
    return _READERS.get(source.path.suffix, _plain_blocks)(source)


def _plain_blocks(source: Range) -> Blocks:
    with source.path.open("rb") as stream:
        stream.seek(source.start)
        position = source.start
        while position < source.stop:
            data = stream.read(min(READ_BYTES, source.stop - position))
            position += len(data)
            yield data, True
        while data := stream.read(READ_BYTES):
            yield data, False


def _gzip_blocks(source: Range) -> Blocks:
    with source.path.open("rb") as raw:
        try:
            with igzip.IGzipFile(fileobj=raw) as stream:
                while data := stream.read(READ_BYTES):
                    yield data, True
        except (EOFError, OSError, isal_zlib.error) as error:  # type: ignore[misc]  # a wrong stub
            raise InputError(
                source.path,
                f"not intact gzip data ({error})",
                where=f"near byte {raw.tell():,}",
                fix="the file is damaged or cut off: download it again",
            ) from None


def _bzip2_blocks(source: Range) -> Blocks:
    with source.path.open("rb") as stream:
        if source.start == 0 and stream.read(3) != b"BZh":
            raise InputError(
                source.path,
                "not bzip2 data",
                where="byte 0",
                fix="check that the file is what its name says",
            )
        marks = _marks(stream, source)
        pending: list[tuple[int, int]] = []
        last = None
        while mark := pending.pop(0) if pending else next(marks, None):
            position, magic = mark
            if magic == END_MAGIC:
                last = position
                continue
            data = _block(stream, source, position, pending, marks)
            yield data, position < source.stop * 8
        # Nothing may follow the last end mark and its CRC, not even the start of another stream.
        if last is not None and -(-(last + MAGIC_BITS + CRC_BITS) // 8) != source.size:
            raise _truncated(source)


def _block(
    stream: BinaryIO,
    source: Range,
    position: int,
    pending: list[tuple[int, int]],
    marks: Iterator[tuple[int, int]],
) -> bytes:
    """Decode the block at bit `position`; marks met inside it by chance are consumed."""
    for skipped in range(MAX_FALSE_MAGICS + 1):
        if len(pending) <= skipped:
            following = next(marks, None)
            if following is None:
                break
            pending.append(following)
        try:
            data = _decode(stream, position, pending[skipped][0])
        except (OSError, ValueError):
            continue
        del pending[:skipped]
        return data
    if not pending:
        raise _truncated(source)
    raise InputError(
        source.path,
        "corrupt bzip2 block",
        where=f"byte {position // 8:,}",
        fix="the file is damaged: download it again",
    )


def _decode(stream: BinaryIO, position: int, end: int) -> bytes:
    """Decompress the block that fills the bits [position, end) as a stream of its own."""
    first, last = position // 8, -(-end // 8)
    stream.seek(first)
    bits = int.from_bytes(stream.read(last - first), "big")
    length = end - position
    bits = (bits >> (last * 8 - end)) & ((1 << length) - 1)
    crc = (bits >> (length - MAGIC_BITS - CRC_BITS)) & 0xFFFFFFFF
    bits = (((bits << MAGIC_BITS) | END_MAGIC) << CRC_BITS) | crc
    length += MAGIC_BITS + CRC_BITS
    padding = -length % 8
    return bz2.decompress(b"BZh9" + (bits << padding).to_bytes((length + padding) // 8, "big"))


def _marks(stream: BinaryIO, source: Range) -> Iterator[tuple[int, int]]:
    """(bit position, magic) of each mark at or after the range's start, in order."""
    overlap = MAGIC_BITS // 8  # a mark spans seven bytes at most
    offset = source.start
    while offset < source.size:
        stream.seek(offset)
        window = stream.read(WINDOW_BYTES + overlap)
        found = sorted(mark for magic in (BLOCK_MAGIC, END_MAGIC) for mark in _find(window, magic))
        yield from ((offset * 8 + bit, magic) for bit, magic in found if bit < WINDOW_BYTES * 8)
        offset += WINDOW_BYTES


def _find(window: bytes, magic: int) -> Iterator[tuple[int, int]]:
    """Bit positions of `magic` in `window`: the whole bytes by search, the edges by comparison."""
    for shift in range(8):
        spread = (magic << (8 - shift)).to_bytes(7, "big")
        at = window.find(spread[1:6], 1)
        while at > 0:
            seen = int.from_bytes(window[at - 1 : at + 6].ljust(7, b"\0"), "big")
            if (seen >> (8 - shift)) & ((1 << MAGIC_BITS) - 1) == magic:
                yield (at - 1) * 8 + shift, magic
            at = window.find(spread[1:6], at + 1)


def _truncated(source: Range) -> InputError:
    return InputError(
        source.path,
        "bzip2 data without its end mark",
        where=f"byte {source.size:,}",
        fix="the file is cut off: download it again",
    )


_READERS: Final[dict[str, Callable[[Range], Blocks]]] = {
    ".bz2": _bzip2_blocks,
    ".gz": _gzip_blocks,
}
