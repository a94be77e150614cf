"""What the page on terminals promises: completion, colours, and clean pipes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.datasets import make_dataset

COMMAND = [sys.executable, "-m", "wikidata5m"]
COLOUR = b"\x1b[3"


def complete(shell: str, *words: str) -> str:
    typed = " ".join(["wikidata5m", *words])
    # fish passes the word being typed, the others its number.
    number = words[-1] if shell == "fish" else str(len(words))
    asked = {"COMP_WORDS": typed, "COMP_CWORD": number}
    return run({"_WIKIDATA5M_COMPLETE": f"{shell}_complete", **asked})


def run(environment: dict[str, str]) -> str:
    # Click names the variable after the program, which must not be `python -m wikidata5m`.
    program = "from wikidata5m.cli import main; main(prog_name='wikidata5m')"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    assert not {"torch", "polars"} & {
        line.split("|")[-1].strip() for line in done.stderr.split("\n")
    }
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_options_and_values_complete(shell: str) -> None:
    assert "wikidata5m" in run({"_WIKIDATA5M_COMPLETE": f"{shell}_source"})
    assert {"build", "bench"} <= set(complete(shell, "b").replace(",", "\n").split())
    assert "train" in complete(shell, "bench", "tr")
    assert "--preset" in complete(shell, "kepler", "train", "--pre")
    assert "graphvite" in complete(shell, "export", "data", "--format", "gr")


def test_names_of_shipped_settings_complete_beside_files() -> None:
    train = ["bench", "train", "data"]
    assert complete("bash", *train, "--model", "co") == "plain,complex\n"
    assert "plain,complex-umls\n" in complete("bash", *train, "--config", "complex-u")
    assert complete("bash", *train, "--config", "./my") == "file,./my\n"
    assert "plain,dkrl\n" in complete("bash", "kepler", "train", "data", "--preset", "d")
    assert "plain,rotate\n" in complete("bash", "bench", "tune", "data", "--model", "r")


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_progress_keeps_no_color(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    coloured: bool,
) -> None:
    monkeypatch.delenv("WIKIDATA5M_PROGRESS")
    monkeypatch.delenv("NO_COLOR", raising=False)
    folder = str(make_dataset(tmp_path / "data").path)
    ours, theirs = pty.openpty()
    command = subprocess.Popen(
        [*COMMAND, "stats", folder],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color"} | environment,
    )
    os.close(theirs)
    shown = b"".join(iter(lambda: read(ours), b""))
    os.close(ours)
    printed, _ = command.communicate()
    assert command.returncode == 0
    assert b"stats" in shown
    assert (COLOUR in shown) == coloured
    assert b"\x1b" not in printed


def read(terminal: int) -> bytes:
    """What is written next; b"" once the other end is closed, which Linux tells by an error."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_nothing_that_is_piped_holds_an_escape_sequence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WIKIDATA5M_PROGRESS")
    folder = str(make_dataset(tmp_path / "data").path)
    done = subprocess.run([*COMMAND, "stats", folder], check=True, capture_output=True)
    assert b"stats: 6 stages" in done.stderr
    assert b"\x1b" not in done.stdout + done.stderr
