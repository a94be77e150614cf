"""Memory that a step frees serves the next one."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from benchmarks.engines.heap import keep_freed_memory

STEPS = """
import resource, sys, torch
from benchmarks.engines.heap import keep_freed_memory
if "keep" in sys.argv:
    keep_freed_memory()
for _ in range(3):
    torch.empty(20_000_000).fill_(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.empty(20_000_000).fill_(1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*arguments: str) -> int:
    """Pages faulted in by five steps of 80 MB after some first ones."""
    command = [sys.executable, "-c", STEPS, *arguments]
    return int(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.mark.skipif(not keep_freed_memory(), reason="the C library has no mallopt")
def test_the_next_step_faults_in_no_pages() -> None:
    pages = 80_000_000 // resource.getpagesize()
    assert faults("keep") < pages / 10 < faults()
