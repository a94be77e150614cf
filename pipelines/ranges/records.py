"""The records that start in a range: lines, or <page> elements. Imports errors and the readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from pipelines.ranges.bzip2 import bzip2_blocks
from pipelines.ranges.members import GZIP, ZSTD
from pipelines.ranges.plan import Blocks, Range
from pipelines.ranges.storage import Location, reading, shown, size_of, suffix
from wikidata5m.errors import InputError

READ_BYTES: Final = 1 << 20
HEAD_BYTES: Final = 4096
PAGE: Final = b"<page>"
PAGE_END: Final = b"</page>"
XML_START: Final = b"<mediawiki"
SITEINFO: Final = b"<siteinfo>"
SITEINFO_END: Final = b"</siteinfo>"
XML_END: Final = b"</mediawiki>"
TAIL_BYTES: Final = 64
"""What is kept of the text after a page: enough for a tag cut in two, and for the closing one."""
MAX_RECORD_BYTES: Final = 256 << 20
"""What a record, or what stands between two, may have: ten times the largest entity of Wikidata,
and a hundred times the text that MediaWiki stores of a page. More is a hole in the file."""


def lines(source: Range) -> Iterator[bytes]:
    """Each line that starts in `source`, without its end.

    A range that does not start the file skips to after its first newline, and every range reads on
    through the first newline at or after its stop. Raises InputError on a line without an end.
    """
    pieces: list[bytes] = []
    begun, seen = 0, 0
    started = source.start == 0
    for block, own in blocks(source):
        at = 0
        # A slice that is used and freed before the next is taken costs half of a split's.
        while (end := block.find(b"\n", at)) >= 0:
            pieces.append(block[at:end])
            if started:
                yield b"".join(pieces)
            if not own:
                return
            started = True
            pieces.clear()
            at = end + 1
        pieces.append(block[at:])
        begun = seen + at if at else begun
        seen += len(block)
        _check_length(source, "line", begun, seen)
    if started and any(pieces):
        yield b"".join(pieces)


def pages(source: Range) -> Iterator[bytes]:
    """Each `<page>...</page>` whose first byte lies in `source`.

    What lies between two pages and is not blank is a page whose tag is damaged: it is given too, by
    the range that has the page before it, for the caller to refuse. Raises InputError when the file
    ends inside a page, or without its closing tag, or where a page or such text has no end.
    """
    owned, seen = 0, 0
    # Blocks are held until they have the tag that is waited for, and each is searched but once.
    held: list[bytes] = []
    tag, edge, begun = b"", b"", 0
    # Whether the text before the next page is for this range to judge.
    judged = source.start == 0
    for block, own in blocks(source):
        held.append(block)
        seen += len(block)
        owned += len(block) if own else 0
        fresh = edge + block
        if tag not in fresh:
            edge = fresh[-TAIL_BYTES:]
            _check_length(source, "<page>", begun, seen)
            continue
        buffer = b"".join(held)
        done = 0
        while (start := buffer.find(PAGE, done)) >= 0:
            if judged and (stray := _stray(buffer[done:start])):
                yield stray
            judged = False
            if start >= owned:
                return
            end = buffer.find(PAGE_END, start)
            if end < 0:
                break
            done = end + len(PAGE_END)
            yield buffer[start:done]
            judged = True
        # A tag may straddle the range's end, so a few bytes past it must have been seen.
        if start < 0 and not judged and len(buffer) - owned >= len(PAGE):
            return
        keep = start if start >= 0 else done if judged else max(done, len(buffer) - TAIL_BYTES)
        held, owned = [buffer[keep:]], max(0, owned - keep)
        tag = PAGE_END if start >= 0 else PAGE if judged else b""
        edge, begun = held[0][-TAIL_BYTES:], seen - len(held[0])
    buffer = b"".join(held)
    if judged and (stray := _stray(buffer)):
        yield stray
    inside = 0 <= buffer.find(PAGE) < owned
    # A last range of a few bytes may begin within the closing tag.
    at_end = source.stop == source.size and seen >= TAIL_BYTES
    if inside or (at_end and XML_END not in buffer):
        raise InputError(
            source.name,
            "ends inside a <page>" if inside else "ends without </mediawiki>",
            where=f"byte {source.size:,}",
            fix="the file is cut off: download it again",
        )


def _check_length(source: Range, record: str, begun: int, seen: int) -> None:
    """Raise InputError when the record that begins at byte `begun` of the text is too long."""
    if seen - begun > MAX_RECORD_BYTES:
        after = f" after byte {source.start:,}" if source.start else ""
        raise InputError(
            source.name,
            f"no {record} ends within {MAX_RECORD_BYTES >> 20} MiB",
            where=f"byte {begun:,} of the text{after}",
            fix="the file is damaged, or not all there: download it again",
        )


def _stray(gap: bytes) -> bytes:
    """What is neither blank nor a dump's own beginning or end in the text between two pages."""
    opened = gap.rfind(XML_START)
    if opened >= 0:
        body = gap[opened:].partition(b">")[2]
        gap = body.partition(SITEINFO_END)[2] if SITEINFO in body else body
    return gap.partition(XML_END)[0].strip()


def head(path: Location) -> bytes:
    """The first decompressed bytes of a dump, to tell what it is.

    Raises InputError when the file is missing, empty, or not of the format its name says.
    """
    size = size_of(path)
    start = b""
    for block, _ in blocks(Range(path, 0, size, size)):
        start += block
        if len(start) >= HEAD_BYTES:
            break
    if not start:
        raise InputError(shown(path), "is empty", fix="download it again")
    return start[:HEAD_BYTES]


def is_packed(path: Location) -> bool:
    """Whether the file's name says that it is compressed."""
    return suffix(path) in READERS


def blocks(source: Range) -> Blocks:
    """Decompressed data from the first that starts in `source` to the end of the file."""
    return READERS.get(suffix(source.path), _plain_blocks)(source)


def _plain_blocks(source: Range) -> Blocks:
    position = source.start
    with reading(source.path, position) as read:
        while position < source.stop and (data := read(min(READ_BYTES, source.stop - position))):
            position += len(data)
            yield data, True
        while data := read(READ_BYTES):
            yield data, False


READERS: Final[dict[str, Callable[[Range], Blocks]]] = {
    ".bz2": bzip2_blocks,
    ".gz": GZIP.blocks,
    ".zst": ZSTD.blocks,
}
