"""The gzip members and zstd frames that start in a range. Imports errors and storage.

A file may hold many, one after the other, and nothing but their headers tells where one starts. So
whoever enters looks for the first header that is plausible, and inflates what follows to see
whether it is one. And whoever comes to the end of the member before makes sure that the next range
will enter at the very same byte, so that a header met by chance can neither repeat nor hide data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from backports import zstd
from isal import igzip_lib

from pipelines.ranges.plan import Blocks, Range
from pipelines.ranges.storage import Location, Read, reading
from wikidata5m.errors import InputError

READ_BYTES: Final = 1 << 16
OUTPUT_BYTES: Final = 1 << 19
PROOF_BYTES: Final = 1 << 20
"""How much must inflate without error, or come in, before a header counts as one."""
HEADER_BYTES: Final = 10


class Decoder(Protocol):
    """What decodes one member; as bz2.BZ2Decompressor."""

    @property
    def eof(self) -> bool:
        """Whether the member's end was reached, its checksum being right."""

    @property
    def needs_input(self) -> bool:
        """Whether more output takes more input."""

    @property
    def unused_data(self) -> bytes:
        """What came in behind the end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Up to `max_length` bytes of output."""


@dataclass(frozen=True, slots=True)
class Members:
    """A format of members in a row."""

    name: str
    header: re.Pattern[bytes]
    """What a member may start with."""
    decoder: Callable[[], Decoder]
    error: type[Exception]
    """What the decoder raises on bad data."""
    padding: bytes = b""
    """Bytes that may fill the space behind a member."""

    def blocks(self, source: Range) -> Blocks:
        """Decode the members that start in `source`, then those that follow.

        A trial owns of its last member what is packed before its limit: a file may be one member.
        """
        start = 0 if source.start == 0 else self._first(source.path, source.start, source.stop)
        if start is None:
            return
        with self._feed(source, start) as feed:
            own = True
            while feed.at_member():
                if own and feed.position >= source.stop:
                    own = False
                    self._check_entry(source, feed)
                for data in feed.member():
                    yield data, own and not feed.past_limit

    @contextmanager
    def _feed(self, source: Range, start: int) -> Iterator[_Feed]:
        with reading(source.path, start) as read:
            yield _Feed(self, source, start, read)

    def _first(self, path: Location, start: int, stop: int) -> int | None:
        """Where the first member in [start, stop) starts."""
        position, window = start, b""
        with reading(path, start) as read:
            while position < stop and (data := read(READ_BYTES)):
                window += data
                for match in self.header.finditer(window):
                    found = position + match.start()
                    if found < stop and not self._refutes(path, found):
                        return found
                keep = min(len(window), HEADER_BYTES - 1)
                position += len(window) - keep
                window = window[len(window) - keep :]
        return None

    def _refutes(self, path: Location, start: int) -> InputError | None:
        """Why what follows `start` is no row of members, judged by its first PROOF_BYTES."""
        proof = Range(path, start, start + PROOF_BYTES, start + PROOF_BYTES)
        produced = 0
        with self._feed(proof, start) as feed:
            try:
                while feed.position < proof.stop and feed.at_member():
                    for data in feed.member():
                        produced += len(data)
                        if produced >= PROOF_BYTES:
                            return None
            except InputError as error:
                return error
        return None

    def _check_entry(self, source: Range, feed: _Feed) -> None:
        """Make sure that ranges behind `source` enter at the member that comes now.

        They would take one that is damaged near its start for a header met by chance.
        """
        damage = self._refutes(source.path, feed.position)
        if damage:
            raise damage
        for at in feed.headers:
            if source.stop <= at < feed.position and not self._refutes(source.path, at):
                raise self._unclear(source, at)
        if not self.header.match(feed.coming()):
            raise self._unclear(source, feed.position)

    def _unclear(self, source: Range, byte: int) -> InputError:
        return InputError(
            source.name,
            f"a {self.name} member whose start cannot be told from its data",
            where=f"byte {byte:,}",
            fix="unpack the file, or pack it again with bzip2",
        )


class _Feed:
    """Members read one after the other from one pass over a file."""

    def __init__(self, kind: Members, source: Range, start: int, read: Read) -> None:
        self._kind, self._source, self._read = kind, source, read
        self._ahead = b""
        self._fetched = start
        self._tail = b""
        self.position = start
        """Where the member that comes next starts, or the one being read started."""
        self.headers: list[int] = []
        """Places behind the range at which a member could start."""

    @property
    def past_limit(self) -> bool:
        """Whether more has come in than a trial reads."""
        return self._source.limit is not None and self._fetched > self._source.limit

    def coming(self) -> bytes:
        """The next bytes, enough for a header."""
        while len(self._ahead) < HEADER_BYTES and (data := self._fetch()):
            self._ahead += data
        return self._ahead

    def at_member(self) -> bool:
        """Whether another member follows; padding is skipped."""
        while self.coming():
            rest = self._ahead.lstrip(self._kind.padding) if self._kind.padding else self._ahead
            self.position = self._fetched - len(rest)
            self._ahead = rest
            if rest:
                self.coming()
                return True
        return False

    def member(self) -> Iterator[bytes]:
        """Inflate the member that comes now, up to its checksum."""
        decoder = self._kind.decoder()
        data, self._ahead = self._ahead, b""
        try:
            while not decoder.eof:
                if decoder.needs_input and not data and not (data := self._fetch()):
                    raise self._bad("cut off within a member", self._fetched)
                output = decoder.decompress(data, OUTPUT_BYTES)
                data = b""
                if output:
                    yield output
        except self._kind.error as error:
            raise self._bad(str(error), self.position) from None
        self._ahead = decoder.unused_data
        self.position = self._fetched - len(self._ahead)

    def _fetch(self) -> bytes:
        left = (self._source.limit or 0) - self._fetched
        data = self._read(min(READ_BYTES, left) if left > 0 else READ_BYTES)
        if self._fetched + len(data) > self._source.stop:
            window = self._tail + data
            base = self._fetched - len(self._tail)
            self.headers += [base + match.start() for match in self._kind.header.finditer(window)]
        self._tail = data[1 - HEADER_BYTES :]
        self._fetched += len(data)
        return data

    def _bad(self, problem: str, byte: int) -> InputError:
        return InputError(
            self._source.name,
            f"not intact {self._kind.name} data ({problem})",
            where=f"byte {byte:,}",
            fix="the file is damaged or cut off: download it again",
        )


def _gzip_decoder() -> Decoder:
    decoder: Decoder = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    return decoder


GZIP: Final = Members(
    name="gzip",
    # Deflate is method 8, the three high flags are reserved, and systems are numbered up to 13.
    header=re.compile(rb"\x1f\x8b\x08[\0-\x1f].{5}[\0-\x0d\xff]", re.DOTALL),
    decoder=_gzip_decoder,
    error=igzip_lib.IsalError,  # type: ignore[arg-type]  # a wrong stub
    padding=b"\0",
)
ZSTD: Final = Members(
    name="zstd",
    # A frame, or one of the sixteen kinds that are to be skipped.
    header=re.compile(rb"(?:\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18)", re.DOTALL),
    decoder=zstd.ZstdDecompressor,
    error=zstd.ZstdError,
)
