"""Named tensors in one safetensors file, replaced whole or not at all, each with a checksum.

Imports torch, safetensors, ujson and wikidata5m. Shapes: M rows asked for, D floats of one.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
import ujson
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wikidata5m.errors import InputError
from wikidata5m.files import atomic_path

ROWS: Final = 1 << 17
"""How many rows are held beside the table when one is read or summed up."""
CRC: Final = "crc32"


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write the tensors straight from memory; an older file is replaced once the new one is safe.

    Raises OSError, as for a full disk, after which the older file is still there.
    """
    here = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    sums = ujson.dumps({name: checksum(tensor) for name, tensor in here.items()})
    with atomic_path(path) as temporary:
        with telling_of_disk(path):
            save_file(here, temporary, {**(metadata or {}), CRC: sums})
        with temporary.open("rb") as stream:
            # A rename that reaches the disk before the bytes do would leave neither file.
            os.fsync(stream.fileno())


def load_tensors_into(path: Path, tensors: Mapping[str, Tensor], *, fix: str) -> None:
    """Fill the given tensors from the file, in blocks of rows.

    Raises InputError, with `fix`, when the file holds other names or shapes or is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            for name, tensor in tensors.items():
                part = file.get_slice(name)
                shape = tuple(part.get_shape())
                if shape != tuple(tensor.shape):
                    problem = f"{name} has shape {shape}, here it is {tuple(tensor.shape)}"
                    raise InputError(path, problem, fix=fix)
                for rows in _blocks(tensor):
                    tensor[rows] = part[rows].to(tensor.device)
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error, fix) from None
    require_intact(path, tensors, fix=fix)


def require_intact(path: Path, tensors: Mapping[str, Tensor], *, fix: str) -> None:
    """Raise InputError, with `fix`, when one that was read is not as its checksum in `path` says.

    A file that was written without checksums passes.
    """
    sums = ujson.loads(read_metadata(path, fix=fix).get(CRC, "{}"))
    for name, tensor in tensors.items():
        if name in sums and checksum(tensor) != sums[name]:
            raise InputError(path, f"{name} is damaged, by its checksum", fix=fix)


def read_metadata(path: Path, *, fix: str) -> dict[str, str]:
    """What was written beside the tensors. Raises InputError, with `fix`, when it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            found: dict[str, str] = file.metadata() or {}
            return found
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error, fix) from None


class StoredRows:
    """A table in a safetensors file as a tensor of which only what is asked for is read.

    A tensor that `load_file` gives maps the file, and all pages that were ever looked at count as
    the process's memory. Here the file is mapped anew for every request, while its rows are used.
    """

    device: Final = torch.device("cpu")

    def __init__(self, path: Path, name: str, *, fix: str) -> None:
        self.path, self.name, self.fix = path, name, fix
        self._file = self._identity()
        with self._open() as file:
            self.shape = tuple(file.get_slice(name).get_shape())

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        """(M, D) of a run of rows, or of rows by number, int64 and in any order.

        Raises InputError, with `fix`, when the file is not what it was when this was made.
        """
        if self._file != self._identity():
            raise InputError(
                self.path, "replaced since it was opened", fix="start the command again"
            )
        with self._open() as file:
            table = file.get_slice(self.name)
            if isinstance(rows, slice):
                run: Tensor = table[rows]
                return run
            ascending_M, order_M = rows.sort()
            blocks = [
                table[int(few[0]) : int(few[-1]) + 1][few - few[0]]
                for few in _within_blocks(ascending_M)
            ]
            return torch.cat(blocks)[order_M.argsort()] if blocks else table[0:0]

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            with safe_open(self.path, framework="pt") as file:
                yield file
        except (OSError, SafetensorError) as error:
            raise _unreadable(self.path, error, self.fix) from None

    def _identity(self) -> tuple[int, int, int]:
        try:
            found = self.path.stat()
        except OSError as error:
            raise _unreadable(self.path, error, self.fix) from None
        return found.st_ino, found.st_size, found.st_mtime_ns


def checksum(tensor: Tensor) -> int:
    """CRC-32 of the values, row by row."""
    found, table = 0, tensor if tensor.dim() else tensor[None]
    for rows in _blocks(table):
        block = table[rows].detach().cpu().contiguous().view(-1).view(torch.uint8)
        found = zlib.crc32(block.numpy().data, found)
    return found


def _blocks(tensor: Tensor) -> Iterator[slice]:
    for start in range(0, len(tensor), ROWS):
        yield slice(start, start + ROWS)


def _within_blocks(ascending_M: Tensor) -> Iterable[Tensor]:
    """The numbers in pieces, none of which spans more than ROWS of the table."""
    _, counts = torch.unique_consecutive(ascending_M // ROWS, return_counts=True)
    return torch.split(ascending_M, counts.tolist())


def _unreadable(path: Path, error: Exception, fix: str) -> InputError:
    return InputError(path, f"not readable ({str(error).splitlines()[0]})", fix=fix)


@contextmanager
def telling_of_disk(path: Path) -> Iterator[None]:
    """Raise what the operating system said as OSError: safetensors hides it in its message."""
    try:
        yield
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        if not code:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from None
