"""Files, tables on the console, and the dataset object."""

from __future__ import annotations

import dataclasses
import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.datasets import make_dataset
from wikidata5m import load, schema
from wikidata5m.console import by_stages, log, muted, progress, table, watched
from wikidata5m.errors import DatasetError, InputError, OutputExistsError
from wikidata5m.files import alone, atomic_path, claim_output, read_json, write_json


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"kept": 1})

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        fail()
    assert read_json(path) == {"kept": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_neither_a_home_nor_a_repository_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for held in ("home/user", "repository/.git"):
        (tmp_path / held).mkdir(parents=True)
        monkeypatch.setenv("HOME", str(tmp_path / "home" / "user"))
        with pytest.raises(OutputExistsError, match=f"holds {tmp_path / held}, which --overwrite"):
            claim_output((tmp_path / held).parent, overwrite=True)
        assert (tmp_path / held).exists()


def test_no_command_overwrites_a_folder_in_which_another_is_at_work(tmp_path: Path) -> None:
    """Whatever the other one calls the folder that it locks."""
    (tmp_path / "kept").write_text("x")
    with (
        alone(tmp_path / ".build"),
        pytest.raises(OutputExistsError, match="another process is at work in it"),
    ):
        claim_output(tmp_path, overwrite=True)
    assert (tmp_path / "kept").exists()
    claim_output(tmp_path, overwrite=True)
    assert not any(tmp_path.iterdir())


def test_a_mounted_folder_is_emptied_or_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can delete it or rename another folder to it."""
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    for folder in (out / "deep", elsewhere):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    (out / "link").symlink_to(elsewhere)
    # While it is open, no other folder gets its number.
    kept = os.open(out, os.O_DIRECTORY)
    claim_output(out, overwrite=True)
    assert os.path.samestat(out.stat(), os.fstat(kept))
    os.close(kept)
    assert not any(out.iterdir())
    assert (elsewhere / "file").exists()
    monkeypatch.setattr(Path, "is_mount", lambda path: path == out)
    claim_output(out, overwrite=True)
    with pytest.raises(OutputExistsError, match="a mounted file system"):
        claim_output(out, overwrite=True, keep=True, whole=True)


def test_an_output_folder_is_never_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        claim_output(tmp_path)
    (tmp_path / ".half.parquet.123.tmp").write_text("x")
    claim_output(tmp_path, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    with pytest.raises(OutputExistsError, match="no interrupted run"):
        claim_output(tmp_path, resume=True, marker="config.yaml")
    claim_output(tmp_path, resume=True, marker="kept")
    with pytest.raises(OutputExistsError, match="pass --resume to go on"):
        claim_output(tmp_path, marker="kept")
    with pytest.raises(OutputExistsError, match="which --overwrite would delete"):
        claim_output(tmp_path, overwrite=True, inputs=[tmp_path / "kept"])
    with pytest.raises(OutputExistsError, match="which --overwrite would delete"):
        claim_output(Path.cwd(), overwrite=True)
    with pytest.raises(OutputExistsError, match="which --overwrite would delete"):
        claim_output(tmp_path, overwrite=True, inputs=[tmp_path / "kept"], keep=True)
    with pytest.raises(OutputExistsError, match="without a colon"):
        claim_output(Path("wd:v3"))
    with pytest.raises(OutputExistsError, match="the command runs in it"):
        claim_output(Path(), overwrite=True, keep=True, whole=True)
    claim_output(tmp_path, overwrite=True, keep=True)
    assert (tmp_path / "kept").exists()
    claim_output(tmp_path, overwrite=True)
    assert not (tmp_path / "kept").exists()
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OutputExistsError, match="not a folder of its own"):
        claim_output(tmp_path / "link", overwrite=True)
    with pytest.raises(OutputExistsError, match="not a folder of its own"):
        claim_output(Path(__file__), overwrite=True)


def test_an_input_error_crosses_a_process_boundary() -> None:
    error = InputError("a.bz2", "cut off", where="byte 7", fix="download it again")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == "a.bz2, byte 7: cut off; download it again"


def test_tables_align_numbers_and_escape_bars() -> None:
    assert table(["name", "n"], [("a|b", 1234), ("c", 5)]) == (
        "| name |     n |\n|------|------:|\n| a\\|b | 1,234 |\n| c    |     5 |"
    )
    assert table(["x"], []) == "| x   |\n|-----|"
    told = table(["x"], [[0.12345], [9.9994], [38.3247], [-12.3456], [14034.06]]).split("\n")[2:]
    assert [line.strip("| ") for line in told] == [
        "0.1235",
        "9.9994",
        "38.32",
        "-12.35",
        "14,034.1",
    ]


def test_another_split_is_another_dataset(tmp_path: Path) -> None:
    one, same = (make_dataset(tmp_path / name) for name in ("one", "same"))
    assert one.manifest.dataset_hash == same.manifest.dataset_hash
    name = schema.split_file("transductive", "test")
    record = dataclasses.replace(one.manifest.files[name], sha256="0" * 64)
    other = dataclasses.replace(one.manifest, files=one.manifest.files | {name: record})
    assert other.dataset_hash != one.manifest.dataset_hash


def test_a_folder_with_brackets_in_its_name_is_read(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "my[data]*")
    assert dataset.entities.height == len(dataset.texts) == dataset.num_entities
    assert dataset.text(2) == dataset.texts[2]


def test_a_dataset_gives_back_what_was_written(tmp_path: Path) -> None:
    written = make_dataset(tmp_path / "data")
    dataset = load(tmp_path / "data")
    assert np.array_equal(dataset.triplets(), written.triplets())
    assert dataset.triplets().dtype == np.int32
    assert len(dataset.texts) == dataset.num_entities == dataset.entities.height
    assert dataset.text(3) == dataset.texts[3]
    assert dataset.entity_index(dataset.entities["entity"][5]) == 5
    assert dataset.relation_index(dataset.relations["relation"][1]) == 1
    with pytest.raises(DatasetError, match="no relation 'P1'; close: P19, P17"):
        dataset.relation_index("P1")
    with pytest.raises(DatasetError, match="no complete dataset folder"):
        load(tmp_path)


def test_stages_run_in_order_and_progress_counts_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WIKIDATA5M_PROGRESS")
    monkeypatch.setattr("wikidata5m.console.LOG_SECONDS", 0.0)
    turn = iter("ab")
    stages = {"first": lambda: next(turn), "second": lambda: next(turn)}
    assert by_stages("work", stages) == {"first": "a", "second": "b"}
    first, second, *_, end = capsys.readouterr().err.splitlines()
    assert first.startswith("work: 0 of 2 stages")
    assert first.endswith("first")
    assert second.startswith("work: 1 of 2 stages")
    assert second.endswith("second")
    assert end.startswith("work: 2 stages")


@pytest.mark.parametrize(
    ("done", "seconds", "lines"),
    [
        (26_304, 0.2, ["read: 26.3 kB of 52.6 kB, 131.5 kB/s, ETA 0:00", "read: 26.3 kB"]),
        (700, 1.0, ["read: 700 bytes of 1.4 kB, 700 bytes/s, ETA 0:01", "read: 700 bytes in 0:01"]),
        (
            31_500_000_000,
            3600.0,
            [
                "read: 31.5 GB of 63.0 GB, 8.8 MB/s, ETA 1:00:00",
                "read: 31.5 GB in 1:00:00",
            ],
        ),
    ],
)
def test_progress_over_bytes_is_told_in_units_that_fit(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    done: int,
    seconds: float,
    lines: list[str],
) -> None:
    monkeypatch.delenv("WIKIDATA5M_PROGRESS")
    monkeypatch.setattr("wikidata5m.console.LOG_SECONDS", 0.0)
    now = iter([0.0, *[seconds] * 4])
    monkeypatch.setattr("wikidata5m.console.time.monotonic", lambda: next(now))
    with progress("read", 2 * done, "bytes") as update:
        update(done)
    assert capsys.readouterr().err.splitlines() == lines


def test_who_watches_is_told_of_work_in_this_thread_alone_and_may_end_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wikidata5m.console.time.monotonic", iter(range(9)).__next__)
    told: list[str] = []

    def work() -> None:
        with progress("encode", 8, "texts", before=4) as update:
            update(6)

    def refuse(_: str) -> None:
        raise InterruptedError

    with watched(told.append):
        work()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    work()
    assert told == ["encode: 6 of 8 texts, 2/s, ETA 0:01"]
    with watched(refuse), pytest.raises(InterruptedError):
        work()


def test_of_processes_that_do_alike_the_muted_ones_say_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WIKIDATA5M_PROGRESS")

    def work() -> None:
        log("begun")
        with progress("work", 2, "steps") as told:
            told(2)

    with muted():
        work()
    assert not capsys.readouterr().err
    work()
    assert capsys.readouterr().err.splitlines() == ["begun", "work: 2 steps"]
