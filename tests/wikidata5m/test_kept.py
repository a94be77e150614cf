"""Folders kept in the cache: one of several processes writes, and what failed is told as it was."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from tests.datasets import make_dataset
from wikidata5m import search
from wikidata5m.errors import DatasetError
from wikidata5m.files import cache_home
from wikidata5m.kept import SOURCE, KeptError, kept_folder, save_arrays, writing
from wikidata5m.search import kept_names


def _slow(log: str) -> str:
    def write(folder: Path) -> None:
        with Path(log).open("a") as lines:
            lines.write("begun\n")
        time.sleep(0.5)
        (folder / "whole").touch()

    return str(kept_folder("names", "numbers", Path("data"), write))


def test_of_several_processes_one_writes(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        (folder,) = set(pool.map(_slow, [str(log)] * 3))
    assert log.read_text() == "begun\n"
    assert sorted(each.name for each in Path(folder).iterdir()) == [SOURCE, "whole"]


FILLING = """
import sys, time
from pathlib import Path
from wikidata5m.kept import kept_folder

def fill(folder):
    (folder / "half").touch()
    print("begun", flush=True)
    time.sleep(600)

kept_folder("names", "numbers", Path("data"), fill)
"""


def test_what_a_killed_process_held_and_left_is_in_nobodys_way() -> None:
    with subprocess.Popen([sys.executable, "-c", FILLING], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGKILL)
    left = list(cache_home().glob(".names-numbers*.tmp"))
    assert [each.name for each in left[0].iterdir()] == ["half"]
    folder = kept_folder("names", "numbers", Path("data"), lambda new: (new / "whole").touch())
    assert sorted(each.name for each in folder.iterdir()) == [SOURCE, "whole"]
    assert not list(cache_home().glob(".names-numbers*.tmp"))


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left"), OSError("5 of 9 written")]
)
def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(KeptError, match=r"(No space left|5 of 9 written).*WIKIDATA5M_HOME"):
        kept_folder(
            "names", "numbers", Path("data"), lambda new: save_arrays(new, {"a": np.zeros(3)})
        )
    assert not list(cache_home().glob(".names-numbers*.tmp"))


def test_what_cannot_be_read_is_not_blamed_on_the_cache() -> None:
    def fill(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error", "entities.parquet")

    with pytest.raises(OSError, match=r"entities\.parquet") as raised:
        kept_folder("names", "numbers", Path("data"), fill)
    assert not isinstance(raised.value, KeptError)
    with pytest.raises(DatasetError), writing(Path("cache")):
        raise DatasetError("entities.parquet")
    assert not list(cache_home().glob(".names-numbers*.tmp"))


def test_names_are_found_without_a_cache_and_a_dataset_that_is_damaged_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(search, "KEEP_FROM", 1)
    (tmp_path / "file").touch()
    monkeypatch.setenv("WIKIDATA5M_HOME", str(tmp_path / "file"))
    dataset = make_dataset(tmp_path / "data", countries=3)
    assert dataset.search("land 1")[0].match == "exact"
    assert "is not kept" in capsys.readouterr().err
    monkeypatch.setenv("WIKIDATA5M_HOME", str(tmp_path / "home"))

    def build() -> search.NameIndex:
        raise DatasetError("damaged")

    with pytest.raises(DatasetError):
        kept_names("a", dataset.path, 2, build)
    assert "is not kept" not in capsys.readouterr().err
