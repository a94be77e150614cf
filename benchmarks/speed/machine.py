"""What the machine can do at most, and how much of it a rate of training uses. Imports torch.

Shapes: D floats per entity, K negatives per positive.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

SIDE: Final = 1024
"""Of the square matrices that are multiplied: 4 MB each, past the nearer caches."""
COPIED: Final = 1 << 25
"""Floats that are copied: 128 MB, past every cache."""
REPEATS: Final = 5
FLOAT_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine, and the best of some repeats."""

    cpu: str
    threads: int
    product_gflops: float
    """10^9 float32 operations per second in matrix products; a multiply-add is two."""
    memory_gbytes: float
    """10^9 bytes read and written per second in a copy."""


def measure_machine(threads: int) -> Machine:
    """Multiply matrices and copy memory with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        a, b = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
        product = 2 * SIDE**3 / _best(lambda: a @ b)
        source, target = torch.rand(COPIED), torch.empty(COPIED)
        copied = 2 * FLOAT_BYTES * COPIED / _best(lambda: target.copy_(source))
    finally:
        torch.set_num_threads(before)
    return Machine(_cpu(), threads, product / 1e9, copied / 1e9)


def operations_per_triplet(dim: int, negatives: int) -> float:
    """6 K D: a multiply-add per float for each score and for each of its two gradients.

    Models without a product (TransE by L1, RotatE) do more per float than this counts.
    """
    return 6.0 * negatives * dim


def bytes_per_triplet(dim: int, negatives: int, chunk: int) -> float:
    """The floats of a positive's rows, and its share of the chunk's, read, then read and written.

    Two entities, one relation and K / chunk negatives; the rest can stay in the caches.
    """
    rows = 3 + negatives / chunk
    return 3.0 * FLOAT_BYTES * rows * dim


def _best(job: Callable[[], object]) -> float:
    """Seconds of the fastest of some repeats, after one to warm up."""
    job()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        job()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
