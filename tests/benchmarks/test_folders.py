"""A run's folder: one process in it, nothing lost to a mistake, and what may differ on resuming."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import run
from benchmarks.config import RunConfig
from benchmarks.runfolder import load_run_config
from benchmarks.tuning.run import JOURNAL
from tests.benchmarks.conftest import QUICK, quick_config
from tests.benchmarks.test_cli import invoke
from wikidata5m.config import load_config
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, OutputExistsError
from wikidata5m.files import alone
from wikidata5m.locks import taken

SETTINGS = [word for setting in QUICK for word in ("--set", setting)]


@pytest.fixture
def copy(trained: dict[str, Path], tmp_path: Path) -> Path:
    """A finished run of one's own."""
    return Path(shutil.copytree(trained["transe"], tmp_path / "run"))


def files(folder: Path) -> dict[str, bytes]:
    found = {str(x.relative_to(folder)): x.read_bytes() for x in folder.rglob("*") if x.is_file()}
    return {name: data for name, data in found.items() if not name.endswith("lock")}


@pytest.mark.parametrize("way", ["--resume", "--overwrite"])
def test_one_process_trains_in_a_run(small: Dataset, copy: Path, way: str) -> None:
    before = files(copy)
    words = ["bench", "train", small.path, "--model", "transe", "--out", copy, *SETTINGS]
    with alone(copy / run.CHECKPOINT):
        assert "another process is at work in it" in invoke(*words, way, code=1).stderr
        with pytest.raises(OutputExistsError, match="another process"):
            run.train(load_run_config(copy), copy, resume=True)
    assert files(copy) == before


def test_one_process_searches_in_a_folder(small: Dataset, tmp_path: Path) -> None:
    words = ["bench", "tune", small.path, "--model", "transe", "--out", tmp_path, "--budget", "2"]
    with (tmp_path / JOURNAL).open("ab") as held:
        assert taken(held)
        assert "another process is at work" in invoke(*words, "--resume", code=1).stderr
    assert [x.name for x in tmp_path.iterdir()] == [JOURNAL]


@pytest.mark.parametrize("start", ["/gone/x", "of-another-model"])
def test_a_start_that_cannot_be_is_refused_before_the_folder_is_emptied(
    small: Dataset, trained: dict[str, Path], copy: Path, tmp_path: Path, start: str
) -> None:
    before = files(copy)
    start = str(trained["complex"]) if start == "of-another-model" else start
    (tmp_path / "start.yaml").write_text(f"start: {start}\nmodel: {{name: transe, dim: 16}}\n")
    words = ["bench", "train", small.path, "--config", tmp_path / "start.yaml", "--out", copy]
    invoke(*words, "--overwrite", code=1)
    assert files(copy) == before


def test_a_start_named_from_here_is_found_from_anywhere(
    small: Dataset, trained: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained["transe"].parent)
    said = [*QUICK, "start=transe"]
    found = run.resolve(small.path, model="transe", config=None, overrides=said)
    assert found.start == str(trained["transe"].resolve())


@pytest.mark.parametrize("setting", ["train.patience=2", "train.schedule=plateau"])
def test_what_goes_by_validation_wants_some(
    small: Dataset, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    real = Dataset.triplets

    def without_valid(dataset: Dataset, setting: str = "", part: str = "") -> object:
        found = real(dataset, setting, part) if setting else real(dataset)  # type: ignore[arg-type]
        return found[:0] if part == "valid" else found

    monkeypatch.setattr(Dataset, "triplets", without_valid)
    with pytest.raises(ConfigError, match="has no validation triplets to go by"):
        run.resolve(small.path, model="transe", config=None, overrides=[setting])
    run.resolve(small.path, model="transe", config=None, overrides=[])


def test_weights_that_are_left_out_leave_no_hash(small: Dataset) -> None:
    settings = ["weights_hash=abc"]
    found = run.resolve(small.path, model="transe", config=None, overrides=settings)
    assert found.weights_hash == ""


def test_where_and_how_often_a_run_is_kept_may_change_on_resuming(
    small: Dataset, copy: Path
) -> None:
    config = load_run_config(copy)
    other = replace(config, train=replace(config.train, checkpoint_epochs=1, compile="never"))
    run.train(other, copy, resume=True)
    assert load_run_config(copy).train.checkpoint_epochs == 1
    with pytest.raises(ConfigError, match=r"train\.lr is"):
        run.train(replace(other, train=replace(other.train, lr=0.3)), copy, resume=True)


def test_all_runs_are_looked_at_before_one_is_ranked(
    small: Dataset, copy: Path, tmp_path: Path
) -> None:
    shutil.rmtree(copy / "results")
    shutil.copytree(copy, tmp_path / "broken", ignore=shutil.ignore_patterns("embeddings"))
    refused = invoke("bench", "evaluate", copy, tmp_path / "broken", code=1)
    assert "training is not finished" in refused.stderr
    assert not (copy / "results").exists()


def test_a_folder_of_runs_says_how_to_name_them(copy: Path) -> None:
    refused = invoke("bench", "table", copy.parent, code=1)
    assert f"it holds runs: name them as {copy.parent}/*" in refused.stderr


def test_settings_alone_are_no_run(copy: Path) -> None:
    config = replace(load_config(RunConfig, copy / "config.yaml"), dataset_hash="")
    text = (copy / "config.yaml").read_text()
    hashed = f"dataset_hash: {load_run_config(copy).dataset_hash}"
    assert hashed in text
    (copy / "config.yaml").write_text(text.replace(hashed, "dataset_hash: ''"))
    assert load_config(RunConfig, copy / "config.yaml") == config
    assert "and not a run" in invoke("bench", "evaluate", copy, code=1).stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["evaluate", "RUN", "--sample-seed", 7], "--sample or --candidates"),
        (["train", "DATASET", "--out", "RUN", "--seeds", "0,00"], "different whole numbers"),
        (["train", "DATASET", "--out", "RUN", "--seed", 1 << 32], "4294967295"),
    ],
)
def test_what_would_be_ignored_is_a_usage_error(
    small: Dataset, copy: Path, words: list[object], told: str
) -> None:
    names = {"RUN": copy, "DATASET": small.path}
    refused = invoke("bench", *(names.get(str(word), word) for word in words), code=2)
    assert told in refused.stderr


def test_a_seed_out_of_range_is_refused(small: Dataset) -> None:
    with pytest.raises(ConfigError, match="below 2"):
        quick_config(small, f"seed={1 << 32}")
