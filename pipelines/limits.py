"""Limits on one page: its length, the work it asks for, and, as a last guard, time and memory.

Imports only the standard library. The first two are properties of the page alone, so that every
machine drops the same pages. The guard of time and memory depends on the machine; it is there to
keep one page, or a defect of ours that it brings out, from stopping a build, and what it takes is
counted under reasons of its own.
"""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, Literal, get_args

__all__ = [
    "GUARD_BYTES",
    "GUARD_SECONDS",
    "MAX_LEAD_CHARS",
    "MAX_PAGE_CHARS",
    "MAX_WORK",
    "PAGE_DROPS",
    "Budget",
    "PageDrop",
    "PageRefused",
    "guarded",
    "memory_limit",
]

PageDrop = Literal[
    "page_too_large", "page_too_complex", "page_too_slow", "page_out_of_memory", "page_deleted",
    "page_failed",
]  # fmt: skip
PAGE_DROPS: Final[tuple[PageDrop, ...]] = get_args(PageDrop)

MAX_LEAD_CHARS: Final = 200_000
"""A longer first section is no lead but a page without headings, a list or a hostile page."""
MAX_PAGE_CHARS: Final = 1 << 21
"""MediaWiki stores no page of more than 2 MiB, so a longer one is damaged or hostile."""
MAX_WORK: Final = 500_000
"""Characters that a page may give to the parser, each counted as often as its piece is deep.

Of 177 real pages none asks for more than 12,000 (docs/explanation/text.md).
"""
GUARD_SECONDS: Final = 60.0
"""Of processor time; the slowest page within the limits above takes a few seconds."""
GUARD_BYTES: Final = 2 << 30
"""What a worker may allocate beyond what it holds when it begins its task."""


class PageRefused(ValueError):  # noqa: N818 - a verdict on a page, which the caller counts
    """A page exceeds a limit; `reason` is what it is counted under."""

    def __init__(self, reason: PageDrop, detail: str) -> None:
        self.reason: PageDrop = reason
        super().__init__(f"{reason}: {detail}")

    @property
    def told(self) -> str:
        """What a list of dropped pages says: the reason, and of a defect what it raised."""
        return str(self) if self.reason == "page_failed" else self.reason


class Budget:
    """The work that one page may still ask for."""

    __slots__ = ("left",)

    def __init__(self, work: int = MAX_WORK) -> None:
        self.left = work

    def spend(self, work: int) -> None:
        """Take `work` from what is left. Raises PageRefused when that is too little."""
        self.left -= work
        if self.left < 0:
            raise PageRefused("page_too_complex", "its templates and links ask for too much work")


@contextmanager
def guarded(seconds: float = GUARD_SECONDS) -> Iterator[None]:
    """Refuse the page worked on when it takes too long, more memory than there is, or fails.

    The timer counts processor time and needs the main thread, where every worker process works;
    elsewhere time is not limited.
    """
    timed = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGVTALRM, _too_slow) if timed else None
    try:
        if timed:
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        yield
    except PageRefused:
        raise
    except (MemoryError, RecursionError) as error:
        raise PageRefused("page_out_of_memory", type(error).__name__) from None
    except Exception as error:
        raise PageRefused("page_failed", type(error).__name__) from error
    finally:
        if timed:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise PageRefused("page_too_slow", "it took longer than the guard allows")


@contextmanager
def memory_limit(extra: int = GUARD_BYTES) -> Iterator[None]:
    """While the block runs, this process may allocate `extra` bytes beyond what it holds.

    An allocation past that raises MemoryError, in place of a kill of the whole process. Only
    Linux says what a process holds; elsewhere memory is not limited.
    """
    held = _data_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    ceilings = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
    if held is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (min([held + extra, *ceilings]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int | None:
    """The size of this process's data, as RLIMIT_DATA counts it; None where nothing tells it."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmData:")]
    return int(sizes[0]) << 10 if sizes else None
