"""What a run will take, told before it starts: memory, disk, and time from batches that are run.

Imports torch, benchmarks.{compiling,config,engines,memory,optim,processes,scorers,validation} and
wikidata5m. How near it comes to what a run then takes is in
docs/decisions/0017-checkpoints-and-estimates.md.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import torch

from benchmarks.compiling import pays
from benchmarks.config import RunConfig
from benchmarks.engines.placement import choose
from benchmarks.engines.torch_engine import TorchEngine, pick_device
from benchmarks.memory import free_memory
from benchmarks.optim import OPTIMIZERS
from benchmarks.processes import started
from benchmarks.scorers import get_scorer
from benchmarks.validation import validate
from wikidata5m.console import duration
from wikidata5m.dataset import Dataset
from wikidata5m.schema import PARTS

FLOAT: Final = 4
SOFTWARE: Final = 380 << 20
"""What a process takes beside its data: torch, the libraries around it, a dataset that is open."""
COMPILER: Final = 100 << 20
"""What torch.compile adds to it."""
PER_TRIPLET: Final = 12 + 12 + 8
"""Bytes: the triplet as int32, its shuffled copy, its place in the order of the epoch."""
PER_FILTER: Final = 16
"""Bytes per training triplet where negatives are filtered: two integers."""
PER_KNOWN: Final = 12 + 16
"""Bytes per triplet while a validation filters by those of all parts: a copy, and sorted keys."""
PER_ID: Final = 40
"""Bytes per entity while its id is written beside the vectors."""
SECONDS: Final = 5.0
"""How long batches are timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Bytes and seconds."""

    device: str
    """What computes, and where the tables lie."""
    memory: dict[str, int]
    """What takes the machine's memory, and how much, in all processes that run on it."""
    memory_free: int | None
    """None where the system does not tell."""
    gpu: dict[str, int] = field(default_factory=dict)
    """What takes each GPU's own memory; empty where none computes."""
    gpu_free: int | None = None
    disk: int
    """At most, while training."""
    disk_after: int
    disk_free: int
    seconds: dict[str, float] = field(default_factory=dict)
    """training and validation, by timed batches; empty where none were run."""

    @property
    def total(self) -> int:
        """All memory of the machine, in bytes."""
        return sum(self.memory.values())

    @property
    def fits(self) -> bool:
        """Whether the memory that is free will do, as far as that is known."""
        return not (_exceeds(self.memory, self.memory_free) or _exceeds(self.gpu, self.gpu_free))

    def lines(self) -> list[str]:
        """In words, with a warning where it will not fit."""
        told = [f"device: {self.device}", _parts("memory", self.memory, self.memory_free)]
        if self.gpu:
            told.append(_parts("GPU memory", self.gpu, self.gpu_free))
        told.append(
            f"disk: up to {_size(self.disk)} while training, {_size(self.disk_after)} after; "
            f"{_size(self.disk_free)} free"
        )
        if self.seconds:
            whole = duration(sum(self.seconds.values()))
            parts = ", ".join(f"{name} {duration(x)}" for name, x in self.seconds.items())
            told.append(f"time: about {whole} ({parts})")
        if _exceeds(self.memory, self.memory_free):
            told.append("warning: more memory than is free: lower model.dim or train.batch")
        if _exceeds(self.gpu, self.gpu_free):
            told.append(
                "warning: more GPU memory than is free: lower train.batch, or set train.tables=host"
            )
        if self.disk > self.disk_free:
            told.append("warning: more disk than is free: make room, or name another folder")
        return told


def estimate(config: RunConfig, dataset: Dataset, run: Path) -> Estimate:
    """Memory and disk from the settings and the dataset's counts; nothing is allocated.

    Of several processes each holds a slice; the first alone ranks and writes, whole tables.
    """
    device, processes = pick_device(config.train.device), started()
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    own, whole = (_process(config, dataset, sharing) for sharing in (processes, 1))
    tables, state = whole["tables"], whole["optimizer"]
    home = choose(config.train.tables, device, own["tables"] + own["optimizer"])
    gpu = {}
    if device.type != "cpu":
        there = ["triplets", "batch", *(["tables", "optimizer"] if home == device else [])]
        gpu = {name: own.pop(name) for name in there}
    memory = {name: here * size for name, size in own.items()}
    known = sum(len(dataset.triplets(config.setting, part)) for part in PARTS)
    memory["filter"] = PER_KNOWN * known
    memory["ids"] = PER_ID * dataset.num_entities
    if processes > 1 or home.type != "cpu":
        memory["whole tables"] = tables + state
    existing = next(
        folder for folder in (run.absolute(), *run.absolute().parents) if folder.exists()
    )
    return Estimate(
        device=_in_words(device, home, processes),
        memory=memory,
        memory_free=free_memory(),
        gpu=gpu,
        gpu_free=torch.cuda.mem_get_info(device)[0] if gpu else None,
        # Old and new of both the checkpoint and the best vectors stand side by side for a moment.
        disk=2 * (tables + state) + 2 * tables,
        disk_after=2 * tables + state,
        disk_free=shutil.disk_usage(existing).free,
    )


def _process(config: RunConfig, dataset: Dataset, sharing: int) -> dict[str, int]:
    """What takes one process's memory where so many share the dimensions, in bytes."""
    model, train = config.model, config.train
    scorer = get_scorer(model.name, p=model.p)
    relations = dataset.num_relations * (2 if model.reciprocal else 1)
    dim, width = model.dim // sharing, scorer.relation_width(model.dim) // sharing
    tables = FLOAT * (dataset.num_entities * dim + relations * width)
    rows = dataset.num_entities + relations
    state = OPTIMIZERS[train.optimizer].state_bytes(rows, tables // FLOAT)
    count = len(dataset.triplets(config.setting, "train"))
    chunks = train.batch // train.chunk
    negatives = train.negatives + (2 * train.chunk if train.in_batch else 0)
    if config.loss.name == "one_vs_all":
        chunks, negatives = 1, dataset.num_entities
    gathered = 2 * train.batch + chunks * negatives
    compiled = pays(config, scorer, count, dataset.num_entities)
    return {
        "tables": tables,
        "optimizer": state,
        "triplets": (PER_TRIPLET + PER_FILTER * train.filter_negatives) * count,
        # Vectors, their gradients, summed gradients; scores, their gradients and masks, both sides.
        "batch": FLOAT * (4 * gathered * dim + 6 * train.batch * negatives),
        "software": SOFTWARE + (COMPILER if compiled else 0),
    }


def timed(estimated: Estimate, engine: TorchEngine, dataset: Dataset) -> Estimate:
    """The estimate with its time, from a few seconds of training and one validation.

    They change the engine's tables: it is of no use afterwards.
    """
    config, train = engine.config, engine.config.train
    clock = Clock()

    def stop(seen: int, _loss: float) -> None:
        if clock.is_enough(seen):
            raise _Enough

    with suppress(_Enough):
        engine.train_epoch(stop)
    training = train.epochs * len(engine.triplets_N3) / clock.rate
    start = time.perf_counter()
    validate(engine.predictor, dataset, config)
    validations = -(-train.epochs // train.validate_epochs)
    seconds = {"training": training, "validation": validations * (time.perf_counter() - start)}
    return replace(estimated, seconds=seconds)


class Clock:
    """Positives per second, without the first batch where there are more: it may compile."""

    def __init__(self) -> None:
        self.rate = 0.0
        self._made = time.perf_counter()
        self._first: tuple[float, int] | None = None
        self._told = False

    def is_enough(self, seen: int) -> bool:
        """Told after each batch how many positives were seen; true once, after SECONDS."""
        now = time.perf_counter()
        if self._first is None:
            self._first = now, seen
            self.rate = seen / max(now - self._made, 1e-9)
            return False
        start, skipped = self._first
        self.rate = (seen - skipped) / max(now - start, 1e-9)
        enough = now - start > SECONDS and not self._told
        self._told = self._told or enough
        return enough


class _Enough(Exception):  # noqa: N818 - no error, but the way out of an epoch
    """The batches timed so far will do."""


def _in_words(device: torch.device, home: torch.device, processes: int) -> str:
    shared = f"; {processes} processes, each with a slice of the dimensions" * (processes > 1)
    if device.type == "cpu":
        return f"cpu, {torch.get_num_threads()} threads; the tables lie in its memory{shared}"
    lie = "in its memory" if home == device else "in host memory"
    return f"{device} ({torch.cuda.get_device_name(device)}); the tables lie {lie}{shared}"


def _exceeds(parts: dict[str, int], free: int | None) -> bool:
    return free is not None and sum(parts.values()) > free


def _parts(what: str, parts: dict[str, int], free: int | None) -> str:
    told = ", ".join(f"{name} {_size(size)}" for name, size in parts.items())
    there = "" if free is None else f"; {_size(free)} free"
    return f"{what}: about {_size(sum(parts.values()))} ({told}){there}"


def _size(count: int) -> str:
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1e8 else f"{count / 1e9:.1f} GB"
