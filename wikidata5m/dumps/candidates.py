"""Where a dump of a date could be: archive.org keeps old ones, Wikimedia new ones. Imports errors.

    archive.org/download/wikibase-wikidatawiki-DATE/    wikidata-DATE-all.json.{bz2,gz}
    archive.org/download/WIKI-DATE/                     WIKI-DATE-pages-articles...xml.bz2
    WIKIMEDIA/wikidatawiki/entities/DATE/               wikidata-DATE-all.json.{gz,bz2}
    WIKIMEDIA/WIKI/DATE/                                WIKI-DATE-pages-articles...xml.bz2

Wikidata's JSON is written on Mondays, a wiki's pages on the 1st and the 20th; not every date
exists.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, get_args

from wikidata5m.errors import ConfigError

Role = Literal["wikidata", "wikipedia"]
Host = Literal["wikimedia", "archive.org"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
PAGE_DAYS: Final = (1, 20)
SUSPECT: Final = frozenset({"wikidata-20190701-all.json.bz2"})
"""Files that exist and are said to be bad."""

_DATE: Final = re.compile(r"(\d{4})-?(\d\d)(?:-?(\d\d))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """Where the two hosts are; a mirror of Wikimedia's dumps has the same folders."""

    wikimedia: str = "https://dumps.wikimedia.org"
    archive_org: str = "https://archive.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An address at which a dump may be, and what its checksum is told by."""

    role: Role
    day: date
    host: Host
    name: str
    url: str
    checksums: tuple[str, ...]
    """archive.org's metadata, or lists of `HASH  NAME`, the better hash first."""


def candidates(text: str, wiki: str, bases: Bases) -> list[Candidate]:
    """Every address of a month (2019-07) or day (2019-07-22), newest host and best form first.

    Raises ConfigError when `text` is neither.
    """
    days = _days(text)
    found: list[Candidate] = []
    for day in days:
        if day.weekday() == calendar.MONDAY:
            found += _wikidata(day, bases)
        if day.day in PAGE_DAYS:
            found += _wikipedia(day, wiki, bases)
    if not found:
        raise ConfigError(
            f"--date {text}: Wikidata is dumped on Mondays, pages on the 1st and the 20th; "
            f"name the month, as in {days[0]:%Y-%m}"
        )
    return found


def _days(text: str) -> list[date]:
    found = _DATE.fullmatch(text)
    try:
        if found and found[3]:
            return [date(int(found[1]), int(found[2]), int(found[3]))]
        if found:
            year, month = int(found[1]), int(found[2])
            count = calendar.monthrange(year, month)[1]
            return [date(year, month, day) for day in range(1, count + 1)]
    except ValueError:
        pass
    raise ConfigError(f"--date {text}: no month or day; write it as 2019-07 or 2019-07-22")


def _wikidata(day: date, bases: Bases) -> Iterator[Candidate]:
    stamp = f"{day:%Y%m%d}"
    folder = f"{bases.wikimedia}/wikidatawiki/entities/{stamp}"
    sums = (f"{folder}/wikidata-{stamp}-sha1sums.txt", f"{folder}/wikidata-{stamp}-md5sums.txt")
    item = f"wikibase-wikidatawiki-{stamp}"
    for form in ("gz", "bz2"):
        name = f"wikidata-{stamp}-all.json.{form}"
        yield _wikimedia("wikidata", day, folder, name, sums)
        yield _archive_org("wikidata", day, item, name, bases)


def _wikipedia(day: date, wiki: str, bases: Bases) -> Iterator[Candidate]:
    stamp = f"{day:%Y%m%d}"
    folder = f"{bases.wikimedia}/{wiki}/{stamp}"
    sums = (f"{folder}/{wiki}-{stamp}-sha1sums.txt", f"{folder}/{wiki}-{stamp}-md5sums.txt")
    for form in ("pages-articles-multistream", "pages-articles"):
        name = f"{wiki}-{stamp}-{form}.xml.bz2"
        yield _wikimedia("wikipedia", day, folder, name, sums)
        yield _archive_org("wikipedia", day, f"{wiki}-{stamp}", name, bases)


def _wikimedia(role: Role, day: date, folder: str, name: str, sums: tuple[str, ...]) -> Candidate:
    return Candidate(
        role=role, day=day, host="wikimedia", name=name, url=f"{folder}/{name}", checksums=sums
    )


def _archive_org(role: Role, day: date, item: str, name: str, bases: Bases) -> Candidate:
    return Candidate(
        role=role,
        day=day,
        host="archive.org",
        name=name,
        url=f"{bases.archive_org}/download/{item}/{name}",
        checksums=(f"{bases.archive_org}/metadata/{item}",),
    )
