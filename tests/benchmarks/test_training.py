"""Losses, updates, batches, and what a run leaves behind."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import ujson
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import run
from benchmarks.embeddings import load_embeddings
from benchmarks.engines.torch_engine import TorchEngine, pick_device
from benchmarks.losses import get_loss
from benchmarks.optim import RowAdagrad
from benchmarks.results import load_result
from benchmarks.sampling import batches
from benchmarks.validation import sample_triplets
from tests.benchmarks.conftest import QUICK, quick_config, resplit
from tests.datasets import make_dataset
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, DatasetError, InputError, Wikidata5MError
from wikidata5m.schema import PARTS
from wikidata5m.splits import Split

MODELS = ["model.name=transe", "model.name=complex", "model.reciprocal=true"]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_self_adversarial_loss_is_equation_5_of_sun_et_al() -> None:
    true, negatives, alpha = 1.5, [0.3, -2.0, 4.0], 0.7
    weights = [math.exp(alpha * x) for x in negatives[:2]]
    pushed = sum(
        w / sum(weights) * math.log(sigmoid(-x))
        for w, x in zip(weights, negatives[:2], strict=True)
    )
    expected = -(math.log(sigmoid(true)) + pushed) / 2
    loss = get_loss("self_adversarial", alpha=alpha, num_entities=10)
    clash = torch.tensor([[False, False, True]])
    found = loss(torch.tensor([true]), torch.tensor([negatives]), clash)
    assert float(found) == pytest.approx(expected)


def test_softmax_over_all_other_entities_is_the_full_cross_entropy() -> None:
    scores = torch.tensor([0.3, -2.0, 4.0, 1.5], dtype=torch.float64)
    loss = get_loss("softmax", alpha=0, num_entities=4)
    found = loss(scores[3:], scores[None, :3], torch.zeros(1, 3, dtype=torch.bool))
    expected = torch.nn.functional.cross_entropy(scores[None], torch.tensor([3]))
    assert float(found) == pytest.approx(float(expected))


@pytest.mark.parametrize("name", ["self_adversarial", "softmax"])
def test_a_row_of_nothing_but_clashes_stays_finite(name: str) -> None:
    loss = get_loss("softmax" if name == "softmax" else "self_adversarial", alpha=1, num_entities=9)
    true = torch.zeros(2, requires_grad=True)
    found = loss(true, torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool))
    found.backward()
    assert torch.isfinite(found)
    assert true.grad is not None
    assert torch.isfinite(true.grad).all()


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


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 60),
    chunk=st.integers(1, 9),
    chunks=st.integers(1, 4),
    epoch=st.integers(0, 3),
)
def test_batches_hold_every_triplet_once(count: int, chunk: int, chunks: int, epoch: int) -> None:
    triplets = torch.arange(count * 3).view(count, 3)
    seen = []
    for positives, negatives in batches(
        triplets,
        num_entities=7,
        batch=chunk * chunks,
        chunk=chunk,
        negatives=5,
        seed=1,
        epoch=epoch,
    ):
        assert negatives.shape == (len(positives), 5)
        assert positives.shape[0] <= chunks
        assert positives.shape[1] <= chunk
        assert negatives.max() < 7
        seen += positives.reshape(-1, 3)[:, 0].tolist()
    assert sorted(seen) == triplets[:, 0].tolist()


def test_epochs_and_seeds_differ_in_order_and_repeat_exactly() -> None:
    triplets = torch.arange(90).view(30, 3)

    def first(seed: int, epoch: int) -> list[int]:
        source = batches(
            triplets, num_entities=7, batch=30, chunk=30, negatives=2, seed=seed, epoch=epoch
        )
        return next(iter(source))[0][0, :, 0].tolist()

    assert first(0, 0) == first(0, 0)
    assert first(0, 0) != first(0, 1)
    assert first(0, 0) != first(1, 0)


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


@pytest.mark.parametrize("loss", ["loss.name=self_adversarial", "loss.l3=0.1"])
def test_a_step_follows_the_gradient_of_the_whole_loss(small: Dataset, loss: str) -> None:
    """One batch updates the gathered rows exactly as Adagrad on the dense tables would."""
    config = quick_config(
        small,
        "model.name=complex",
        "model.reciprocal=true",
        "train.schedule=constant",
        "train.batch=64",
        loss,
    )
    engine = TorchEngine(config, small.triplets()[:64], small.num_entities, small.num_relations)
    dense = [engine.entities.table_ND.clone(), engine.relations.table_ND.clone()]
    for table in dense:
        table.requires_grad_()
    positives, negatives = next(
        iter(
            batches(
                engine.triplets_N3,
                num_entities=small.num_entities,
                batch=64,
                chunk=64,
                negatives=64,
                seed=config.seed,
                epoch=0,
            )
        )
    )
    head, relation, tail = positives.unbind(-1)
    clashes = [row[..., None] == negatives[:, None] for row in (head, tail)]
    value = engine._loss(
        [dense[0][head], dense[0][tail], dense[0][negatives]],
        [dense[1][relation], dense[1][relation + small.num_relations]],
        clashes,
    )
    value.backward()
    engine.train_epoch()
    for table, after in zip(
        dense, (engine.entities.table_ND, engine.relations.table_ND), strict=True
    ):
        assert table.grad is not None
        scale = table.grad.square().mean(dim=1, keepdim=True).sqrt() + 1e-10
        torch.testing.assert_close(after, table.detach() - 0.2 * table.grad / scale)


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
    assert set(result.per_relation) <= set(small.relations["relation"])
    assert (
        sum(v["both"]["count"] for v in result.per_relation.values())
        == (result.metrics["both"]["count"])
    )
    assert "realistic ties" in result.protocol.in_words()
    assert {"torch", "python", "wikidata5m"} <= set(result.software)
    assert result.config["model"]["name"] == result.model == "transe"


def test_a_limit_ranks_a_seeded_sample_and_says_so(small: Dataset, tmp_path: Path) -> None:
    run.train(quick_config(small, "train.epochs=1"), tmp_path)
    whole = run.evaluate(tmp_path)
    assert run.evaluate(tmp_path, limit=whole.protocol.of).protocol == whole.protocol
    first, second = (run.evaluate(tmp_path, limit=5) for _ in range(2))
    assert first.metrics == second.metrics
    assert first.protocol.triplets == 5
    assert first.protocol.sample_seed == 0
    assert f"a sample of 5 of {first.protocol.of} triplets (seed 0)" in first.protocol.in_words()
    results = tmp_path / "results"
    assert {p.name for p in results.iterdir()} == {"test.json", "test-sample-5.json"}
    assert load_result(results / "test.json").metrics == whole.metrics


def test_a_result_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "test.json"
    path.write_text('{"format": 99}')
    with pytest.raises(InputError, match="result format 99"):
        load_result(path)
    path.write_text('{"format": 1}')
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
