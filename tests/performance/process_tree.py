"""A command watched from outside: when its stages began, and the memory of all its processes."""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SAMPLE_SECONDS: Final = 0.1
SMAPS_FIELD: Final = "Pss:"


@dataclass(frozen=True, slots=True)
class Seen:
    """Seconds by stage, in order, and the most megabytes that the processes held together."""

    stages: dict[str, float]
    peak_mb: float
    extract_mb: float
    """As long as the first stage lasted."""


def run_watched(command: list[str]) -> Seen:
    """Run a command that says on stderr, as `stage: ...`, what it begins."""
    running = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    peak = [0.0]
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(running.pid, peak, done))
    watcher.start()
    stages: dict[str, float] = {}
    extract_mb = 0.0
    stage, began = "extract", time.monotonic()
    assert running.stderr is not None
    for line in running.stderr:
        name = line.partition(":")[0]
        if name in ("align", "split"):
            now = time.monotonic()
            extract_mb = peak[0] if stage == "extract" else extract_mb
            stages[stage] = now - began
            stage, began = name, now
    stages["split and write" if stage == "split" else stage] = time.monotonic() - began
    code = running.wait()
    done.set()
    watcher.join()
    if code:
        raise subprocess.CalledProcessError(code, command)
    return Seen(stages, peak[0], extract_mb)


def _watch(root: int, peak: list[float], done: threading.Event) -> None:
    while not done.wait(SAMPLE_SECONDS):
        peak[0] = max(peak[0], sum(map(_megabytes, _family(root))))


def _family(root: int) -> list[int]:
    """A process and all that it started."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rpartition(")")[2].split()[1]
                )
            except OSError:
                continue
    family = [root]
    for pid in family:
        family += [child for child, parent in parents.items() if parent == pid]
    return family


def _megabytes(pid: int) -> float:
    """The memory of a process, what it shares with others in parts."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    sizes = [line.split()[1] for line in text.splitlines() if line.startswith(SMAPS_FIELD)]
    return int(sizes[0]) / 1024 if sizes else 0.0
