"""Keep the memory that a step frees for the next step. Imports ctypes and the standard library."""

from __future__ import annotations

import ctypes
from typing import Final

LARGEST: Final = 1 << 30
"""Bytes of the largest piece of memory that is kept: a batch's are smaller, big tables larger."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD


def keep_freed_memory() -> bool:
    """Have the C library keep what is freed; False where it has no such switch (it is glibc's).

    By default pieces above 32 MiB go back to the system, and the next step faults in every page
    anew: half of the time of a step whose batch is large.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    kept = (mallopt(_MMAP_THRESHOLD, LARGEST), mallopt(_TRIM_THRESHOLD, LARGEST))
    return all(kept)
