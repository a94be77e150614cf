"""GraphVite as a process: is it installed, and a run of it.

Imports ujson and wikidata5m; GraphVite lives in an environment of its own.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import ujson

from wikidata5m.console import log, progress
from wikidata5m.errors import MissingExtraError, Wikidata5MError
from wikidata5m.locks import taken

CONFIG: Final = "config.yaml"
PARTIAL_MODEL: Final = "model.partial.pkl"
"""What GraphVite writes; it gets its final name when GraphVite ended well."""
OUTPUT: Final = "output.log"
LOCK: Final = "lock"
PATIENCE: Final = 120
"""Seconds that a look at the installation may take; conda is slow."""
GRACE: Final = 10
"""Seconds between asking GraphVite to end and ending it."""
INSTALL: Final = (
    "make it an environment, conda create -n graphvite -c conda-forge python=3.10 'numpy<1.24' "
    "graphvite, and name it: --set 'graphvite.command=conda run --no-capture-output -n graphvite "
    "graphvite'"
)
PROBE: Final = (
    "import json, sys, numpy; print(json.dumps([list(sys.version_info[:2]), numpy.__version__])); "
    "import graphvite"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A line of GraphVite's log: how far it is, after how long, and its loss where it says one."""

    done: float
    """The share of the batches, 0 to 1."""
    seconds: float
    loss: float | None


def require_installed(command: str) -> None:
    """Raise MissingExtraError unless `command` is a GraphVite that can train here."""
    words = shlex.split(command)
    if not words or shutil.which(words[0]) is None:
        raise MissingExtraError(f"GraphVite is not installed ({command} not found); {INSTALL}")
    listed = _ask(["nvidia-smi", "-L"])
    if "GPU" not in listed:
        raise MissingExtraError(
            "GraphVite trains on NVIDIA GPUs alone, and nvidia-smi finds none here; train on a "
            "machine with one, or with --engine torch"
        )
    # Beside the script, or in the environment that a longer command enters.
    python = [*words[:-1], "python"] if words[1:] else [str(_beside(words[0], "python"))]
    told = _ask([*python, "-c", PROBE])
    try:
        (major, minor), numpy = ujson.loads(told.split("\n")[0])
    except ValueError:
        raise MissingExtraError(
            f"{shlex.join(python)} cannot import numpy ({_last_line(told)}); {INSTALL}"
        ) from None
    if error := "\n".join(told.split("\n")[1:]).strip():
        because = " (it needs the module imp, gone since Python 3.12)" if minor >= 12 else ""
        raise MissingExtraError(
            f"GraphVite does not start under Python {major}.{minor}{because}: "
            f"{_last_line(error)}; {INSTALL}"
        )
    if tuple(int(n) for n in numpy.split(".")[:2]) >= (1, 24):
        log(f"numpy {numpy} lacks np.bool: GraphVite's own evaluation would fail; ours does not")


def run_graphvite(command: str, folder: Path, name: str, total: int) -> list[Point]:
    """`graphvite run` in `folder`, shown as it goes; leaves model.partial.pkl there.

    `total` triplets are seen over the run. Raises Wikidata5MError when it ends badly or without a
    model, or while another one trains in this folder. Ends it when this process is interrupted.
    """
    (folder / PARTIAL_MODEL).unlink(missing_ok=True)
    words = [*shlex.split(command), "run", CONFIG, "--no-eval"]
    with _only_one(folder / LOCK) as lock, (folder / OUTPUT).open("w", encoding="utf-8") as output:
        process = subprocess.Popen(  # noqa: S603 - the user names the command
            words,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            pass_fds=(lock.fileno(),),
        )
        try:
            points = _follow(process, output, name, total)
            code = process.wait()
        finally:
            _end(process)
    if code or not (folder / PARTIAL_MODEL).is_file():
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        what = how if code else "ended without writing its model"
        said = _last_line((folder / OUTPUT).read_text(encoding="utf-8"))
        raise Wikidata5MError(
            f"GraphVite {what}; its last line: {said or 'none'}; read {folder / OUTPUT}; "
            "--resume trains again, from the start"
        )
    return points


def _follow(process: subprocess.Popen[str], output: IO[str], name: str, total: int) -> list[Point]:
    """Copy what it prints to `output`, and read batches and losses off it."""
    assert process.stdout is not None
    points: list[Point] = []
    start = time.monotonic()
    done, loss = 0.0, None
    with process.stdout as lines, progress(f"GraphVite's {name}", total, "triplets") as show:
        for line in lines:
            output.write(line)
            output.flush()
            if batch := re.search(r"Batch id: (\d+) / (\d+)", line):
                done = int(batch[1]) / max(int(batch[2]), 1)
            # The loss is that of the batch before, so that the first one is of none.
            elif (found := re.search(r"\bloss = ([-+.\w]+)", line)) and done > 0:
                loss = float(found[1])
                points.append(Point(done=done, seconds=time.monotonic() - start, loss=loss))
            show(round(done * total), "" if loss is None else f"loss {loss:.4f}")
        points.append(Point(done=1.0, seconds=time.monotonic() - start, loss=loss))
        show(total, "" if loss is None else f"loss {loss:.4f}")
    return points


@contextmanager
def _only_one(path: Path) -> Iterator[IO[bytes]]:
    """Hold a lock that GraphVite inherits, so that one which outlives its parent holds it still."""
    with path.open("ab") as lock:
        if not taken(lock):
            raise Wikidata5MError(
                f"{path.parent}: another GraphVite still trains there; wait for it or end it, then "
                "go on with --resume"
            )
        yield lock


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    for ask in (signal.SIGTERM, signal.SIGKILL):
        os.killpg(process.pid, ask)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            continue
        return


def _ask(words: list[str]) -> str:
    """What a command prints, errors included; what keeps it from starting otherwise."""
    try:
        done = subprocess.run(  # noqa: S603 - the user names the command
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout


def _beside(command: str, name: str) -> Path:
    found = shutil.which(command)
    return Path(found or command).with_name(name)


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "")
