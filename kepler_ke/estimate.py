"""What a training will take, told before it starts. Imports resource, torch, kepler_ke.step.

Time is measured on a pass of the run's own; memory is the process's, or the GPU's, after it.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass

import torch

from kepler_ke.step import Job, accumulate


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Of a whole run."""

    seconds: float
    memory_bytes: int
    """The most that was held so far: weights, gradients, activations of one pass, and both moments
    of the optimizer, which the first update adds."""

    def __str__(self) -> str:
        hours, minutes = self.seconds / 3600, self.seconds / 60
        took = f"{hours:,.1f} hours" if hours >= 1 else f"{minutes:.1f} minutes"
        where = "GPU memory" if torch.cuda.is_available() else "memory"
        return f"estimated: {took} of training, {self.memory_bytes / 1e9:.1f} GB of {where}"


def estimate(job: Job, updates: int) -> Estimate:
    """Measure the second of two passes, whose gradients are then forgotten."""
    kept = job.memory.vectors_LD, job.memory.entities_L
    accumulate(job, 0, most=1)
    start = time.monotonic()
    seen = accumulate(job, 0, most=1)
    seconds = time.monotonic() - start
    job.optimizer.zero_grad()
    job.memory.vectors_LD, job.memory.entities_L = kept
    trained = sum(x.numel() * x.element_size() for x in job.model.parameters() if x.requires_grad)
    passes = -(-len(job.graphs[0].order.batch(0)) // seen.triplets) * len(job.graphs)
    return Estimate(seconds=seconds * passes * updates, memory_bytes=_most() + 2 * trained)


def _most() -> int:
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
