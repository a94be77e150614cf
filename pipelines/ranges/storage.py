"""Where dumps lie: local files, or any address that fsspec reads.

Imports errors, files and manifest. Everything is read in passes from a byte onwards, so that a
remote dump costs one stream of requests per range; a request that fails is repeated from the byte
it had reached.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit, urlunsplit

from wikidata5m.errors import InputError, MissingExtraError, Wikidata5MError, how_to_install
from wikidata5m.files import why_no_file
from wikidata5m.manifest import describe_source

Location = Path | str
"""A local file, or the address of a remote one: `https://...`, `s3://...`, `memory://...`."""

Read = Callable[[int], bytes]
"""The next bytes of a file, at most as many as asked; none at its end."""

ATTEMPTS: Final = 4
FIRST_PAUSE_SECONDS: Final = 0.5
FIRST_BYTES: Final = 1 << 14
MOST_BYTES: Final = 4 << 20


def locate(text: str) -> Location:
    """Read what a user names: an address with a scheme stays text, all else is a local path."""
    scheme, marked, rest = text.partition("://")
    if not marked:
        return Path(text)
    return Path(rest) if scheme == "file" else text


def suffix(location: Location) -> str:
    """The last suffix of the file's name, which says how it is compressed."""
    return PurePosixPath(_name(location)).suffix


def size_of(location: Location) -> int:
    """Bytes of the file. Raises InputError when there is none, or no telling."""
    if isinstance(location, Path):
        if not location.is_file():
            fix = "check the path; a dump is read in parts, so it must be a file"
            raise InputError(location, why_no_file(location), fix=fix)
        return location.stat().st_size
    size = _info(location).get("size")
    if size is None or _info(location).get("partial") is False:
        raise InputError(
            shown(location),
            "the server does not serve parts of this file",
            fix="download it and give the local path",
        )
    return int(size)


def describe(role: str, location: Location, *, hashed: bool) -> dict[str, Any]:
    """Record an input for the manifest: size and SHA-256, or what the server says of its version.

    A remote file is not read for its hash; neither is a local one of which a trial reads a part.
    """
    if isinstance(location, Path) and hashed:
        return describe_source(role, location)
    record = {"role": role, "path": shown(location), "bytes": size_of(location)}
    return record | ({} if isinstance(location, Path) else version_of(location))


def version_of(location: str) -> dict[str, str]:
    """The entity tag and date of change of a remote file, where its server gives them."""
    told = {key.lower().replace("-", ""): value for key, value in _info(location).items()}
    return {
        name: str(told[key])
        for name, key in (("etag", "etag"), ("last_modified", "lastmodified"))
        if told.get(key)
    }


def shown(location: Location) -> str:
    """The location for messages and manifests: without user, password and query."""
    if isinstance(location, Path):
        return str(location)
    parts = urlsplit(location)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def file_name(location: Location) -> str:
    """The file's name without its folder, by which a resumed build knows it again."""
    return PurePosixPath(_name(location)).name


@contextmanager
def reading(location: Location, start: int = 0) -> Iterator[Read]:
    """Give a function that reads `location` from byte `start` on, in order."""
    if isinstance(location, Path):
        with location.open("rb") as stream:
            stream.seek(start)
            yield stream.read
    else:
        remote = _Remote(location, start)
        try:
            yield remote.read
        finally:
            remote.close()


class _Remote:
    """A remote file read in order, reopened where it was when a request fails.

    Requests grow from FIRST_BYTES to MOST_BYTES, so that a look at a few bytes costs little and a
    long pass few requests.
    """

    def __init__(self, url: str, start: int) -> None:
        self._url, self._position, self._size = url, start, size_of(url)
        self._stream: BinaryIO | None = None
        self._data, self._used = b"", 0
        self._step = FIRST_BYTES

    def read(self, count: int) -> bytes:
        if self._used == len(self._data):
            self._data, self._used = self._fetch(), 0
        data = self._data[self._used : self._used + count]
        self._used += len(data)
        return data

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _fetch(self) -> bytes:
        wanted = min(self._step, self._size - self._position)
        if wanted <= 0:
            return b""
        self._step = min(2 * self._step, MOST_BYTES)
        for attempt in range(ATTEMPTS):
            try:
                data = self._request(wanted)
            # Each of fsspec's file systems fails in exceptions of its own.
            except Exception as error:
                problem = f"{type(error).__name__}: {error}".strip(": ")
            else:
                if data:
                    self._position += len(data)
                    return data
                problem = "no data"
            self.close()
            if attempt < ATTEMPTS - 1:
                time.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
        raise InputError(
            shown(self._url),
            f"cannot be read ({problem})",
            where=f"byte {self._position:,}",
            fix="check the connection, then run the command again with --resume",
        )

    def _request(self, count: int) -> bytes:
        if self._stream is None:
            system, path = _filesystem(self._url)
            self._stream = system.open(path, "rb", cache_type="none")
            self._stream.seek(self._position)
        return self._stream.read(count)


def _name(location: Location) -> str:
    return location.name if isinstance(location, Path) else urlsplit(location).path


def _filesystem(url: str) -> tuple[Any, str]:
    import fsspec  # noqa: PLC0415 - local dumps need none of it

    # A server that packs what it sends would break the count of bytes.
    plain: dict[str, Any] = {"headers": {"Accept-Encoding": "identity"}}
    try:
        system, path = fsspec.url_to_fs(url, **(plain if url.startswith("http") else {}))
    except ImportError as error:
        http = url.startswith("http")
        fix = how_to_install("remote") if http else "install it beside wikidata5m"
        raise MissingExtraError(f"{shown(url)}: {error}; {fix}") from None
    except ValueError as error:
        raise Wikidata5MError(f"{shown(url)}: {error}; give a path or an address") from None
    return system, path


@cache
def _info(url: str) -> dict[str, Any]:
    """What the file system says of a file, asked once per process."""
    system, path = _filesystem(url)
    try:
        return dict(system.info(path))
    # Each of fsspec's file systems fails in exceptions of its own; http hides them behind another.
    except Exception as error:
        reason = error.__cause__ or error
        raise InputError(
            shown(url),
            f"cannot be had ({type(reason).__name__}: {reason})",
            fix="check the address and the connection",
        ) from None
