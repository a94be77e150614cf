"""A folder of texts for masked-language-model training, as an object. Imports manifest and schema.

    CORPUS/
      manifest.json        sources, configuration, counts, drops by reason, hash of every file
      documents/*.parquet  text, source, title; in the order of the sources

What a trainer needs is `Corpus.texts`: any share of the documents, in order or shuffled by a seed,
with one row group (a few megabytes) in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wikidata5m import schema
from wikidata5m.errors import DatasetError
from wikidata5m.manifest import Manifest, check_files, load_manifest


def is_corpus(path: Path) -> bool:
    """Whether the folder holds a corpus rather than a dataset."""
    folder = path / schema.DOCUMENTS
    return ((path / schema.MANIFEST).is_file() and folder.is_dir()) or any(folder.glob("*.parquet"))


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its prose, paragraphs separated by blank lines, and where it is from."""

    text: str
    source: schema.CorpusSource
    title: str


class Corpus:
    """A corpus on disk. Raises DatasetError when the folder is no complete one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / schema.MANIFEST).is_file():
            raise DatasetError(
                f"{path}: no {schema.MANIFEST}, so this is no complete corpus; "
                "name a folder that `wikidata5m corpus` wrote, or finish it with --resume"
            )
        self.manifest: Manifest = load_manifest(path)
        if "documents" not in self.manifest.counts:
            raise DatasetError(
                f"{path}: a dataset, not a corpus; name a folder that `wikidata5m corpus` wrote"
            )

    def __repr__(self) -> str:
        return f"Corpus({str(self.path)!r}, {len(self):,} documents)"

    def __len__(self) -> int:
        return self.manifest.counts["documents"]

    def __iter__(self) -> Iterator[str]:
        return self.texts()

    def texts(self, *, seed: int | None = None, part: int = 0, parts: int = 1) -> Iterator[str]:
        """The texts of one of `parts` shares, each document in exactly one of them.

        In the corpus's order, or, with a seed, shuffled: the row groups, and the documents inside
        each. The same arguments give the same order, so that a run can resume by skipping.
        """
        groups = self._groups()
        order = np.arange(len(groups))
        rng = None if seed is None else np.random.default_rng(seed)
        if rng is not None:
            rng.shuffle(order)
        seeds = None if rng is None else rng.integers(0, 2**63, len(groups))
        for place in range(part, len(order), parts):
            texts = self._read(groups[order[place]], ["text"])["text"].to_pylist()
            if seeds is not None:
                shuffled = np.random.default_rng(seeds[place]).permutation(len(texts))
                texts = [texts[i] for i in shuffled]
            yield from texts

    def documents(self) -> Iterator[Document]:
        """Every document, in order."""
        for group in self._groups():
            for row in self._read(group, schema.CORPUS_SCHEMA.names).to_pylist():
                yield Document(**row)

    def verify(self) -> list[str]:
        """One sentence for each file that is not as the manifest says."""
        breaches = check_files(self.path, self.manifest)
        rows = sum(record.rows for record in self.manifest.files.values())
        if rows != len(self):
            breaches.append(f"documents: {rows:,} rows, the manifest's counts say {len(self):,}")
        return breaches

    def _groups(self) -> list[tuple[str, int]]:
        """(file, row group) of every row group, in order."""
        return [
            (name, group)
            for name in sorted(self.manifest.files)
            for group in range(self._open(name).num_row_groups)
        ]

    def _read(self, group: tuple[str, int], columns: list[str]) -> pa.Table:
        name, number = group
        with self._reading(name):
            return self._open(name).read_row_group(number, columns=columns)

    def _open(self, name: str) -> pq.ParquetFile:
        with self._reading(name):
            return pq.ParquetFile(self.path / name)

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(
                f"{self.path / name}: cannot be read ({str(error).splitlines()[0]}); "
                "run `wikidata5m verify` and make the corpus again"
            ) from None
