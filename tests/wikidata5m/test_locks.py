"""One process at a time holds a file; who waits says so, and a killed one lets go."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wikidata5m.console import watched
from wikidata5m.locks import take, taken

HOLDING = """
import sys, time
from wikidata5m.locks import taken

with open(sys.argv[1], "ab") as file:
    print(taken(file), flush=True)
    time.sleep(600)
"""


def test_who_waits_says_for_what_and_goes_on_when_the_other_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, told = tmp_path / "lock", list[str]()
    monkeypatch.setattr("wikidata5m.locks.PAUSE", 0.01)
    command = [sys.executable, "-c", HOLDING, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other, path.open("ab") as file:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        assert not taken(file)

        def watch(line: str) -> None:
            told.append(line)
            if len(told) == 3:
                other.send_signal(signal.SIGKILL)

        with watched(watch):
            take(file, "encode")
    assert len(told) >= 3
    assert told[0].startswith("encode: wait for another process")
    with path.open("ab") as free:
        assert taken(free)
        take(free, "encode")


def test_a_disk_without_locks_is_told_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    with (tmp_path / "lock").open("ab") as file:
        assert taken(file)
    assert (
        "lock: not locked against other processes (No locks available)" in capsys.readouterr().err
    )
