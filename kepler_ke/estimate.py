"""What a training will take, told before it starts.

Imports resource, numpy, torch, kepler_ke.{encode,evaluate,step}. Time is measured on a pass of the
run's own and on some of the texts that a validation encodes; memory is the process's, or the
GPU's, after it.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from kepler_ke.encode import BUCKET, encode_texts
from kepler_ke.evaluate import Validation
from kepler_ke.step import Job, accumulate

SAMPLE: Final = 2 * BUCKET
"""Texts encoded to learn how long all take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Of a whole run."""

    seconds: float
    memory_bytes: int
    """The most that was held so far: weights, gradients, activations of one pass, and both moments
    of the optimizer, which the first update adds."""
    validations: int = 0
    validation_seconds: float = 0.0
    """To encode all candidates, shared by the processes, for each of the validations."""

    def __str__(self) -> str:
        told = [f"{_time(self.seconds)} of training"]
        if self.validations:
            each = " each" if self.validations > 1 else ""
            times = "validation" if self.validations == 1 else f"{self.validations:,} validations"
            told.append(f"{times} of {_time(self.validation_seconds)}{each}")
        where = "GPU memory" if torch.cuda.is_available() else "memory"
        told.append(f"{self.memory_bytes / 1e9:.1f} GB of {where}")
        return f"estimated: {', '.join(told)}"


def estimate(job: Job, check: Validation, updates: int, validations: int) -> Estimate:
    """Measure the second of two passes, whose gradients are then forgotten, and some encodings."""
    kept = job.memory.vectors_LD, job.memory.entities_L
    accumulate(job, 0, most=1)
    start = time.monotonic()
    seen = accumulate(job, 0, most=1)
    seconds = time.monotonic() - start
    job.optimizer.zero_grad()
    job.memory.vectors_LD, job.memory.entities_L = kept
    trained = sum(x.numel() * x.element_size() for x in job.model.parameters() if x.requires_grad)
    passes = -(-len(job.graphs[0].order.batch(0)) // seen.triplets) * len(job.graphs)
    return Estimate(
        seconds=seconds * passes * updates,
        memory_bytes=_most() + 2 * trained,
        validations=validations if len(check.triplets) else 0,
        validation_seconds=_encoding(job, check),
    )


def _encoding(job: Job, check: Validation) -> float:
    """The seconds that the candidates' texts take, from those of some of them."""
    entities = check.entities
    some = entities[np.linspace(0, len(entities) - 1, min(SAMPLE, len(entities)), dtype=np.int64)]
    start = time.monotonic()
    encode_texts(job.model, check.texts, check.texts.keys(some))
    own = len(entities) / job.world.size
    return (time.monotonic() - start) * own / max(len(some), 1)


def _time(seconds: float) -> str:
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _most() -> int:
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
