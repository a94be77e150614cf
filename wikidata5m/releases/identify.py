"""Which version is this? By hash, else by counts: addresses were reused, so none is believed.

Imports catalogue, errors, files, tsv and unpack.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal, get_args

from wikidata5m.errors import InputError
from wikidata5m.files import sha256
from wikidata5m.releases.catalogue import ARCHIVES, EDITIONS, Edition
from wikidata5m.schema import PARTS, Part
from wikidata5m.tsv import BadLines, TripletFiles, TripletFormat, read_triplets
from wikidata5m.unpack import member_names, unpack

Certainty = Literal["hash", "counts", "rough", "unknown"]
LAYOUT: Final = TripletFormat(separator="tab", order="hrt", header=False)
TOLERANCE: Final = 0.03

NO_TRIPLETS: Final = "holds no file of triplets as released"
NAME_THEM: Final = "name the archive, a file of triplets, or a folder of them"
_PART: Final = re.compile(r"(?:^|[_\-.])(train|valid|test)\.(?:txt|tsv)(?:\.gz)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was counted in triplet files taken together."""

    triplets: dict[str, int]
    """By part; "all" for a file that does not say which part it is."""
    entities: int
    relations: int

    @property
    def total(self) -> int:
        return sum(self.triplets.values())

    def __str__(self) -> str:
        parts = ", ".join(f"{part} {count:,}" for part, count in self.triplets.items())
        return f"{self.entities:,} entities, {self.relations:,} relations, triplets: {parts}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """What a file is, and how that is known."""

    version: str
    """"unknown" when nothing fits, "several" of a folder whose splits are of different ones."""
    certainty: Certainty
    told: str
    """One sentence for the user."""


def by_hash(digest: str) -> Recognition | None:
    """The released file with this SHA-256, if its hash was ever published."""
    for version, files in ARCHIVES.items():
        for kind, archive in files.items():
            if archive.sha256 == digest:
                told = f"{version}, {kind}: SHA-256 as published for {archive.name}"
                return Recognition(version=version, certainty="hash", told=told)
    return None


def by_counts(counts: Counts) -> Recognition:
    """The version whose published numbers these are."""
    for edition in EDITIONS:
        parts = _parts_with(edition, counts)
        if parts:
            return _compare(edition, parts, counts)
    for edition in EDITIONS:
        if edition.about and counts.relations == edition.relations:
            pairs = zip(edition.about, (counts.entities, counts.total), strict=True)
            if all(abs(found - told) <= TOLERANCE * told for told, found in pairs):
                told = f"{edition.name}, by rough counts alone ({counts})"
                return Recognition(version=edition.name, certainty="rough", told=told)
    told = f"unknown: no version in circulation has {counts}"
    return Recognition(version="unknown", certainty="unknown", told=told)


def _parts_with(edition: Edition, counts: Counts) -> tuple[str, ...]:
    """The parts of the edition that have these numbers of triplets; () when none have."""
    if not edition.triplets:
        return ()
    if set(counts.triplets) == {"all"}:
        if counts.total == edition.total:
            return PARTS
        return tuple(part for part, count in edition.triplets.items() if count == counts.total)
    same = all(edition.triplets.get(part) == count for part, count in counts.triplets.items())
    return tuple(counts.triplets) if same else ()


def _compare(edition: Edition, parts: tuple[str, ...], counts: Counts) -> Recognition:
    """The triplets are the edition's; are the entities and relations, too?"""
    name = f"{edition.name}, {edition.setting}, {', '.join(parts)}"
    entities, relations = _published(edition, parts)
    wrong = []
    if entities and counts.entities not in entities:
        published = " or ".join(f"{count:,} ({who})" for count, who in entities.items())
        wrong.append(f"{counts.entities:,} entities where {published} were published")
    if relations and counts.relations != relations:
        wrong.append(f"{counts.relations:,} relations where {relations:,} were published")
    if wrong:
        told = f"{name}: the numbers of triplets, but {' and '.join(wrong)}"
        return Recognition(version=edition.name, certainty="rough", told=told)
    who = f" (entities as in {entities[counts.entities]})" if len(entities) > 1 else ""
    told = f"{name}: every count as published{who}"
    return Recognition(version=edition.name, certainty="counts", told=told)


def _published(edition: Edition, parts: tuple[str, ...]) -> tuple[dict[int, str], int]:
    """Numbers of entities, each with its source, and of relations; {} and 0 where none is known."""
    if len(parts) == len(PARTS):
        return edition.entities, edition.relations
    known = edition.part_entities.get(parts[0]) if len(parts) == 1 else None
    return {known: "the paper"} if known else {}, edition.part_relations.get(parts[0], 0)


def identify(path: Path, bad: BadLines | None = None) -> Recognition:
    """Say which version a released archive, a triplet file, or a folder of them is.

    Raises InputError on a file that is neither.
    """
    if path.is_file() and (found := by_hash(sha256(path))):
        return found
    if path.is_file() and ".tar" in path.suffixes[-2:]:
        with tempfile.TemporaryDirectory() as folder:
            wanted = [name for name in map(_base, member_names(path)) if _PART.search(name)]
            if not wanted:
                raise InputError(path, NO_TRIPLETS, fix=NAME_THEM)
            unpack(path, Path(folder), wanted)
            recognised = _files(Path(folder), bad)
        return _with_layout(recognised, wanted)
    return _files(path, bad)


def part_of(path: Path) -> Part | None:
    """The part that a triplet file's name tells."""
    found = _PART.search(path.name)
    return next((part for part in PARTS if found and part == found[1]), None)


def counts_of(read: TripletFiles, parts: list[Part | None]) -> Counts:
    """Counts of files that were read; `parts` in their order."""
    triplets: dict[str, int] = {}
    for part, triplets_N3 in zip(parts, read.triplets, strict=True):
        name = part or "all"
        triplets[name] = triplets.get(name, 0) + len(triplets_N3)
    return Counts(triplets=triplets, entities=len(read.entities), relations=len(read.relations))


def _files(path: Path, bad: BadLines | None) -> Recognition:
    paths = sorted(p for p in path.iterdir() if part_of(p)) if path.is_dir() else [path]
    if not paths:
        raise InputError(path, NO_TRIPLETS, fix=NAME_THEM)
    bad = bad or BadLines()
    splits: dict[str, list[Path]] = {}
    for each in paths:  # an unpacked release holds two splits side by side
        splits.setdefault(_PART.sub("", each.name) if part_of(each) else "", []).append(each)
    return _together({name: _counted(split, bad) for name, split in splits.items()})


def _counted(paths: list[Path], bad: BadLines) -> Recognition:
    read = read_triplets(paths, LAYOUT, bad)
    return by_counts(counts_of(read, [part_of(p) for p in paths]))


def _together(splits: dict[str, Recognition]) -> Recognition:
    """Several splits as one: as certain as the least certain of them."""
    found = list(splits.values())
    if len(found) == 1:
        return found[0]
    names = {each.version for each in found}
    return Recognition(
        version=names.pop() if len(names) == 1 else "several",
        certainty=max((each.certainty for each in found), key=get_args(Certainty).index),
        told="; ".join(f"{name}: {each.told}" for name, each in splits.items()),
    )


def _with_layout(found: Recognition, members: list[str]) -> Recognition:
    if sorted(members) != sorted(f"{part}.txt" for part in PARTS):
        return found
    told = f"{found.told}; in LibKGE's layout"
    return Recognition(version=found.version, certainty=found.certainty, told=told)


def _base(name: str) -> str:
    return PurePosixPath(name).name
