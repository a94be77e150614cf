"""What goes wrong while training, and what is still there afterwards."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
import ujson
import yaml
from click.testing import CliRunner, Result
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from benchmarks import run, tensors
from benchmarks.embeddings import load_embeddings
from benchmarks.engines.torch_engine import TorchEngine
from benchmarks.pruning import count
from benchmarks.ranking import rank_triplets
from benchmarks.runlog import read_log
from tests.benchmarks.conftest import QUICK, quick_config
from tests.datasets import make_dataset
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, InputError, Wikidata5MError

SETTINGS = [word for setting in QUICK for word in ("--set", setting)]
VECTORS = "embeddings/embeddings.safetensors"


def invoke(*words: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def refused(*words: object) -> str:
    """The one line of a command that must fail."""
    error = invoke(*words, code=1).stderr.strip().splitlines()[-1]
    assert error.startswith("Error: ")
    return error


@pytest.fixture(scope="module")
def whole(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run.train(quick_config(small), folder)
    return folder


def test_kill_9_at_any_moment_then_resume_gives_the_same_bits(
    small: Dataset, tmp_path: Path
) -> None:
    """Killed again and again, after ever more epochs; best vectors come between checkpoints."""
    settings = ("model.name=complex", "train.epochs=40", "train.validate_epochs=1")
    config = quick_config(small, *settings, "train.checkpoint_epochs=3")
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    run.train(config, straight)
    subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.kill", killed, "1,4,11,23,24"],
        input=yaml.safe_dump(asdict(config)).encode(),
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
    )
    assert (straight / VECTORS).read_bytes() == (killed / VECTORS).read_bytes()
    assert run.summary(straight).curve == run.summary(killed).curve


def _full(kept: int) -> Callable[..., None]:
    """A writer whose disk is full once it holds `kept` files of tensors."""
    written = 0

    def save(values: Any, path: Path, metadata: Any) -> None:
        nonlocal written
        if written == kept:
            Path(path).write_bytes(b"half of it")
            raise SafetensorError("I/O error: No space left on device (os error 28)")
        written += 1
        save_file(values, path, metadata)

    return save


@pytest.mark.parametrize("kept", [1, 2])
def test_a_full_disk_keeps_the_last_checkpoint_and_resumes(
    small: Dataset, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Checkpoints fall after epochs 2, 4 and 6, the first best vectors after epoch 3."""
    folder = tmp_path / "run"
    words = ["bench", "train", small.path, "--model", "transe", "--out", folder, *SETTINGS]
    with monkeypatch.context() as patch:
        patch.setattr(tensors, "save_file", _full(kept))
        error = refused(*words)
    assert os.strerror(errno.ENOSPC) in error
    assert "the checkpoint after epoch 2 is kept: go on from it with --resume" in error
    found = sorted(path.name for path in (folder / "checkpoint").iterdir())
    assert found == ["best-3", "lock", "state.safetensors"][2 - kept :]
    invoke(*words, "--resume")
    assert (folder / VECTORS).read_bytes() == (whole / VECTORS).read_bytes()


def test_a_file_system_that_takes_no_more_bytes_is_a_full_disk(
    small: Dataset, tmp_path: Path
) -> None:
    """The operating system's own refusal: no file of this process may pass the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    config = quick_config(small, "model.dim=64")
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        with pytest.raises(Wikidata5MError, match=r"no checkpoint yet: start again"):
            run.train(config, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(read_log(tmp_path)) == 2
    assert [x.name for x in (tmp_path / "checkpoint").iterdir()] == ["lock"]


def test_no_room_for_the_log_names_the_checkpoint_too(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, step = TorchEngine.train_epoch, 0

    def fails_later(engine: TorchEngine, *told: Any) -> float:
        nonlocal step
        step += 1
        if step == 4:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), str(tmp_path / "log.jsonl"))
        return real(engine, *told)

    monkeypatch.setattr(TorchEngine, "train_epoch", fails_later)
    with pytest.raises(Wikidata5MError, match=r"log.jsonl: .* make room there; .* epoch 2 is kept"):
        run.train(quick_config(small), tmp_path)


def test_a_nan_stops_with_step_cause_fix_and_the_checkpoint(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = TorchEngine.train_epoch

    def poisoned(engine: TorchEngine, *told: Any) -> float:
        if engine.epoch == 3:
            engine.entities.table_ND[0] = float("nan")
        return real(engine, *told)

    monkeypatch.setattr(TorchEngine, "train_epoch", poisoned)
    words = ["bench", "train", small.path, "--model", "transe", "--out", tmp_path, *SETTINGS]
    error = refused(*words)
    for part in ("epoch 4, step ", "the loss is nan", "lower train.lr (0.2)", f"--from {tmp_path}"):
        assert part in error
    assert "the checkpoint after epoch 2 is kept" in error
    assert not (tmp_path / "embeddings").exists()


def test_a_finite_loss_that_explodes_is_a_divergence(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = TorchEngine.train_epoch

    def explodes(engine: TorchEngine, *told: Any) -> float:
        return real(engine, *told) * (1e4 if engine.epoch == 4 else 1)

    monkeypatch.setattr(TorchEngine, "train_epoch", explodes)
    with pytest.raises(Wikidata5MError, match=r"epoch 4: the loss rose from .*; training diverged"):
        run.train(quick_config(small), tmp_path)


KILLED = """
import os, signal, sys
import numpy as np
import benchmarks.unfinished
from benchmarks.ranking import rank_triplets
from wikidata5m.cli import main

benchmarks.unfinished.SECONDS = 0.0
rank_triplets.__kwdefaults__["batch"] = 4
savez, saved = np.savez, []

def dies_at_the_third(stream, **arrays):
    saved.append(stream)
    if len(saved) == 3:
        stream.write(b"half of it")
        stream.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    savez(stream, **arrays)

np.savez = dies_at_the_third
main(["bench", "evaluate", sys.argv[1]])
"""


def test_a_ranking_killed_by_kill_9_goes_on_to_the_same_result(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = rank_triplets.__kwdefaults__
    assert defaults
    monkeypatch.setitem(defaults, "batch", 4)
    asked: list[int] = []

    def counted(predictor: Any, queries: Any, *rest: Any) -> Any:
        asked.append(len(queries))
        return count(predictor, queries, *rest)

    monkeypatch.setattr("benchmarks.ranking.count", counted)
    killed, alone = tmp_path / "killed", tmp_path / "alone"
    for folder in (killed, alone):
        shutil.copytree(whole, folder)
    expected = run.evaluate(alone)
    of_whole = len(asked)
    done = subprocess.run([sys.executable, "-c", KILLED, str(killed)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (killed / "results" / "test.json").exists()
    asked.clear()
    found = run.evaluate(killed)
    # Two batches had been kept when the third was being written.
    assert len(asked) == of_whole - 2 > 0
    assert found.metrics == expected.metrics
    assert [path.name for path in (killed / "results").iterdir()] == ["test.json"]


def test_a_break_by_the_user_says_how_to_go_on(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    real = TorchEngine.train_epoch

    def stops(engine: TorchEngine, *told: Any) -> float:
        if engine.epoch == 3:
            raise KeyboardInterrupt
        return real(engine, *told)

    monkeypatch.setattr(TorchEngine, "train_epoch", stops)
    with pytest.raises(KeyboardInterrupt):
        run.train(quick_config(small), tmp_path)
    assert "after epoch 2 is kept: go on from it with --resume" in capsys.readouterr().err


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flip(path: Path) -> None:
    values = bytearray(path.read_bytes())
    values[-1000] ^= 1
    path.write_bytes(values)


def _strip(path: Path) -> None:
    save_file({"entities": torch.zeros(2, 2)}, path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [(_cut, "not readable"), (_flip, "damaged, by its checksum"), (_strip, "of this version")],
)
def test_a_damaged_checkpoint_is_named(
    small: Dataset, whole: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    path = folder / "checkpoint" / "state.safetensors"
    damage(path)
    words = ["bench", "train", small.path, "--model", "transe", "--out", folder, *SETTINGS]
    error = refused(*words, "--resume")
    assert f"{path}: " in error
    assert message in error
    assert (folder / VECTORS).read_bytes() == (whole / VECTORS).read_bytes()


def test_a_checkpoint_of_another_run_is_refused_by_the_setting_that_differs(
    small: Dataset, whole: Path, tmp_path: Path
) -> None:
    config = quick_config(small, "train.lr=0.1")
    run.train(config, tmp_path / "run")
    shutil.copy(whole / "checkpoint" / "state.safetensors", tmp_path / "run" / "checkpoint")
    with pytest.raises(InputError, match=r"of another run: train.lr is 0.2 there, 0.1 here"):
        run.train(config, tmp_path / "run", resume=True)


def test_a_checkpoint_from_before_a_setting_came_is_resumed(
    small: Dataset, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    path = folder / "checkpoint" / "state.safetensors"
    metadata = tensors.read_metadata(path, fix="")
    settings = ujson.loads(metadata["config"])
    assert settings.pop("train.filter_negatives") is False
    save_file(load_file(path), path, {**metadata, "config": ujson.dumps(settings)})
    run.train(quick_config(small), folder, resume=True)


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_damaged_vectors_are_neither_ranked_nor_continued(
    small: Dataset, whole: Path, tmp_path: Path, command: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    _flip(folder / VECTORS)
    words = ["evaluate", folder]
    if command == "train":
        words = ["train", small.path, "--from", folder, "--out", tmp_path / "next"]
    assert "is damaged, by its checksum" in refused("bench", *words)


def test_want_of_memory_names_the_settings(small: Dataset, tmp_path: Path) -> None:
    words = ["bench", "train", small.path, "--model", "transe", "--out", tmp_path, *SETTINGS]
    error = refused(*words, "--set", f"model.dim={1 << 42}")
    assert "out of memory; free some and go on with --resume, or train in another" in error


def test_a_log_that_does_not_reach_the_checkpoint_is_refused(
    small: Dataset, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    log = folder / "log.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:4]))
    with pytest.raises(InputError, match="has 4 epochs, the checkpoint 6"):
        run.train(quick_config(small), folder, resume=True)
    log.write_text("".join([*lines[:4], "{half"]))
    with pytest.raises(InputError, match=r"log.jsonl, line 5"):
        run.train(quick_config(small), folder, resume=True)


def test_embeddings_of_another_dataset_are_not_ranked(whole: Path, tmp_path: Path) -> None:
    other = make_dataset(tmp_path / "other", countries=9)
    error = refused("bench", "evaluate", whole, "--dataset", other.path)
    assert "name that dataset, or train again in another folder" in error
    assert not (whole / "results").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "transd"], "did you mean transe"),
        (["--model", "complex", "--set", "model.dim=7"], "dim = 7"),
        (["--model", "quate", "--set", "model.dim=18"], "dim = 18"),
        (["--model", "transe", "--set", "model.p=3"], "the norm is 1 or 2"),
        (["--model", "transe", "--set", "train.lr=.nan"], "lr = nan"),
    ],
)
def test_what_no_model_can_be_is_refused_before_a_folder_is_made(
    small: Dataset, tmp_path: Path, words: list[str], message: str
) -> None:
    out = tmp_path / "out"
    error = refused("bench", "train", small.path, "--out", out, *SETTINGS, *words)
    assert message in error
    assert not out.exists()


def test_the_best_epoch_is_kept_whatever_comes_after(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With scores that fall after epoch 2, stopping keeps epoch 2's vectors, resumed or not."""
    mrr = iter([0.1, 0.3, 0.2, 0.25, 0.29])
    monkeypatch.setattr(run, "validate", lambda *_: next(mrr))
    config = quick_config(small, "train.validate_epochs=1", "train.patience=3")
    done = run.train(config, tmp_path / "a")
    assert (done.epochs, done.best_epoch) == (5, 2)
    shorter = quick_config(small, "train.epochs=6", "train.validate_epochs=2")
    mrr = iter([0.9, 0.1, 0.1])
    run.train(shorter, tmp_path / "b")
    a, b = (load_embeddings(tmp_path / x / "embeddings") for x in "ab")
    assert torch.equal(a.entities, b.entities)
    assert a.meta.extra == {"epochs": 2, "seed": 0, "valid_mrr": 0.3}
    assert not list((tmp_path / "a" / "checkpoint").glob("best-*"))
    run.train(config, tmp_path / "a", resume=True)
    assert torch.equal(load_embeddings(tmp_path / "a" / "embeddings").entities, a.entities)


def test_tensorboard_that_is_not_installed_is_named(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    words = ["bench", "train", small.path, "--model", "transe", "--out", tmp_path, *SETTINGS]
    error = refused(*words, "--set", "train.tensorboard=true")
    assert "pip install -c constraints.txt '.[tensorboard]'" in error


def test_a_finished_run_survives_overwrite_with_wrong_weights(
    whole: Path, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    words = ["bench", "train", small.path, "--model", "transe", "--out", run, "--overwrite"]
    assert "no.tsv" in refused(*words, *SETTINGS, "--set", "train.weights=no.tsv")
    inside = run / "w.tsv"
    head, relation, tail = (int(x) for x in small.triplets("transductive", "train")[0])
    named = small.entity_ids[head], small.relations["relation"][relation], small.entity_ids[tail]
    inside.write_text("\t".join([*named, "2"]) + "\n")
    error = refused(*words, *SETTINGS, "--set", f"train.weights={inside}")
    assert f"holds {inside}, which --overwrite would delete" in error
    inside.unlink()
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert "tensorboard" in refused(*words, *SETTINGS, "--set", "train.tensorboard=true")
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before


def test_resuming_finds_the_weights_from_anywhere_and_refuses_others(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ids, relations = small.entity_ids, small.relations["relation"]
    head, relation, tail = (int(x) for x in small.triplets("transductive", "train")[0])
    named = f"{ids[head]}\t{relations[relation]}\t{ids[tail]}"
    Path("w.tsv").write_text(f"{named}\t2\n")
    words = ["bench", "train", small.path, "--out", tmp_path / "run"]
    invoke(*words, "--model", "transe", *SETTINGS, "--set", "train.weights=w.tsv")
    monkeypatch.chdir("/")
    invoke(*words, "--resume")
    (tmp_path / "w.tsv").write_text(f"{named}\t3\n")
    assert "weights_hash" in refused(*words, "--resume")


def test_a_run_of_a_gpu_is_ranked_where_there_is_none(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    config = (run / "config.yaml").read_text()
    assert "device: cpu" in config
    (run / "config.yaml").write_text(config.replace("device: cpu", "device: cuda:63"))
    ranked = invoke("bench", "evaluate", run)
    assert "trained on cuda:63, which is not here; ranked on" in ranked.stderr


@pytest.mark.parametrize("setting", ["patience=-1", "plateau_factor=1.5", "checkpoint_minutes=0"])
def test_settings_out_of_range_are_named(small: Dataset, setting: str) -> None:
    with pytest.raises(ConfigError, match=setting.partition("=")[0]):
        quick_config(small, f"train.{setting}")
