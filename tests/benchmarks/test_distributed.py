"""Two processes with half of the dimensions each, against one with all, and what ends them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import ujson
from safetensors.torch import load_file
from torch import Tensor

from benchmarks import distributed, run
from benchmarks.config import RunConfig
from benchmarks.embeddings import load_embeddings
from benchmarks.processes import Processes, Slice
from tests.benchmarks import together
from tests.benchmarks.conftest import QUICK, quick_config
from tests.benchmarks.test_incremental import as_tsv
from tests.benchmarks.test_weights import line
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError

RECIPROCAL = "model.reciprocal=true"
CASES = {
    "transe-1": ["model.name=transe", "model.p=1", "loss.name=self_adversarial"],
    "transe-2": ["model.name=transe", "model.p=2", "train.optimizer=adam", "train.lr=0.01"],
    "distmult": ["model.name=distmult", "train.optimizer=sgd", "loss.name=one_vs_all"],
    "complex": ["model.name=complex", RECIPROCAL, "regulariser.entities=0.05"],
    "simple": ["model.name=simple", "train.optimizer=adagrad", "regulariser.relations=0.05"],
    "rotate": ["model.name=rotate", "loss.name=self_adversarial", "train.sides=alternate"],
    "lp": ["model.name=simple", "regulariser.name=lp", "regulariser.relations=0.05"],
    "quate": ["model.name=quate", RECIPROCAL, "train.in_batch=true", "train.positives=degree"],
    "filter": ["model.name=distmult", RECIPROCAL, "train.filter_negatives=true"],
    "dropout": ["model.name=complex", "train.entity_dropout=0.3", "train.relation_dropout=0.2"],
}


PATIENCE = 300
"""Seconds that a busy machine may take to start two processes; an idle one takes five."""
TOGETHER = "tests.benchmarks.together"


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def start_one(rank: int, port: str, *arguments: str) -> subprocess.Popen[str]:
    """Start python as torchrun starts one of two."""
    place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    quiet = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env=os.environ | place | where | quiet,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start(*arguments: str) -> list[subprocess.Popen[str]]:
    port = free_port()
    return [start_one(rank, port, *arguments) for rank in range(2)]


def end(processes: list[subprocess.Popen[str]], *, codes: tuple[int, int] = (0, 0)) -> list[str]:
    """What each said on stderr, once all have ended with these codes."""
    try:
        said = [process.communicate(timeout=PATIENCE)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert tuple(process.returncode for process in processes) == codes, said
    return said


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CASE/{alone,half}/ checkpoints after one epoch of one and of two processes, and the states
    CASE/{together,resumed}.safetensors of two after the second epoch."""
    folder = tmp_path_factory.mktemp("together")
    for case, options in CASES.items():
        together.train_halfway(options, folder / case / "alone")
    job = folder / "job.json"
    job.write_text(ujson.dumps(CASES))
    end(start(TOGETHER, "equal", str(job)))
    return folder


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_as_one(states: Path, case: str) -> None:
    engine = together.make_engine(CASES[case])
    engine.train_epoch()
    expected = together.finish(engine)
    assert_same(load_file(states / case / "together.safetensors"), expected)


@pytest.mark.parametrize("case", CASES)
def test_a_checkpoint_resumes_with_another_number_of_processes(states: Path, case: str) -> None:
    engine = together.make_engine(CASES[case])
    engine.load(states / case / "half")
    alone = together.finish(engine)
    assert_same(load_file(states / case / "together.safetensors"), alone)
    assert_same(load_file(states / case / "resumed.safetensors"), alone)


def test_a_dry_run_of_several_processes_ends(small: Dataset, tmp_path: Path) -> None:
    command = ["train", str(small.path), "--model", "complex", "--out", str(tmp_path / "two")]
    said = end(start("benchmarks", *command, "--dry-run"))
    assert "time: not measured with several processes" in said[0]


@pytest.mark.parametrize(
    "drawn",
    [
        [],
        ["train.positives=degree", "train.in_batch=true"],
        ["train.filter_negatives=true"],
    ],
)
def test_the_command_leaves_what_one_process_leaves(
    drawn: list[str], small: Dataset, tmp_path: Path
) -> None:
    options = ["model.name=rotate", "train.epochs=4", *drawn]
    config = quick_config(small, *options)
    run.train(config, tmp_path / "alone")
    settings = [x for option in [*QUICK, *options] for x in ("--set", option)]
    command = ["train", str(small.path), "--model", "rotate", *settings]
    said = end(start("benchmarks", *command, "--out", str(tmp_path / "two")))
    assert "valid MRR" in said[0]
    assert not said[1]
    alone, two = (load_embeddings(tmp_path / name / run.EMBEDDINGS) for name in ("alone", "two"))
    assert two.meta == alone.meta
    torch.testing.assert_close(two.entities, alone.entities, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(two.relations, alone.relations, rtol=1e-3, atol=1e-4)
    expected = [point.loss for point in run.summary(tmp_path / "alone").curve]
    assert [p.loss for p in run.summary(tmp_path / "two").curve] == pytest.approx(expected)


def test_earlier_vectors_and_weights_are_those_of_one_process(
    small: Dataset, tmp_path: Path
) -> None:
    """A graph with new entities, and weights of some triplets."""
    known_E = np.random.default_rng(0).random(small.num_entities) > 0.2
    old = Dataset(as_tsv(small, tmp_path / "old", known_E))
    names = ["model.name=complex", RECIPROCAL, "train.epochs=3", "loss.name=self_adversarial"]
    before = tmp_path / "before"
    run.train(quick_config(old, *names), before)
    weights = tmp_path / "weights.tsv"
    triplets = small.triplets("transductive", "train")[::3]
    weights.write_text("".join(line(small, each, n % 5) for n, each in enumerate(triplets)))
    names.append(f"train.weights={weights}")
    run.train(quick_config(small, *names, f"start={before}"), tmp_path / "alone")
    settings = [word for name in (*QUICK, *names) for word in ("--set", name)]
    command = ["train", str(small.path), "--model", "complex", "--from", str(before), *settings]
    said = end(start("benchmarks", *command, "--out", str(tmp_path / "two")))
    assert f"weights: {len(triplets):,} of" in said[0]
    found, expected = (
        {
            path.name: load_file(path)
            for path in [
                tmp_path / name / run.EMBEDDINGS / "embeddings.safetensors",
                tmp_path / name / run.CHECKPOINT / "state.safetensors",
            ]
        }
        for name in ("two", "alone")
    )
    for name, tensors in expected.items():
        assert_same(found[name], tensors)
    told = [ujson.loads((tmp_path / name / "from.json").read_text()) for name in ("two", "alone")]
    assert told[0] == told[1]
    assert told[0]["entities"]["new"] > 0


def test_an_error_of_the_first_process_ends_all(small: Dataset, tmp_path: Path) -> None:
    command = ["train", str(small.path), "--model", "distmult", "--out", str(tmp_path / "run")]
    said = end(start("benchmarks", *command, "--set", "model.dim=15"), codes=(1, 1))
    assert "15 floats are 1 blocks of 15, which 2 processes cannot share evenly" in said[0]
    assert "make it a multiple of 2" in said[0]
    assert "Traceback" not in "".join(said)


def test_a_process_that_dies_ends_the_others(small: Dataset, tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    command = ["benchmarks", "train", str(small.path), "--model", "distmult", "--out", out]
    port = free_port()
    first, other = start_one(0, port, *command), start_one(1, port, TOGETHER, "vanish")
    said, _ = end([first, other], codes=(1, 3))
    assert "a process that trains with this one failed" in said
    assert "there is no checkpoint yet" in said
    assert "Traceback" not in said


def test_a_process_that_hangs_ends_the_first_with_one_error(small: Dataset, tmp_path: Path) -> None:
    command = ["train", str(small.path), "--model", "distmult", "--out", str(tmp_path / "run")]
    port = free_port()
    first = start_one(0, port, TOGETHER, "hurried", *command)
    hanging = start_one(1, port, TOGETHER, "hang")
    try:
        said = first.communicate(timeout=PATIENCE)[1]
    finally:
        for process in (first, hanging):
            process.kill()
            process.communicate()
    assert first.returncode == 1
    assert said.count("Error: a process that trains with this one failed, or was silent for") == 1
    assert "there is no checkpoint yet" in said
    assert "Traceback" not in said


def test_processes_that_cannot_meet_end_with_one_line(small: Dataset, tmp_path: Path) -> None:
    command = ["benchmarks", "train", str(small.path), "--model", "transe", "--out", str(tmp_path)]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        alone = start_one(0, str(taken.getsockname()[1]), *command)
        said = alone.communicate(timeout=PATIENCE)[1]
    assert alone.returncode == 1
    assert "2 processes were started and did not meet" in said
    assert "Traceback" not in said


def test_processes_that_were_not_joined_are_refused(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"2 processes that do not know .* -m benchmarks train"):
        distributed.make_engine(quick_config(small), small.triplets(), 175, 5)


@pytest.mark.parametrize("pieces", [1, 2, 4])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_slices_keep_the_parts_of_a_number_together(pieces: int, count: int) -> None:
    width = pieces * count * 2
    row = torch.arange(width).view(1, -1)
    slices = [Slice(width, pieces, Processes(rank, count)) for rank in range(count)]
    parts = [part.take(row) for part in slices]
    assert torch.equal(torch.cat(parts, dim=1).sort().values, row)
    for part in parts:
        numbers = part.view(pieces, -1) % (width // pieces)
        assert (numbers == numbers[0]).all()


def test_slices_draw_the_columns_of_the_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.processes.ROWS", 7)
    whole = torch.rand(20, 12, generator=torch.Generator().manual_seed(3))
    for rank in range(3):
        part = Slice(12, 2, Processes(rank, 3))
        drawn = part.draw(20, torch.Generator().manual_seed(3))
        assert torch.equal(drawn, part.take(whole))


def test_what_is_summed_lies_on_the_device_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """NCCL sums nowhere else; a meta device stands in for a GPU, the table is in host memory."""
    engine = together.make_engine(["model.name=transe"])
    summed: list[torch.device] = []

    def sum_(_: Processes, tensor: Tensor) -> Tensor:
        summed.append(tensor.device)
        return torch.zeros(tensor.shape)

    monkeypatch.setattr(Processes, "sum", sum_)
    monkeypatch.setattr(engine, "device", torch.device("meta"))
    engine.entities.step(torch.arange(3), torch.ones(3, 16), 0.1)
    assert [device.type for device in summed] == ["meta"]


def test_the_first_process_decides_where_all_tables_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[RunConfig] = []

    class Recorder:
        def tell(self, name: str, config: RunConfig, *_: object) -> None:
            assert name == "start"
            told.append(config)

    config = together.config_of(["model.name=transe", "train.tables=auto"])
    monkeypatch.setattr(distributed, "_channels", [Recorder()])
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 1)
    engine = distributed.make_engine(config, np.zeros((4, 3), dtype=np.int32), 2, 1)
    assert [config.train.tables for config in told] == ["device"]
    assert engine.config.train.tables == "auto"


def test_processes_do_not_share_a_gpu(small: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    config = quick_config(small)
    shared = replace(config, train=replace(config.train, device="cuda:1"))
    monkeypatch.setattr(distributed, "_channels", [object()])
    with pytest.raises(ConfigError, match=r"train\.device = cuda:1: torchrun gives each process"):
        distributed.make_engine(shared, small.triplets(), 175, 5)
