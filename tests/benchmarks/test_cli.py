"""The commands, run as a user runs them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import ujson
from click.testing import CliRunner, Result

from tests.benchmarks.conftest import QUICK
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset

SETTINGS = [word for setting in QUICK for word in ("--set", setting)]


def invoke(*words: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def test_train_evaluate_table_and_report_work_in_turn(small: Dataset, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = invoke("bench", "train", small.path, "--model", "transe", "--out", run, *SETTINGS)
    assert "6 epochs" in done.stdout
    assert f"wikidata5m bench evaluate {run}" in done.stdout
    kept = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
    assert kept == {
        "config.yaml",
        "log.jsonl",
        "log.csv",
        "checkpoint/lock",
        "checkpoint/state.safetensors",
        "embeddings/embeddings.json",
        "embeddings/embeddings.safetensors",
        "embeddings/entity.parquet",
        "embeddings/relation.parquet",
    }
    assert "| transe" in invoke("bench", "evaluate", run).stdout
    assert (run / "results" / "test.json").is_file()
    shown = invoke("bench", "table", run).stdout
    for word in ("| transe   | head", "| (random)", "filtered by train+valid+test"):
        assert word in shown
    page = tmp_path / "report"
    invoke("report", run, "--dataset", small.path, "--out", page)
    assert (page / "index.html").is_file()


def test_json_is_one_object_on_stdout(small: Dataset, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["bench", "train", small.path, "--model", "complex", "--out", run, *SETTINGS, "--json"]
    trained = ujson.loads(invoke(*words, "--seed", 5).stdout)
    assert trained["config"]["seed"] == 5
    assert len(trained["train"]["curve"]) == 6
    ranked = ujson.loads(invoke("bench", "evaluate", run, "--part", "valid", "--json").stdout)
    assert ranked["part"] == "valid"
    both = ujson.loads(invoke("bench", "table", run, "--json").stdout)["results"]
    assert both == [ranked]
    listed = ujson.loads(invoke("bench", "list", "--json").stdout)["configs"]
    assert "transe-demo" in {config["name"] for config in listed}


def test_an_output_folder_is_not_overwritten_unasked(small: Dataset, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("data")
    words = ["bench", "train", small.path, "--model", "transe", "--out", tmp_path, *SETTINGS]
    invoke(*words, "--overwrite", "--set", "model.p=3", code=1)
    refused = invoke(*words, code=1)
    assert "pass --overwrite" in refused.stderr
    assert (tmp_path / "precious").read_text() == "data"
    invoke(*words, "--overwrite")
    assert not (tmp_path / "precious").exists()


def test_no_input_of_a_command_is_overwritten_by_it(
    small: Dataset, trained: dict[str, Path], tmp_path: Path
) -> None:
    data, run, config = tmp_path / "data", tmp_path / "run", tmp_path / "own" / "mine.yaml"
    shutil.copytree(small.path, data)
    shutil.copytree(trained["transe"], run)
    config.parent.mkdir()
    config.write_text("seed: 1\n")
    train = ["bench", "train", data, "--overwrite", "--config", config, *SETTINGS]
    report = ["report", run, "--dataset", data, "--overwrite"]
    for words, out in ((train, data), (train, config.parent), (report, run), (report, data)):
        assert "would delete" in invoke(*words, "--out", out, code=1).stderr
    assert Dataset(data).manifest == small.manifest
    assert config.is_file()
    assert (run / "results" / "test.json").is_file()


def test_a_negative_seed_is_a_usage_error(small: Dataset, tmp_path: Path) -> None:
    words = ["bench", "train", small.path, "--model", "transe", "--out", tmp_path / "run"]
    assert "--seed" in invoke(*words, "--seed", -1, code=2).stderr


def test_resuming_with_half_of_the_settings_is_a_usage_error(
    small: Dataset, tmp_path: Path
) -> None:
    words = ["bench", "train", small.path, "--resume", "--out", tmp_path]
    assert "leave the others out" in invoke(*words, "--set", "train.epochs=6", code=2).stderr


def test_resuming_a_finished_run_changes_nothing(small: Dataset, tmp_path: Path) -> None:
    words = ["bench", "train", small.path, "--model", "transe", "--out", tmp_path, *SETTINGS]
    invoke(*words)
    before = (tmp_path / "embeddings" / "embeddings.safetensors").read_bytes()
    assert "resuming after epoch 6" in invoke(*words, "--resume").stderr
    assert (tmp_path / "embeddings" / "embeddings.safetensors").read_bytes() == before
    for folder in ("checkpoint", "embeddings"):
        shutil.rmtree(tmp_path / folder)
    assert "no checkpoint yet: training starts over" in invoke(*words, "--resume").stderr
    assert (tmp_path / "embeddings" / "embeddings.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "DATA", "--out", "OUT"], "--model"),
        (["train", "DATA", "--model", "transd", "--out", "OUT"], "did you mean transe"),
        (["train", "DATA", "--config", "transe-dem", "--out", "OUT"], "did you mean transe-demo"),
        (["train", "NOWHERE", "--model", "transe", "--out", "OUT"], "manifest.json"),
        (["evaluate", "NOWHERE"], "config.yaml"),
        (["table", "NOWHERE"], "results"),
    ],
)
def test_an_expected_failure_is_one_line_and_writes_nothing(
    small: Dataset, tmp_path: Path, words: list[str], message: str
) -> None:
    places = {"DATA": small.path, "OUT": tmp_path / "out", "NOWHERE": tmp_path / "nowhere"}
    failed = invoke("bench", *(places.get(word, word) for word in words), code=1)
    assert message in failed.stderr
    assert failed.stderr.strip().count("\n") == 0
    assert not (tmp_path / "out").exists()


def test_the_commands_load_without_torch_or_polars() -> None:
    code = (
        "import sys, benchmarks.cli;"
        "sys.exit(bool({'torch', 'polars', 'matplotlib'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "report"
    out.mkdir()
    (out / "index.html").write_text("the old one")
    failed = invoke("report", tmp_path / "nowhere", "--out", out, "--overwrite", code=1)
    assert "bench evaluate" in failed.stderr
    assert (out / "index.html").read_text() == "the old one"


def test_a_sample_shows_intervals_and_sampled_candidates_only_mean_ranks(
    small: Dataset, trained: dict[str, Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained["transe"], run)
    shown = invoke("bench", "evaluate", run, "--sample", 10, "--by", "degree").stdout
    assert re.search(r"\| transe +\| both +\| [\d.]+ \[[\d.,-]+, [\d.,]+\] \| 0\.\d+ \[0\.", shown)
    assert "95% confidence intervals" in shown
    assert "degree of the answer" in shown
    estimated = invoke("bench", "evaluate", run, "--candidates", 100).stdout
    row = next(line for line in estimated.splitlines() if line.startswith("| transe"))
    assert [cell.strip() for cell in row.split("|")][4:8] == ["-"] * 4
    assert "says nothing of MRR and Hits@k" in estimated
    invoke("bench", "evaluate", run, "--candidates", 100, "--by", "mapping", code=2)
    few = invoke("bench", "evaluate", run, "--candidates", 100, "--sample", 1, code=1)
    assert "has no interval" in few.stderr
    assert invoke("bench", "table", run).stdout.count("| transe") == 9
    beside = invoke("bench", "table", run, "--by", "ties")
    assert "left out, as a sample of candidates has no groups" in beside.stderr
    assert beside.stdout.count("| realistic") == 2
    names = invoke("bench", "table", run, "--format", "csv").stdout.splitlines()[0].split(",")
    assert "sampled_candidates" in names
    out = tmp_path / "report"
    invoke("report", run, "--out", out)
    of = len(small.triplets("transductive", "test"))
    for title in (f"10 of {of} triplets", "100 candidates"):
        assert f"small, transductive test, {title}</h3>" in (out / "index.html").read_text()
    for file in ("test.json", "test-sample-10.json"):
        (run / "results" / file).unlink()
    assert "--candidates" in invoke("bench", "table", run, "--by", "ties", code=1).stderr
