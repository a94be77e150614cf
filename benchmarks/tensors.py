"""Named tensors in one safetensors file, replaced whole or not at all, each with a checksum.

Imports torch, safetensors, ujson and wikidata5m.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

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
        try:
            save_file(here, temporary, {**(metadata or {}), CRC: sums})
        except SafetensorError as error:
            raise _os_error(error, path) from None
        with temporary.open("rb") as stream:
            # A rename that reaches the disk before the bytes do would leave neither file.
            os.fsync(stream.fileno())


def load_tensors_into(path: Path, tensors: Mapping[str, Tensor], *, fix: str) -> None:
    """Fill the given tensors from the file, in blocks of rows.

    Raises InputError, with `fix`, when the file holds other names or shapes or is damaged.
    """
    sums = ujson.loads(read_metadata(path, fix=fix).get(CRC, "{}"))
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
                if checksum(tensor) != sums.get(name):
                    raise InputError(path, f"{name} is damaged, by its checksum", fix=fix)
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error, fix) from None


def read_metadata(path: Path, *, fix: str) -> dict[str, str]:
    """What was written beside the tensors. Raises InputError, with `fix`, when it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            found: dict[str, str] = file.metadata() or {}
            return found
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error, fix) from None


def checksum(tensor: Tensor) -> int:
    """CRC-32 of the values, row by row."""
    found = 0
    for rows in _blocks(tensor):
        block = tensor[rows].detach().cpu().contiguous().view(-1).view(torch.uint8)
        found = zlib.crc32(block.numpy().data, found)
    return found


def _blocks(tensor: Tensor) -> Iterator[slice]:
    for start in range(0, len(tensor), ROWS):
        yield slice(start, start + ROWS)


def _unreadable(path: Path, error: Exception, fix: str) -> InputError:
    return InputError(path, f"not readable ({str(error).splitlines()[0]})", fix=fix)


def _os_error(error: SafetensorError, path: Path) -> Exception:
    """What the operating system said, which safetensors hides in its message."""
    code = re.search(r"os error (\d+)", str(error))
    return OSError(int(code[1]), os.strerror(int(code[1])), str(path)) if code else error
