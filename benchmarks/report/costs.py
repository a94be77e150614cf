"""What runs cost in time and memory, and how fast engines are on one graph.

Imports msgspec, benchmarks.{results,speed}, benchmarks.report and wikidata5m.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from benchmarks.report import charts
from benchmarks.report.blocks import Block, Note, Part, Section, Table, Term
from benchmarks.report.names import training_runs
from benchmarks.results import Result
from benchmarks.speed.run import Measured, Report
from wikidata5m.console import duration
from wikidata5m.errors import InputError
from wikidata5m.files import read_json


def load_speed(path: Path) -> Report:
    """What `bench speed` wrote. Raises InputError when the file is something else."""
    file = path / "speed.json" if path.is_dir() else path
    try:
        return msgspec.convert(read_json(file), Report)
    except msgspec.ValidationError as error:
        fix = "name the speed.json of `wikidata5m bench speed`"
        raise InputError(file, str(error), fix=fix) from None


def costs_section(results: Sequence[Result], speed: Report | None) -> Section:
    """Of each run by its log; of each engine where it was timed."""
    blocks: list[Block] = []
    if results:
        blocks.append(Part("Training runs", _runs(training_runs(results))))
    if speed:
        blocks.append(Part(f"Engines on {speed.graph}", _engines(speed)))
    return Section("costs", "Speed and memory", blocks)


def _runs(runs: Mapping[str, Result]) -> list[Block]:
    rows = [_row(name, run) for name, run in runs.items()]
    speeds = {name: run.train.triplets_per_second for name, run in runs.items()}
    speeds = {name: speed for name, speed in speeds.items() if speed > 0}
    gigabytes = {n: r.train.peak_bytes / 1e9 for n, r in runs.items() if r.train.peak_bytes}
    table = Table(
        caption="What training took",
        header=["run", "epochs", "time", "triplets/s", "memory", "ranked on"],
        rows=rows,
        note="Time and triplets per second are of training alone, validation apart. Models of "
        "other kinds, and machines under load, do not compare.",
    )
    found: list[Block] = [table]
    if speeds:
        found.append(charts.bars(speeds, "run-speed", "training triplets per second"))
    if gigabytes:
        found.append(charts.bars(gigabytes, "run-memory", "peak memory while training, GB"))
    return found


def _row(name: str, run: Result) -> list[object]:
    train, machine = run.train, run.machine
    memory = f"{train.peak_bytes / 1e9:.2f} GB" if train.peak_bytes else "-"
    where = f"{machine.get('cpus', '?')} CPUs, GPU {machine.get('cuda', '?')}"
    speed = round(train.triplets_per_second)
    return [name, f"{train.epochs:g}", duration(train.seconds), speed, memory, where]


def _engines(speed: Report) -> list[Block]:
    def chart(name: str, label: str, value: str, *, unit: float = 1) -> list[Block]:
        done = [each for each in speed.measured if getattr(each, value) and not each.error]
        values = {_called(each): getattr(each, value) / unit for each in done}
        return [charts.bars(values, name, label)] if values else []

    failed = ["what failed"] if any(each.error for each in speed.measured) else []
    rows = [
        [
            Term(f"{each.title} {each.version}".strip(), each.model),
            each.batch,
            round(each.trained_per_second),
            round(each.ranked_per_second),
            round(each.peak_bytes / 1e6),
            *([each.error] if failed else []),
        ]
        for each in speed.measured
    ]
    settings, machine = speed.settings, speed.machine
    table = Table(
        caption="Engines timed in turn, the best of each",
        header=["engine", "batch", "trained/s", "ranked/s", "peak MB", *failed],
        rows=rows,
        note=(
            f"{speed.num_entities:,} entities, {speed.num_relations:,} relations, "
            f"{speed.num_triplets:,} triplets; dimension {settings.dim}, {settings.negatives} "
            f"negatives per positive; {settings.threads} threads of {machine.cpu}; the best of "
            f"{settings.repeats} processes. Ranked triplets are filtered, in both directions."
        ),
    )
    missing = [Note(f"Not measured: {name} ({why}).") for name, why in speed.missing.items()]
    pictures = [
        *chart("engine-training", "training triplets per second", "trained_per_second"),
        *chart("engine-ranking", "ranked triplets per second", "ranked_per_second"),
        *chart("engine-memory", "peak memory, GB", "peak_bytes", unit=1e9),
    ]
    return [table, *missing, *pictures]


def _called(each: Measured) -> str:
    return f"{each.model}: {each.title}"
