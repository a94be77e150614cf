"""How much main memory is left to this process. Imports nothing outside the standard library.

A container or a batch job may have less than its machine: the limits of its control groups count
(Linux, version 1 or 2), as does what the machine has left.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

_FILES: Final = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Of version 2 and 1: the limit, what is used of it, and what of that is but cached files."""


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes, or None where the system does not say."""
    try:
        found = _numbers(root / "proc/meminfo")
    except OSError:
        return None
    return max(0, min([found["MemAvailable:"] << 10, *_left_in_groups(root)]))


def _left_in_groups(root: Path) -> Iterator[int]:
    """What is left in each control group that the process is in, and that has a limit."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers not in _FILES:
            continue
        limit, used, cached = _FILES[controllers]
        top = root / "sys/fs/cgroup" / controllers
        # A container sees its own group as the top one, whatever its place is called.
        own = top / place.lstrip("/")
        for folder in dict.fromkeys([top, own, *own.parents]):
            if folder.is_relative_to(top) and (folder / limit).is_file():
                told = (folder / limit).read_text(encoding="ascii").strip()
                if told.isdecimal():
                    spent = int((folder / used).read_text(encoding="ascii"))
                    yield int(told) - spent + _numbers(folder / "memory.stat").get(cached, 0)


def _numbers(path: Path) -> dict[str, int]:
    """The first number behind each name."""
    lines = path.read_text(encoding="ascii").splitlines()
    return {words[0]: int(words[1]) for words in map(str.split, lines) if len(words) > 1}
