"""The engine: compiled steps do what plain ones do, and a missing compiler costs time alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch._inductor import config as inductor
from torch._inductor import cpp_builder, cpu_vec_isa

from benchmarks.compiling import pays
from benchmarks.engines.placement import Placement, place
from benchmarks.engines.torch_engine import TorchEngine
from tests.benchmarks.conftest import quick_config
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError


def engine_of(dataset: Dataset, *overrides: str) -> TorchEngine:
    config = quick_config(dataset, "loss.name=self_adversarial", "model.gamma=3", *overrides)
    return TorchEngine(config, dataset.triplets(), dataset.num_entities, dataset.num_relations)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_compiled_epoch_is_a_plain_one(small: Dataset) -> None:
    losses, tables = [], []
    for compiled in ("always", "never"):
        options = (f"train.compile={compiled}", "train.filter_negatives=true")
        engine = engine_of(small, "model.name=rotate", *options)
        losses.append(engine.train_epoch())
        tables.append(engine.entities.table_ND)
        assert engine.compiler.wanted == (compiled == "always")
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    torch.testing.assert_close(tables[0], tables[1], rtol=1e-3, atol=1e-3)


@pytest.fixture
def _no_compiler() -> Iterator[None]:
    """torch keeps what it found: vector units that worked, and a compiler that does not exist."""
    cpu_vec_isa.valid_vec_isa_list()
    cpp_builder.cpp_compiler_search.cache_clear()
    with inductor.patch("cpp.cxx", ("no-such-compiler",)):
        yield
    cpp_builder.cpp_compiler_search.cache_clear()


@pytest.mark.usefixtures("_no_compiler")
def test_a_missing_compiler_is_told_once_and_training_goes_on(
    small: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    found = engine_of(small, "train.compile=always", "model.dim=18")
    plain = engine_of(small, "train.compile=never", "model.dim=18")
    assert found.train_epoch() == plain.train_epoch()
    assert torch.equal(found.entities.table_ND, plain.entities.table_ND)
    told = capsys.readouterr().err
    assert told.count("training is not compiled") == 1
    assert "install a C++ compiler" in told


def test_short_runs_are_not_compiled_unless_told(small: Dataset) -> None:
    scorer = engine_of(small).scorer
    for options, expected in (
        ((), False),
        (("train.epochs=1000000",), True),
        (("train.compile=always",), True),
        (("train.epochs=1000000", "train.compile=never"), False),
    ):
        assert pays(quick_config(small, *options), scorer, 10_000, 1000) == expected


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_other_optimizers_learn_too(small: Dataset, name: str) -> None:
    rate = {"sgd": "5", "adam": "0.05"}[name]
    engine = engine_of(
        small,
        "loss.name=softmax",
        f"train.optimizer={name}",
        f"train.lr={rate}",
        f"train.relation_lr={rate}",
    )
    first = engine.train_epoch()
    for _ in range(4):
        last = engine.train_epoch()
    assert last < 0.95 * first


@pytest.mark.parametrize(("model", "widest"), [("rotate", math.pi), ("complex", 0.1)])
def test_vectors_start_within_init_and_turns_anywhere(
    small: Dataset, model: str, widest: float
) -> None:
    engine = engine_of(small, f"model.name={model}", "model.init=0.1", "model.dim=64")
    for table, bound in ((engine.entities, 0.1), (engine.relations, widest)):
        assert 0.9 * bound < table.table_ND.abs().max() <= bound


def test_a_turn_has_no_size_to_penalise(small: Dataset) -> None:
    with pytest.raises(ConfigError, match=r"regulariser.relations = 0.1: RotatE's relations"):
        quick_config(small, "model.name=rotate", "regulariser.relations=0.1")


@pytest.mark.parametrize(
    ("wanted", "size", "expected"),
    [
        ("auto", 70, "cuda"),
        ("auto", 90, "cpu"),
        ("device", 90, "cuda"),
        ("host", 1, "cpu"),
    ],
)
def test_tables_too_large_for_a_gpu_lie_in_host_memory(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wanted: Placement,
    size: int,
    expected: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100 * 10**9, 100 * 10**9))
    assert place(wanted, torch.device("cuda"), size * 10**9).type == expected
    assert ("lie in host memory" in capsys.readouterr().err) == (expected == "cpu")


def test_a_cpu_has_one_memory(capsys: pytest.CaptureFixture[str]) -> None:
    assert place("host", torch.device("cpu"), 1 << 60).type == "cpu"
    assert not capsys.readouterr().err
