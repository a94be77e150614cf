"""The cache folder: what was downloaded, and which datasets `load` finds by name.

Imports catalogue, reader, and of wikidata5m download, unpack and what they stand on.

    HOME/archives/VERSION/    the released files, as downloaded
    HOME/wikidata5m-VERSION/  a dataset read from them
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from wikidata5m import schema
from wikidata5m.console import log
from wikidata5m.download import Patience, Receipt, fetch
from wikidata5m.errors import DatasetError, InputError, OutputExistsError
from wikidata5m.files import alone, cache_home, claim_output, sha256
from wikidata5m.lines import BadLines
from wikidata5m.manifest import Manifest, describe_source, load_manifest
from wikidata5m.releases.catalogue import ARCHIVES as CATALOGUE
from wikidata5m.releases.catalogue import (
    NAMES,
    Archive,
    Kind,
    Version,
    archive,
    named,
)
from wikidata5m.releases.reader import ReleaseFiles, read_release
from wikidata5m.schema import PARTS, Part, Setting
from wikidata5m.unpack import unpack

SPLITS: Final = ("transductive", "inductive")
READ: Final[tuple[Kind, ...]] = (*SPLITS, "text", "alias")
"""What a dataset is read from; the raw triplets have ids without text and no split."""
WORK: Final = ".release"
"""Unpacked members inside the output folder, until the dataset is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a release's files come from; none of it changes the result."""

    version: Version = "v3"
    folder: Path | None = None
    """Files that are there already; nothing is downloaded."""
    mirrors: tuple[str, ...] = ()
    """In place of the published addresses."""
    resume: bool = True
    patience: Patience = field(default_factory=Patience)


def archives_folder(version: Version) -> Path:
    """Where the released files of a version are kept."""
    return cache_home() / "archives" / version


def dataset_folder(version: Version) -> Path:
    """Where `load` looks for a release that was read."""
    return cache_home() / f"wikidata5m-{version}"


def download(
    kind: Kind, source: Source, folder: Path | None = None, *, overwrite: bool = False
) -> tuple[Path, Receipt]:
    """Fetch one released file, into the cache unless told otherwise. Raises DownloadError."""
    wanted = archive(kind, source.version)
    place = folder or archives_folder(source.version)
    receipt = fetch(
        wanted.remote(source.mirrors),
        place,
        patience=source.patience,
        resume=source.resume,
        overwrite=overwrite,
    )
    return place / wanted.name, receipt


def make_dataset(
    source: Source,
    out: Path | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    max_errors: int = 0,
) -> Manifest:
    """Fetch what a dataset needs, unless `source.folder` has it, and read it into `out`.

    Raises DownloadError, InputError on what cannot be read, and OutputExistsError.
    """
    target = out or dataset_folder(source.version)
    if resume and (target / schema.MANIFEST).is_file():
        manifest = load_manifest(target)
        if manifest.config != {"release": source.version}:
            raise OutputExistsError(
                f"{target}: holds {manifest.name}, not {source.version}; name another folder"
            )
        given = _sources(_present(source), source.version) if source.folder else manifest.sources
        if _known_by(manifest.sources) != _known_by(given):
            raise OutputExistsError(
                f"{target}: was read from other files than {source.folder} holds; name another "
                "folder, or pass --overwrite to read these"
            )
        if (target / WORK).is_dir():
            with alone(target / WORK):
                shutil.rmtree(target / WORK)
        log(f"{target}: complete already")
        return manifest
    inputs = [source.folder] if source.folder else []
    claim = partial(
        claim_output, target, resume=resume, overwrite=overwrite, marker=WORK, inputs=inputs
    )
    if source.folder:
        found = _present(source)
    else:
        kept = archives_folder(source.version)
        if kept.resolve().is_relative_to(target.resolve()):
            raise OutputExistsError(
                f"{target}: what is downloaded is kept in it, in {kept}; name another folder"
            )
        claim(keep=True)
        found = _fetched(source)
    # What is to be replaced goes when every file is there.
    claim()
    work = target / WORK
    with alone(work):
        # Only what was unpacked is taken up: it is known by its archive's hash.
        for written in (work / "texts", target / schema.DESCRIPTIONS):
            shutil.rmtree(written, ignore_errors=True)
        files = locate(found, source.version, work)
        manifest = read_release(files, target, work, source.version, BadLines(max_errors))
        shutil.rmtree(work)
    return manifest


def load_path(name: str, *, download_missing: bool = False) -> Path:
    """The dataset folder of a release. Raises DatasetError naming the command that brings it.

    A folder of that name that is no complete dataset is returned as it is, unless a release has the
    name, as the package `wikidata5m` in a checkout does.
    """
    if name not in NAMES and Path(name).exists():
        return Path(name)
    version = named(name)
    folder = dataset_folder(version)
    if (folder / schema.MANIFEST).is_file():
        return folder
    if not download_missing:
        raise DatasetError(
            f"{name}: not downloaded yet; run `wikidata5m download dataset --version {version}` "
            "(it fetches and reads the release), or pass download=True"
        )
    make_dataset(Source(version=version), resume=(folder / WORK).is_dir())
    return folder


def locate(found: Mapping[Kind, Path], version: Version, work: Path) -> ReleaseFiles:
    """The unpacked files of `found`: archives go to `work`, folders hold the members already."""
    triplets: dict[Setting, Mapping[Part, Path]] = {}
    for setting in SPLITS:
        if setting in found:
            # The members of a split's archive are in the order of the parts.
            paths = _members(found[setting], archive(setting, version), work)
            triplets[setting] = dict(zip(PARTS, paths, strict=True))
    alias = found.get("alias")
    names = _members(alias, archive("alias", version), work) if alias else (None, None)
    files = ReleaseFiles(
        triplets=triplets,
        text=found.get("text"),
        entity_names=names[0],
        relation_names=names[1],
    )
    return replace(files, sources=_sources(found, version))


def _sources(found: Mapping[Kind, Path], version: Version) -> tuple[dict[str, Any], ...]:
    """What was given, archives and loose members, as the manifest records them."""
    given = dict.fromkeys([path for path in found.values() if path.is_file()])
    for kind, place in found.items():
        if place.is_dir():
            given |= dict.fromkeys(place / name for name in archive(kind, version).members)
    return tuple(describe_source("release", path) for path in given)


def _known_by(sources: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    return {(Path(each["path"]).name, each["sha256"]) for each in sources}


def _fetched(source: Source) -> dict[Kind, Path]:
    kinds = [kind for kind in READ if kind in CATALOGUE[source.version]]
    return {kind: download(kind, source)[0] for kind in kinds}


def _present(source: Source) -> dict[Kind, Path]:
    """What the folder has of each kind: the archive, or itself when it holds the members."""
    assert source.folder is not None
    if not source.folder.is_dir():
        raise InputError(source.folder, "no such folder", fix="check the path given to --from")
    found: dict[Kind, Path] = {}
    for kind in (kind for kind in READ if kind in CATALOGUE[source.version]):
        wanted = archive(kind, source.version)
        place = _find(source.folder, wanted)
        if place:
            found[kind] = place
    if "transductive" not in found:
        wanted = archive("transductive", source.version)
        raise InputError(
            source.folder,
            f"holds neither {wanted.name} nor {', '.join(wanted.members)}",
            fix="name the folder with the released files, pass the --version they are of, or leave "
            "--from out to download them",
        )
    return found


def _find(folder: Path, wanted: Archive) -> Path | None:
    plain = folder / wanted.name.removesuffix(".gz")
    if (folder / wanted.name).is_file():
        return folder / wanted.name
    if not wanted.members:
        return plain if plain.is_file() else None
    missing = [name for name in wanted.members if not (folder / name).is_file()]
    if missing and len(missing) < len(wanted.members):
        raise InputError(
            folder,
            f"holds a part of {wanted.name} without {', '.join(missing)}",
            fix="put that beside the rest, or move the rest away",
        )
    return None if missing else folder


def _members(place: Path, wanted: Archive, work: Path) -> Sequence[Path]:
    """Where each member is; those of the same archive are found again by a resume."""
    folder = place if place.is_dir() else work / sha256(place)
    paths = [folder / name for name in wanted.members]
    if not all(path.is_file() for path in paths):
        log(f"unpack: {place.name}")
        unpack(place, folder, wanted.members)
    return paths
