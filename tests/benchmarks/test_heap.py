"""Memory that a step frees serves the next one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.engines.heap import keep_freed_memory

STEPS = """
import resource, sys, torch
from benchmarks.engines.heap import keep_freed_memory

def step():
    gathered, candidates = (torch.empty(n).fill_(1) for n in (20_000_000, 10_000_000))
    return (gathered + 1).sum() + (candidates + 1).sum()

if "keep" in sys.argv:
    keep_freed_memory()
for _ in range(5):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*arguments: str) -> int:
    """Pages faulted in by five steps, after some first ones."""
    command = [sys.executable, "-c", STEPS, *arguments]
    return int(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.mark.skipif(not keep_freed_memory(), reason="the C library has no mallopt")
def test_later_steps_find_the_memory_of_earlier_ones() -> None:
    # Not all of it: glibc may not find an aligned piece that it just got back.
    assert faults("keep") < faults() / 3
