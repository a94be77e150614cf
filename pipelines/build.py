"""MAIN PATH: two dumps -> a dataset. Extract by tasks, align, split, write.

    wikidata5m build --wikidata wikidata-20190701-all.json.bz2 \\
        --wikipedia enwiki-20190701-pages-articles-multistream.xml.bz2 --out wikidata5m-2019-07

Imports align, ranges, split, tasks, wikidata, wikipedia and the package wikidata5m.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from pipelines import wikidata, wikipedia
from pipelines.align import align
from pipelines.ranges import head, plan_ranges
from pipelines.split import SplitConfig, SplitResult, inductive, transductive
from pipelines.tasks import Task, perform_all, worker_pool
from wikidata5m import schema
from wikidata5m.console import log, progress
from wikidata5m.errors import InputError, OutputExistsError
from wikidata5m.files import claim_output, read_json, write_json
from wikidata5m.manifest import Manifest, describe_source, load_manifest
from wikidata5m.schema import Setting
from wikidata5m.splits import Split
from wikidata5m.writer import Provenance, Tables, write_dataset

WORK: Final = ".build"
PLAN: Final = "plan.json"
LEAST_TASK: Final = 1 << 16
MOST_TASK: Final = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """What decides the result of a build, beside its two dumps."""

    language: str = "en"
    """Of labels, descriptions and aliases; labels fall back to Wikidata's `mul`."""
    site: str = "enwiki"
    """The wiki whose sitelink gives an item its page."""
    min_words: int = 5
    """Words, by white space, that a page's first section must have."""
    seed: int = 0
    """Of the splits."""
    split: SplitConfig = field(default_factory=SplitConfig)

    def __post_init__(self) -> None:
        if self.min_words < 1:
            raise ValueError("min_words must be at least 1")
        if self.seed < 0:
            raise ValueError("seed must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInput:
    """The two dumps and how to go through them; none of it changes the result."""

    wikidata: Path
    wikipedia: Path
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    range_bytes: int | None = None
    """Compressed bytes a task reads; by default 32 MiB, less for dumps too small for that."""


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
    _check_dumps(source)
    work = out / WORK
    if resume and (out / schema.MANIFEST).is_file():
        manifest = load_manifest(out)
        _check_same(_identity_of(manifest), _identity(source, config), out)
        log(f"{out}: complete already")
        shutil.rmtree(work, ignore_errors=True)
        return manifest
    claim_output(
        out,
        resume=resume,
        overwrite=overwrite,
        marker=WORK,
        inputs=(source.wikidata, source.wikipedia),
    )
    task_bytes = _plan(work / PLAN, source, config)
    with worker_pool(source.workers) as executor:
        hashed = _hash_sources(source, executor)
        _extract(source, work, config, task_bytes, executor)
        sources = tuple(future.result() for future in hashed)
    log("align: items with pages")
    aligned = align(work, config.min_words)
    for note in aligned.notes:
        log(note)
    log("split: transductive, inductive")
    splits, drops, notes = _split(aligned.tables, config)
    provenance = Provenance(
        name=out.resolve().name,
        sources=sources,
        config=asdict(config),
        counts=aligned.counts,
        drops=aligned.drops | drops,
        notes=aligned.notes + notes,
    )
    manifest = write_dataset(out, aligned.tables, splits, provenance)
    shutil.rmtree(work)
    return manifest


def _check_dumps(source: BuildInput) -> None:
    """Refuse a missing, swapped or foreign file before anything is written."""
    for path, role, marks, flag in (
        (source.wikidata, "a Wikidata JSON dump", (b"[", b"{"), "--wikidata"),
        (source.wikipedia, "a Wikipedia XML dump", (b"<mediawiki", b"<?xml"), "--wikipedia"),
    ):
        start = head(path).lstrip()
        if not start.startswith(marks):
            raise InputError(
                path,
                f"{_sniff(start)}, not {role}",
                where="line 1",
                fix=f"give {flag} a file that starts with {marks[0].decode()}",
            )


def _sniff(start: bytes) -> str:
    kinds = {b"<": "an XML document", b"[": "JSON", b"{": "JSON"}
    return kinds.get(start[:1], "text of another format")


Identity = dict[str, Any]
"""What a build is made from: the configuration, and each dump by role, name and size."""


def _identity(source: BuildInput, config: BuildConfig) -> Identity:
    dumps = (("wikidata", source.wikidata), ("wikipedia", source.wikipedia))
    return {
        "config": asdict(config),
        "dumps": [[role, path.name, path.stat().st_size] for role, path in dumps],
    }


def _identity_of(manifest: Manifest) -> Identity:
    dumps = [[one["role"], Path(one["path"]).name, one["bytes"]] for one in manifest.sources]
    return {"config": manifest.config, "dumps": dumps}


def _check_same(begun: Identity, asked: Identity, out: Path) -> None:
    if begun != asked:
        raise OutputExistsError(
            f"{out}: was begun with other dumps or settings; "
            "repeat those, or pass --overwrite to start anew"
        )


def _plan(path: Path, source: BuildInput, config: BuildConfig) -> int:
    """Record what this build is, or check that it is the one begun; returns a task's bytes.

    Those stay what they were at first, so that a resume may use other --workers.
    """
    asked = _identity(source, config)
    if path.is_file():
        plan = read_json(path)
        task_bytes = plan.pop("task_bytes")
        _check_same(plan, asked, path.parent.parent)
        return int(str(task_bytes))
    total = source.wikidata.stat().st_size + source.wikipedia.stat().st_size
    automatic = max(LEAST_TASK, min(MOST_TASK, total // (4 * source.workers)))
    task_bytes = source.range_bytes or automatic
    write_json(path, asked | {"task_bytes": task_bytes})
    return task_bytes


def _hash_sources(source: BuildInput, executor: Executor) -> list[Any]:
    return [
        executor.submit(describe_source, "wikidata", source.wikidata),
        executor.submit(describe_source, "wikipedia", source.wikipedia),
    ]


def _extract(
    source: BuildInput, work: Path, config: BuildConfig, task_bytes: int, executor: Executor
) -> None:
    total = source.wikidata.stat().st_size + source.wikipedia.stat().st_size
    wanted = wikidata.Wanted(config.language, config.site)
    jobs = (
        ("wikidata", source.wikidata, wikidata.LAYOUTS, wikidata.reader(wanted)),
        ("wikipedia", source.wikipedia, wikipedia.LAYOUTS, wikipedia.read_pages),
    )
    tasks = [
        Task(source=part, out=work / f"{name}-{part.index:06}", layouts=layouts, run=run)
        for name, path, layouts, run in jobs
        for part in plan_ranges(path, task_bytes)
    ]
    with progress("extract", total // 1_000_000, "MB compressed") as update:
        perform_all(tasks, executor, update)


def _split(
    tables: Tables, config: BuildConfig
) -> tuple[dict[Setting, Split], dict[str, int], tuple[str, ...]]:
    results: dict[Setting, SplitResult] = {
        "transductive": transductive(tables.triplets, config.split, config.seed),
        "inductive": inductive(tables.triplets, tables.entities.height, config.split, config.seed),
    }
    notes = tuple(result.note for result in results.values() if result.note)
    for note in notes:
        log(note)
    splits: dict[Setting, Split] = {
        setting: result.parts for setting, result in results.items() if result.parts
    }
    return splits, {"inductive_border": results["inductive"].border}, notes
