"""The run of GraphVite, with an executable of its name that does as it to files and pipes."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import ujson
import yaml
from click.testing import CliRunner, Result

from benchmarks.config import RunConfig, shipped
from benchmarks.engines.graphvite.main import _write_log
from benchmarks.engines.graphvite.process import Point, run_graphvite
from benchmarks.engines.graphvite.render import NAMES, render
from benchmarks.scorers import SCORERS
from tests.benchmarks.graphvite_files import install, model_of, save
from wikidata5m.cli import main
from wikidata5m.config import load_config
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, Wikidata5MError

GOLDEN = Path(__file__).parent / "golden" / "graphvite"
MODELS = sorted(SCORERS)
QUICK = ["--set", "model.dim=32", "--set", "train.epochs=4"]

TRAIN = """
import shutil, sys, yaml
assert sys.argv[1:] == ["run", "config.yaml", "--no-eval"], sys.argv
config = yaml.safe_load(open("config.yaml"))
assert all(len(line.split()) == 3 for line in open(config["graph"]["file_name"]))
for batch in range(0, 8, 2):
    print(f"Batch id: {batch} / 8", flush=True)
    print(f"loss = {0.5 / (batch + 1):g}", file=sys.stderr, flush=True)
shutil.copy("MODEL", config["save"]["file_name"])
open("COUNT", "a").write("trained\\n")
"""
"""What the real one prints and leaves; the model was made before."""


def published(name: str) -> RunConfig:
    return load_config(RunConfig, shipped()[f"{name}-wikidata5m-graphvite"])


@pytest.mark.parametrize("name", MODELS)
def test_the_yaml_is_the_golden_one(name: str) -> None:
    text = render(published(name), ["train.txt", "valid.txt", "test.txt"])
    assert text == (GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "lr", "epochs", "margin_or_l3", "temperature", "multiplier"),
    [
        ("transe", 1e-3, 1000, 12, 0.5, 1e-2),
        ("distmult", 1e-1, 2000, 2e-3, 2, 1e-4),
        ("complex", 1e-1, 1000, 2e-3, 0.2, 1e-3),
        ("simple", 1, 2000, 2e-3, 2, 1e-4),
        ("rotate", 1e-2, 1000, 6, 0.2, 1),
        ("quate", 1, 2000, 5e-3, 10, 1e-4),
    ],
)
def test_the_golden_yaml_holds_what_graphvite_publishes(
    name: str, lr: float, epochs: int, margin_or_l3: float, temperature: float, multiplier: float
) -> None:
    values = yaml.safe_load((GOLDEN / f"{name}.yaml").read_text(encoding="utf-8"))
    assert values["resource"]["dim"] == 512
    assert values["build"] == {
        "optimizer": {"type": "SGD", "lr": lr, "weight_decay": 0, "schedule": "linear"},
        "num_partition": "auto",
        "num_negative": 64,
        "batch_size": 100_000,
        "episode_size": 200,
    }
    margin = name in {"transe", "rotate"}
    assert values["train"] == {
        "model": NAMES[name],  # type: ignore[index]
        "num_epoch": epochs,
        "margin" if margin else "l3_regularization": margin_or_l3,
        "sample_batch_size": 2000,
        "adversarial_temperature": temperature,
        "relation_lr_multiplier": multiplier,
        "log_frequency": 500,
    }


def invoke(*words: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def place(tmp_path: Path, small: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model of the dataset, and a GraphVite first on PATH that would train it."""
    trained = small.triplets("transductive", "train")
    used = sorted({int(i) for i in trained[:, [0, 2]].ravel()}, reverse=True)
    ids = small.entities["entity"]
    relations = small.relations["relation"].to_list()
    save(model_of([ids[i] for i in used], relations), tmp_path / "trained.pkl")
    body = TRAIN.replace("MODEL", str(tmp_path / "trained.pkl"))
    folder = install(tmp_path / "bin", body.replace("COUNT", str(tmp_path / "count")))
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return tmp_path


def words(dataset: Dataset, place: Path, *more: object) -> list[object]:
    return [
        *("bench", "train", dataset.path, "--model", "rotate", "--engine", "graphvite"),
        *("--out", place / "run", *QUICK, *more),
    ]


def replace(place: Path, body: str) -> None:
    install(place / "bin", body.replace("COUNT", str(place / "count")))


def test_a_run_is_rendered_trained_converted_and_ranked(small: Dataset, place: Path) -> None:
    done = invoke(*words(small, place))
    run = place / "run"
    assert "4 epochs" in done.stdout
    assert "loss 0.0714" in done.stdout
    assert "configuration: rotate-wikidata5m-graphvite" in done.stderr
    kept = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
    assert kept == {
        "config.yaml",
        "log.jsonl",
        "log.csv",
        "checkpoint/lock",
        "embeddings/embeddings.json",
        "embeddings/embeddings.safetensors",
        "embeddings/entity.parquet",
        "embeddings/relation.parquet",
        *(f"graphvite/{name}.txt" for name in ("train", "valid", "test", "entity", "relation")),
        *(f"graphvite/{name}" for name in ("config.yaml", "model.pkl", "output.log", "lock")),
    }
    rendered = yaml.safe_load((run / "graphvite" / "config.yaml").read_text())
    assert rendered["train"]["model"] == "RotatE"
    assert rendered["resource"]["dim"] == 32
    lines = [ujson.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [(line["epoch"], round(line["loss"], 4)) for line in lines] == [
        *((1, 0.1667), (2, 0.1), (3, 0.0714), (4, 0.0714))
    ]
    assert "| rotate" in invoke("bench", "evaluate", run).stdout
    assert "rotate" in invoke("bench", "table", run).stdout


def test_finished_steps_are_not_taken_again(small: Dataset, place: Path) -> None:
    invoke(*words(small, place))
    run = place / "run"
    before = (run / "embeddings" / "embeddings.safetensors").read_bytes()
    invoke(*words(small, place, "--resume"))
    shutil.rmtree(run / "embeddings")
    # The model is there, so neither GraphVite nor a GPU is needed to convert it.
    (place / "bin" / "nvidia-smi").unlink()
    assert "training is done" in invoke(*words(small, place, "--resume")).stderr
    assert (run / "embeddings" / "embeddings.safetensors").read_bytes() == before
    assert (place / "count").read_text() == "trained\n"
    refused = invoke(*words(small, place, "--resume", "--set", "train.lr=0.5"), code=1)
    assert "train.lr" in refused.stderr


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "import sys; print('CUDA error: out of memory'); sys.exit(3)",
            "exit code 3; its last line: CUDA",
        ),
        ("import os; os.kill(os.getpid(), 9)", "was ended by signal 9; its last line: none"),
        ("print('done')", "ended without writing its model"),
    ],
)
def test_a_failed_graphvite_is_told_with_its_last_words_and_can_be_resumed(
    body: str, message: str, small: Dataset, place: Path
) -> None:
    good = (place / "bin" / "graphvite").read_text()
    replace(place, body)
    assert message in invoke(*words(small, place), code=1).stderr
    assert not (place / "run" / "embeddings").exists()
    assert "not finished" in invoke("bench", "evaluate", place / "run", code=1).stderr
    (place / "bin" / "graphvite").write_text(good)
    invoke(*words(small, place, "--resume"))
    assert (place / "run" / "embeddings").is_dir()


def test_what_a_killed_graphvite_half_wrote_is_never_read(small: Dataset, place: Path) -> None:
    good = (place / "bin" / "graphvite").read_text()
    replace(
        place, "open('model.partial.pkl', 'w').write('half'); import os; os.kill(os.getpid(), 9)"
    )
    invoke(*words(small, place), code=1)
    assert not (place / "run" / "graphvite" / "model.pkl").exists()
    (place / "bin" / "graphvite").write_text(good)
    invoke(*words(small, place, "--resume"))


RUN = """
import signal, sys
from pathlib import Path
from benchmarks.engines.graphvite.process import run_graphvite
signal.signal(signal.SIGINT, signal.default_int_handler)
run_graphvite("graphvite", Path(sys.argv[1]), "RotatE", 9)
"""
SLEEP = """
import os, time
open("pid", "w").write(str(os.getpid()))
print("Batch id: 0 / 9", flush=True)
time.sleep(60)
"""


def ended_in_the_middle(place: Path, by: signal.Signals) -> tuple[Path, int]:
    """A run that this signal ended while GraphVite trained: its folder, and GraphVite's process."""
    folder = place / "work"
    folder.mkdir()
    replace(place, SLEEP)
    ours = subprocess.Popen([sys.executable, "-c", RUN, str(folder)], stderr=subprocess.PIPE)
    while not (folder / "output.log").exists() or not (folder / "output.log").read_text():
        time.sleep(0.02)
    ours.send_signal(by)
    ours.communicate()
    return folder, int((folder / "pid").read_text())


def test_a_graphvite_that_outlives_us_keeps_others_out(place: Path) -> None:
    folder, orphan = ended_in_the_middle(place, signal.SIGKILL)
    try:
        with pytest.raises(Wikidata5MError, match="another GraphVite still trains there"):
            run_graphvite("graphvite", folder, "RotatE", 9)
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_an_interrupt_ends_graphvite_too(place: Path) -> None:
    _, pid = ended_in_the_middle(place, signal.SIGINT)
    assert not Path(f"/proc/{pid}").exists()


def test_the_log_has_a_line_per_epoch_that_told_a_loss(tmp_path: Path) -> None:
    points = [
        Point(done=0.05, seconds=1.0, loss=0.9),
        Point(done=0.1, seconds=2.0, loss=0.8),
        Point(done=0.5, seconds=6.0, loss=0.4),
        Point(done=1.0, seconds=11.0, loss=0.4),
    ]
    _write_log(tmp_path, points, 10, 1000)
    lines = [ujson.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 5, 10]
    assert [line["seconds"] for line in lines] == [2, 4, 5]
    assert [line["triplets_per_second"] for line in lines] == [500, 1000, 1000]


def test_a_graphvite_that_tells_no_loss_leaves_no_log(tmp_path: Path) -> None:
    _write_log(tmp_path, [Point(done=1.0, seconds=1.0, loss=None)], 10, 1000)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        ({"gpus": "NVIDIA-SMI has failed"}, "nvidia-smi finds none here"),
        ({"probe": "No module named numpy"}, "cannot import numpy (No module named numpy)"),
        (
            {"probe": '[[3, 12], "1.26.0"]\nModuleNotFoundError: No module named imp'},
            "under Python 3.12 (it needs the module imp, gone since Python 3.12)",
        ),
        ({"probe": '[[3, 10], "1.23.5"]\nImportError: libcudart.so'}, "ImportError: libcudart.so"),
    ],
)
def test_what_an_installation_lacks_is_told_before_anything_is_written(
    setup: dict[str, str], message: str, small: Dataset, place: Path
) -> None:
    install(place / "bin", "raise SystemExit", **setup)
    refused = invoke(*words(small, place), code=1)
    assert message in refused.stderr
    assert refused.stderr.count("\n") <= 2
    assert not (place / "run").exists()


def test_without_graphvite_the_error_says_how_to_install_it(
    small: Dataset, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    refused = invoke(*words(small, place), code=1)
    assert "conda create -n graphvite -c conda-forge" in refused.stderr
    assert "graphvite.command=conda run" in refused.stderr


def test_graphvite_may_live_in_an_environment_that_a_command_enters(
    small: Dataset, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter = place / "bin" / "enter"
    enter.write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    enter.chmod(0o755)
    command = "graphvite.command=enter -n gv graphvite"
    invoke(*words(small, place, "--set", command))
    install(place / "bin", "raise SystemExit", probe="No module named numpy")
    refused = invoke(*words(small, place, "--overwrite", "--set", command), code=1)
    assert "enter -n gv python cannot import numpy" in refused.stderr


def test_a_numpy_without_bool_is_a_note(small: Dataset, place: Path) -> None:
    (place / "bin" / "python").write_text("#!/bin/sh\necho '[[3, 11], \"1.26.4\"]'\n")
    assert "numpy 1.26.4 lacks np.bool" in invoke(*words(small, place)).stderr


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.dim=48", "compiled for 32, 64, 96, 128, 256, 512, 1024, 2048"),
        ("loss.name=softmax", "set loss.name=self_adversarial"),
        ("regulariser.entities=0.1", "RotatE has no penalty"),
        ("train.optimizer=row_adagrad", "GraphVite knows sgd, adagrad, adam; set one"),
        ("train.schedule=plateau", "linear and constant"),
        ("model.reciprocal=true", "GraphVite has no such setting"),
        ("train.chunk=16", "leave it at"),
        ("graphvite.episode_size=-1", "must be zero or above"),
        ("graphvite.batch_size=0", "above zero"),
        ("graphvite.gpu=1", "did you mean graphvite.gpus"),
    ],
)
def test_what_graphvite_cannot_be_told_is_refused(
    override: str, message: str, small: Dataset, place: Path
) -> None:
    refused = invoke(*words(small, place, "--set", override), code=1)
    assert message in refused.stderr
    assert not (place / "run").exists()


def test_transe_has_norm_1_alone(small: Dataset, place: Path) -> None:
    line = ["--model", "transe", "--set", "model.p=2"]
    assert "set model.p=1" in invoke(*words(small, place, *line), code=1).stderr


@pytest.mark.parametrize("override", ["name=n3", "p=2", "relations=0.1"])
def test_a_penalty_has_one_form(override: str, small: Dataset, place: Path) -> None:
    line = ["--model", "complex", "--set", f"regulariser.{override}"]
    assert "lp with p = 3" in invoke(*words(small, place, *line), code=1).stderr


def test_no_temperature_is_none_for_graphvite_too() -> None:
    config = load_config(RunConfig, shipped()["rotate-wikidata5m-graphvite"], ["loss.alpha=0"])
    assert "adversarial_temperature: 0.0\n" in render(config, ["train.txt"])


def test_auto_stands_for_what_was_left_open() -> None:
    config = load_config(
        RunConfig,
        overrides=[
            *("model.name=rotate", "train.optimizer=adagrad"),
            *("graphvite.episode_size=0", "graphvite.gpus=2"),
        ],
    )
    values = yaml.safe_load(render(config, ["train.txt"]))
    assert values["build"]["episode_size"] == "auto"
    assert values["build"]["optimizer"]["type"] == "AdaGrad"
    assert values["resource"] == {"gpus": [0, 1], "cpu_per_gpu": "auto", "dim": 128}


def test_a_model_that_was_not_trained_on_this_input_is_refused(small: Dataset, place: Path) -> None:
    ids, relations = small.entities["entity"].to_list(), small.relations["relation"].to_list()
    save(model_of(ids[5:], relations), place / "trained.pkl")
    assert "trains" in invoke(*words(small, place), code=1).stderr


def imported(dataset: Dataset, place: Path, *more: object) -> list[object]:
    pkl = place / "trained.pkl"
    return ["bench", "import-graphvite", pkl, dataset.path, "--out", place / "run", *more]


def test_a_model_trained_elsewhere_is_imported_and_ranked(
    small: Dataset, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    names = small.entities["entity"].to_list()
    save(model_of([*names[2:], "x"], small.relations["relation"].to_list()), place / "trained.pkl")
    size = ["--model", "simple", "--set", "model.dim=32"]
    done = invoke(*imported(small, place, *size))
    assert "2 entities of the dataset have no vector" in done.stderr
    assert "1 entities of its model are not in the dataset" in done.stderr
    extra = ujson.loads((place / "run" / "embeddings" / "embeddings.json").read_text())["extra"]
    assert extra["matched"]["entities"] == {"without_vector": 2, "foreign": 1}
    assert "| simple" in invoke("bench", "evaluate", place / "run").stdout
    invoke(*imported(small, place, *size, "--resume"))
    told = ["--set", "train.epochs=1", "--set", "loss.name=softmax"]
    grown = invoke(
        "bench", "train", small.path, "--from", place / "run", "--out", place / "x", *told
    )
    assert "1 epochs" in grown.stdout
    on = ["--engine", "graphvite", "--from", place / "run", "--out", place / "y"]
    assert "starts from no vectors" in invoke("bench", "train", small.path, *on, code=1).stderr


@pytest.mark.parametrize(
    ("told", "more", "message"),
    [
        ({}, [], "is of dim 32, not 512; set model.dim to that"),
        ({"model": "TransE"}, ["--set", "model.dim=32"], "is of model TransE, not RotatE"),
        ({"margin": 9.0}, ["--set", "model.dim=32"], "is of margin 9.0, not 6"),
    ],
)
def test_a_model_that_is_another_than_was_said_is_refused(
    told: dict[str, Any], more: list[object], message: str, small: Dataset, place: Path
) -> None:
    model = model_of(small.entities["entity"].to_list(), small.relations["relation"].to_list())
    for key, value in told.items():
        model["solver"][key] = value
    save(model, place / "trained.pkl")
    line = imported(small, place, "--model", "rotate", *more)
    assert message in invoke(*line, code=1).stderr


def test_an_import_names_the_file_that_is_missing_or_hostile(small: Dataset, place: Path) -> None:
    size = ["--model", "rotate", "--set", "model.dim=32"]
    (place / "trained.pkl").write_bytes(pickle.dumps(print))
    assert "builtins.print" in invoke(*imported(small, place, *size), code=1).stderr
    (place / "trained.pkl").unlink()
    line = imported(small, place, *size, "--overwrite")
    assert "no such file" in invoke(*line, code=1).stderr


def test_settings_of_another_engine_are_not_ours() -> None:
    with pytest.raises(ConfigError, match="engine"):
        load_config(RunConfig, overrides=["engine=graphvit"])
