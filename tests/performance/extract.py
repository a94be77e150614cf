"""How fast extraction is, and what limits it: the table of docs/explanation/extraction.md.

    python -m tests.performance.extract --world WORLD --peers PYTHON [--json]

Stages are timed in turn by processor time, ratios within one round, the median of all rounds being
told: other work on the machine then blurs the figures and does not bend them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click

from pipelines.tasks import worker_pool
from tests.performance import stages
from tests.performance.mix import Mix, write_mix
from tests.performance.process_tree import run_watched
from tests.performance.stages import Spent, spend
from wikidata5m.console import emit, json_option, log, table

PATH: Final = click.Path(path_type=Path, exists=True)
STAGES: Final = (
    ("unpack alone", stages.unpack_alone),
    ("find and unpack", stages.unpack_blocks),
    ("cut into records", stages.cut_records),
    ("parse", stages.parse),
    ("the whole task", stages.extract),
)

WIKIDATA_BYTES: Final = 830e9
"""July 2019, unpacked; its .bz2 and .gz are about 40 GB each."""
WIKIDATA_PACKED: Final = 40e9
WIKIPEDIA_PACKED: Final = 16e9
ARTICLES: Final = 5.9e6
"""Of the English Wikipedia in July 2019, redirects left out."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    name: str
    value: float
    unit: str
    wanted: float | None = None
    """The least that it should be."""

    @property
    def verdict(self) -> str:
        if self.wanted is None:
            return ""
        return f"{'met' if self.value >= self.wanted else 'MISSED'}: at least {self.wanted:g}"


@click.command()
@click.option("--data", type=PATH, default=Path("../shared/data"), help="The real dumps.")
@click.option("--work", type=click.Path(path_type=Path), default=Path("/tmp/extract"))
@click.option("--workers", type=click.IntRange(1), default=2)
@click.option("--rounds", type=click.IntRange(1), default=3)
@click.option("--megabytes", type=click.IntRange(1), default=200, help="Of the mixed dump.")
@click.option("--peers", type=PATH, help="A Python that has qwikidata.")
@click.option("--world", type=PATH, help="A synthetic world, to build and watch as a whole.")
@json_option
def main(
    data: Path,
    work: Path,
    workers: int,
    rounds: int,
    megabytes: int,
    peers: Path | None,
    world: Path | None,
    as_json: bool,
) -> None:
    """Measure every stage, compare with other tools, and project to the dumps of July 2019."""
    log("writing the mixed dump")
    mix = write_mix(data / "wikidata", work, megabytes * 1_000_000)
    excerpt = data / "wikipedia/enwiki-2016-excerpt.xml.bz2"
    figures: list[Figure] = []
    with worker_pool(workers) as executor:
        warm(executor, workers, work)
        figures += one_process(executor, mix, excerpt, rounds)
        figures += together(executor, workers, mix, rounds)
        figures += leads(executor, excerpt, rounds)
    if peers:
        figures += against_qwikidata(peers, mix, figures)
    figures += list(projected(figures, excerpt))
    if world:
        figures += whole_build(world, work, workers)
    load = os.getloadavg()[0]
    note = f"{os.cpu_count()} cores, load {load:.1f}; {mix.items:,} items, {mix.bytes:,} bytes"
    rows = [(f.name, f.value, f.unit, f.verdict) for f in figures]
    text = table(["what", "value", "unit", "wanted"], rows)
    result = {"machine": note, "figures": [asdict(figure) for figure in figures]}
    emit(result, as_json=as_json, text=f"{text}\n\n{note}")


def warm(executor: Executor, workers: int, work: Path) -> None:
    """Have every process import what it will need."""
    small = work / "warm.json"
    small.write_bytes(b"[\n]\n")
    for future in [executor.submit(spend, stages.extract, small) for _ in range(4 * workers)]:
        future.result()


def one_process(executor: Executor, mix: Mix, excerpt: Path, rounds: int) -> Iterator[Figure]:
    """Each stage's rate in one process by processor time, and the memory of a task."""
    for path in (mix.bzip2, mix.gzip, mix.plain):
        times: dict[str, list[float]] = {name: [] for name, _ in STAGES}
        for round_ in range(rounds):
            log(f"{path.name}: round {round_ + 1} of {rounds}")
            for name, stage in STAGES:
                if path == mix.plain and stage is stages.unpack_alone:
                    continue
                times[name].append(executor.submit(spend, stage, path).result().processor)
        for name, seconds in times.items():
            if seconds:
                rate = mix.bytes / 1e6 / statistics.median(seconds)
                yield Figure(f"{label(path)}: {name}", rate, "MB/s of JSON a core")
        if path == mix.bzip2:
            pairs = zip(times["unpack alone"], times["the whole task"], strict=True)
            share = statistics.median(alone / task for alone, task in pairs)
            yield Figure(f"{label(path)}: a task, of the decompressor alone", share, "share", 0.8)
    spent = [in_fresh_process(stages.extract, path) for path in (mix.bzip2, mix.gzip, excerpt)]
    for path, each in zip((mix.bzip2, mix.gzip, excerpt), spent, strict=True):
        yield Figure(f"{label(path)}: memory of a task", each.peak_mb, "MB")


def together(executor: Executor, workers: int, mix: Mix, rounds: int) -> Iterator[Figure]:
    """Several processes at once, by the clock: extraction against the decompressor alone."""
    for path in (mix.bzip2, mix.gzip):
        rates, ratios = [], []
        for round_ in range(rounds):
            log(f"{path.name}, {workers} processes: round {round_ + 1} of {rounds}")
            alone = workers / stages.unpack_together(executor, workers, path)
            ours = 1 / stages.extract_together(executor, workers, path)
            rates.append(ours * mix.bytes / 1e6)
            ratios.append(ours / alone)
        packed = path.suffix == ".bz2"
        name = f"{label(path)}: {workers} processes"
        least = None if packed else 400.0
        yield Figure(f"{name}, extract", statistics.median(rates), "MB/s of JSON", least)
        share, wanted = statistics.median(ratios), 0.8 if packed else None
        yield Figure(f"{name}, of the decompressor alone", share, "share", wanted)


def leads(executor: Executor, excerpt: Path, rounds: int) -> Iterator[Figure]:
    """Leads per second of one core, rendered alone, and against mwparserfromhell's strip_code."""
    articles = len(stages.read_articles(excerpt))

    def seconds(work: Callable[..., Spent], **options: bool) -> float:
        spent = [executor.submit(work, excerpt, **options).result() for _ in range(rounds)]
        return statistics.median(each.processor for each in spent)

    ours = seconds(stages.spend_on_leads)
    yield Figure("Wikipedia: leads rendered", articles / ours, "articles/s a core", 1500)
    for name, whole_pages, least in (("whole pages", True, 3.0), ("leads", False, None)):
        theirs = seconds(stages.spend_on_stripping, whole_pages=whole_pages)
        yield Figure(f"  against strip_code of {name}", theirs / ours, "times", least)


def against_qwikidata(python: Path, mix: Mix, figures: list[Figure]) -> Iterator[Figure]:
    """The same dump read by qwikidata, in one process; and what several of ours make of it."""
    rates = {figure.name: figure.value for figure in figures}
    script = Path(__file__).with_name("qwikidata_peer.py")
    for path in (mix.gzip, mix.bzip2):
        log(f"qwikidata: {path.name}")
        # By its address and not by its text: python may be a link into an environment.
        command = [str(python.absolute()), str(script), str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds, refused = map(float, done.stdout.split())
        theirs = mix.bytes / 1e6 / seconds
        yield Figure(f"{label(path)}: items with a page that qwikidata refuses", refused, "items")
        yield Figure(f"{label(path)}: qwikidata", theirs, "MB/s of JSON a core")
        ours = rates[f"{label(path)}: the whole task"]
        least = 4.0 if path == mix.gzip else None
        yield Figure(f"{label(path)}: one process against qwikidata", ours / theirs, "times", least)
        several = next(
            value
            for name, value in rates.items()
            if name.startswith(label(path)) and name.endswith("processes, extract")
        )
        yield Figure(f"{label(path)}: all processes against qwikidata", several / theirs, "times")


def projected(figures: list[Figure], excerpt: Path) -> Iterator[Figure]:
    """Hours for the dumps of July 2019, were the rate of a core to hold on every one."""
    rates = {figure.name: figure.value for figure in figures}
    unpack = spend(stages.cut_records, excerpt).processor / excerpt.stat().st_size
    render = ARTICLES / rates["Wikipedia: leads rendered"]
    for cores in (2, 32):
        for kind in ("bz2", "gz"):
            seconds = WIKIDATA_BYTES / 1e6 / rates[f"Wikidata {kind}: the whole task"] / cores
            yield Figure(f"July 2019, Wikidata {kind}, {cores} cores", seconds / 3600, "hours")
            reading = WIKIDATA_PACKED / 1e6 / seconds
            yield Figure(f"  which reads {kind} at", reading, "MB/s")
        hours = (WIKIPEDIA_PACKED * unpack + render) / cores / 3600
        yield Figure(f"July 2019, Wikipedia leads, {cores} cores", hours, "hours")


def whole_build(world: Path, work: Path, workers: int) -> Iterator[Figure]:
    """A build of a whole world: where its time goes, and the memory of all its processes."""
    log("building the world")
    command = [sys.executable, "-m", "wikidata5m", "build", "--workers", str(workers)]
    command += ["--wikidata", str(world / "wikidata.json.gz"), "--overwrite"]
    command += ["--wikipedia", str(world / "enwiki.xml.bz2"), "--out", str(work / "built")]
    seen = run_watched(command)
    for stage, seconds in seen.stages.items():
        yield Figure(f"world: {stage}", seconds, "seconds")
    yield Figure("world: most memory, all processes", seen.peak_mb, "MB")
    yield Figure("world: most memory, while extracting", seen.extract_mb, "MB")


def in_fresh_process(stage: Callable[[Path], None], path: Path) -> Spent:
    """What a stage takes in a process that has done nothing else."""
    with worker_pool(1) as executor:
        return executor.submit(spend, stage, path).result()


def label(path: Path) -> str:
    """How the table calls a dump."""
    if ".xml" in path.name:
        return "Wikipedia bz2"
    return f"Wikidata {'plain' if path.suffix == '.json' else path.suffix[1:]}"


if __name__ == "__main__":
    start = time.monotonic()
    main(standalone_mode=False)
    log(f"measured in {time.monotonic() - start:,.0f} s")
