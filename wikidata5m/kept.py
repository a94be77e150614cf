"""Folders that can be made again, kept in the user's cache folder as KIND-KEY.

Imports errors, files, locks.

Whoever fills one writes through `save_arrays`, or within `writing`: so a full disk is told apart
from a dataset that cannot be read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from wikidata5m.errors import Wikidata5MError
from wikidata5m.files import cache_home, write_json
from wikidata5m.locks import take

Arrays = Mapping[str, npt.NDArray[Any]]
Kind = Literal["names", "explore", "tokens"]

SOURCE: Final = "source.json"
"""In every kept folder: the dataset or corpus that it was made from."""


class KeptError(Wikidata5MError):
    """A kept folder cannot be written, or what it holds cannot be read."""


def kept_folder(kind: Kind, key: str, source: Path, fill: Callable[[Path], None]) -> Path:
    """The folder of this kind kept under `key`; where there is none, `fill` is given an empty one.

    It appears whole or not at all: after a kill it is made anew, and what the killed process left
    is deleted. Of several processes one fills it and the others wait. Raises KeptError when the
    cache folder cannot be written, and whatever `fill` raises.
    """
    folder = cache_home() / f"{kind}-{key}"
    if not folder.is_dir():
        with _lock(folder):
            if not folder.is_dir():
                _make(folder, source, fill)
    return folder


def delete_kept(folder: Path) -> None:
    """Delete it, or what a killed process left of it, once nobody is filling it.

    Whoever reads it meanwhile reads on: what is mapped stays until it is let go. Raises KeptError.
    """
    folder = folder.with_name(folder.name.removeprefix(".").removesuffix(".tmp"))
    with _lock(folder), writing(folder):
        for each in (folder, _unfinished(folder)):
            if each.is_dir():
                shutil.rmtree(each)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Within it an OSError is one of writing `folder`. Raises KeptError that names the fix."""
    try:
        yield
    except OSError as error:
        raise KeptError(
            f"{folder}: cannot be written ({error.strerror or error}); name a folder with room by "
            "WIKIDATA5M_HOME"
        ) from error


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Held by one process at a time."""
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f".{folder.name}.lock").open("w")
    with lock:
        take(lock, str(folder))
        yield


def _unfinished(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.tmp")


def _make(folder: Path, source: Path, fill: Callable[[Path], None]) -> None:
    """Only whoever holds the lock may: the temporary folder is the same for all."""
    temporary = _unfinished(folder)
    try:
        with writing(folder):
            if temporary.exists():
                shutil.rmtree(temporary)
            temporary.mkdir()
        fill(temporary)
        with writing(folder):
            write_json(temporary / SOURCE, {"source": str(source.resolve())})
            temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def save_arrays(folder: Path, arrays: Arrays) -> None:
    """One file per array. Raises KeptError when one cannot be written."""
    with writing(folder):
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)


def map_array(folder: Path, name: str) -> npt.NDArray[Any]:
    """An array as `save_arrays` wrote it, memory-mapped: only what is looked at is read.

    Raises KeptError when it is not there or damaged.
    """
    path = folder / f"{name}.npy"
    try:
        mapped: npt.NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError):
        return _read_array(path)
    # Slices of a memmap carry Python objects along, which makes small ones slow.
    return mapped.view(np.ndarray)


def damaged(folder: Path, error: Exception) -> KeptError:
    """The error for a kept folder that cannot be read."""
    problem = str(error).partition("\n")[0]
    return KeptError(f"{folder}: damaged ({problem}); delete it, and it is made again")


def _read_array(path: Path) -> npt.NDArray[Any]:
    """One without elements, which cannot be mapped."""
    try:
        return np.asarray(np.load(path))
    except (OSError, ValueError, EOFError) as error:
        raise damaged(path.parent, error) from None
