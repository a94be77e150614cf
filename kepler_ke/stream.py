"""Entity encodings written to an embeddings artefact as they come: resumable, at any scale.

Imports numpy, torch, ujson, benchmarks.embeddings, kepler_ke.{encode,encoder,tokens} and
wikidata5m.

The file is laid out as safetensors lays it out, so that its end size is known before the first
vector: eight bytes that say how long the header is, the header in JSON, the tensors end to end.
Until the last vector is in place, progress.json stands where embeddings.json will, and nothing
takes the folder for an artefact.

Shapes: C entities, D width, R relations.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import ujson
from torch import Tensor

from benchmarks.embeddings import META, TENSORS, EmbeddingsMeta, Ids, lacks_ids, save_ids
from kepler_ke.encode import encode_texts
from kepler_ke.encoder import Kepler
from kepler_ke.tokens import Indices, Texts
from wikidata5m.console import Progress, progress
from wikidata5m.files import read_json, sha256, write_json
from wikidata5m.locks import take

PROGRESS: Final = "progress.json"
STEP: Final = 1 << 11
"""Entities between two notes of progress; their texts are sorted by length within."""
_NAMES: Final = {"float32": "F32", "int64": "I64"}


def stream_embeddings(
    folder: Path,
    model: Kepler,
    texts: Texts,
    entities: Indices,
    relations_RD: Tensor,
    meta: EmbeddingsMeta,
    *,
    ids: Ids | None = None,
) -> None:
    """Encode `entities` (ascending) into `folder`, going on where the same work was interrupted.

    The same work is that of equal `meta` and entities; a folder of other work starts anew, a
    finished one is left as it is. `meta.extra` should name the weights (`model_identity`). `ids`
    lets `bench train --from` match the rows with another dataset's entities.
    """
    work = _work(meta, entities)
    whole = len(entities) == len(texts.entities)
    small = {"relations": relations_RD.numpy()} | ({} if whole else {"index": entities})
    if _done(folder, work) < 0 and (ids is None or not lacks_ids(folder)):
        return
    with _alone(folder):
        if ids is not None:
            save_ids(folder, ids)
        done = _done(folder, work)
        if done < 0:
            return
        if not done:
            (folder / PROGRESS).unlink(missing_ok=True)
        shape = (len(entities), model.dim)
        start = _lay_out(folder / TENSORS, small, shape, fresh=done == 0)
        vectors_CD = _vectors(folder / TENSORS, start, shape)
        with progress("encode", len(entities), "texts", before=done) as told:
            for first in range(done, len(entities), STEP):
                here = entities[first : first + STEP]
                vectors_CD[first : first + len(here)] = encode_texts(
                    model, texts, texts.keys(here), partial(_after, first, told)
                )
                _flush(vectors_CD)
                write_json(folder / PROGRESS, work | {"done": first + len(here)})
        write_json(folder / META, asdict(meta) | {"work": work["entities"]})
        (folder / PROGRESS).unlink(missing_ok=True)


def holds_other(folder: Path, meta: EmbeddingsMeta, entities: Indices) -> bool:
    """Whether the folder holds vectors, finished or not, of other work than this."""
    work = _as_read(_work(meta, entities))
    if (folder / META).is_file():
        return bool(read_json(folder / META) != work["meta"] | {"work": work["entities"]})
    if (folder / PROGRESS).is_file():
        found = read_json(folder / PROGRESS)
        return found != work | {"done": found.get("done")}
    return False


def _work(meta: EmbeddingsMeta, entities: Indices) -> dict[str, Any]:
    return {"meta": asdict(meta), "entities": hashlib.sha256(entities.tobytes()).hexdigest()}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes that encode into it, after waiting for them."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TENSORS).open("ab") as held:
        take(held, str(folder))
        yield


def _after(first: int, told: Progress, done: int) -> None:
    told(first + done)


def model_identity(folder: Path) -> str:
    """A hash of everything that decides a saved model's vectors."""
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")])
    told = repr([(file.name, sha256(file)) for file in files])
    return hashlib.sha256(told.encode()).hexdigest()


def _done(folder: Path, work: Mapping[str, Any]) -> int:
    """How many entities are in place already; -1 when all are."""
    if (folder / META).is_file():
        found = read_json(folder / META)
        same = found == _as_read(work["meta"] | {"work": work["entities"]})
        if same and (folder / TENSORS).is_file():
            return -1
        (folder / META).unlink(missing_ok=True)
    if (folder / PROGRESS).is_file() and (folder / TENSORS).is_file():
        found = read_json(folder / PROGRESS)
        if found == _as_read(work) | {"done": found.get("done")}:
            return int(str(found["done"]))
    return 0


def _as_read(values: Mapping[str, Any]) -> dict[str, Any]:
    """As it comes back from a file: tuples are lists."""
    read: dict[str, Any] = ujson.loads(ujson.dumps(values))
    return read


def _lay_out(
    path: Path, small: Mapping[str, npt.NDArray[Any]], shape: tuple[int, int], *, fresh: bool
) -> int:
    """Write header and small tensors, and room for (C, D) floats; returns where these begin."""
    header: dict[str, dict[str, object]] = {}
    place = 0
    for name, x in small.items():
        header[name] = {
            "dtype": _NAMES[x.dtype.name],
            "shape": list(x.shape),
            "data_offsets": [place, place + x.nbytes],
        }
        place += x.nbytes
    size = 4 * shape[0] * shape[1]
    header["entities"] = {
        "dtype": "F32",
        "shape": list(shape),
        "data_offsets": [place, place + size],
    }
    told = ujson.dumps(header).encode()
    told += b" " * (-len(told) % 8)
    start = 8 + len(told) + place
    if fresh:
        with path.open("wb") as stream:
            stream.write(len(told).to_bytes(8, "little") + told)
            for x in small.values():
                stream.write(np.ascontiguousarray(x).tobytes())
            stream.truncate(start + size)
            _take_room(stream.fileno(), path, start + size)
    return start


def _take_room(file: int, path: Path, size: int) -> None:
    """Raise OSError on a full disk, which would end the process where a memmap is written to."""
    if sys.platform == "darwin":
        return
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _vectors(path: Path, start: int, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    if not shape[0]:
        return np.zeros(shape, dtype=np.float32)
    return np.memmap(path, dtype=np.float32, mode="r+", offset=start, shape=shape)


def _flush(vectors_CD: npt.NDArray[np.float32]) -> None:
    if isinstance(vectors_CD, np.memmap):
        vectors_CD.flush()
