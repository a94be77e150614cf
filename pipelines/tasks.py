"""One idempotent task per range of a dump, on any concurrent.futures executor.

Imports errors, files and ranges. A task leaves a folder of Parquet tables that lands whole by one
rename; a task whose folder is there is skipped. That is resume and parallelism in one idea.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.ranges import Range
from wikidata5m.console import Progress
from wikidata5m.errors import Wikidata5MError
from wikidata5m.files import atomic_path

Row = tuple[object, ...]
ROWS_PER_GROUP = 20_000


class TableWriter:
    """Rows of several tables, spilled to Parquet in groups so that memory stays bounded."""

    def __init__(self, folder: Path, layouts: Mapping[str, pa.Schema]) -> None:
        folder.mkdir()
        self._layouts = layouts
        self._rows: dict[str, list[Row]] = {name: [] for name in layouts}
        self._files = {
            name: pq.ParquetWriter(folder / f"{name}.parquet", layout, compression="zstd")
            for name, layout in layouts.items()
        }

    def add(self, name: str, row: Row) -> None:
        """Append one row; values in the order of the table's schema."""
        rows = self._rows[name]
        rows.append(row)
        if len(rows) >= ROWS_PER_GROUP:
            self._spill(name)

    def close(self) -> None:
        """Write what is left and finish the files."""
        for name, file in self._files.items():
            self._spill(name)
            file.close()

    def _spill(self, name: str) -> None:
        rows, layout = self._rows[name], self._layouts[name]
        if rows:
            columns = zip(*rows, strict=True)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, layout, strict=True)]
            self._files[name].write_table(pa.table(arrays, schema=layout))
            rows.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Read `source` with `run`, into the folder `out`."""

    source: Range
    out: Path
    layouts: Mapping[str, pa.Schema]
    run: Callable[[Range, TableWriter], None]


def perform(task: Task) -> None:
    """Do one task, unless its folder is there already. Runs in a worker process."""
    if not task.out.exists():
        with atomic_path(task.out) as folder:
            writer = TableWriter(folder, task.layouts)
            task.run(task.source, writer)
            writer.close()


def perform_all(tasks: Sequence[Task], executor: Executor, update: Progress) -> None:
    """Do every task; `update` is told the compressed megabytes read so far.

    The first failure stops what has not begun and is raised; finished tasks stay for a resume.
    """
    futures = {executor.submit(perform, task): task for task in tasks}
    done = 0
    try:
        for future in as_completed(futures):
            future.result()
            source = futures[future].source
            done += source.stop - source.start
            update(done // 1_000_000)
    except BrokenProcessPool:
        raise Wikidata5MError(
            "a worker process died, most likely for want of memory; "
            "run the command again with --resume and fewer --workers"
        ) from None
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def worker_pool(workers: int) -> Iterator[Executor]:
    """`workers` processes, spawned afresh: a fork would inherit the locks of this one's threads."""
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor
