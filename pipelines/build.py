"""MAIN PATH: two dumps -> a dataset. Extract by tasks, align, split, write.

    wikidata5m build --wikidata wikidata-20190701-all.json.bz2 \\
        --wikipedia enwiki-20190701-pages-articles-multistream.xml.bz2 --out wikidata5m-2019-07

Imports align, cluster, corrupt, exclusions, ranges, split, tasks, wikidata, wikipedia, work and
the package wikidata5m.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from pipelines import corrupt, wikidata, wikipedia
from pipelines.align import NOTHING_EXCLUDED, align
from pipelines.cluster import cluster_pool
from pipelines.exclusions import read_exclusions
from pipelines.ranges import Location, describe, file_name, head, shown, size_of
from pipelines.split import DEFAULT, SplitConfig, Splits, Whole, check_names, make_splits
from pipelines.tasks import Task, perform_all, worker_pool
from pipelines.titles import Site
from pipelines.work import (
    LEAST_TASK,
    WIKIDATA,
    WIKIPEDIA,
    absolute,
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
from wikidata5m.console import log, progress
from wikidata5m.errors import InputError
from wikidata5m.manifest import Manifest
from wikidata5m.published import GENERATOR, INVENTED
from wikidata5m.schema import Ranks
from wikidata5m.writer import Provenance, Tables, write_dataset

WORK: Final = ".build"
EXCLUDED: Final = "exclude_triplets"
_GENERATED: Final = f"<generator>{GENERATOR}</generator>".encode()
_DBNAME: Final = re.compile(rb"<dbname>([^<]+)</dbname>")
MOST_TASK: Final = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """What decides the result of a build, beside its two dumps."""

    language: str = "en"
    """Of labels, descriptions and aliases; labels fall back to Wikidata's `mul`."""
    site: str = "enwiki"
    """The wiki whose sitelink gives an item its page."""
    ranks: Ranks = "not-deprecated"
    """Statements of which ranks count; `best` is what Wikidata calls truthy."""
    min_words: int = 5
    """Words, by white space, that a page's first section must have."""
    seed: int = 0
    """Of the splits."""
    settings: tuple[str, ...] = DEFAULT
    """Which splits to make: transductive, inductive, semi_inductive, classification."""
    limit: int | None = None
    """For a trial: how many megabytes, as they lie on disk, to read of each dump's start."""
    split: SplitConfig = field(default_factory=SplitConfig)

    def __post_init__(self) -> None:
        check_names(self.settings)
        if not (self.language and self.site):
            raise ValueError("language and site must be named, as en and enwiki")
        if self.min_words < 1:
            raise ValueError("min_words must be at least 1")
        if self.seed < 0:
            raise ValueError("seed must not be negative")
        if self.limit is not None and self.limit < 1:
            raise ValueError("limit must be at least 1 (megabyte)")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInput:
    """What is read, and how to go through it, which changes nothing about the result."""

    wikidata: Location
    wikipedia: Location
    wikipedia_index: Location | None = None
    """The index of a multistream dump; ranges then start where its streams do."""
    exclude_triplets: Path | None = None
    """Triplets to leave out of the graph: ids in lines, or FewRel's JSON."""
    max_errors: int = 0
    """How many records that cannot be read may be left out before the build stops."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Processes of this machine, unless a cluster is named."""
    cluster: str | None = None
    """The address of a Dask scheduler, whose workers then read the dumps."""
    range_bytes: int | None = None
    """Compressed bytes a task reads; by default 32 MiB, less for dumps too small for that."""

    @property
    def dumps(self) -> tuple[tuple[str, Location], ...]:
        """Each dump by role."""
        return (("wikidata", self.wikidata), ("wikipedia", self.wikipedia))

    @property
    def sources(self) -> tuple[tuple[str, Location], ...]:
        """What decides the result, by role."""
        excluded = self.exclude_triplets
        return self.dumps if excluded is None else (*self.dumps, (EXCLUDED, excluded))

    @property
    def local_files(self) -> tuple[Path, ...]:
        """The inputs that lie on this machine's file systems."""
        named = (self.wikidata, self.wikipedia, self.wikipedia_index, self.exclude_triplets)
        return tuple(each for each in named if isinstance(each, Path))


def build(
    source: BuildInput,
    out: Path,
    config: BuildConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> Manifest:
    """Build the dataset folder `out`.

    Raises InputError on a dump that is not what it should be, OutputExistsError when `out` holds
    something else, DatasetError when nothing can be aligned. Finished tasks survive a failure and
    are taken up by `resume`.
    """
    _check_dumps(source, config)
    unwanted = source.exclude_triplets
    excluded_X3 = NOTHING_EXCLUDED if unwanted is None else read_exclusions(unwanted)
    work = out / WORK
    if resume and (manifest := finished(out, work)):
        check_roles(manifest, ("wikidata", "wikipedia", EXCLUDED), out)
        check_same(_identity_of(manifest), _identity(source, config), out)
        log(f"{out}: complete already")
        return manifest
    inputs = source.local_files
    with working(out, work, resume=resume, overwrite=overwrite, inputs=inputs):
        asked = _identity(source, config)
        stamps = {file_name(dump): stamp(dump) for _, dump in source.dumps}
        begun = plan(work, asked, stamps, source.wikipedia_index, _share(source))
        with _workers(source, work) as executor:
            tasks = _tasks(source, work, config, begun.task_bytes)
            if begun.replaced:
                corrupt.forget_left_out([task.out for task in tasks])
            described = _extract(tasks, executor, source, config)
        unread = _unread(tasks, source)
        log("align: items with pages")
        aligned = align(work, config.min_words, excluded_X3)
        sources = tuple(
            record | {"path": shown(each)}
            for record, (_, each) in zip(described, source.sources, strict=True)
        )
        invented = (INVENTED,) if _GENERATED in head(source.wikipedia) else ()
        trial = _trial_note(config)
        made = _split(aligned.tables, config)
        provenance = Provenance(
            name=out.resolve().name,
            sources=sources,
            config=_resolved(config),
            counts=aligned.counts,
            drops=aligned.drops | made.drops,
            notes=(*begun.notes, *unread, *aligned.notes, *trial, *made.notes, *invented),
        )
        make_room(out, work, overwrite=overwrite)
        return write_dataset(out, aligned.tables, made.splits, provenance, made.classification)


def _check_dumps(source: BuildInput, config: BuildConfig) -> None:
    """Refuse a missing, swapped or foreign file before anything is written."""
    check_kind(source.wikidata, WIKIDATA)
    check_kind(source.wikipedia, WIKIPEDIA)
    named = _DBNAME.search(head(source.wikipedia))
    if named and (wiki := named[1].decode()) != config.site:
        raise InputError(
            shown(source.wikipedia),
            f"a dump of {wiki}, but pages of {config.site} are asked for",
            where="<siteinfo>",
            fix=f"pass --site {wiki}, and its --language",
        )


def _is_hashed(role: str, config: BuildConfig) -> bool:
    """A trial does not read its dumps whole."""
    return role == EXCLUDED or config.limit is None


Identity = dict[str, Any]
"""What a build is made from: the configuration, and each dump by role, name, size and version."""


def _identity(source: BuildInput, config: BuildConfig) -> Identity:
    records = [describe(role, each, hashed=role == EXCLUDED) for role, each in source.sources]
    return {"config": _resolved(config), "dumps": [_known_by(record) for record in records]}


def _resolved(config: BuildConfig) -> dict[str, Any]:
    """The configuration as JSON gives it back, names in their one order."""
    return asdict(config) | {"settings": list(check_names(config.settings))}


def _identity_of(manifest: Manifest) -> Identity:
    return {"config": manifest.config, "dumps": [_known_by(each) for each in manifest.sources]}


def _known_by(record: dict[str, Any]) -> list[Any]:
    # A dump is known by its name and size; small files of one size are many.
    keys = ("etag", "last_modified", *(["sha256"] if record["role"] == EXCLUDED else []))
    version = (record[key] for key in keys if key in record)
    return [record["role"], file_name(record["path"]), record["bytes"], *version]


def _share(source: BuildInput) -> int:
    """Bytes that a task reads of packed dumps: a few tasks a worker, each neither tiny nor long."""
    total = sum(size_of(dump) for _, dump in source.dumps)
    share = MOST_TASK if source.cluster else total // (4 * source.workers)
    return source.range_bytes or max(LEAST_TASK, min(MOST_TASK, share))


def _workers(source: BuildInput, work: Path) -> AbstractContextManager[Executor]:
    if source.cluster is None:
        return worker_pool(source.workers)
    return cluster_pool(source.cluster, [each.absolute() for each in (work, *source.local_files)])


def _tasks(source: BuildInput, work: Path, config: BuildConfig, task_bytes: int) -> list[Task]:
    titles = Site.of(head(source.wikipedia))
    wanted = wikidata.Wanted(config.language, config.site, config.ranks, titles.first_letter)
    errors = source.max_errors
    jobs = (
        ("wikidata", source.wikidata, None, wikidata.LAYOUTS, wikidata.reader(wanted, errors)),
        (
            "wikipedia",
            source.wikipedia,
            source.wikipedia_index,
            wikipedia.LAYOUTS,
            wikipedia.reader(errors),
        ),
    )
    return [
        Task(source=part, out=work.absolute() / f"{name}-{part.index:06}", layouts=layouts, run=run)
        for name, dump, index, layouts, run in jobs
        for part in cut(dump, index, task_bytes, megabytes=config.limit)
    ]


def _extract(
    tasks: list[Task], executor: Executor, source: BuildInput, config: BuildConfig
) -> list[dict[str, Any]]:
    """Do the tasks, then describe the sources: a bad record is told before all is hashed."""
    describing = [
        partial(describe, role, absolute(each), hashed=_is_hashed(role, config))
        for role, each in source.sources
    ]
    total = sum(task.source.stop - task.source.start for task in tasks)
    with progress("extract", total, "bytes") as update:
        return perform_all(tasks, executor, update, describing)


def _unread(tasks: list[Task], source: BuildInput) -> tuple[str, ...]:
    """A sentence for each record left out. Raises InputError when they are too many in all."""
    units: dict[str, corrupt.Unit] = {"wikidata": "line", "wikipedia": "page"}
    found = [
        record
        for role, dump in source.dumps
        for folders in [[task.out for task in tasks if task.out.name.startswith(role)]]
        for record in corrupt.left_out(folders, units[role], shown(dump))
    ]
    corrupt.check(found, source.max_errors)
    return corrupt.notes(found)


def _trial_note(config: BuildConfig) -> tuple[str, ...]:
    if config.limit is None:
        return ()
    return (
        f"a trial: only the first {config.limit:,} MB (as on disk) of each dump were read; "
        "the dumps were not hashed",
    )


def _split(tables: Tables, config: BuildConfig) -> Splits:
    whole = Whole(
        triplets=tables.triplets,
        num_entities=tables.entities.height,
        num_relations=tables.relations.height,
    )
    names = check_names(config.settings)
    with progress("split", len(names), "splits") as update:
        return make_splits(whole, names, config.split, config.seed, update)
