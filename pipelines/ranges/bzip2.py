"""The bzip2 blocks that start in a range, each decoded by itself. Imports errors and storage.

Blocks start at any bit. They are found by their 48-bit magic at all eight alignments, shifted to a
byte boundary and wrapped as a stream of their own, which keeps the block's CRC checked. That holds
for every writer: one stream or many, with blocks at any bit or each in a stream of its own.
"""

from __future__ import annotations

import bz2
from collections import deque
from collections.abc import Iterator
from typing import Final

from pipelines.ranges.plan import Blocks, Range
from pipelines.ranges.storage import Read, reading
from wikidata5m.errors import InputError

WINDOW_BYTES: Final = 1 << 20

BLOCK_MAGIC: Final = 0x314159265359
END_MAGIC: Final = 0x177245385090
MAGIC_BITS: Final = 48
CRC_BITS: Final = 32
MAX_BLOCK_BYTES: Final = 4 << 20
"""No block is longer, packed: it has 900,000 symbols of 20 bits, and its tables."""
MAX_FALSE_MAGICS: Final = 2
"""How many marks a block may hold by chance before it counts as corrupt."""

Mark = tuple[int, int]
"""A bit position in the file, and the magic found there."""


def bzip2_blocks(source: Range) -> Blocks:
    """Decode the blocks that start in `source`, then those that follow, as far as one reads on.

    A range may open on a mark that stands by chance inside a block of the range before: what does
    not decode is skipped until one block has. A block that is truly damaged is never lost so,
    because whoever reads the range before goes on into this block, and reports it.
    """
    with reading(source.path, source.start) as read:
        scan = _Scan(read, source)
        if source.start == 0 and scan.first_bytes(3) != b"BZh":
            raise InputError(
                source.name,
                "not bzip2 data",
                where="byte 0",
                fix="check that the file is what its name says",
            )
        entered = source.start == 0
        last = None
        while mark := scan.mark(0):
            position, magic = mark
            own = position < source.stop * 8
            if not (entered or own):
                return
            if magic == END_MAGIC:
                last = position
                scan.drop(1)
                continue
            data = _decode_first(scan, source)
            if data is None and entered:
                raise _corrupt(source, position // 8)
            if data is None:
                scan.drop(1)
            else:
                entered = True
                yield data, own
        # Nothing may follow the last end mark and its CRC, not even the start of another stream.
        if last is not None and -(-(last + MAGIC_BITS + CRC_BITS) // 8) != source.size:
            raise _truncated(source)


def starts_stream(first: bytes) -> bool:
    """Whether a bzip2 stream starts with these 10 bytes."""
    magic = int.from_bytes(first[4:10], "big")
    return first[:3] == b"BZh" and first[3:4] in b"123456789" and magic in (BLOCK_MAGIC, END_MAGIC)


class _Scan:
    """The marks of a file from a range's start on, and the bits between them, in one pass."""

    def __init__(self, read: Read, source: Range) -> None:
        self._read, self._source = read, source
        self._marks: deque[Mark] = deque()
        self._dropped = source.start  # where the last mark stood that was dropped
        self._buffer, self._offset = b"", source.start
        self._scanned = 0  # bytes of the buffer in which no mark starts that is not known
        self._ended = False

    def first_bytes(self, count: int) -> bytes:
        """The first bytes of the pass."""
        self._fill()
        return self._buffer[:count]

    def mark(self, ahead: int) -> Mark | None:
        """The mark that stands `ahead` places behind the first that was not dropped.

        Raises InputError where marks stand farther apart than any block is long, as in the zeros of
        a file that was set up but not downloaded whole.
        """
        while len(self._marks) <= ahead and not self._ended:
            last = self._marks[-1][0] // 8 if self._marks else self._dropped
            if self._offset + self._scanned - last > MAX_BLOCK_BYTES:
                raise _corrupt(self._source, last)
            self._fill()
        return self._marks[ahead] if len(self._marks) > ahead else None

    def drop(self, count: int) -> None:
        """Forget the first `count` marks, and the bytes before the next."""
        for _ in range(count):
            self._dropped = self._marks.popleft()[0] // 8
        keep = self._marks[0][0] // 8 - self._offset if self._marks else self._scanned
        # Copying the rest for every block would cost more than the memory is worth.
        if keep >= WINDOW_BYTES // 2:
            self._buffer, self._offset = self._buffer[keep:], self._offset + keep
            self._scanned -= keep

    def bits(self, start: int, end: int) -> int:
        """The bits [start, end) of the file, as a number."""
        first, last = start // 8, -(-end // 8)
        data = self._buffer[first - self._offset : last - self._offset]
        number = int.from_bytes(data, "big") >> (last * 8 - end)
        return number & ((1 << (end - start)) - 1)

    def _fill(self) -> None:
        new = self._read(WINDOW_BYTES)
        self._ended = not new
        self._buffer += new
        # A mark spans seven bytes at most: the last six wait for what follows them.
        overlap = 0 if self._ended else MAGIC_BITS // 8
        window = self._buffer[self._scanned :]
        fresh = max(0, len(window) - overlap)
        found = sorted(mark for magic in (BLOCK_MAGIC, END_MAGIC) for mark in _find(window, magic))
        base = (self._offset + self._scanned) * 8
        self._marks.extend((base + bit, magic) for bit, magic in found if bit < fresh * 8)
        self._scanned += fresh


def _decode_first(scan: _Scan, source: Range) -> bytes | None:
    """Decode the block at the first mark and drop it, with the marks that stand in it by chance.

    None, and nothing dropped, when no block starts there.
    """
    opening = scan.mark(0)
    for ahead in range(1, MAX_FALSE_MAGICS + 2):
        closing = scan.mark(ahead)
        if opening is None or closing is None:
            if ahead == 1:
                raise _truncated(source)
            break
        try:
            data = _decode(scan, opening[0], closing[0])
        except (OSError, ValueError):
            continue
        scan.drop(ahead)
        return data
    return None


def _decode(scan: _Scan, position: int, end: int) -> bytes:
    """Decompress the block that fills the bits [position, end) as a stream of its own."""
    bits, length = scan.bits(position, end), end - position
    crc = (bits >> (length - MAGIC_BITS - CRC_BITS)) & 0xFFFFFFFF
    bits = (((bits << MAGIC_BITS) | END_MAGIC) << CRC_BITS) | crc
    length += MAGIC_BITS + CRC_BITS
    padding = -length % 8
    return bz2.decompress(b"BZh9" + (bits << padding).to_bytes((length + padding) // 8, "big"))


def _find(window: bytes, magic: int) -> Iterator[Mark]:
    """Bit positions of `magic` in `window`: the whole bytes by search, the edges by comparison."""
    for shift in range(8):
        spread = (magic << (8 - shift)).to_bytes(7, "big")
        at = window.find(spread[1:6], 1)
        while at > 0:
            seen = int.from_bytes(window[at - 1 : at + 6].ljust(7, b"\0"), "big")
            if (seen >> (8 - shift)) & ((1 << MAGIC_BITS) - 1) == magic:
                yield (at - 1) * 8 + shift, magic
            at = window.find(spread[1:6], at + 1)


def _corrupt(source: Range, byte: int) -> InputError:
    return InputError(
        source.name,
        "corrupt bzip2 block",
        where=f"byte {byte:,}",
        fix="the file is damaged, or not all there: download it again",
    )


def _truncated(source: Range) -> InputError:
    return InputError(
        source.name,
        "bzip2 data without its end mark",
        where=f"byte {source.size:,}",
        fix="the file is cut off: download it again",
    )
