"""One idempotent task per range of a dump, on any concurrent.futures executor.

Imports errors, files and ranges. A task leaves a folder of Parquet tables that lands whole by one
rename; a task whose folder is there is skipped. That is resume, parallelism and distribution in one
idea: nothing breaks when a task is done twice, or by a worker that was given up for dead.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.ranges import Range
from wikidata5m.console import Progress
from wikidata5m.errors import Wikidata5MError
from wikidata5m.files import atomic_path

Row = tuple[object, ...]
Result = TypeVar("Result")
ROWS_PER_GROUP: Final = 20_000
BACKLOG: Final = 1024
"""Most tasks handed to an executor at a time: plenty for a cluster, little for its scheduler."""


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
    """Do one task, unless its folder is there already. Runs in a worker."""
    if task.out.exists():
        return
    try:
        with atomic_path(task.out) as folder:
            writer = TableWriter(folder, task.layouts)
            task.run(task.source, writer)
            writer.close()
    except OSError:
        # Another worker was given the same task, and was faster.
        if not task.out.exists():
            raise


def perform_all(
    tasks: Iterable[Task],
    executor: Executor,
    update: Progress,
    last: Iterable[Callable[[], Result]] = (),
) -> list[Result]:
    """Do every task, and behind them `last`, whose results are returned.

    `update` is told the bytes that tasks have read so far, as on disk. The first failure stops what
    has not begun and is raised; finished tasks stay for a resume.
    """
    running: dict[Future[None], Task] = {}
    behind: list[Future[Result]] = []
    done = 0

    def collect(most: int) -> None:
        nonlocal done
        while len(running) > most:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                future.result()
                done += _bytes(running.pop(future))
            update(done)

    try:
        for task in tasks:
            if task.out.exists():
                done += _bytes(task)
            else:
                running[executor.submit(perform, task)] = task
                collect(most=BACKLOG - 1)
        behind += map(executor.submit, last)
        collect(most=0)
        update(done)
        return [future.result() for future in behind]
    except BrokenProcessPool:
        raise Wikidata5MError(
            "a worker process died, most likely for want of memory; "
            "run the command again with --resume and fewer --workers"
        ) from None
    finally:
        unfinished: Iterable[Future[Any]] = (*running, *behind)
        for future in unfinished:
            future.cancel()


def _bytes(task: Task) -> int:
    return task.source.stop - task.source.start


@contextmanager
def worker_pool(workers: int) -> Iterator[Executor]:
    """`workers` processes, spawned afresh: a fork would inherit the locks of this one's threads."""
    with ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_die_with_parent
    ) as executor:
        yield executor


def _die_with_parent() -> None:
    """End this worker when the process that started it is killed, rather than wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def watch() -> None:
            connection.wait([sentinel])
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
