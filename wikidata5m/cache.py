"""What the user's cache folder holds, to see and to delete.

Everything in it can be had again: downloads from the internet, the rest from datasets. Imports
console, errors, files, kept, locks, manifest, releases.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, get_args

from wikidata5m import kept
from wikidata5m.console import amount, table
from wikidata5m.errors import InputError, Wikidata5MError
from wikidata5m.files import LOCK, cache_home, read_json
from wikidata5m.kept import SOURCE, delete_kept
from wikidata5m.locks import is_held
from wikidata5m.manifest import load_manifest
from wikidata5m.releases.catalogue import VERSIONS
from wikidata5m.releases.home import WORK, archives_folder, dataset_folder

Kind = Literal["archives", "releases", kept.Kind]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""Released files as downloaded, releases read into datasets, and what was made of a dataset: its
indexes of names and facts, and its tokens."""


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
    return [_told(kind, folder) for kind in KINDS for folder in _folders(kind)]


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
    if kind == "archives":
        found = [archives_folder(version) for version in VERSIONS]
    elif kind == "releases":
        found = [folder for version in VERSIONS if _is_ours(folder := dataset_folder(version))]
    else:
        whole = [source.parent for source in cache_home().glob(f"{kind}-*/{SOURCE}")]
        # The latter are being made, or were when killed.
        found = [*whole, *cache_home().glob(f".{kind}-*.tmp")]
    return sorted((each for each in found if each.is_dir()), key=lambda each: each.stat().st_mtime)


def _is_ours(folder: Path) -> bool:
    """Whether it is a release, whole or begun: builds may well be kept there under such names."""
    try:
        return "release" in load_manifest(folder).config
    except Wikidata5MError:
        return (folder / WORK).is_dir()


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
    # A part is held while it is downloaded, the work folder's lock while a release is read.
    if any(map(is_held, [*folder.glob(".*.part"), folder / WORK / LOCK])):
        raise InputError(folder, "another process is writing it", fix="wait for it, or stop it")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        problem = error.strerror or "cannot be deleted"
        raise InputError(folder, problem, fix="check its permissions") from None
