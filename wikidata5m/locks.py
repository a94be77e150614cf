"""Files held by one process at a time; they are let go when it ends, however. Imports console."""

from __future__ import annotations

import fcntl
import time
from itertools import count
from pathlib import Path
from typing import IO, Any, Final

from wikidata5m.console import log, progress

PAUSE: Final = 0.5
"""Seconds between two attempts."""


def taken(file: IO[Any]) -> bool:
    """Whether this process holds the open file now; False when another one does.

    A disk that knows no locks, as some on a network, is told of and stops nobody.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        log(f"{file.name}: not locked against other processes ({error.strerror})")
    return True


def is_held(path: Path) -> bool:
    """Whether another process holds this file; of what cannot be opened nobody does."""
    try:
        with path.open("r+b") as file:
            return not taken(file)
    except OSError:
        return False


def take(file: IO[Any], purpose: str) -> None:
    """Hold the open file, after waiting for whoever holds it; progress tells the `purpose`."""
    if taken(file):
        return
    with progress(f"{purpose}: wait for another process", None, "attempts") as told:
        for attempt in count(1):
            time.sleep(PAUSE)
            told(attempt)
            if taken(file):
                return
