"""Resumable, verified fetch of one file from several mirrors.

Imports console, errors, files, locks, manifest and transport.

    NAME                  whole, with the size and hash that it should have
    NAME.lock.json        where it came from, its size and SHA-256: what later downloads must equal
    .NAME.part            what an interrupted download left
    .NAME.part.json       which version of which address that is

A file whose hash nobody published is trusted when first seen, and held to that from then on.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec

from wikidata5m.console import Progress, amount, log, progress
from wikidata5m.errors import DownloadError, Wikidata5MError
from wikidata5m.files import read_json, write_json
from wikidata5m.locks import taken
from wikidata5m.manifest import now
from wikidata5m.transport import (
    Answer,
    Interrupted,
    Refused,
    Timeouts,
    Unreachable,
    Version,
    ask,
    host_of,
    without_password,
)

Algorithm = Literal["sha256", "sha1", "md5"]
PROGRESS_BYTES: Final = 1 << 20
"""A try that brings this much is no failed try: a poor line still gets there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """The hash that a source published."""

    algorithm: Algorithm
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm} {self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file to fetch. `urls` are mirrors of the same bytes, best first."""

    name: str
    urls: tuple[str, ...]
    bytes: int | None = None
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to bear with an address before the next one."""

    timeouts: Timeouts = field(default_factory=Timeouts)
    tries: int = 5
    """In a row that bring less than PROGRESS_BYTES."""
    pause: float = 1.0
    """Seconds before the second try; doubled each time."""
    longest_pause: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """NAME.lock.json: what was fetched. `url` is "" for a file that was there already."""

    url: str
    bytes: int
    sha256: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    """What the file must be, and who says so."""

    bytes: int | None
    checksum: Checksum | None
    source: str


def fetch(
    file: RemoteFile,
    folder: Path,
    *,
    patience: Patience = Patience(),
    resume: bool = True,
    overwrite: bool = False,
) -> Receipt:
    """Bring `file` into `folder` whole and checked; a file that is there already is checked only.

    `overwrite` fetches it again and forgets its record; `resume=False` begins an interrupted
    download anew. Raises DownloadError when no mirror gives the file as it should be, when what is
    there already differs, when the disk is full, and when another process is fetching it.
    """
    if not file.name or Path(file.name).name != file.name or file.name.startswith("."):
        raise DownloadError(f"{file.name!r}: not a plain file name; correct the list of files")
    target = folder / file.name
    folder.mkdir(parents=True, exist_ok=True)
    with _claim(target, anew=not resume) as part:
        if target.exists() and not overwrite:
            receipt = _check_present(target, file)
            part.discard()
            return receipt
        record = None if overwrite else read_receipt(target)
        return _from_mirrors(file, target, record, part, patience)


def lock_path(target: Path) -> Path:
    """Where the record of a downloaded file is."""
    return target.with_name(f"{target.name}.lock.json")


def read_receipt(target: Path) -> Receipt | None:
    """The record of a downloaded file, if there is one. Raises InputError and DownloadError."""
    path = lock_path(target)
    if not path.exists():
        return None
    try:
        return msgspec.convert(read_json(path), Receipt)
    except msgspec.ValidationError as error:
        raise DownloadError(f"{path}: {error}; delete it to trust the file anew") from None


class _Part:
    """The unfinished file: bytes so far, and the version of the address that they are from."""

    def __init__(self, target: Path, stream: BinaryIO) -> None:
        self.path = part_path(target)
        self.stream = stream
        self._state = self.path.with_name(f"{self.path.name}.json")
        self.url, self.version = self._read_state()

    @property
    def bytes(self) -> int:
        self.stream.flush()
        return os.fstat(self.stream.fileno()).st_size

    def begin(self, url: str, version: Version) -> None:
        """Throw away the bytes; what follows is of `version` of `url`."""
        self.stream.truncate(0)
        self.url, self.version = url, version
        write_json(self._state, {"url": without_password(url), **asdict(version)})

    def finish(self, target: Path) -> None:
        """The part becomes the target."""
        os.fsync(self.stream.fileno())
        self.path.replace(target)
        self._state.unlink(missing_ok=True)

    def discard(self) -> None:
        """No trace remains."""
        self.path.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)

    def _read_state(self) -> tuple[str, Version]:
        try:
            state = read_json(self._state)
            return str(state.pop("url")), msgspec.convert(state, Version)
        except (Wikidata5MError, KeyError, msgspec.ValidationError):
            return "", Version()


def part_path(target: Path) -> Path:
    """Where an interrupted download of `target` lies."""
    return target.with_name(f".{target.name}.part")


@contextmanager
def _claim(target: Path, *, anew: bool) -> Iterator[_Part]:
    """Hold the part file against other processes."""
    with part_path(target).open("ab") as stream:
        if not taken(stream):
            raise DownloadError(
                f"{target}: another process is downloading it; wait for it to finish"
            )
        part = _Part(target, stream)
        if anew:
            part.begin("", Version())
        try:
            yield part
        finally:
            if part.bytes == 0:
                part.discard()


def _check_present(target: Path, file: RemoteFile) -> Receipt:
    """Hold a file that is there to what was published or recorded; record it when nothing was."""
    record = read_receipt(target)
    expected = _expected(file, target, record)
    size, hashes = target.stat().st_size, _hashes(target, expected.checksum)
    problem = _difference(expected, size, hashes)
    if problem:
        raise DownloadError(
            f"{target}: {problem}; move it away, or pass --overwrite to download it again"
        )
    if record and record.sha256 == hashes["sha256"]:
        return record
    return _record(target, "", size, hashes["sha256"])


def _from_mirrors(
    file: RemoteFile, target: Path, record: Receipt | None, part: _Part, patience: Patience
) -> Receipt:
    expected = _expected(file, target, record)
    problems = []
    for url in file.urls:
        try:
            hashes = _from_mirror(url, part, expected, patience, file.name)
        except Unreachable as error:
            problems.append(f"{host_of(url)}: {error}")
        except Refused as error:
            problems.append(f"{without_password(url)} {error}")
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            raise DownloadError(
                f"{target}: the disk is full after {part.bytes:,} bytes; free some space, then run "
                "the same command to go on"
            ) from None
        else:
            size = part.bytes
            lock_path(target).unlink(missing_ok=True)  # it is of the file that this one replaces
            part.finish(target)
            return _record(target, without_password(url), size, hashes["sha256"])
        log(f"{file.name}: {problems[-1]}")
    raise DownloadError(
        f"{target}: no address gave it: {'; '.join(problems) or 'none is known'}; check the "
        "connection and the proxy and run the same command again to go on, name a mirror with "
        "--mirror, or put the file there by hand"
    )


def _from_mirror(
    url: str, part: _Part, expected: _Expected, patience: Patience, name: str
) -> dict[str, str]:
    """Fill the part from one address and check it; returns its hashes.

    A part that was begun earlier and turns out wrong is fetched once more from the start, before
    the address is blamed.
    """
    mixed = part.bytes > 0
    while True:
        _fill(url, part, expected, patience, name)
        hashes = _hashes(part.path, expected.checksum)
        problem = _difference(expected, part.bytes, hashes)
        if not problem:
            return hashes
        part.begin("", Version())
        if not mixed:
            raise Refused(f"gave {problem}")
        mixed = False


def _fill(url: str, part: _Part, expected: _Expected, patience: Patience, name: str) -> None:
    """Bring the part to its full length, trying again after each interruption."""
    failed = 0
    while True:
        before = part.bytes
        try:
            _receive(url, part, expected, patience.timeouts, name)
        except Interrupted as error:
            failed = 1 if part.bytes - before >= PROGRESS_BYTES else failed + 1
            if failed >= patience.tries:
                if isinstance(error, Unreachable):
                    raise
                raise Refused(f"failed {failed} times in a row, at last: {error}") from None
            if failed == 1:
                log(f"{name}: {host_of(url)}: {error}; trying again, {patience.tries} times in all")
            wanted = max(patience.pause * 2 ** (failed - 1), error.wait)
            time.sleep(min(wanted, patience.longest_pause))
        else:
            return


def _receive(url: str, part: _Part, expected: _Expected, timeouts: Timeouts, name: str) -> None:
    offset = part.bytes if _may_continue(part, url, expected) else 0
    known = part.version if part.url == without_password(url) else Version(bytes=part.version.bytes)
    with ask(url, offset, known, timeouts) as answer:
        total = answer.version.bytes
        if expected.bytes is not None and total not in {None, expected.bytes}:
            raise Refused(f"holds {total:,} bytes, {expected.source} {expected.bytes:,}")
        if answer.offset == 0:
            part.begin(url, answer.version)
        _refuse_full_disk(part, total)
        missing = None if total is None else total - answer.offset
        with progress(name, missing, "bytes") as update:
            _write(answer, part, update)


def _write(answer: Answer, part: _Part, update: Progress) -> None:
    written = 0
    note = f"(beside {amount(answer.offset, 'bytes')} there before)" if answer.offset else ""
    for block in answer.blocks():
        part.stream.write(block)
        written += len(block)
        update(written, note)
    part.stream.flush()


def _may_continue(part: _Part, url: str, expected: _Expected) -> bool:
    """Another address may continue a part only when a hash will tell whether the two agree."""
    return part.url == without_password(url) or (bool(part.url) and expected.checksum is not None)


def _refuse_full_disk(part: _Part, total: int | None) -> None:
    missing = (total or 0) - part.bytes
    free = shutil.disk_usage(part.path.parent).free
    if missing > free:
        raise DownloadError(
            f"{part.path.parent}: {missing:,} more bytes are needed and {free:,} are free; "
            "free some space or name another folder with --out"
        )


def _expected(file: RemoteFile, target: Path, record: Receipt | None) -> _Expected:
    """What was published counts; without that, what was seen before."""
    if file.checksum or record is None:
        return _Expected(bytes=file.bytes, checksum=file.checksum, source="published are")
    return _Expected(
        bytes=record.bytes,
        checksum=Checksum(algorithm="sha256", value=record.sha256),
        source=f"on {record.date} it had (delete {lock_path(target)} to accept a new file)",
    )


def _difference(expected: _Expected, size: int, hashes: dict[str, str]) -> str:
    """What is wrong with a file, in words; "" when nothing is."""
    if expected.bytes not in {None, size}:
        return f"{size:,} bytes, {expected.source} {expected.bytes:,}"
    checksum = expected.checksum
    if checksum and hashes[checksum.algorithm] != checksum.value.lower():
        found = hashes[checksum.algorithm]
        return f"{checksum.algorithm} {found}, {expected.source} {checksum.value}"
    return ""


def _hashes(path: Path, checksum: Checksum | None) -> dict[str, str]:
    """The SHA-256 of a file, and what else is asked for, in one reading."""
    wanted = {"sha256", *([checksum.algorithm] if checksum else [])}
    hashers = {name: hashlib.new(name, usedforsecurity=False) for name in sorted(wanted)}
    with path.open("rb") as stream:
        while block := stream.read(1 << 22):
            for hasher in hashers.values():
                hasher.update(block)
    return {name: hasher.hexdigest() for name, hasher in hashers.items()}


def _record(target: Path, url: str, size: int, digest: str) -> Receipt:
    receipt = Receipt(url=url, bytes=size, sha256=digest, date=now())
    write_json(lock_path(target), asdict(receipt))
    return receipt
