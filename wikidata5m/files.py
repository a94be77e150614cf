"""Files written whole or not at all, and the one Parquet writer. Imports errors and locks.

A file or folder lands under a temporary name beside its place and is renamed when complete, so that
whatever carries its final name can be trusted after a kill.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import platformdirs
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import ujson

from wikidata5m.errors import InputError, OutputExistsError
from wikidata5m.locks import is_held, taken

LOCK: Final = "lock"
ROW_GROUP = 1 << 20
TEXT_ROW_GROUP = 1 << 13
"""Of descriptions: few enough that one text is read in milliseconds."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary sibling of `path` to write to; it becomes `path` when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Several machines may share the folder, so a process number is no name.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    """Delete a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def cache_home() -> Path:
    """Where downloads and what can be made again are kept: WIKIDATA5M_HOME, or the user's cache."""
    named = os.environ.get("WIKIDATA5M_HOME")
    return Path(named) if named else platformdirs.user_cache_path("wikidata5m")


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON with keys in the order given."""
    with atomic_path(path) as temporary:
        temporary.write_text(
            ujson.dumps(value, indent=2, ensure_ascii=False, escape_forward_slashes=False) + "\n",
            encoding="utf-8",
        )


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object. Raises InputError when the file is missing or holds no object."""
    try:
        value = ujson.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, error.strerror or "unreadable", fix="check the path") from None
    except ValueError as error:
        raise InputError(path, f"not JSON ({error})", fix="write the file again") from None
    if not isinstance(value, dict):
        raise InputError(path, "not a JSON object", fix="write the file again")
    return value


def write_parquet(table: pa.Table | pl.DataFrame, schema: pa.Schema, path: Path) -> None:
    """Write `table` under `schema`: zstd-3, a dictionary on the relation column alone.

    Dictionaries on the other columns make the file larger (docs/decisions/0002-parquet-layout.md).
    """
    arrow = table.to_arrow() if isinstance(table, pl.DataFrame) else table
    with atomic_path(path) as temporary:
        pq.write_table(
            arrow.select(schema.names).cast(schema),
            temporary,
            compression="zstd",
            compression_level=3,
            use_dictionary=["relation"] if "relation" in schema.names else False,
            row_group_size=TEXT_ROW_GROUP if "text" in schema.names else ROW_GROUP,
        )


def why_no_file(path: Path) -> str:
    """What is wrong with a path at which there is no file to read again and again."""
    if path.is_dir():
        return "a folder"
    return "a pipe or device, not a file" if path.exists() else "no such file"


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def claim_output(
    path: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    marker: str = "",
    work: str = "",
    inputs: Iterable[Path] = (),
    keep: bool = False,
    whole: bool = False,
) -> None:
    """Make the output folder `path`, empty unless `resume`; what a killed run half wrote is gone.

    With `keep`, what is to be overwritten stays: for a command that must refuse before its work,
    and calls this again when nothing can fail any more. With `whole`, an `atomic_path` will take
    its place. `work` is what `alone` locks in it, where that is not the `marker`.

    Raises OutputExistsError when it holds something and neither flag is set, when there is nothing
    to resume in it (no file or folder `marker`), when another process is `alone` at work in it, and
    when replacing it would delete one of the `inputs`, the folder the command runs in or the user's
    home, or when it is a Git repository.
    """
    _check_place(path, whole=whole)
    place = path / (work or marker)
    if (work or marker) and is_held(place / LOCK if place.is_dir() else place):
        raise _busy(path)
    if path.exists() and any(path.iterdir()) and not resume:
        _check_replaceable(path, overwrite=overwrite, marker=marker, inputs=inputs)
        if not keep:
            clear_folder(path)
    path.mkdir(parents=True, exist_ok=True)
    if resume and not (path / marker).exists() and not all(map(_is_half_written, path.iterdir())):
        raise OutputExistsError(
            f"{path}: holds no interrupted run of this command; name the folder of one, or an "
            "empty folder"
        )
    for leftover in [each for each in path.rglob("*") if _is_half_written(each)]:
        _remove(leftover)


def _check_place(path: Path, *, whole: bool) -> None:
    """Refuse what can be no output folder."""
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise OutputExistsError(f"{path}: not a folder of its own; name another output folder")
    if ":" in "".join(path.parts[:1]):
        raise OutputExistsError(f"{path}: reads as an address; name a folder without a colon")
    if whole and Path.cwd().is_relative_to(path.resolve()):
        raise OutputExistsError(
            f"{path}: the command runs in it, so it cannot be replaced as a whole; name a folder "
            "inside it"
        )
    if whole and path.is_mount():
        raise OutputExistsError(
            f"{path}: a mounted file system, so it cannot be replaced as a whole; name a folder "
            "inside it"
        )


def _check_replaceable(path: Path, *, overwrite: bool, marker: str, inputs: Iterable[Path]) -> None:
    """Refuse to replace what the folder holds, unless it may and can be."""
    if any(map(is_held, path.glob(f"*/{LOCK}"))):
        raise _busy(path)
    if not overwrite:
        begun = bool(marker) and (path / marker).exists()
        go_on = "pass --resume to go on with the run in it, " if begun else ""
        raise OutputExistsError(
            f"{path}: not empty; {go_on}name another folder, or pass --overwrite to replace it"
        )
    for needed in (Path.cwd(), _home(), *path.glob(".git"), *inputs):
        if needed.resolve().is_relative_to(path.resolve()):
            raise OutputExistsError(
                f"{path}: holds {needed}, which --overwrite would delete; "
                "name another output folder"
            )


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Make the folder `work` and be the one process at work in it, by a lock.

    Raises OutputExistsError where another one is.
    """
    work.mkdir(parents=True, exist_ok=True)
    with (work / LOCK).open("w") as file:
        if not taken(file):
            raise _busy(work.parent)
        yield


def clear_folder(path: Path, *, but: Path | None = None) -> None:
    """Delete all that the folder holds, but one file or folder; it may be a mount itself."""
    for each in [each for each in path.iterdir() if each != but]:
        _remove(each)


def _home() -> Path:
    # Path.home() raises for a user that the system does not know.
    return Path(os.path.expanduser("~"))  # noqa: PTH111


def _busy(path: Path) -> OutputExistsError:
    return OutputExistsError(
        f"{path}: another process is at work in it; wait for it, or name another folder"
    )


def _is_half_written(path: Path) -> bool:
    return path.name.startswith(".") and path.suffix == ".tmp"
