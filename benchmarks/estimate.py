"""What a run will take, told before it starts: memory, disk, and time from batches that are run.

Imports torch, benchmarks.{config,engines,optim,scorers,validation} and wikidata5m. How near it
comes to what a run then takes is in docs/decisions/0017-checkpoints-and-estimates.md.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import torch

from benchmarks.config import RunConfig
from benchmarks.engines.torch_engine import TorchEngine, pick_device
from benchmarks.optim import OptimizerName
from benchmarks.scorers import get_scorer
from benchmarks.validation import validate
from wikidata5m.console import duration
from wikidata5m.dataset import Dataset

FLOAT: Final = 4
SOFTWARE: Final = 500 << 20
"""What torch and the libraries around it take, on a CPU."""
PER_TRIPLET: Final = 12 + 12 + 8
"""Bytes: the triplet as int32, its shuffled copy, its place in the order of the epoch."""
PER_KNOWN: Final = 60
"""Bytes per triplet of all parts while a validation filters by them."""
SECONDS: Final = 5.0
"""How long batches are timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Bytes and seconds."""

    device: str
    """Where the tables lie and the arithmetic is done."""
    memory: dict[str, int]
    """What takes it, and how much."""
    memory_free: int | None
    """Of the device; None where the system does not tell."""
    disk: int
    """At most, while training."""
    disk_after: int
    disk_free: int
    seconds: dict[str, float] = field(default_factory=dict)
    """training and validation, by timed batches; empty where none were run."""

    @property
    def total(self) -> int:
        """All memory, in bytes."""
        return sum(self.memory.values())

    @property
    def fits(self) -> bool:
        """Whether the memory that is free will do, as far as that is known."""
        return self.memory_free is None or self.total <= self.memory_free

    def lines(self) -> list[str]:
        """In words, with a warning where it will not fit."""
        parts = ", ".join(f"{name} {_size(size)}" for name, size in self.memory.items())
        free = "" if self.memory_free is None else f"; {_size(self.memory_free)} free"
        told = [
            f"device: {self.device}",
            f"memory: about {_size(self.total)} ({parts}){free}",
            f"disk: up to {_size(self.disk)} while training, {_size(self.disk_after)} after; "
            f"{_size(self.disk_free)} free",
        ]
        if self.seconds:
            whole = duration(sum(self.seconds.values()))
            parts = ", ".join(f"{name} {duration(x)}" for name, x in self.seconds.items())
            told.append(f"time: about {whole} ({parts})")
        if not self.fits:
            told.append("warning: more memory than is free: lower model.dim or train.batch")
        if self.disk > self.disk_free:
            told.append("warning: more disk than is free: make room, or name another folder")
        return told


def estimate(config: RunConfig, dataset: Dataset, run: Path) -> Estimate:
    """Memory and disk from the settings and the dataset's counts; nothing is allocated."""
    device = pick_device(config.train.device)
    model, train = config.model, config.train
    relations = dataset.num_relations * (2 if model.reciprocal else 1)
    width = get_scorer(model.name, p=model.p).relation_width(model.dim)
    tables = FLOAT * (dataset.num_entities * model.dim + relations * width)
    rows = dataset.num_entities + relations
    sizes: dict[OptimizerName, int] = {
        "sgd": 0,
        "row_adagrad": FLOAT * rows,
        "adagrad": tables,
        "adam": 2 * tables + FLOAT * rows,
    }
    state = sizes[train.optimizer]
    count = len(dataset.triplets(config.setting, "train"))
    chunks = train.batch // train.chunk
    negatives = train.negatives + (2 * train.chunk if train.in_batch else 0)
    if config.loss.name == "one_vs_all":
        chunks, negatives = 1, dataset.num_entities
    gathered = 2 * train.batch + chunks * negatives
    memory = {
        "tables": tables,
        "optimizer": state,
        "triplets": PER_TRIPLET * count,
        "filter": PER_KNOWN * count,
        # Vectors, their gradients, summed gradients; scores, their gradients and masks, both sides.
        "batch": FLOAT * (4 * gathered * model.dim + 6 * train.batch * negatives),
        "software": SOFTWARE,
    }
    existing = next(
        folder for folder in (run.absolute(), *run.absolute().parents) if folder.exists()
    )
    return Estimate(
        device=_device_in_words(device),
        memory=memory,
        memory_free=_free_memory(device),
        # Old and new of both the checkpoint and the best vectors stand side by side for a moment.
        disk=2 * (tables + state) + 2 * tables,
        disk_after=2 * tables + state,
        disk_free=shutil.disk_usage(existing).free,
    )


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


def _device_in_words(device: torch.device) -> str:
    if device.type == "cpu":
        return f"cpu, {torch.get_num_threads()} threads; the tables lie in its memory"
    return f"{device} ({torch.cuda.get_device_name(device)}); the tables lie in its memory"


def _free_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = dict(line.split(":", 1) for line in lines)
    return int(found["MemAvailable"].split()[0]) << 10


def _size(count: int) -> str:
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1e8 else f"{count / 1e9:.1f} GB"
