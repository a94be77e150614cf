"""Updates, steps, and what a run leaves behind."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import ujson
from torch import Tensor

from benchmarks import run
from benchmarks.embeddings import load_embeddings
from benchmarks.engines.torch_engine import TorchEngine, pick_device
from benchmarks.optim import RowAdagrad
from benchmarks.results import load_result
from benchmarks.sampling import Batch
from benchmarks.validation import sample_triplets
from tests.benchmarks.conftest import QUICK, quick_config, resplit
from tests.benchmarks.test_losses import plain_loss
from tests.datasets import make_dataset
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, DatasetError, InputError, Wikidata5MError
from wikidata5m.schema import PARTS
from wikidata5m.splits import Split

MODELS = ["model.name=transe", "model.name=complex", "model.reciprocal=true"]


def test_an_update_sums_repeats_and_touches_no_other_row() -> None:
    table = torch.zeros(5, 2, dtype=torch.float32)
    optimizer = RowAdagrad(table)
    grads = torch.tensor([[3.0, 4.0], [1.0, 0.0], [1.0, 0.0]])
    optimizer.step(torch.tensor([4, 1, 1]), grads, lr=0.5)
    # Row 1 sums to (2, 0): mean square 2; row 4 has mean square 12.5.
    torch.testing.assert_close(optimizer.squares_N, torch.tensor([0.0, 2.0, 0.0, 0.0, 12.5]))
    expected = torch.zeros(5, 2)
    expected[1, 0] = -0.5 * 2 / math.sqrt(2)
    expected[4] = -0.5 * torch.tensor([3.0, 4.0]) / math.sqrt(12.5)
    torch.testing.assert_close(table, expected)


@pytest.mark.parametrize("setting", MODELS)
def test_training_beats_chance_by_far_and_rises(
    small: Dataset, tmp_path: Path, setting: str
) -> None:
    config = quick_config(small, "model.name=complex", setting, "train.epochs=12")
    run.train(config, tmp_path)
    result = run.evaluate(tmp_path, part="valid")
    chance = result.baselines["random"]["both"]["mrr"]
    assert result.metrics["both"]["mrr"] > 5 * chance
    curve = [p.valid_mrr for p in result.train.curve if p.valid_mrr is not None]
    assert len(curve) == 4
    assert curve[-1] > curve[0]
    assert result.train.curve[-1].loss < result.train.curve[0].loss
    assert max(curve) == pytest.approx(result.metrics["both"]["mrr"])


STEPS = [
    ("model.name=transe", "loss.name=self_adversarial", "model.gamma=3"),
    ("loss.name=self_adversarial", "train.sides=alternate"),
    ("model.reciprocal=true", "regulariser.entities=0.1", "regulariser.relations=0.2"),
    ("loss.name=one_vs_all", "regulariser.name=lp", "regulariser.p=2", "regulariser.entities=0.1"),
    ("train.in_batch=true", "train.negatives=3", "model.reciprocal=true"),
    ("train.in_batch=true", "train.positives=degree", "train.sides=alternate"),
    ("train.filter_negatives=true",),
    ("train.filter_negatives=true", "train.sides=alternate", "model.reciprocal=true"),
]


@pytest.mark.parametrize("options", STEPS)
def test_a_step_follows_the_gradient_of_the_whole_loss(
    small: Dataset, options: tuple[str, ...]
) -> None:
    """One batch updates the gathered rows exactly as Adagrad on the dense tables would."""
    config = quick_config(
        small, "model.name=complex", "train.schedule=constant", "train.batch=64", *options
    )
    engine = TorchEngine(config, small.triplets()[:64], small.num_entities, small.num_relations)
    dense = [engine.entities.table_ND.clone(), engine.relations.table_ND.clone()]
    for table in dense:
        table.requires_grad_()
    (batch,) = engine.sampler.epoch(0)
    value = dense_loss(engine, batch, *dense)
    value.backward()
    assert engine.train_epoch() == pytest.approx(float(value.detach()))
    for table, after in zip(
        dense, (engine.entities.table_ND, engine.relations.table_ND), strict=True
    ):
        assert table.grad is not None
        scale = table.grad.square().mean(dim=1, keepdim=True).sqrt() + 1e-10
        torch.testing.assert_close(
            after, table.detach() - 0.2 * table.grad / scale, rtol=1e-4, atol=1e-5
        )


def dense_loss(
    engine: TorchEngine, batch: Batch, entities_ED: Tensor, relations_RD: Tensor
) -> Tensor:
    """The loss of a batch, written down plainly for autograd."""
    config, scorer = engine.config, engine.scorer
    head, relation, tail = batch.positives_GB3.unbind(-1)
    back = relation + (engine.num_relations if config.model.reciprocal else 0)
    candidates_GKD = entities_ED[batch.negatives_GK]
    sides = {}
    if batch.side != "heads":
        parts = entities_ED[head], relations_RD[relation]
        true_GB = scorer.score_triplets(*parts, entities_ED[tail])
        sides["tails"] = (
            true_GB,
            scorer.score_tails(*parts, candidates_GKD),
            tail,
            batch.known_tails_GBK,
        )
    if batch.side != "tails" and config.model.reciprocal:
        parts = entities_ED[tail], relations_RD[back]
        true_GB = scorer.score_triplets(*parts, entities_ED[head])
        sides["heads"] = (
            true_GB,
            scorer.score_tails(*parts, candidates_GKD),
            head,
            batch.known_heads_GBK,
        )
    elif batch.side != "tails":
        parts = relations_RD[relation], entities_ED[tail]
        true_GB = scorer.score_triplets(entities_ED[head], *parts)
        sides["heads"] = (
            true_GB,
            scorer.score_heads(*parts, candidates_GKD),
            head,
            batch.known_heads_GBK,
        )
    total = torch.zeros(())
    for true_GB, negative_GBK, truth, known_GBK in sides.values():
        total = total + plain_loss(
            config.loss.name,
            true_GB,
            negative_GBK,
            batch.clash(truth, known_GBK),
            batch.weight_GB,
            batch.log_share_GK,
            alpha=config.loss.alpha,
            num_entities=engine.num_entities,
        ) / len(sides)
    penalty = config.regulariser
    for rows_MD, weight in [
        (entities_ED[head], penalty.entities),
        (entities_ED[tail], penalty.entities),
        (relations_RD[relation], penalty.relations),
        (relations_RD[back], penalty.relations * config.model.reciprocal),
    ]:
        size = scorer.magnitudes(rows_MD) if penalty.name == "n3" else rows_MD.abs()
        power = 3 if penalty.name == "n3" else penalty.p
        total = total + weight * size.pow(power).sum() / head.numel()
    return total


@pytest.mark.parametrize("option", ["train.entity_dropout=0.5", "train.relation_dropout=0.5"])
def test_dropout_changes_the_steps_and_repeats_by_the_seed(small: Dataset, option: str) -> None:
    def trained_with(*options: str) -> Tensor:
        config = quick_config(small, "model.name=complex", *options)
        engine = TorchEngine(config, small.triplets(), small.num_entities, small.num_relations)
        engine.train_epoch()
        return engine.relations.table_ND

    assert torch.equal(trained_with(option), trained_with(option))
    assert not torch.equal(trained_with(option), trained_with())


class StopHereError(Exception):
    pass


@pytest.mark.parametrize("reciprocal", ["false", "true"])
def test_a_resumed_run_ends_with_identical_embeddings(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reciprocal: str
) -> None:
    config = quick_config(small, "model.name=complex", f"model.reciprocal={reciprocal}")
    run.train(config, tmp_path / "whole")
    step = TorchEngine.train_epoch

    def stop_in_epoch_four(engine: TorchEngine, *told: Any) -> float:
        if engine.epoch == 3:
            raise StopHereError
        return step(engine, *told)

    monkeypatch.setattr(TorchEngine, "train_epoch", stop_in_epoch_four)
    with pytest.raises(StopHereError):
        run.train(config, tmp_path / "stopped")
    monkeypatch.setattr(TorchEngine, "train_epoch", step)
    with pytest.raises(InputError, match="training is not finished"):
        run.evaluate(tmp_path / "stopped")
    run.train(config, tmp_path / "stopped", resume=True)
    whole, stopped = (
        load_embeddings(tmp_path / name / run.EMBEDDINGS) for name in ("whole", "stopped")
    )
    assert torch.equal(whole.entities, stopped.entities)
    assert torch.equal(whole.relations, stopped.relations)
    assert [p.loss for p in run.summary(tmp_path / "whole").curve] == [
        p.loss for p in run.summary(tmp_path / "stopped").curve
    ]


def test_the_same_seed_repeats_a_run_and_another_does_not(small: Dataset, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run.train(quick_config(small, f"seed={seed}", "train.epochs=1"), tmp_path / name)
    a, b, c = (load_embeddings(tmp_path / x / run.EMBEDDINGS).entities for x in "abc")
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_resuming_with_other_settings_is_refused(small: Dataset, trained: dict[str, Path]) -> None:
    config = quick_config(small, "model.name=transe", "train.lr=0.3")
    with pytest.raises(ConfigError, match=r"train.lr is 0.2 there, 0.3 here"):
        run.train(config, trained["transe"], resume=True)


def test_a_rebuilt_dataset_is_neither_resumed_nor_ranked(small: Dataset, tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "run"
    shutil.copytree(small.path, data)
    first = run.resolve(data, model="transe", config=None, overrides=QUICK)
    run.train(first, folder)
    train, valid, test = (small.triplets("transductive", part) for part in PARTS)
    leaking: Split = {
        "train": np.concatenate([train[len(test) :], test]),
        "valid": valid,
        "test": train[: len(test)],
    }
    shutil.rmtree(data)
    rebuilt = resplit(small, data, leaking)
    assert rebuilt.num_entities == small.num_entities
    second = run.resolve(data, model="transe", config=None, overrides=QUICK)
    with pytest.raises(DatasetError, match=f"belongs to a dataset of hash {first.dataset_hash}"):
        run.train(second, folder, resume=True)
    with pytest.raises(DatasetError, match=f"has hash {second.dataset_hash}"):
        run.evaluate(folder)
    with pytest.raises(DatasetError, match="name that dataset"):
        run.train(first, tmp_path / "stale")
    assert not (tmp_path / "stale").exists()


def test_a_dataset_that_only_moved_is_resumed_and_ranked_where_it_is_now(
    small: Dataset, tmp_path: Path
) -> None:
    before, after, folder = tmp_path / "before", tmp_path / "after", tmp_path / "run"
    shutil.copytree(small.path, before)
    run.train(run.resolve(before, model="transe", config=None, overrides=QUICK), folder)
    before.rename(after)
    moved = run.resolve(after, model="transe", config=None, overrides=QUICK)
    run.train(moved, folder, resume=True)
    assert run.load_run_config(folder) == moved
    assert run.evaluate(folder).dataset.path == str(after)


def test_an_empty_part_is_not_validated_and_not_ranked(small: Dataset, tmp_path: Path) -> None:
    none = np.empty((0, 3), dtype=np.int32)
    split: Split = {"train": small.triplets(), "valid": none, "test": none}
    whole = resplit(small, tmp_path / "data", split)
    done = run.train(quick_config(whole), tmp_path / "run")
    assert [p.valid_mrr for p in done.curve] == [None] * 6
    with pytest.raises(DatasetError, match="transductive test part has no triplets"):
        run.evaluate(tmp_path / "run")
    assert not (tmp_path / "run" / "results").exists()


def test_a_damaged_checkpoint_is_refused(small: Dataset, tmp_path: Path) -> None:
    config = quick_config(small, "train.epochs=2")
    run.train(config, tmp_path)
    (tmp_path / run.CHECKPOINT / "state.safetensors").write_bytes(b"half a file")
    with pytest.raises(InputError, match="not readable"):
        run.train(config, tmp_path, resume=True)


def test_divergence_stops_with_step_and_cause(small: Dataset, tmp_path: Path) -> None:
    config = quick_config(small, "model.name=complex", "train.lr=1e30", "train.relation_lr=1e30")
    with pytest.raises(
        Wikidata5MError, match=r"epoch \d+, step \d+: the loss is .* lower train.lr"
    ):
        run.train(config, tmp_path)


def test_a_result_survives_saving_and_says_how_it_was_found(
    small: Dataset, trained: dict[str, Path]
) -> None:
    path = trained["transe"] / "results" / "test.json"
    result = load_result(path)
    again = path.with_name("again.json.txt")
    result.save(again)
    assert load_result(again) == result
    again.unlink()
    assert result.dataset.hash == small.manifest.dataset_hash
    assert result.protocol.candidates == small.num_entities
    assert result.metrics["both"]["count"] == 2 * result.protocol.triplets
    assert set(result.groups["relation"]) <= set(small.relations["relation"])
    assert (
        sum(v["both"]["count"] for v in result.groups["relation"].values())
        == (result.metrics["both"]["count"])
    )
    assert "realistic ties" in result.protocol.in_words()
    assert {"torch", "python", "wikidata5m"} <= set(result.software)
    assert result.config["model"]["name"] == result.model == "transe"


def test_a_limit_ranks_a_seeded_sample_and_says_so(small: Dataset, tmp_path: Path) -> None:
    run.train(quick_config(small, "train.epochs=1"), tmp_path)
    whole = run.evaluate(tmp_path)
    assert run.evaluate(tmp_path, sample=whole.protocol.of).protocol == whole.protocol
    first, second = (run.evaluate(tmp_path, sample=5) for _ in range(2))
    assert first.metrics == second.metrics
    assert first.protocol.triplets == 5
    assert first.protocol.sample_seed == 0
    assert f"a sample of 5 of {first.protocol.of} triplets (seed 0)" in first.protocol.in_words()
    results = tmp_path / "results"
    assert {p.name for p in results.iterdir()} == {"test.json", "test-sample-5.json"}
    assert load_result(results / "test.json").metrics == whole.metrics


def test_a_sample_leaves_what_an_interrupted_ranking_finished(
    small: Dataset, trained: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(trained["transe"], folder)
    kept = folder / "results" / "test-unfinished.npz"
    with monkeypatch.context() as patch:
        patch.setattr(run, "make_result", lambda *_, **__: pytest.fail("reached"))
        with pytest.raises(pytest.fail.Exception):
            run.evaluate(folder)
    assert kept.is_file()
    run.evaluate(folder, sample=3)
    run.evaluate(folder, sample=3, sample_seed=1)
    run.evaluate(folder, candidates=10)
    assert kept.is_file()
    run.evaluate(folder)
    assert sorted(path.name for path in kept.parent.iterdir()) == [
        "test-candidates-10.json",
        "test-sample-3-seed-1.json",
        "test-sample-3.json",
        "test.json",
    ]


def test_a_result_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "test.json"
    path.write_text('{"format": 99}')
    with pytest.raises(InputError, match="result format 99"):
        load_result(path)
    path.write_text('{"format": 2}')
    with pytest.raises(InputError, match="missing required field"):
        load_result(path)


def test_embeddings_of_another_dataset_are_refused(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    other = make_dataset(tmp_path / "other", countries=9)
    with pytest.raises(DatasetError, match=f"{other.path}: has hash"):
        run.evaluate(trained["transe"], dataset=other.path)
    with pytest.raises(DatasetError, match="made for dataset 'small'"):
        load_embeddings(
            trained["transe"] / run.EMBEDDINGS, dataset_hash=other.manifest.dataset_hash
        )


def test_incomplete_embeddings_are_refused(trained: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"embeddings.json"):
        load_embeddings(tmp_path)
    meta = trained["transe"] / run.EMBEDDINGS / "embeddings.json"
    (tmp_path / "embeddings.json").write_bytes(meta.read_bytes())
    with pytest.raises(InputError, match="not readable as embeddings"):
        load_embeddings(tmp_path)


def test_embeddings_of_another_format_are_refused(trained: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "embeddings"
    shutil.copytree(trained["transe"] / run.EMBEDDINGS, folder)
    meta = folder / "embeddings.json"
    meta.write_text(ujson.dumps(ujson.loads(meta.read_text()) | {"format": 2}))
    with pytest.raises(InputError, match="embeddings format 2, this version reads 1"):
        load_embeddings(folder)


def test_a_sample_keeps_order_and_repeats() -> None:
    triplets = np.arange(60, dtype=np.int32).reshape(20, 3)
    chosen = sample_triplets(triplets, 7, seed=3)
    assert len(chosen) == 7
    assert (np.diff(chosen[:, 0]) > 0).all()
    np.testing.assert_array_equal(chosen, sample_triplets(triplets, 7, seed=3))
    assert sample_triplets(triplets, 99, seed=3) is triplets


@pytest.mark.parametrize(
    "name", ["gpu", "meta", "mps", "", "cpu:0", "cuda:", "cuda:-1", "cuda:01", " cuda", "cuda:0\n"]
)
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"train\.device = {name}: unknown"):
        pick_device(name)


def test_a_gpu_is_taken_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [str(pick_device(name)) for name in ("cpu", "cuda", "cuda:1")] == [
        "cpu",
        "cuda",
        "cuda:1",
    ]
    with pytest.raises(ConfigError, match=r"train\.device = cuda:2: torch can use 2 GPUs"):
        pick_device("cuda:2")
