"""Searching hyperparameters: cores, rounds, spaces, resuming, and that no test triplet is read."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import ujson
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.config import RunConfig
from benchmarks.tuning import run
from benchmarks.tuning.cli import parse_budget
from benchmarks.tuning.rounds import core_of_share, k_core, plan, subgraph
from benchmarks.tuning.run import Trial, TuneConfig, tune
from benchmarks.tuning.space import SPACES, load_space
from tests.benchmarks.conftest import QUICK, quick_config
from tests.datasets import make_dataset
from wikidata5m.cli import main
from wikidata5m.config import load_config
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, Wikidata5MError

SPACE = """
fixed: {model.dim: 8}
search:
  train.lr: {low: 0.01, high: 1, log: true}
  train.batch: {choices: [64, 128]}
  train.chunk: {same_as: train.batch}
  train.negatives: {low: 4, high: 16, integer: true}
"""

triplets = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 2), st.integers(0, 9)), max_size=60
).map(lambda rows: np.array(rows, dtype=np.int32).reshape(-1, 3))


@given(triplets, st.integers(1, 6))
def test_a_core_is_networkx_core(triplets_N3: Any, k: int) -> None:
    loops = triplets_N3[:, 0] == triplets_N3[:, 2]
    kept = np.unique(triplets_N3[~loops][:, [0, 2]], axis=0)
    kept = kept[kept[:, 0] < kept[:, 1]]
    simple = np.insert(kept, 1, 0, axis=1)
    expected = nx.k_core(nx.Graph(kept.tolist()), k)
    found = {(h, t) for h, _, t in k_core(simple, k).tolist()}
    assert found == {(min(pair), max(pair)) for pair in expected.edges}


@given(triplets, st.floats(0, 1, exclude_max=True))
def test_the_core_of_a_share_is_the_largest_that_fits(triplets_N3: Any, share: float) -> None:
    k, core = core_of_share(triplets_N3, share)
    assert core.tolist() == k_core(triplets_N3, k).tolist()
    assert len(core) <= share * len(triplets_N3)
    larger = k_core(triplets_N3, k - 1) if k > 1 else triplets_N3
    assert len(larger) > share * len(triplets_N3) or not len(triplets_N3)


def test_a_subgraph_is_of_the_dataset_and_its_entities_are_numbered_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_dataset(tmp_path / "data", countries=20)
    whole = subgraph(data, 1.0)
    assert whole.k == 0
    assert whole.num_entities == data.num_entities
    assert subgraph(data, 0.9).k == 0, "too few validation triplets lie in the core"
    monkeypatch.setattr("benchmarks.tuning.rounds.VALID_MIN", 1)
    part = subgraph(data, 0.9)
    assert part.k > 0
    assert 0 < len(part.train_N3) <= 0.9 * len(whole.train_N3)
    assert len(part.valid_V3)
    assert np.bincount(part.train_N3[:, [0, 2]].ravel()).min() >= part.k
    ids_E = np.unique(core_of_share(whole.train_N3, 0.9)[1][:, [0, 2]])
    assert part.num_entities == len(ids_E)
    for found_N3, all_N3 in ((part.train_N3, whole.train_N3), (part.valid_V3, whole.valid_V3)):
        within = np.isin(all_N3[:, [0, 2]], ids_E).all(axis=1)
        back = np.stack([ids_E[found_N3[:, 0]], found_N3[:, 1], ids_E[found_N3[:, 2]]], axis=1)
        assert {*map(tuple, back.tolist())} == {*map(tuple, all_N3[within].tolist())}


def test_rounds_cost_more_and_more_and_the_last_costs_all() -> None:
    small_graph = plan(3, 4, epochs=32, triplets=1000)
    assert [(r.epochs, r.share) for r in small_graph] == [(2, 1.0), (8, 1.0), (32, 1.0)]
    large = plan(3, 4, epochs=32, triplets=20_000_000)
    assert [(r.epochs, r.share) for r in large] == [(8, 0.25), (16, 0.5), (32, 1.0)]
    assert [r.epochs for r in plan(3, 4, epochs=3, triplets=10)] == [1, 1, 3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20 trials", (20, 0)),
        ("1 trial", (1, 0)),
        ("7", (7, 0)),
        ("90s", (0, 90)),
        ("1.5h", (0, 5400)),
        ("2 d", (0, 172800)),
    ],
)
def test_a_budget_is_trials_or_a_time(text: str, expected: tuple[int, float]) -> None:
    assert parse_budget(text) == expected


@pytest.mark.parametrize("text", ["", "0 trials", "0h", "two hours", "-3", "2 weeks"])
def test_a_wrong_budget_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="as in 20 trials, 30m or 2h"):
        parse_budget(text)


@pytest.mark.parametrize("space", sorted(SPACES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_space_loads_and_suits_its_model(space: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text(f"model: {{name: {space.stem}}}\n")
    assert load_space(space.stem, None, base).drawn


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("search: {}", "at least one setting"),
        ("search: {train.lr: {low: 1}}", "low and high are both needed"),
        ("search: {train.lr: {low: 1, high: 2, choices: [3]}}", "low and high, or choices"),
        ("search: {train.lr: {low: 1, hihg: 2}}", "hihg"),
        ("search: {train.lr: {low: 0, high: 2, log: true}}", "log needs low above zero"),
        ("search: {train.lr: {low: -1, high: 2}}", "lr = -1"),
        ("search: {train.rate: {low: 1, high: 2}}", "unknown setting train.rate"),
        ("search: {train.batch: {choices: [100]}}", "no multiple of train.chunk"),
        ("search: {train.lr: {choices: [fast]}}", "train.lr = fast"),
        ("search: {train.negatives: {low: 1.2, high: 1.8, integer: true}}", "whole numbers"),
        ("search: {train.schedule: {choices: [linear, plateau]}}", "validates once"),
        ("search: {train.patience: {choices: [0, 1]}}", "pass --set 'train.patience=0'"),
        ("search: {train.chunk: {same_as: train.batch}, seed: {choices: [1]}}", "not drawn"),
        ("search: {train.epochs: {choices: [1, 40]}}", "pass --set train.epochs=N"),
        (
            "{fixed: {train.epochs: 3}, search: {train.lr: {low: 1, high: 2}}}",
            "pass --set train.epochs=N",
        ),
        ("find: {}", "unknown setting find"),
    ],
)
def test_a_wrong_space_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("model: {dim: 8}\n")
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_space("transe", tmp_path / "space.yaml", tmp_path / "base.yaml")


@pytest.mark.parametrize(
    "setting", ["engine: graphvite", "setting: temporal", "train: {weights: w.tsv}"]
)
def test_a_base_that_trials_would_not_follow_is_refused(setting: str, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(f"{setting}\n")
    with pytest.raises(ConfigError, match="not searched with; pass --set"):
        load_space("transe", None, tmp_path / "base.yaml")


@pytest.fixture
def told(small: Dataset, tmp_path: Path) -> tuple[TuneConfig, RunConfig]:
    """A search over a cheap space, and the configuration it starts from."""
    base = quick_config(small, "model.name=distmult", "train.epochs=4")
    (tmp_path / "space.yaml").write_text(SPACE)
    (tmp_path / "any.yaml").write_text("model: {name: distmult}\n")
    space = load_space("distmult", tmp_path / "space.yaml", tmp_path / "any.yaml")
    config = TuneConfig(
        dataset=base.dataset,
        dataset_hash=base.dataset_hash,
        space=space,
        trials=5,
        rounds=2,
        keep=2,
        valid=20,
    )
    return config, base


def score(config: RunConfig, *_: object) -> dict[str, float]:
    """Stands for training: the nearer the rate to 0.1 the better."""
    return {"mrr": 1 / (1 + abs(np.log10(config.train.lr) + 1))}


def bare(trials: list[Trial]) -> list[Trial]:
    return [replace(trial, seconds=0.0) for trial in trials]


def test_a_search_trains_halves_and_writes_the_winner(
    told: tuple[TuneConfig, RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    honest = Dataset.triplets

    def watched(self: Dataset, setting: Any = None, part: Any = None) -> Any:
        asked.append((setting, part))
        return honest(self, setting, part)

    monkeypatch.setattr(Dataset, "triplets", watched)
    trials = tune(*told, tmp_path / "tune")
    assert set(asked) == {("transductive", "train"), ("transductive", "valid")}
    assert [t.round for t in trials] == [2] * 3 + [1] * 5
    assert {t.epochs for t in trials if t.round == 1} == {2}
    assert trials[0].epochs == 4
    assert trials[0].mrr == max(t.mrr for t in trials if t.round == 2) > 0
    first = sorted((t for t in trials if t.round == 1), key=lambda t: -t.mrr)
    assert {t.candidate for t in trials[:3]} == {t.candidate for t in first[:3]}
    won = load_config(RunConfig, tmp_path / "tune" / "config.yaml")
    assert won.train.lr == trials[0].settings["train.lr"]
    assert won.train.chunk == won.train.batch
    assert (won.model.dim, won.train.epochs, won.dataset) == (8, 4, "")


@pytest.mark.parametrize("stop", [1, 3, 6])
def test_an_interrupted_search_resumes_to_the_same_trials(
    told: tuple[TuneConfig, RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    monkeypatch.setattr(run, "train_and_rank", score)
    expected = tune(*told, tmp_path / "whole")
    calls = []

    def interrupted(config: RunConfig, *_: object) -> dict[str, float]:
        calls.append(config)
        if len(calls) == stop:
            raise KeyboardInterrupt
        return score(config)

    monkeypatch.setattr(run, "train_and_rank", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tune(*told, tmp_path / "cut")
    assert bare(tune(*told, tmp_path / "cut")) == bare(expected)


def test_a_larger_budget_goes_on_and_other_settings_do_not(
    told: tuple[TuneConfig, RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "train_and_rank", score)
    config, base = told
    before = tune(config, base, tmp_path)
    after = tune(replace(config, trials=8), base, tmp_path)
    assert len([t for t in after if t.round == 1]) == 8
    assert all(trial in bare(after) for trial in bare(before))
    with pytest.raises(ConfigError, match="keep is 2 there, 3 here"):
        tune(replace(config, keep=3), base, tmp_path)
    with pytest.raises(ConfigError, match="seed"):
        tune(config, replace(base, seed=9), tmp_path)


def test_a_time_is_shared_by_the_rounds(
    told: tuple[TuneConfig, RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(0, 10**6, 10))
    monkeypatch.setattr("benchmarks.tuning.run.time.perf_counter", lambda: next(ticks))
    monkeypatch.setattr(run, "train_and_rank", score)
    config = replace(told[0], trials=0, seconds=105.0)
    rounds = [t.round for t in tune(config, told[1], tmp_path)]
    # Ten seconds a trial: six end past the half, three of them go on, and time is left.
    assert (rounds.count(1), rounds.count(2)) == (6, 3)


def test_a_candidate_that_fails_is_last_and_a_search_of_failures_is_an_error(
    told: tuple[TuneConfig, RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(config: RunConfig, *_: object) -> dict[str, float]:
        if config.train.batch == 64:
            raise Wikidata5MError("the loss is nan")
        return score(config)

    monkeypatch.setattr(run, "train_and_rank", fails)
    trials = tune(*told, tmp_path / "some")
    assert trials[0].settings["train.batch"] == 128
    assert {t.error for t in trials if t.settings["train.batch"] == 64} == {"the loss is nan"}

    def late(config: RunConfig, *_: object) -> dict[str, float]:
        if config.train.epochs == told[1].train.epochs:
            raise Wikidata5MError("the loss is nan")
        return score(config)

    monkeypatch.setattr(run, "train_and_rank", late)
    trials = tune(*told, tmp_path / "late")
    assert (trials[0].round, trials[0].error) == (1, "")
    assert (tmp_path / "late" / "config.yaml").is_file()

    def always(*_: object) -> dict[str, float]:
        raise Wikidata5MError("the loss is nan")

    monkeypatch.setattr(run, "train_and_rank", always)
    with pytest.raises(Wikidata5MError, match="every candidate failed"):
        tune(*told, tmp_path / "all")


def test_the_command_writes_files_and_train_takes_the_winner(
    small: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    out = tmp_path / "tune"
    settings = [word for setting in (*QUICK, "train.epochs=2") for word in ("--set", setting)]
    words = ["bench", "tune", small.path, "--model", "distmult", "--budget", "3 trials"]
    words += ["--space", tmp_path / "space.yaml", "--rounds", 2, "--out", out, *settings]

    def invoke(*words: object, code: int = 0) -> Any:
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return result

    done = invoke(*words, "--json")
    assert len(ujson.loads(done.stdout)["trials"]) == 4
    rows = list(csv.DictReader((out / "trials.csv").read_text().splitlines()))
    assert len(rows) == 4
    assert float(rows[0]["train.lr"]) > 0
    assert "<svg" in (out / "tune.svg").read_text()
    assert "valid MRR" in invoke(*words, "--resume").stdout
    assert "pass --overwrite" in invoke(*words, code=1).stderr
    train = ["bench", "train", small.path, "--config", out / "config.yaml", "--out", tmp_path / "r"]
    assert "2 epochs" in invoke(*train).stdout
    assert "no space" in invoke(*words, "--space", tmp_path / "no space.yaml", code=1).stderr
