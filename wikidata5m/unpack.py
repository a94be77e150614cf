"""Take the expected members, and nothing else, out of a downloaded archive. Imports errors, files.

An archive is refused whole when any member leaves the folder, is a link or a device, or when it
holds more members or bytes than its size explains: the data of a graph shrinks 3 to 10 times.
"""

from __future__ import annotations

import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final

from isal import igzip, isal_zlib

from wikidata5m.errors import InputError
from wikidata5m.files import atomic_path

BLOCK: Final = 1 << 20
_DAMAGE: Final[tuple[type[Exception], ...]] = (  # type: ignore[assignment]  # isal's stub
    EOFError,
    igzip.BadGzipFile,
    isal_zlib.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,  # zipfile: encrypted, or compressed in a way that it does not know
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an archive may hold."""

    members: int = 1000
    ratio: int = 50
    """Bytes out for each byte in; real releases stay below 10."""
    floor: int = 256 << 20
    """So much may come out of any archive, however small."""

    def bytes_of(self, archive: Path) -> int:
        """The most that `archive` may unpack to."""
        return max(self.floor, self.ratio * archive.stat().st_size)


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    size: int
    content: IO[bytes] | None
    """None for a folder."""


def unpack(
    archive: Path,
    folder: Path,
    expected: Collection[str],
    *,
    limits: Limits = Limits(),
) -> dict[str, Path]:
    """Write the members whose file name is in `expected` to `folder`; returns where each is.

    Reads .tar.gz and .zip. Raises InputError when the archive is damaged or refused, and when an
    expected member is missing or comes twice.
    """
    found: dict[str, Path] = {}
    others = []
    for path, content in _files(archive, limits):
        name = PurePosixPath(path).name
        if name not in expected:
            others.append(path)
            continue
        if name in found:
            raise _refused(archive, path, "the second member of this name")
        with atomic_path(folder / name) as temporary, temporary.open("wb") as stream:
            shutil.copyfileobj(content, stream, BLOCK)
        found[name] = folder / name
    missing = sorted(set(expected) - set(found))
    if missing:
        raise InputError(
            archive,
            f"lacks {', '.join(missing)} (it holds: {', '.join([*found, *others][:5])})",
            fix="download it again, or check that it is the archive you mean",
        )
    return found


@contextmanager
def open_gzip(path: Path, limits: Limits = Limits()) -> Iterator[IO[bytes]]:
    """The content of a .gz file, bounded as an archive is. Raises InputError when damaged."""
    with _damage(path), igzip.open(path, "rb") as stream:
        yield _Bounded(stream, path, limits.bytes_of(path))  # type: ignore[misc]


def member_names(archive: Path, limits: Limits = Limits()) -> list[str]:
    """The names of the regular files in an archive. Raises InputError as `unpack` does."""
    return [path for path, _ in _files(archive, limits)]


class _Bounded:
    """A stream that refuses to give more than `limit` bytes."""

    def __init__(self, stream: IO[bytes], path: Path, limit: int) -> None:
        self._stream, self._path, self._limit, self._given = stream, path, limit, 0

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size if size >= 0 else BLOCK)
        self._given += len(block)
        if self._given > self._limit:
            raise _refused(self._path, "", f"it unpacks to more than {self._limit:,} bytes")
        return block

    def readable(self) -> bool:
        return True


def _files(archive: Path, limits: Limits) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of the regular files, in order; each is read before the next."""
    is_zip = archive.name.lower().endswith(".zip")
    members = _zip_members(archive) if is_zip else _tar_members(archive, limits)
    limit, total = limits.bytes_of(archive), 0
    with _damage(archive):
        for count, member in enumerate(members, start=1):
            total += member.size
            if count > limits.members:
                raise _refused(archive, member.name, f"more than {limits.members:,} members")
            if total > limit:
                raise _refused(
                    archive,
                    member.name,
                    f"it unpacks to {total:,} bytes and more, and {limit:,} are believable",
                )
            if member.content is not None:
                yield member.name, member.content


def _tar_members(archive: Path, limits: Limits) -> Iterator[_Member]:
    with open_gzip(archive, limits) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for info in tar:
            _check_name(archive, info.name)
            if info.isdir():
                yield _Member(info.name, 0, None)
                continue
            content = tar.extractfile(info) if info.type in tarfile.REGULAR_TYPES else None
            if content is None or info.issparse():
                raise _refused(archive, info.name, "neither a file nor a folder")
            yield _Member(info.name, info.size, content)
        # The checksum stands at the very end, behind the padding that tar leaves unread.
        while stream.read(BLOCK):
            pass


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            _check_name(archive, info.filename)
            kind = info.external_attr >> 28  # the file type of the Unix mode, 0 where none is told
            if info.is_dir():
                yield _Member(info.filename, 0, None)
                continue
            if kind not in {0, 0o10}:
                raise _refused(archive, info.filename, "neither a file nor a folder")
            with packed.open(info) as content:
                yield _Member(info.filename, info.file_size, content)


def _check_name(archive: Path, name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", name):
        raise _refused(archive, name, "it would be written outside the folder")


def _refused(archive: Path, member: str, why: str) -> InputError:
    return InputError(
        archive,
        f"refused: {why}",
        where=f"member {member!r}" if member else "",
        fix="do not use this file; download it again from another mirror",
    )


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise InputError(path, f"cut or damaged ({error})", fix="download it again") from None
