"""What the user's cache folder holds, to see and to delete. Imports console, errors, files, kept.

Everything in it can be had again: downloads from the internet, the rest from datasets.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from wikidata5m.console import amount, table
from wikidata5m.errors import InputError
from wikidata5m.files import cache_home, read_json
from wikidata5m.kept import SOURCE, delete_kept

Kind = Literal["archives", "releases", "tokens", "names", "explore"]

FOLDERS: Final[dict[Kind, tuple[str, ...]]] = {
    "archives": ("archives/*",),
    "releases": ("wikidata5m-*",),
    "tokens": ("tokens-*", ".tokens-*.tmp"),
    "names": ("names-*", ".names-*.tmp"),
    "explore": ("explore-*", ".explore-*.tmp"),
}
"""Released files as downloaded, releases read into datasets, and what was made of a dataset: its
tokens, and its indexes of names and facts; .tmp is one that is being made, or was when killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One folder of the cache."""

    kind: Kind
    folder: str
    source: str
    """The dataset or corpus it was made from; of what is downloaded, nothing."""
    bytes: int
    made: str
    """The date, UTC."""


def held() -> list[Held]:
    """What is there, by kind, the oldest first."""
    return [_told(kind, folder) for kind in FOLDERS for folder in _folders(kind)]


def clear(kinds: Collection[Kind]) -> list[Held]:
    """Delete all of these kinds, and tell what that was. Raises InputError or KeptError."""
    gone = [each for each in held() if each.kind in kinds]
    for each in gone:
        if each.kind in {"archives", "releases"}:
            _delete(Path(each.folder))
        else:
            delete_kept(Path(each.folder))
    return gone


def render(found: Sequence[Held]) -> str:
    """As a table, with the sum."""
    rows = [
        [each.kind, each.source or Path(each.folder).name, amount(each.bytes, "bytes"), each.made]
        for each in found
    ]
    total = amount(sum(each.bytes for each in found), "bytes")
    return table(["kind", "of", "size", "made"], [*rows, ["all", "", total, ""]])


def _folders(kind: Kind) -> list[Path]:
    found = [each for like in FOLDERS[kind] for each in cache_home().glob(like) if each.is_dir()]
    return sorted(found, key=lambda folder: folder.stat().st_mtime)


def _told(kind: Kind, folder: Path) -> Held:
    return Held(
        kind=kind,
        folder=str(folder),
        source=_source(folder),
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        made=f"{datetime.fromtimestamp(folder.stat().st_mtime, tz=UTC):%Y-%m-%d}",
    )


def _source(folder: Path) -> str:
    try:
        return str(read_json(folder / SOURCE).get("source", ""))
    except InputError:  # none, or damaged: it is listed all the same, since deleting mends it
        return ""


def _delete(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        problem = error.strerror or "cannot be deleted"
        raise InputError(folder, problem, fix="check its permissions") from None
