"""A dump's articles and folders of texts -> a corpus for masked-language-model training.

    wikidata5m corpus --wikipedia enwiki-20190701-pages-articles-multistream.xml.bz2 --out corpus

Imports documents, ranges, tasks, wikipedia, work and the package wikidata5m. Read by tasks, which a
resume takes up; then gathered into shards whose cuts depend on the documents alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines import documents
from pipelines.documents import TextFile, find_texts, read_articles, read_texts
from pipelines.ranges import Location, Range, describe, file_name, size_of
from pipelines.tasks import Task, perform_all, worker_pool
from pipelines.wikipedia import dropped_pages
from pipelines.work import (
    LEAST_TASK,
    PLAIN_FACTOR,
    WIKIPEDIA,
    check_kind,
    check_roles,
    check_same,
    cut,
    finished,
    make_room,
    plan,
    stamp,
    working,
)
from wikidata5m import schema
from wikidata5m.console import log, progress
from wikidata5m.errors import ConfigError, DatasetError
from wikidata5m.files import atomic_path, sha256
from wikidata5m.manifest import Manifest, hash_files, now, software
from wikidata5m.schema import CorpusSource

WORK: Final = ".corpus"
MOST_TASK: Final = 16 << 20
GROUP_CHARS: Final = 8 << 20
"""A reader holds one row group, so that is what it costs in memory."""
SHARD_CHARS: Final = 512 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusConfig:
    """What decides a corpus, beside its sources."""

    min_words: int = 5
    """Words, by white space, that a document must have."""
    limit: int | None = None
    """For a trial: how many megabytes, as they lie on disk, to read of the dump's start."""

    def __post_init__(self) -> None:
        if self.min_words < 1:
            raise ValueError("min_words must be at least 1")
        if self.limit is not None and self.limit < 1:
            raise ValueError("limit must be at least 1 (megabyte)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusInput:
    """Where the texts are and how to go through them; the latter does not change the result."""

    wikipedia: Location | None = None
    wikipedia_index: Location | None = None
    """The index of a multistream dump; ranges then start where its streams do."""
    texts: Path | None = None
    """A folder of text files, one document a file."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    task_bytes: int | None = None
    """Bytes that a task reads; by default 16 MiB, less for sources too small for that."""

    def __post_init__(self) -> None:
        if self.wikipedia is None and self.texts is None:
            raise ConfigError("nothing to read; name a dump, a folder of texts, or both")


def make_corpus(
    source: CorpusInput,
    out: Path,
    config: CorpusConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> Manifest:
    """Write the corpus folder `out`.

    Raises InputError on a source that is not what it should be, OutputExistsError when `out` holds
    something else, DatasetError when no document is left. Finished tasks survive a failure and are
    taken up by `resume`.
    """
    files = find_texts(source.texts) if source.texts else []
    if source.wikipedia is not None:
        check_kind(source.wikipedia, WIKIPEDIA)
    asked = {"config": asdict(config), "sources": _identity(source, files)}
    work = out / WORK
    if resume and (manifest := finished(out, work)):
        check_roles(manifest, ("wikipedia", "texts"), out)
        now_there = _describe(source, files, hashed=False)
        made = {"config": manifest.config, "sources": _known_by(manifest.sources)}
        check_same(made, asked | {"sources": _known_by(now_there)}, out)
        log(f"{out}: complete already")
        return manifest
    named = (source.wikipedia, source.wikipedia_index, source.texts)
    local = [each for each in named if isinstance(each, Path)]
    with working(out, work, resume=resume, overwrite=overwrite, inputs=local):
        begun = plan(
            work, asked, _stamps(source, files), source.wikipedia_index, _share(source, files)
        )
        tasks = _tasks(source, files, work.absolute(), config, begun.task_bytes)
        total = sum(task.source.stop - task.source.start for task in tasks)
        with worker_pool(source.workers) as executor:
            describing = partial(_describe, source, files, hashed=config.limit is None)
            with progress("read", total, "bytes") as update:
                (sources,) = perform_all(tasks, executor, update, [describing])
        manifest = _gather([task.out for task in tasks], out, config, sources, overwrite=overwrite)
        manifest = replace(manifest, notes=(*begun.notes, *manifest.notes))
        manifest.save(out)
    return manifest


# --- Plan -----------------------------------------------------------------------------------


def _identity(source: CorpusInput, files: list[TextFile]) -> list[list[Any]]:
    """What the sources are known by: names and sizes; what a server says of its version, and of
    text files a hash over those of all.
    """
    known: list[list[Any]] = []
    if source.wikipedia is not None:
        record = describe("wikipedia", source.wikipedia, hashed=False)
        version = [record[key] for key in ("etag", "last_modified") if key in record]
        known.append(["wikipedia", file_name(source.wikipedia), record["bytes"], *version])
    if source.texts is not None:
        listing = "".join(f"{file.name}\t{file.size}\n" for file in files)
        total = sum(file.size for file in files)
        known.append(["texts", len(files), total, hashlib.sha256(listing.encode()).hexdigest()])
    return known


def _stamps(source: CorpusInput, files: list[TextFile]) -> dict[str, Any]:
    dump, texts = source.wikipedia, source.texts
    of_dump = {file_name(dump): stamp(dump)} if dump is not None else {}
    return of_dump | ({str(texts): [file.changed for file in files]} if texts is not None else {})


def _known_by(records: Iterable[dict[str, Any]]) -> list[list[Any]]:
    """What finished sources are known by: a dump by name and size, texts by what they say."""
    return [
        [each["role"], each["files"], each["bytes"], each["sha256"]]
        if each["role"] == "texts"
        else [each["role"], file_name(each["path"]), each["bytes"]]
        for each in records
    ]


def _share(source: CorpusInput, files: list[TextFile]) -> int:
    """Bytes that a task reads: a few tasks a worker, each neither tiny nor long."""
    total = sum(file.size for file in files)
    total += 0 if source.wikipedia is None else size_of(source.wikipedia)
    return source.task_bytes or max(LEAST_TASK, min(MOST_TASK, total // (4 * source.workers)))


def _tasks(
    source: CorpusInput, files: list[TextFile], work: Path, config: CorpusConfig, task_bytes: int
) -> list[Task]:
    """Articles first, then texts: the order of the corpus."""
    tasks = []
    if source.wikipedia is not None:
        run = partial(read_articles, min_words=config.min_words)
        parts = cut(source.wikipedia, source.wikipedia_index, task_bytes, megabytes=config.limit)
        tasks += [_task(work, "wikipedia", part, run) for part in parts]
    if source.texts is not None:
        folder = source.texts.absolute()
        total = sum(file.size for file in files)
        start = 0
        for index, batch in enumerate(_batches(files, task_bytes * PLAIN_FACTOR)):
            stop = start + sum(file.size for file in batch)
            reading = partial(read_texts, folder=folder, files=batch, min_words=config.min_words)
            tasks.append(_task(work, "texts", Range(folder, start, stop, total, index), reading))
            start = stop
    return tasks


def _task(work: Path, role: CorpusSource, part: Range, run: Any) -> Task:
    out = work / f"{role}-{part.index:06}"
    return Task(source=part, out=out, layouts=documents.LAYOUTS, run=run)


def _batches(files: list[TextFile], size: int) -> Iterator[list[TextFile]]:
    batch: list[TextFile] = []
    held = 0
    for file in files:
        batch.append(file)
        held += file.size
        if held >= size:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _describe(
    source: CorpusInput, files: list[TextFile], *, hashed: bool
) -> tuple[dict[str, Any], ...]:
    """The sources as the manifest records them; a folder by one hash over its files'."""
    records = []
    if source.wikipedia is not None:
        records.append(describe("wikipedia", source.wikipedia, hashed=hashed))
    if source.texts is not None:
        digest = hashlib.sha256()
        for file in files:
            digest.update(f"{file.name}\t{sha256(source.texts / file.name)}\n".encode())
        total = sum(file.size for file in files)
        told = {"role": "texts", "path": str(source.texts), "files": len(files), "bytes": total}
        records.append(told | {"sha256": digest.hexdigest()})
    return tuple(records)


# --- Gather ---------------------------------------------------------------------------------


def _gather(
    folders: list[Path],
    out: Path,
    config: CorpusConfig,
    sources: tuple[dict[str, Any], ...],
    *,
    overwrite: bool,
) -> Manifest:
    """The tasks' documents as shards, and what was read and dropped."""
    counted = pl.read_parquet([folder / "counts.parquet" for folder in folders], glob=False).sum()
    told = {name: int(count) for name, count in counted.row(0, named=True).items()}
    dropped = pl.read_parquet([folder / "dropped.parquet" for folder in folders], glob=False)
    notes = dropped_pages(dropped)
    if config.limit is not None:
        notes = (f"a trial: the first {config.limit:,} MB of the dump", *notes)
    drops = {name: count for name, count in told.items() if name not in documents.READ}
    repeated = _repeated(folders)
    drops["duplicate_page"] = len(repeated)
    found = sum(pq.read_metadata(folder / "documents.parquet").num_rows for folder in folders)
    if found == len(repeated):
        reasons = ", ".join(f"{name} {count:,}" for name, count in drops.items() if count)
        raise DatasetError(f"no document is left: {reasons or 'no input'}; check the sources")
    make_room(out, out / WORK, overwrite=overwrite)
    rows = _write_shards(_documents(folders, repeated, told), out)
    return Manifest(
        name=out.resolve().name,
        created=now(),
        sources=sources,
        config=asdict(config),
        counts={name: told[name] for name in told if name in documents.READ}
        | {"documents": sum(rows.values())},
        drops=drops,
        notes=notes,
        files=hash_files(out, rows),
        software=software(),
    )


def _repeated(folders: list[Path]) -> set[tuple[int, int]]:
    """(folder, row) of each article that comes again later under the same title."""
    titles = [
        pl.read_parquet(folder / "documents.parquet", columns=["title"], glob=False)
        .with_row_index("row")
        .with_columns(folder=pl.lit(number, pl.UInt32))
        for number, folder in enumerate(folders)
        if folder.name.startswith("wikipedia")
    ]
    if not titles:
        return set()
    earlier = pl.concat(titles).filter(~pl.col("title").is_last_distinct())
    return set(earlier.select("folder", "row").iter_rows())


def _documents(
    folders: list[Path], repeated: set[tuple[int, int]], told: dict[str, int]
) -> Iterator[tuple[str, str, str]]:
    """(text, source, title) of each document that stays, in order; `told` loses the others'
    characters.
    """
    with progress("write", len(folders), "parts") as update:
        for number, folder in enumerate(folders):
            source = folder.name.partition("-")[0]
            row = 0
            for batch in pq.ParquetFile(folder / "documents.parquet").iter_batches(256):
                columns = (batch[name].to_pylist() for name in ("text", "title"))
                for text, title in zip(*columns, strict=True):
                    if (number, row) in repeated:
                        told["characters"] -= len(text)
                    else:
                        yield text, source, title
                    row += 1
            update(number + 1)


def _write_shards(found: Iterator[tuple[str, str, str]], out: Path) -> dict[str, int]:
    """Write the shards; returns the documents of each file."""
    rows: dict[str, int] = {}
    groups = _groups(found)
    group = next(groups, None)
    while group is not None:
        name = f"{schema.DOCUMENTS}/{len(rows):05}.parquet"
        held = count = 0
        with (
            atomic_path(out / name) as path,
            pq.ParquetWriter(
                path,
                schema.CORPUS_SCHEMA,
                compression="zstd",
                compression_level=3,
                use_dictionary=["source"],
            ) as writer,
        ):
            while group is not None and held < SHARD_CHARS:
                writer.write_table(group)
                held += GROUP_CHARS
                count += len(group)
                group = next(groups, None)
        rows[name] = count
    return rows


def _groups(found: Iterator[tuple[str, str, str]]) -> Iterator[pa.Table]:
    """Row groups of GROUP_CHARS characters or a little more, wherever the tasks' cuts were."""
    held: list[tuple[str, str, str]] = []
    size = 0
    for document in found:
        held.append(document)
        size += len(document[0])
        if size >= GROUP_CHARS:
            yield _table(held)
            held, size = [], 0
    if held:
        yield _table(held)


def _table(rows: list[tuple[str, str, str]]) -> pa.Table:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return pa.table(columns, schema=schema.CORPUS_SCHEMA)
