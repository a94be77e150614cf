"""Folders that can be made again, kept in the user's cache folder. Imports errors and files."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wikidata5m.errors import Wikidata5MError
from wikidata5m.files import atomic_path, cache_home

Arrays = Mapping[str, npt.NDArray[Any]]


def kept_folder(name: str, write: Callable[[Path], None]) -> Path:
    """The folder kept under `name`; where there is none, `write` is given an empty one to fill.

    It appears whole or not at all: after a kill it is made anew, and what the killed process left
    is deleted. Of several processes one writes and the others wait. Raises Wikidata5MError when
    the cache folder cannot be written.
    """
    folder = cache_home() / name
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / f".{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.is_dir():
                for leftover in folder.parent.glob(f".{name}.*.tmp"):
                    shutil.rmtree(leftover)
                with atomic_path(folder) as temporary:
                    temporary.mkdir()
                    write(temporary)
    except OSError as error:
        raise Wikidata5MError(
            f"{folder}: cannot be written ({error.strerror or error}); name a folder with room by "
            "WIKIDATA5M_HOME"
        ) from error
    return folder


def save_arrays(folder: Path, arrays: Arrays) -> None:
    """One file per array."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def map_array(folder: Path, name: str) -> npt.NDArray[Any]:
    """An array as `save_arrays` wrote it, memory-mapped: only what is looked at is read.

    Raises Wikidata5MError when it is not there or damaged.
    """
    path = folder / f"{name}.npy"
    try:
        mapped: npt.NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError):
        return _read_array(path)
    # Slices of a memmap carry Python objects along, which makes small ones slow.
    return mapped.view(np.ndarray)


def damaged(folder: Path, error: Exception) -> Wikidata5MError:
    """The error for a kept folder that cannot be read."""
    problem = str(error).splitlines()[0]
    return Wikidata5MError(f"{folder}: damaged ({problem}); delete it, and it is made again")


def _read_array(path: Path) -> npt.NDArray[Any]:
    """One without elements, which cannot be mapped."""
    try:
        return np.asarray(np.load(path))
    except (OSError, ValueError, EOFError) as error:
        raise damaged(path.parent, error) from None
