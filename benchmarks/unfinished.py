"""What a ranking has finished, kept in a file until its result is written.

Imports numpy, benchmarks.{counting,queries,predictors} and wikidata5m.files.
"""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.counting import Counts
from benchmarks.predictors import Indices
from benchmarks.queries import Queries
from wikidata5m.files import atomic_path, sha256

SECONDS: Final = 10.0
"""Between two writings of the file, which holds all batches so far."""


class Unfinished:
    """The counts of finished batches, each under a hash of all that it depends on.

    `embeddings` is the folder of the vectors that are ranked. A batch of other vectors, triplets
    or candidates has another hash, so that what is kept never answers for it.
    """

    def __init__(self, path: Path, embeddings: Path) -> None:
        self.path = path
        self.found = _read(path)
        files = sorted(x for x in embeddings.iterdir() if x.is_file())
        self.identity = " ".join(map(sha256, files))
        self._written = time.monotonic()

    def get(self, queries: Queries, candidates_C: Indices, make: Callable[[], Counts]) -> Counts:
        """The kept counts of this batch, or newly made ones, which are kept."""
        key = self._key(queries, candidates_C)
        if key not in self.found:
            counts = make()
            self.found[key] = np.stack([counts.above, counts.equal, counts.left])
            if time.monotonic() - self._written >= SECONDS:
                self._write()
        return Counts(*self.found[key])

    def __enter__(self) -> Unfinished:
        return self

    def __exit__(self, *_: object) -> None:
        """Keep what was finished last, also where the ranking was interrupted."""
        if self.found:
            self._write()

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **self.found)
        self._written = time.monotonic()

    def finish(self) -> None:
        """Remove the file, and what a killed ranking half wrote of it: the result is written."""
        for path in (self.path, *self.path.parent.glob(f".{self.path.name}.*.tmp")):
            path.unlink(missing_ok=True)

    def _key(self, queries: Queries, candidates_C: Indices) -> str:
        digest = hashlib.sha256(f"{self.identity} {queries.direction}".encode())
        arrays = [getattr(queries, field.name) for field in fields(queries)]
        for array in (*arrays[1:], candidates_C):
            digest.update(f" {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path) as stored:
            return dict(stored)
    except (FileNotFoundError, ValueError, EOFError, zipfile.BadZipFile):
        return {}
