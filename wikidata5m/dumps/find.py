"""Which dumps of a date exist, and which of them to take.

Imports candidates, console, download, errors and transport.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Literal, TypeVar

import msgspec

from wikidata5m.console import log, progress
from wikidata5m.download import Algorithm, Checksum, Patience, RemoteFile
from wikidata5m.dumps.candidates import SUSPECT, Bases, Candidate, Role, candidates
from wikidata5m.errors import DownloadError
from wikidata5m.transport import Interrupted, Refused, probe, read_small

Status = Literal["found", "absent", "unreachable"]
Compression = Literal["any", "gz", "bz2"]
AT_ONCE: Final = 6
"""Probes in flight; the hosts ask for restraint."""
LENGTH: Final[dict[Algorithm, int]] = {"sha1": 40, "md5": 32}
"""Hexadecimal digits."""
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What a candidate's address answered."""

    candidate: Candidate
    status: Status
    bytes: int | None = None
    checksum: Checksum | None = None
    told: str = ""
    """Why it is absent or unreachable, or what is said of the file."""

    def row(self) -> dict[str, Any]:
        """For --json and the table."""
        one = self.candidate
        return {
            "role": one.role,
            "date": one.day.isoformat(),
            "status": self.status,
            "name": one.name,
            "host": one.host,
            "bytes": self.bytes,
            "checksum": str(self.checksum) if self.checksum else "",
            "url": one.url,
            "note": self.told,
        }


def find_dumps(
    date: str, wiki: str, roles: Sequence[Role], bases: Bases, patience: Patience
) -> list[Probed]:
    """Probe every address where a dump of the month or day could be."""
    wanted = [one for one in candidates(date, wiki, bases) if one.role in roles]
    read = _Checksums(patience)
    with (
        ThreadPoolExecutor(AT_ONCE) as threads,
        progress("probe", len(wanted), "addresses") as update,
    ):
        found = []
        for one in threads.map(lambda candidate: _probe(candidate, read, patience), wanted):
            found.append(one)
            update(len(found))
    return found


def choose(
    probed: Iterable[Probed], roles: Sequence[Role], compression: Compression, date: str
) -> list[RemoteFile]:
    """One file for each role, those of the closest days; its mirrors are the hosts that have it.

    Wikidata's gz comes before its bz2, which costs several times as much to read; a file that is
    said to be bad comes last. Raises DownloadError when a role has none.
    """
    found = [one for one in probed if one.status == "found" and _is_wanted(one, compression)]
    for role in roles:
        if not any(one.candidate.role == role for one in found):
            raise DownloadError(
                f"no {role} dump of {date}: see `wikidata5m dumps list --date {date}`, and try "
                "another month or --compression any"
            )
    pools = [[one for one in found if one.candidate.role == role] for role in roles]
    best = min(product(*pools), key=_distance)
    return [_with_mirrors(one, found) for one in best]


def _is_wanted(one: Probed, compression: Compression) -> bool:
    ending = one.candidate.name.rpartition(".")[2]
    return one.candidate.role == "wikipedia" or compression in {"any", ending}


def _distance(chosen: tuple[Probed, ...]) -> tuple[int, int]:
    """Less is better; of equals the first, which is in the order of the candidates."""
    days = [one.candidate.day.toordinal() for one in chosen]
    suspect = sum(one.candidate.name in SUSPECT for one in chosen)
    return suspect, max(days) - min(days)


def _with_mirrors(chosen: Probed, found: Iterable[Probed]) -> RemoteFile:
    """The hosts that have the same file by name, and by size and checksum where both tell them."""
    same = [
        one
        for one in found
        if one.candidate.name == chosen.candidate.name
        and (one.bytes == chosen.bytes or None in {one.bytes, chosen.bytes})
        and _agree(one.checksum, chosen.checksum)
    ]
    checksum = next((one.checksum for one in same if one.checksum), None)
    return RemoteFile(
        name=chosen.candidate.name,
        urls=tuple(one.candidate.url for one in same),
        bytes=next((one.bytes for one in same if one.bytes is not None), None),
        checksum=checksum,
    )


def _agree(one: Checksum | None, other: Checksum | None) -> bool:
    if one is None or other is None or one.algorithm != other.algorithm:
        return True
    return one.value == other.value


def _probe(candidate: Candidate, read: _Checksums, patience: Patience) -> Probed:
    try:
        version = _patiently(lambda: probe(candidate.url, patience.timeouts), patience)
    except Refused as error:
        return Probed(candidate=candidate, status="absent", told=str(error))
    except Interrupted as error:
        return Probed(candidate=candidate, status="unreachable", told=str(error))
    size, checksum = read.of(candidate)
    return Probed(
        candidate=candidate,
        status="found",
        bytes=version.bytes if version.bytes is not None else size,
        checksum=checksum,
        told="said to be bad" if candidate.name in SUSPECT else "",
    )


def _patiently(ask: Callable[[], Answer], patience: Patience) -> Answer:
    """Ask twice before a host counts as unreachable."""
    try:
        return ask()
    except Interrupted as error:
        time.sleep(min(max(patience.pause, error.wait), patience.longest_pause))
        return ask()


class _ArchiveFile(msgspec.Struct):
    """A file in archive.org's metadata, whose numbers are strings."""

    name: str
    size: str = ""
    sha1: str = ""
    md5: str = ""


class _ArchiveItem(msgspec.Struct):
    files: list[_ArchiveFile] = []


Told = tuple[int | None, Checksum | None]


class _Checksums:
    """Sizes and checksums by file name, each list read once; {} for one that is not there."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._read: dict[str, dict[str, Told]] = {}
        self._lock = threading.Lock()

    def of(self, candidate: Candidate) -> Told:
        """What the first list that names the file tells of it."""
        for url in candidate.checksums:
            with self._lock:
                if url not in self._read:
                    self._read[url] = self._fetch(url)
            if candidate.name in self._read[url]:
                return self._read[url][candidate.name]
        return None, None

    def _fetch(self, url: str) -> dict[str, Told]:
        timeouts = self._patience.timeouts
        try:
            content = _patiently(lambda: read_small(url, timeouts), self._patience)
            return _metadata(content) if "/metadata/" in url else _sums(url, content)
        except (Refused, Interrupted, msgspec.DecodeError) as error:
            log(f"{url}: no checksums ({error})")
            return {}


def _metadata(content: bytes) -> dict[str, Told]:
    item = msgspec.json.decode(content, type=_ArchiveItem)
    return {file.name: _told(file) for file in item.files}


def _told(file: _ArchiveFile) -> Told:
    pairs: tuple[tuple[Algorithm, str], ...] = (("sha1", file.sha1), ("md5", file.md5))
    hashes = [Checksum(algorithm=name, value=value) for name, value in pairs if value]
    size = int(file.size) if file.size.isdecimal() else None
    return size, hashes[0] if hashes else None


def _sums(url: str, content: bytes) -> dict[str, Told]:
    """Lines of `HASH  NAME`, as sha1sum and md5sum write them."""
    algorithm: Algorithm = "sha1" if "sha1sums" in url else "md5"
    lines = content.decode(errors="replace")
    found = re.findall(rf"(?m)^([0-9a-f]{{{LENGTH[algorithm]}}}) [ *](\S+)$", lines)
    return {name: (None, Checksum(algorithm=algorithm, value=value)) for value, name in found}
