"""The descriptions as a sequence that is read from disk as it is asked for.

Imports errors and schema. Legend: E entities, T texts, G row groups of all shards end to end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from wikidata5m import schema
from wikidata5m.errors import DatasetError, unreadable

KEPT: Final = 16
"""How many row groups stay in memory: enough for a reader that goes up the indices."""
STEP: Final = 8192
"""How many texts an iteration reads at once."""


class Texts(Sequence[str]):
    """`texts[i]` is the description of entity i, '' where there is none.

    Holds four bytes per entity and the last few row groups; 4.6 million texts as a list of strings
    would take gigabytes. Reading up the indices is as fast as the files decompress; `take` serves
    any order.
    """

    def __init__(self, folder: Path, files: Iterable[str], num_entities: int) -> None:
        """`files` are those of the dataset's manifest. Raises DatasetError when a shard is missing
        or cannot be read.
        """
        own = f"{schema.DESCRIPTIONS}/"
        self.shards = sorted(folder / name for name in files if name.startswith(own))
        if not self.shards:
            raise DatasetError(
                f"{folder}: no descriptions; run `wikidata5m verify` and build the dataset again"
            )
        self._groups: list[tuple[Path, pq.FileMetaData, int]] = []
        self._kept: dict[int, pa.Array] = {}
        starts, found = [0], []
        for shard in self.shards:
            file = _open(shard)
            with _reading(shard):
                found.append(file.read(columns=["index"]).column("index").to_numpy())
            for group in range(file.num_row_groups):
                self._groups.append((shard, file.metadata, group))
                starts.append(starts[-1] + file.metadata.row_group(group).num_rows)
        self._start_G: npt.NDArray[np.int64] = np.array(starts, dtype=np.int64)
        self._row_E: npt.NDArray[np.int32] = np.full(num_entities, -1, dtype=np.int32)
        index_T = np.concatenate(found)
        self._row_E[index_T] = np.arange(len(index_T), dtype=np.int32)

    def __len__(self) -> int:
        return len(self._row_E)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        row = int(self._row_E[index])
        if row < 0:
            return ""
        group = int(np.searchsorted(self._start_G, row, side="right")) - 1
        return str(self._group(group)[row - int(self._start_G[group])])

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), STEP):
            yield from self.take(range(first, min(first + STEP, len(self))))

    def take(self, indices: Iterable[int] | npt.NDArray[Any]) -> list[str]:
        """The texts of these entities in the order given; each row group is read once."""
        wanted = indices if isinstance(indices, np.ndarray | range) else list(indices)
        row_N = self._row_E[np.asarray(wanted, dtype=np.int64)]
        texts = np.full(len(row_N), "", dtype=object)
        group_N = np.searchsorted(self._start_G, row_N, side="right") - 1
        for group in np.unique(group_N[row_N >= 0]).tolist():
            here = np.flatnonzero(group_N == group)
            places = pa.array(row_N[here] - self._start_G[group])
            texts[here] = self._group(group).take(places).to_pylist()
        return list(texts)

    def _group(self, group: int) -> pa.Array:
        """The texts of one row group; the one that was kept longest makes room for it."""
        if group not in self._kept:
            shard, metadata, number = self._groups[group]
            with _reading(shard):
                table = _open(shard, metadata).read_row_group(number, columns=["text"])
            while len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[group] = table.column("text").cast(pa.large_string()).combine_chunks()
        return self._kept[group]


def _open(shard: Path, metadata: pq.FileMetaData | None = None) -> pq.ParquetFile:
    with _reading(shard):
        file = pq.ParquetFile(shard, metadata=metadata)
    if file.schema_arrow.names != schema.DESCRIPTION_SCHEMA.names:
        raise DatasetError(f"{shard}: holds no descriptions; run `wikidata5m verify`")
    return file


@contextmanager
def _reading(shard: Path) -> Iterator[None]:
    """Within it, what the library cannot read is a DatasetError that names the file."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise unreadable(shard, error) from None
