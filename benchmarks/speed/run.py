"""The main path of `bench speed`: one graph, engines in turn in processes of their own, a report.

Imports psutil, benchmarks.speed.{graph,machine,worker} and wikidata5m.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from benchmarks.speed import worker
from benchmarks.speed.graph import Graph
from benchmarks.speed.machine import Machine, measure_machine
from benchmarks.speed.worker import Outcome, Work
from wikidata5m.console import log, progress
from wikidata5m.errors import ConfigError
from wikidata5m.files import write_json

OURS: Final = "wikidata5m"
ENGINES: Final = (OURS, "pykeen", "pbg")
"""Every adapter; a test holds this to be what is in adapters/."""
TRIAL_SECONDS: Final = 1.0
"""How long a batch size is tried where there is a choice."""
THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is measured, alike for every engine."""

    models: tuple[str, ...] = ("transe", "distmult", "complex", "simple", "rotate")
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
    batch: int = 0
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
    """What one run of the command found."""

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


def run(
    graph: Graph, settings: Settings, engines: Mapping[str, str], missing: Mapping[str, str]
) -> Report:
    """Measure every engine on every model, in turn, as often as settings.repeats says.

    `engines` and `missing` are what find_engines returned.
    """
    machine = measure_machine(settings.threads)
    pairs = [
        (engine, model)
        for model in settings.models
        for engine in engines
        if model in worker.load_adapter(engine).MODELS
    ]
    tries = len(settings.batches) if len(settings.batches) > 1 else 0
    with progress("measuring", len(pairs) * (tries + settings.repeats), "processes") as show:
        count = itertools.count()

        def measure(engine: str, model: str, so_far: Measured, **change: Any) -> Measured:
            work = replace(_work(graph, settings, engine, model), **change)
            show(next(count), f"{engine} {model}")
            return _measure(so_far, work, engines[engine], settings)

        found = {pair: _at_best_batch(*pair, settings, measure) for pair in pairs}
        for _, pair in itertools.product(range(settings.repeats), pairs):
            if not found[pair].error:
                found[pair] = measure(*pair, found[pair], batch=found[pair].batch)
        show(next(count))
    return Report(
        graph=graph.name,
        num_entities=graph.num_entities,
        num_relations=graph.num_relations,
        num_triplets=graph.num_triplets,
        settings=settings,
        machine=machine,
        measured=tuple(found.values()),
        missing=dict(missing),
    )


def _at_best_batch(
    engine: str, model: str, settings: Settings, measure: Callable[..., Measured]
) -> Measured:
    """Nothing measured yet, at the batch that trains fastest; an error where every batch failed."""
    start = Measured(
        engine=engine,
        title=worker.load_adapter(engine).TITLE,
        model=model,
        batch=settings.batches[0],
    )
    if len(settings.batches) == 1:
        return start
    short = min(TRIAL_SECONDS, settings.seconds)
    tried = [
        measure(engine, model, replace(start, batch=batch), batch=batch, seconds=short)
        for batch in settings.batches
    ]
    best = max(tried, key=lambda each: each.trained_per_second)
    return replace(start, batch=best.batch, error=best.error)


def _work(graph: Graph, settings: Settings, engine: str, model: str) -> Work:
    return Work(
        engine=engine,
        model=model,
        dim=settings.dim,
        negatives=settings.negatives,
        chunk=settings.chunk,
        batch=settings.batches[0],
        threads=settings.threads,
        seconds=settings.seconds,
        seed=settings.seed,
        num_entities=graph.num_entities,
        num_relations=graph.num_relations,
        graph=str(graph.path),
        folder="",
    )


def _measure(so_far: Measured, work: Work, python: str, settings: Settings) -> Measured:
    """`so_far` with one more repeat."""
    with tempfile.TemporaryDirectory(prefix="bench-speed-") as folder:
        place = Path(folder) / "work.json"
        write_json(place, asdict(replace(work, folder=folder)))
        error, peak = _run_process(python, place, settings)
        if error:
            log(f"{work.engine} {work.model}: {error}")
            return replace(so_far, error=error)
        outcome = msgspec.json.decode(place.with_suffix(".out").read_bytes(), type=Outcome)
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


def _run_process(python: str, place: Path, settings: Settings) -> tuple[str, int]:
    """(what went wrong, or nothing; peak memory in bytes) of one worker."""
    threads = dict.fromkeys(THREAD_VARIABLES, str(settings.threads))
    errors = place.with_suffix(".err")
    with errors.open("w") as stream:
        process = psutil.Popen(
            [python, "-I", worker.__file__, str(place)],
            env={**os.environ, **threads},
            stdout=subprocess.DEVNULL,
            stderr=stream,
        )
        with _stopped(process):
            peak, end = 0, time.monotonic() + settings.limit
            while process.poll() is None:
                if time.monotonic() > end:
                    return f"not done after {settings.limit:,.0f} s", peak
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
