"""Provenance of a dataset: sources, configuration, seed, counts, drops by reason, file hashes.

Imports errors, files and schema.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from wikidata5m import schema
from wikidata5m.errors import DatasetError
from wikidata5m.files import read_json, sha256, write_json

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One file of the dataset, by its path relative to the dataset folder."""

    bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything needed to say what a dataset is and whether it is intact."""

    name: str
    created: str
    """UTC, ISO 8601."""
    sources: tuple[dict[str, Any], ...]
    """Each input file: role, path, bytes, SHA-256."""
    config: dict[str, Any]
    """The resolved configuration, seed included."""
    counts: dict[str, int]
    drops: dict[str, int]
    """How many records each reason of schema.DROP_MEANING took."""
    departures: dict[str, int] = field(default_factory=dict)
    """What the splits or texts of a graph made elsewhere break, counted when it was read.

    Names are SETTING_PART_RULE, rules as in schema.DEPARTURE_MEANING; our own splits have none.
    """
    notes: tuple[str, ...] = ()
    """What a reader should know before trusting a number, in plain sentences."""
    files: dict[str, FileRecord] = field(default_factory=dict)
    software: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def save(self, folder: Path) -> None:
        """Write manifest.json: the last act of a build, so its presence means complete."""
        write_json(folder / schema.MANIFEST, asdict(self))

    @property
    def dataset_hash(self) -> str:
        """What identifies the content: a hash over the hashes of all files, splits and texts too.

        Results and embeddings carry it, so that none is judged on a split it was not trained for.
        """
        lines = "".join(f"{name} {record.sha256}\n" for name, record in sorted(self.files.items()))
        return hashlib.sha256(lines.encode()).hexdigest()[:32]


def load_manifest(folder: Path) -> Manifest:
    """Read DATASET/manifest.json. Raises DatasetError when it is absent or of another format."""
    path = folder / schema.MANIFEST
    if not path.is_file():
        raise DatasetError(
            f"{folder}: no {schema.MANIFEST}, so this is no complete dataset folder; "
            "name one that `wikidata5m build`, `import`, `split` or `download dataset` wrote, "
            "or finish it"
        )
    try:
        manifest = msgspec.convert(read_json(path), Manifest)
    except msgspec.ValidationError as error:
        raise DatasetError(f"{path}: {error}; build the dataset again") from None
    if manifest.format != FORMAT:
        raise DatasetError(
            f"{path}: dataset format {manifest.format}, this version reads {FORMAT}; "
            "upgrade wikidata5m or build the dataset again"
        )
    return manifest


def describe_source(role: str, path: Path) -> dict[str, Any]:
    """Record an input file by role, path, size and hash."""
    return {"role": role, "path": str(path), "bytes": path.stat().st_size, "sha256": sha256(path)}


def hash_files(folder: Path, rows: Mapping[str, int]) -> dict[str, FileRecord]:
    """Record the files that `rows` names, by path relative to `folder`."""
    hashes = _hash_all([folder / name for name in rows])
    return {
        name: FileRecord(bytes=(folder / name).stat().st_size, sha256=hashed, rows=count)
        for (name, count), hashed in zip(rows.items(), hashes, strict=True)
    }


def check_files(folder: Path, manifest: Manifest) -> list[str]:
    """Compare the folder with the manifest; return one sentence per breach."""
    breaches = []
    whole = [
        name
        for name, record in manifest.files.items()
        if (path := folder / name).is_file() and path.stat().st_size == record.bytes
    ]
    hashes = dict(zip(whole, _hash_all([folder / name for name in whole]), strict=True))
    for name, record in manifest.files.items():
        path = folder / name
        if name in hashes:
            if hashes[name] != record.sha256:
                breaches.append(f"{name}: SHA-256 differs from the manifest")
        elif path.is_file():
            size = path.stat().st_size
            breaches.append(f"{name}: {size:,} bytes, manifest says {record.bytes:,}")
        else:
            breaches.append(f"{name}: missing")
    present = {path.relative_to(folder) for path in folder.rglob("*.parquet")}
    # Hidden folders hold the leavings of an interrupted build, which belong to no dataset.
    extra = {p.as_posix() for p in present if p.parts[0][0] != "."} - set(manifest.files)
    return breaches + [f"{name}: not in the manifest" for name in sorted(extra)]


def _hash_all(paths: Sequence[Path]) -> list[str]:
    """The SHA-256 of each file; hashing lets go of the interpreter, so threads share the work."""
    with ThreadPoolExecutor() as threads:
        return list(threads.map(sha256, paths))


def software() -> dict[str, str]:
    """The versions that made a dataset."""
    names = ("wikidata5m", "polars", "pyarrow", "mwparserfromhell")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
