"""A seeded synthetic world, written as real-format Wikidata and Wikipedia dumps, with its truth.
Imports wikidata5m.{errors,published,schema} and the world's own modules.

    write_world(WorldConfig(entities=20_000), Path("world"), workers=2)

The truth is what the pipeline must give back, exactly, with its default settings. Everything about
an entity is a pure function of the configuration and its index (`layout` where it is,
`names`, `facts`, `text`, `statements`, `pages`), so the dumps are
written in chunks, by any number of processes, in memory that does not grow with the world; the
bytes do not depend on either.
"""

from __future__ import annotations

import bz2
import multiprocessing
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import ujson

from pipelines.world.chunks import DESCRIPTIONS, TRIPLETS, Chunk, Compression, World
from pipelines.world.pages import FOOTER, HEADER
from pipelines.world.relations import LEAST, MOST
from wikidata5m.errors import ConfigError
from wikidata5m.schema import ENTITY_SCHEMA, ItemDrop, StatementDrop

__all__ = ["Compression", "WorldConfig", "WorldFiles", "write_world"]

_CHUNK: Final = 2_000
_ROWS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldConfig:
    """What the world is: the same configuration gives the same bytes."""

    entities: int = 20_000
    """How many entities the pipeline must keep; the dumps hold about an eighth more items."""

    seed: int = 0
    """Another seed gives other names, facts and texts."""

    relations: int = 240
    """How many properties take items as values; rare ones may not occur in a small world."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("entities", 100, 5_000_000),
            ("seed", 0, 2**63 - 1),
            ("relations", LEAST, MOST),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(
                    f"world.{name} is {value!r}; give a whole number from {low} to {high}"
                )


@dataclass(frozen=True, slots=True)
class WorldFiles:
    """Where everything was written; None for a compression that was not asked for."""

    wikidata_bz2: Path | None
    wikidata_gz: Path | None
    wikipedia_bz2: Path | None
    wikipedia_index: Path | None
    wikipedia_gz: Path | None
    truth: Path


_world: World | None = None  # the one of a worker process


def _make(config: WorldConfig, compressions: tuple[Compression, ...]) -> World:
    return World(config.entities, config.seed, config.relations, compressions)


def _start_worker(config: WorldConfig, compressions: tuple[Compression, ...]) -> None:
    global _world  # noqa: PLW0603 - a process pool hands its initializer's result on in no other way
    _world = _make(config, compressions)


def _run(task: tuple[str, int, int], world: World | None = None) -> Chunk:
    world = world or _world
    assert world is not None
    what, start, stop = task
    return world.items_chunk(start, stop) if what == "items" else world.pages_chunk(start, stop)


def _in_order(
    world: World, config: WorldConfig, tasks: list[tuple[str, int, int]], workers: int
) -> Generator[Chunk, None, None]:
    """The tasks' results in their order, few of them in memory at once."""
    if workers <= 1:
        yield from (_run(task, world) for task in tasks)
        return
    # Forking a process that has threads (Arrow's, a test runner's) can lock it up.
    context = multiprocessing.get_context("spawn")
    setup = (config, world.compressions)
    with ProcessPoolExecutor(workers, context, _start_worker, setup) as pool:
        waiting: deque[Future[Chunk]] = deque()
        for task in tasks:
            waiting.append(pool.submit(_run, task))
            if len(waiting) > 3 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _Rows:
    """A Parquet file whose row groups do not depend on the chunks that come."""

    def __init__(self, path: Path, schema: pa.Schema, stack: ExitStack) -> None:
        self._writer = stack.enter_context(
            pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False)
        )
        self._tables: list[pa.Table] = []
        self._count = 0

    def add(self, table: pa.Table) -> None:
        self._tables.append(table)
        self._count += table.num_rows
        if self._count >= _ROWS:
            self.flush()

    def flush(self) -> None:
        if self._tables:
            self._writer.write_table(pa.concat_tables(self._tables))
        self._tables, self._count = [], 0


def write_world(
    config: WorldConfig,
    out: Path,
    *,
    workers: int = 1,
    compressions: tuple[Compression, ...] = get_args(Compression),
    on_progress: Callable[[int, int], None] | None = None,
) -> WorldFiles:
    """Writes the dumps and truth/ into `out`, an empty folder.

    on_progress(done, total) counts items and pages. The bytes do not depend on `workers`.
    """
    world = _make(config, compressions)
    truth = out / "truth"
    truth.mkdir(parents=True, exist_ok=True)
    items, pages = world.layout.items, world.layout.pages
    item_tasks = [("items", s, min(s + _CHUNK, items + 1)) for s in range(1, items + 1, _CHUNK)]
    page_tasks = [("pages", s, min(s + _CHUNK, pages)) for s in range(0, pages, _CHUNK)]
    chunks = _in_order(world, config, item_tasks + page_tasks, workers)
    done = 0

    def received(count: int) -> Iterator[Chunk]:
        nonlocal done
        for _ in range(count):
            chunk = next(chunks)
            yield chunk
            done += chunk.done
            if on_progress:
                on_progress(done, items + pages)

    files = _paths(out, truth, compressions)
    _write_items(world, files, received(len(item_tasks)))
    _write_pages(world, files, received(len(page_tasks)))
    chunks.close()
    return files


def _paths(out: Path, truth: Path, compressions: tuple[Compression, ...]) -> WorldFiles:
    with_bz2, with_gz = "bz2" in compressions, "gz" in compressions
    return WorldFiles(
        wikidata_bz2=out / "wikidata.json.bz2" if with_bz2 else None,
        wikidata_gz=out / "wikidata.json.gz" if with_gz else None,
        wikipedia_bz2=out / "enwiki.xml.bz2" if with_bz2 else None,
        wikipedia_index=out / "enwiki-index.txt.bz2" if with_bz2 else None,
        wikipedia_gz=out / "enwiki.xml.gz" if with_gz else None,
        truth=truth,
    )


def _write_items(world: World, files: WorldFiles, chunks: Iterator[Chunk]) -> None:
    drops: Counter[str] = Counter()
    used: set[int] = set()
    classes: set[int] = set()
    with ExitStack() as stack:
        bz2_file, gz_file = (
            stack.enter_context(path.open("wb")) if path else None
            for path in (files.wikidata_bz2, files.wikidata_gz)
        )
        sinks = {
            name: _Rows(files.truth / f"{name}.parquet", schema, stack)
            for name, schema in (
                ("entities", ENTITY_SCHEMA),
                ("descriptions", DESCRIPTIONS),
                ("triplets", TRIPLETS),
            )
        }
        for chunk in chunks:
            if bz2_file:
                bz2_file.writelines(chunk.bz2)
            if gz_file:
                gz_file.write(chunk.gz)
            for name, table in chunk.tables.items():
                sinks[name].add(table)
            drops.update(chunk.drops)
            used |= chunk.relations
            classes |= chunk.classes
        for sink in sinks.values():
            sink.flush()
    pq.write_table(world.relations(used), files.truth / "relations.parquet")
    pq.write_table(world.classes(classes), files.truth / "classes.parquet")
    counts = {
        "items": {reason: drops[reason] for reason in get_args(ItemDrop)},
        "statements": {reason: drops[reason] for reason in get_args(StatementDrop)},
    }
    (files.truth / "drops.json").write_text(ujson.dumps(counts, indent=2) + "\n")


def _write_pages(world: World, files: WorldFiles, chunks: Iterator[Chunk]) -> None:
    head, foot = world.pack(HEADER.encode()), world.pack(FOOTER.encode())
    with ExitStack() as stack:
        bz2_file = index = gz_file = None
        if files.wikipedia_bz2 and files.wikipedia_index:
            bz2_file = stack.enter_context(files.wikipedia_bz2.open("wb"))
            index = stack.enter_context(bz2.open(files.wikipedia_index, "wt", encoding="utf-8"))
            bz2_file.write(head[0])
        if files.wikipedia_gz:
            gz_file = stack.enter_context(files.wikipedia_gz.open("wb"))
            gz_file.write(head[1])
        for chunk in chunks:
            if bz2_file and index:
                for stream, titles in zip(chunk.bz2, chunk.titles, strict=True):
                    place = bz2_file.tell()
                    index.writelines(f"{place}:{number}:{title}\n" for number, title in titles)
                    bz2_file.write(stream)
            if gz_file:
                gz_file.write(chunk.gz)
        if bz2_file:
            bz2_file.write(foot[0])
        if gz_file:
            gz_file.write(foot[1])
