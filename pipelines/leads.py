"""The kept pages' texts: from the dump's order in the tasks' files to shards in the entities'.

Imports nothing of the project. Texts are dealt into one file per shard in one pass, and each shard
is sorted when its turn comes, so that no more than one shard's texts are ever held.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

SHARD_ROWS: Final = 200_000
BATCH_ROWS: Final = 20_000
_LAYOUT: Final = pa.schema([("index", pa.int32()), ("text", pa.large_string())])


def gather_texts(
    files: Sequence[Path], page_E: pl.Series, scratch: Path, shard_rows: int = SHARD_ROWS
) -> Iterator[pl.DataFrame]:
    """(index, text) of every entity, a shard at a time.

    `page_E` names the row of `files` (columns row and text) that entity i has its text from.
    `scratch` is a folder to make and to remove again.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    shards = [scratch / f"{n:05}.arrow" for n in range(-(-len(page_E) // shard_rows))]
    _deal(files, page_E, shards, shard_rows)
    for shard in shards:
        with pa.memory_map(str(shard)) as stream:
            frame = pl.DataFrame(pa.ipc.open_stream(stream).read_all())
            yield frame.sort("index")
        shard.unlink()
    scratch.rmdir()


def _deal(files: Sequence[Path], page_E: pl.Series, shards: list[Path], shard_rows: int) -> None:
    """Write each text into the file of its entity's shard."""
    order = np.argsort(page_E.to_numpy(), kind="stable")
    row_E = page_E.to_numpy()[order]
    wanted = pl.DataFrame({"row": row_E, "index": order.astype(np.int32)})
    with ExitStack() as stack:
        writers = [
            stack.enter_context(pa.ipc.new_stream(stack.enter_context(path.open("wb")), _LAYOUT))
            for path in shards
        ]
        for batch in _batches(files):
            # Rows ascend within a file, so that a batch meets one stretch of them.
            first, past = np.searchsorted(row_E, [batch["row"][0], batch["row"][-1] + 1])
            found = wanted[int(first) : int(past)].join(batch, on="row")
            dealt = found.with_columns(shard=pl.col("index") // shard_rows)
            for (shard,), part in dealt.partition_by("shard", as_dict=True).items():
                table = part.select(_LAYOUT.names).to_arrow().cast(_LAYOUT)
                writers[int(str(shard))].write_table(table)


def _batches(files: Sequence[Path]) -> Iterator[pl.DataFrame]:
    for file in files:
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(BATCH_ROWS, columns=["row", "text"]):
                if batch.num_rows:
                    yield pl.DataFrame(batch)
