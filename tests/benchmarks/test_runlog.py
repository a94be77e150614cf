"""The log in its three forms."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import ujson

from benchmarks import run
from benchmarks.runlog import LogLine, RunLog, read_log
from tests.benchmarks.conftest import quick_config
from wikidata5m.dataset import Dataset


def line(epoch: int, **values: Any) -> LogLine:
    return LogLine(epoch=epoch, loss=1 / epoch, seconds=0.1, triplets_per_second=3.0, **values)


def test_a_log_resumes_at_the_checkpoint_and_keeps_every_digit(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    for each in (line(1), line(2, valid_mrr=1 / 3), line(3)):
        log.add(each)
    assert read_log(tmp_path) == log.lines
    again = RunLog(tmp_path, after=2)
    assert again.last_valid == 1 / 3
    again.add(line(3, rate=0.5))
    assert read_log(tmp_path) == [*log.lines[:2], line(3, rate=0.5)]


def test_the_csv_says_what_the_jsonl_says(small: Dataset, tmp_path: Path) -> None:
    run.train(quick_config(small), tmp_path)
    lines = [ujson.loads(text) for text in (tmp_path / "log.jsonl").read_text().splitlines()]
    with (tmp_path / "log.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    found = [{key: float(value) for key, value in row.items() if value} for row in rows]
    assert found == lines
    assert [key for key, value in rows[0].items() if not value] == ["valid_mrr"]


def test_tensorboard_shows_the_log(small: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run.train(quick_config(small, "train.tensorboard=true"), tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    lines = read_log(tmp_path)
    assert [each.step for each in events.Scalars("loss")] == [each.epoch for each in lines]
    assert [each.value for each in events.Scalars("valid_mrr")] == pytest.approx(
        [each.valid_mrr for each in lines if each.valid_mrr is not None]
    )
