"""Folders kept in the cache: written by one of several processes; a full disk is told."""

from __future__ import annotations

import errno
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from wikidata5m.errors import Wikidata5MError
from wikidata5m.kept import kept_folder


def _slow(log: str) -> str:
    def write(folder: Path) -> None:
        with Path(log).open("a") as lines:
            lines.write("begun\n")
        time.sleep(0.5)
        (folder / "whole").touch()

    return str(kept_folder("numbers", write))


def test_of_several_processes_one_writes(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        (folder,) = set(pool.map(_slow, [str(log)] * 3))
    assert log.read_text() == "begun\n"
    assert [each.name for each in Path(folder).iterdir()] == ["whole"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left"), OSError("5 of 9 written")]
)
def test_a_full_disk_is_told(error: OSError) -> None:
    def write(folder: Path) -> None:
        raise error

    with pytest.raises(Wikidata5MError, match=r"(No space left|5 of 9 written).*WIKIDATA5M_HOME"):
        kept_folder("numbers", write)
