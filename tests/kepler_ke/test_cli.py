"""`wikidata5m kepler`, as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
import ujson
from click.testing import CliRunner, Result

from benchmarks.embeddings import load_embeddings
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset

FAST = ["--preset", "demo", "--set", "epochs=1", "--set", "batch=64", "--set", "tokens=16"]


def _call(*args: object) -> Result:
    return CliRunner().invoke(main, ["kepler", *map(str, args)])


def test_init_train_evaluate_encode_and_table(dataset: Dataset, tmp_path: Path) -> None:
    enc, run = tmp_path / "encoder", tmp_path / "run"
    made = _call("init", dataset.path, "--out", enc, "--vocab", 500, "--json")
    assert made.exit_code == 0, made.output
    assert ujson.loads(made.stdout)["tokens"] <= 500
    trained = _call("train", dataset.path, "--encoder", enc, "--out", run, *FAST, "--json")
    assert trained.exit_code == 0, trained.output
    assert ujson.loads(trained.stdout)["epoch"] == 1
    ranked = _call("evaluate", run)
    assert ranked.exit_code == 0, ranked.output
    assert "untrained encoder" in ranked.stdout
    assert "the entities of test, unseen" in ranked.stdout
    encoded = _call("encode", run, "--out", tmp_path / "vectors")
    assert encoded.exit_code == 0, encoded.output
    vectors = load_embeddings(tmp_path / "vectors", dataset_hash=dataset.manifest.dataset_hash)
    assert vectors.entities.shape == (dataset.num_entities, 128)
    table = CliRunner().invoke(main, ["bench", "table", str(run)])
    assert table.exit_code == 0, table.output
    assert "inductive test" in table.stdout


def test_a_filled_output_folder_is_refused_before_anything_is_done(
    dataset: Dataset, encoder: Path, run: Path
) -> None:
    refused = _call("train", dataset.path, "--encoder", encoder, "--out", run, *FAST)
    assert refused.exit_code == 1
    assert "pass --overwrite" in refused.stderr


def test_resume_with_other_settings_is_one_line(dataset: Dataset, encoder: Path, run: Path) -> None:
    refused = _call("train", dataset.path, "--encoder", encoder, "--out", run, *FAST, "--resume")
    assert refused.exit_code == 1
    assert "started with other values of" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_a_missing_encoder_is_one_line_that_names_the_fix(dataset: Dataset, tmp_path: Path) -> None:
    refused = _call("train", dataset.path, "--encoder", "./none", "--out", tmp_path / "r", *FAST)
    assert refused.exit_code == 1
    assert "kepler init" in refused.stderr


def test_a_dataset_without_the_split_is_refused(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in ("manifest.json", "entities.parquet", "relations.parquet"):
        (bare / file).write_bytes((dataset.path / file).read_bytes())
    refused = _call("train", bare, "--encoder", encoder, "--out", tmp_path / "r", *FAST)
    assert refused.exit_code == 1
    assert "has no inductive split" in refused.stderr
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("command", ["init", "train", "encode", "evaluate"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    shown = _call(command, "-h")
    assert shown.exit_code == 0
    assert "Example:" in shown.stdout
