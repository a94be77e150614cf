"""The main path of `bench speed`: one graph, engines in turn in processes of their own, a report.

Imports msgspec, psutil, benchmarks.speed.{graph,machine,worker} and wikidata5m.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Final

import msgspec
import psutil

from benchmarks.speed import worker
from benchmarks.speed.graph import Graph
from benchmarks.speed.machine import Machine, measure_machine
from benchmarks.speed.worker import Outcome, Work
from wikidata5m.console import log, progress
from wikidata5m.errors import ConfigError, InputError
from wikidata5m.files import write_json

OURS: Final = "wikidata5m"
ENGINES: Final = (OURS, "pykeen", "pbg")
"""Every adapter; a test holds this to be what is in adapters/."""
TRIAL_SECONDS: Final = 1.0
"""How long a batch size is tried where there is a choice."""
THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


Process = tuple[Outcome | None, str, int]
"""What a process found, or None; what went wrong; its peak memory in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is measured, alike for every engine."""

    models: tuple[str, ...] = ("transe", "transe-l2", "distmult", "complex", "simple", "rotate")
    dim: int = 128
    negatives: int = 64
    chunk: int = 64
    batches: tuple[int, ...] = (1_024, 8_192)
    """Each engine and model is timed at the one of these that trains fastest."""
    threads: int = 2
    seconds: float = 5.0
    """How long each process trains, and ranks, at least."""
    repeats: int = 3
    limit: float = 900.0
    """Seconds after which a process is stopped."""
    seed: int = 0

    def __post_init__(self) -> None:
        known = {model for name in ENGINES for model in worker.load_adapter(name).MODELS}
        for model in self.models:
            if model not in known:
                raise ConfigError(f"unknown model {model}; known: {', '.join(sorted(known))}")
        for batch in self.batches:
            if batch % self.chunk:
                raise ConfigError(
                    f"--batch {batch} is no multiple of --chunk {self.chunk}; change one of them"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One engine on one model: the best of the repeats, or why there is none."""

    engine: str
    title: str
    version: str = ""
    model: str
    trials: dict[int, float] = field(default_factory=dict)
    """Training triplets per second at each batch size tried; 0 where it failed."""
    batch: int = 0
    """The fastest of those."""
    trained_per_second: float = 0.0
    ranked_per_second: float = 0.0
    peak_bytes: int = 0
    """Of the process and its children, shared pages counted once; the largest of the repeats."""
    all_trained: tuple[float, ...] = ()
    """Each repeat's rate, in order."""
    all_ranked: tuple[float, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one run of the command found, or has found so far."""

    graph: str
    num_entities: int
    num_relations: int
    num_triplets: int
    settings: Settings
    machine: Machine
    measured: tuple[Measured, ...]
    missing: dict[str, str]
    """Engines that were not measured, and what would bring them."""


def find_engines(
    wanted: tuple[str, ...], pythons: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """(the Python of each engine that is there, what the others lack).

    `wanted` empty means every engine there is. Raises ConfigError for an unknown engine, and for
    one that was asked for and is not there.
    """
    for name in (*wanted, *pythons):
        if name not in ENGINES:
            raise ConfigError(f"unknown engine {name}; known: {', '.join(ENGINES)}")
    found, missing = {}, {}
    for name in wanted or ENGINES:
        python, module = pythons.get(name, sys.executable), worker.load_adapter(name).MODULE
        problem = _import_problem(python, module)
        if not problem:
            found[name] = python
            continue
        missing[name] = f"{python}: {problem}; name another by --engine-python {name}=PYTHON"
        if name in wanted or name in pythons:
            raise ConfigError(f"engine {name}: {missing[name]}")
    return found, missing


def _import_problem(python: str, module: str) -> str:
    command = [python, "-I", "-c", f"import numpy, {module}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        return error.strerror or str(error)
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


def require_models(models: Iterable[str], engines: Iterable[str]) -> None:
    """Raise ConfigError where none of the engines trains any of the models."""
    known = {model for engine in engines for model in worker.load_adapter(engine).MODELS}
    if known.isdisjoint(models):
        wanted = ", ".join(models)
        raise ConfigError(f"none of these engines trains {wanted}; name another by --model")


def begin(
    graph: Graph, settings: Settings, engines: Mapping[str, str], missing: Mapping[str, str]
) -> Report:
    """A report with nothing measured yet but the machine.

    `engines` and `missing` are what find_engines returned.
    """
    adapters = {engine: worker.load_adapter(engine) for engine in engines}
    return Report(
        graph=graph.name,
        num_entities=graph.num_entities,
        num_relations=graph.num_relations,
        num_triplets=graph.num_triplets,
        settings=settings,
        machine=measure_machine(settings.threads),
        measured=tuple(
            Measured(engine=engine, title=a.TITLE, model=model, batch=settings.batches[0])
            for model in settings.models
            for engine, a in adapters.items()
            if model in a.MODELS
        ),
        missing=dict(missing),
    )


def go_on(path: Path, fresh: Report) -> Report:
    """The report kept at `path`, with what failed taken out, so that it is tried again.

    Raises InputError when it is no report, ConfigError when it is not of the graph, the settings,
    the engines and the processor of `fresh`.
    """
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError) as error:
        fix = "start again with --overwrite"
        raise InputError(path, f"no report of this command ({error})", fix=fix) from None
    before, now = _identity(kept), _identity(fresh)
    for name, value in now.items():
        if before[name] != value:
            raise ConfigError(
                f"{path}: measured with {name} {before[name]}, not {value}; change it back, "
                "or start again with --overwrite"
            )
    cleared = (
        replace(m, error="", trials={batch: rate for batch, rate in m.trials.items() if rate})
        for m in kept.measured
    )
    return replace(kept, measured=tuple(cleared), missing=fresh.missing)


def _identity(report: Report) -> dict[str, object]:
    """What a report that is gone on with must share, by the names that the user knows."""
    return {
        "graph": report.graph,
        "entities": report.num_entities,
        "relations": report.num_relations,
        "triplets": report.num_triplets,
        **{each.name: getattr(report.settings, each.name) for each in fields(Settings)},
        "engines": ", ".join(dict.fromkeys(m.engine for m in report.measured)),
        "processor": report.machine.cpu,
    }


def run(
    graph: Graph, report: Report, engines: Mapping[str, str], keep: Callable[[Report], None]
) -> None:
    """Measure what `report` lacks: batch sizes first, then every engine on every model in turn.

    `keep` is given the report after each process.
    """
    found = {(m.engine, m.model): m for m in report.measured}
    jobs = left(report)
    with progress("measuring", len(jobs), "processes") as show:
        for number, (engine, model, trial) in enumerate(jobs):
            show(number, f"{engine} {model}")
            so_far = found[engine, model]
            if so_far.error:
                continue
            work = _work(graph, report.settings, so_far, trial)
            measured = _measure(work, engines[engine], report.settings.limit)
            found[engine, model] = (
                _with_trial(so_far, trial, measured, report.settings)
                if trial
                else _with_repeat(so_far, measured)
            )
            keep(replace(report, measured=tuple(found.values())))
        show(len(jobs))


def left(report: Report) -> list[tuple[str, str, int]]:
    """(engine, model, the batch size to try or 0 for a repeat) of each process still to run."""
    settings = report.settings
    batches = settings.batches if len(settings.batches) > 1 else ()
    working = [m for m in report.measured if not m.error]
    trials = [(m.engine, m.model, b) for m in working for b in batches if b not in m.trials]
    repeats = [
        (m.engine, m.model, 0)
        for number in range(settings.repeats)
        for m in working
        if number >= len(m.all_trained)
    ]
    return trials + repeats


def _work(graph: Graph, settings: Settings, so_far: Measured, trial: int) -> Work:
    return Work(
        engine=so_far.engine,
        model=so_far.model,
        dim=settings.dim,
        negatives=settings.negatives,
        chunk=settings.chunk,
        batch=trial or so_far.batch,
        threads=settings.threads,
        seconds=min(TRIAL_SECONDS, settings.seconds) if trial else settings.seconds,
        seed=settings.seed,
        num_entities=graph.num_entities,
        num_relations=graph.num_relations,
        graph=str(graph.path),
        folder="",
    )


def _measure(work: Work, python: str, limit: float) -> Process:
    with tempfile.TemporaryDirectory(prefix="bench-speed-") as folder:
        place = Path(folder) / "work.json"
        write_json(place, asdict(replace(work, folder=folder)))
        error, peak = _run_process(python, place, work.threads, limit)
        if error:
            log(f"{work.engine} {work.model}, batch {work.batch}: {error}")
            return None, error, peak
        return msgspec.json.decode(place.with_suffix(".out").read_bytes(), type=Outcome), "", peak


def _with_trial(so_far: Measured, batch: int, process: Process, settings: Settings) -> Measured:
    """With one more batch size tried; an error where every one of them failed."""
    outcome, error, _ = process
    trials = {**so_far.trials, batch: outcome.trained_per_second if outcome else 0.0}
    best = max(trials, key=lambda each: trials[each])
    failed = len(trials) == len(set(settings.batches)) and not trials[best]
    return replace(so_far, trials=trials, batch=best, error=error if failed else "")


def _with_repeat(so_far: Measured, process: Process) -> Measured:
    """With one more repeat."""
    outcome, error, peak = process
    if outcome is None:
        return replace(so_far, error=error)
    trained = (*so_far.all_trained, outcome.trained_per_second)
    ranked = (*so_far.all_ranked, outcome.ranked_per_second)
    return replace(
        so_far,
        version=outcome.version,
        trained_per_second=max(trained),
        ranked_per_second=max(ranked),
        peak_bytes=max(so_far.peak_bytes, peak),
        all_trained=trained,
        all_ranked=ranked,
    )


def _run_process(python: str, place: Path, threads: int, limit: float) -> tuple[str, int]:
    """(what went wrong, or nothing; peak memory in bytes) of one worker."""
    variables = dict.fromkeys(THREAD_VARIABLES, str(threads))
    errors = place.with_suffix(".err")
    with errors.open("w") as stream:
        process = psutil.Popen(
            [python, "-I", worker.__file__, str(place)],
            env={**os.environ, **variables},
            stdout=subprocess.DEVNULL,
            stderr=stream,
        )
        with _stopped(process):
            peak, end = 0, time.monotonic() + limit
            while process.poll() is None:
                if time.monotonic() > end:
                    return f"not done after {limit:,.0f} s", peak
                peak = max(peak, _memory(process))
                time.sleep(0.2)
    if process.returncode:
        last = errors.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
        return f"exit code {process.returncode}: {last or 'no message'}", peak
    return "", peak


@contextmanager
def _stopped(process: psutil.Popen) -> Iterator[None]:
    """Leave no process behind, not of an engine's workers either."""
    try:
        yield
    finally:
        if process.poll() is None:
            for each in (*process.children(recursive=True), process):
                each.kill()
            process.wait()


def _memory(process: psutil.Popen) -> int:
    """Bytes that the process and its children hold: proportional shares where the system tells."""
    total = 0
    try:
        for each in (process, *process.children(recursive=True)):
            info = each.memory_full_info()
            total += getattr(info, "pss", info.rss)
    except psutil.Error:
        return 0
    return total
