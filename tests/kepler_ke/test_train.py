"""Training: it learns, it resumes exactly, it refuses what does not fit; and ranking."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import DEFAULT, Mock

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import kepler_ke.train
from benchmarks.results import load_result
from kepler_ke.checkpoint import load_checkpoint, save_checkpoint
from kepler_ke.config import KeplerConfig, forms, presets, resolve_config
from kepler_ke.data import known_triplets, part_entities
from kepler_ke.encode import encode_keys
from kepler_ke.encoder import Kepler, load_kepler
from kepler_ke.evaluate import evaluate_run, load_judge, symmetric_relations, top1_self
from kepler_ke.predictor import rank
from kepler_ke.prepare import prepare
from kepler_ke.runs import read_config, read_log, read_run
from kepler_ke.tokens import Indices, Texts
from kepler_ke.train import learning_rate, train
from kepler_ke.world import World
from tests.datasets import make_dataset
from tests.kepler_ke.conftest import SHORT
from wikidata5m.dataset import Dataset
from wikidata5m.errors import (
    ConfigError,
    DatasetError,
    InputError,
    OutputExistsError,
    Wikidata5MError,
)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    files = ("model.safetensors", "relations.safetensors")
    return {f"{file}:{k}": v for file in files for k, v in load_file(folder / file).items()}


def _assert_same(one: Path, other: Path) -> None:
    a, b = _weights(one), _weights(other)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


class KillError(Exception):
    """Stands for a killed process."""


def _save_then_die(*args: Any) -> None:
    save_checkpoint(*args)
    raise KillError


def _killed_at_a_checkpoint(patching: pytest.MonkeyPatch, *args: Any, resume: bool = False) -> None:
    """`train` until it has written one."""
    with patching.context() as patch:
        patch.setattr("kepler_ke.train.save_checkpoint", _save_then_die)
        with pytest.raises(KillError):
            train(*args, resume=resume)


def test_an_interrupted_run_ends_with_the_same_weights_and_log(
    dataset: Dataset, encoder: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    for _ in range(2):
        _killed_at_a_checkpoint(monkeypatch, dataset, str(encoder), folder, SHORT, resume=True)
    train(dataset, str(encoder), folder, SHORT, resume=True)
    _assert_same(folder / "model", run / "model")
    assert [x["step"] for x in read_log(folder)] == [x["step"] for x in read_log(run)]
    assert read_log(folder)[-1]["valid_mrr"] == read_log(run)[-1]["valid_mrr"]


def test_dropout_is_the_same_after_an_interruption(
    dataset: Dataset, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy = tmp_path / "noisy"
    shutil.copytree(encoder, noisy)
    config = (noisy / "config.json").read_text()
    (noisy / "config.json").write_text(config.replace('dropout_prob": 0.0', 'dropout_prob": 0.3'))
    short = dataclasses.replace(SHORT, epochs=1, checkpoint_steps=2)
    train(dataset, str(noisy), tmp_path / "whole", short)
    _killed_at_a_checkpoint(monkeypatch, dataset, str(noisy), tmp_path / "cut", short)
    train(dataset, str(noisy), tmp_path / "cut", short, resume=True)
    _assert_same(tmp_path / "cut" / "model", tmp_path / "whole" / "model")


def test_accumulated_passes_train_like_the_whole_batch(
    dataset: Dataset, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A loss without negatives: their draws differ from pass to pass, the triplets do not.
    monkeypatch.setattr("kepler_ke.step.knowledge_loss", lambda score_B, _: -score_B.mean())
    losses = {}
    for batch, accumulate in ((30, 1), (10, 3), (7, 5)):
        short = dataclasses.replace(
            SHORT, epochs=1, batch=batch, accumulate=accumulate, mlm_batch=0, log_steps=1
        )
        folder = tmp_path / f"{batch}"
        train(dataset, str(encoder), folder, short)
        losses[batch] = [line["loss"] for line in read_log(folder)]
    assert losses[10] == pytest.approx(losses[30], rel=1e-4)
    # 7 x 5 is another effective batch, which shows that the comparison can fail.
    assert losses[7][0] != pytest.approx(losses[30][0], rel=1e-4)


def test_resuming_with_another_setting_is_refused(
    dataset: Dataset, encoder: Path, run: Path
) -> None:
    with pytest.raises(ConfigError, match="other values of gamma"):
        train(dataset, str(encoder), run, dataclasses.replace(SHORT, gamma=1.0), resume=True)


def test_a_dataset_that_moved_is_the_same_and_its_new_place_is_noted(
    dataset: Dataset, encoder: Path, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "run")
    moved = Dataset(Path(shutil.copytree(dataset.path, tmp_path / "moved")))
    train(moved, str(encoder), tmp_path / "run", SHORT, resume=True)
    assert Path(read_run(tmp_path / "run").dataset) == moved.path
    other = make_dataset(tmp_path / "other", countries=12, seed=5)
    with pytest.raises(ConfigError, match="other values of dataset_hash"):
        train(other, str(encoder), tmp_path / "run", SHORT, resume=True)


def test_a_log_that_was_cut_short_stops_no_resuming(
    dataset: Dataset, encoder: Path, run: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "run"
    shutil.copytree(run, cut)
    lines = (cut / "log.jsonl").read_text().splitlines()
    (cut / "log.jsonl").write_text("\n".join([*lines[:-1], lines[-1][:20]]))
    assert read_log(cut) == read_log(run)[:-1]
    (cut / "log.jsonl").write_text("\n".join([lines[0][:20], *lines[1:]]))
    with pytest.raises(InputError, match=r"log.jsonl, line 1: not JSON"):
        read_log(cut)


@pytest.mark.parametrize(
    ("file", "text"), [("run.json", '{"dataset": 3}'), ("config.yaml", "gamma: [1]")]
)
def test_a_damaged_run_folder_is_told(run: Path, tmp_path: Path, file: str, text: str) -> None:
    damaged = tmp_path / "run"
    shutil.copytree(run, damaged)
    (damaged / file).write_text(text)
    read = read_run if file == "run.json" else read_config
    with pytest.raises(InputError, match=f"{file}: damaged"):
        read(damaged)


def test_a_filled_folder_is_refused_unless_resumed_or_overwritten(
    dataset: Dataset, encoder: Path, run: Path
) -> None:
    with pytest.raises(OutputExistsError, match="not empty"):
        train(dataset, str(encoder), run, SHORT)


@pytest.mark.parametrize("seed", [-1, 1 << 32])
def test_a_seed_out_of_range_is_refused(
    seed: int, dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"seed = {seed}: must be at least 0 and below 2"):
        train(dataset, str(encoder), tmp_path / "run", SHORT, seed=seed)


def test_the_model_kept_is_the_best_that_the_log_knows(
    dataset: Dataset,
    encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The best is found after the last checkpoint; what follows on resuming is worse.
    short = dataclasses.replace(SHORT, epochs=1, checkpoint_steps=2, validate_steps=1, log_steps=1)
    scores = iter([0.2, 0.1, 0.9])
    run = tmp_path / "run"

    def measure(_: object, model: Kepler, __: World) -> dict[str, Any]:
        score = next(scores, None)
        if score is None:
            raise KillError
        seen[score] = model.relations_RD.detach().clone()
        return {"valid_mrr": score}

    seen: dict[float, torch.Tensor] = {}
    monkeypatch.setattr("kepler_ke.train.Validation.measure", measure)
    with pytest.raises(KillError):
        train(dataset, str(encoder), run, short)
    assert [x.name for x in sorted((run / "best").iterdir())] == [
        f"step-{step:09}" for step in (1, 3)
    ]
    scores = iter([0.15] * 99)
    told = train(dataset, str(encoder), run, short, resume=True)
    assert (told["best"]["step"], told["best"]["valid_mrr"]) == (1, 0.2)
    kept = load_file(run / "model" / "relations.safetensors")["relations_RD"]
    assert torch.equal(kept, seen[0.2])
    assert not torch.equal(kept, seen[0.9])
    assert not (run / "best").exists()


def test_a_best_model_that_is_gone_is_told(
    dataset: Dataset,
    encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    short = dataclasses.replace(SHORT, epochs=1, checkpoint_steps=2, validate_steps=1)
    _killed_at_a_checkpoint(monkeypatch, dataset, str(encoder), tmp_path / "run", short)
    shutil.rmtree(tmp_path / "run" / "best")
    train(dataset, str(encoder), tmp_path / "run", short, resume=True)
    assert "the best model so far is gone" in capsys.readouterr().err
    assert (tmp_path / "run" / "model" / "config.json").is_file()


def test_a_run_without_checkpoints_says_that_it_begins_again(
    dataset: Dataset,
    encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    short = dataclasses.replace(SHORT, epochs=1, checkpoint_steps=0, log_steps=1)
    report = Mock(wraps=kepler_ke.train._report, side_effect=[DEFAULT, KillError])
    with monkeypatch.context() as patch:
        patch.setattr("kepler_ke.train._report", report)
        with pytest.raises(KillError):
            train(dataset, str(encoder), tmp_path / "run", short)
    assert "begins at the first update" not in capsys.readouterr().err
    train(dataset, str(encoder), tmp_path / "run", short, resume=True)
    assert "no checkpoint there; begins at the first update" in capsys.readouterr().err


def test_smaller_passes_read_as_many_masked_texts_and_are_what_the_model_says(
    dataset: Dataset, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, short = tmp_path / "run", dataclasses.replace(SHORT, epochs=1, checkpoint_steps=1)
    _killed_at_a_checkpoint(monkeypatch, dataset, str(encoder), run, short)
    halves = dataclasses.replace(short, batch=16, accumulate=2)
    for wrong in (halves, dataclasses.replace(halves, mlm_batch=50)):
        with pytest.raises(ConfigError, match=r"goes on with --set mlm_batch=2"):
            train(dataset, str(encoder), run, wrong, resume=True)
    with pytest.raises(ConfigError, match="other values of mlm_batch"):
        train(dataset, str(encoder), run, dataclasses.replace(short, mlm_batch=50), resume=True)
    smaller = dataclasses.replace(halves, mlm_batch=2)
    train(dataset, str(encoder), run, smaller, resume=True)
    assert load_kepler(run / "model", training=True)[0].config == smaller


def test_a_finished_run_without_its_log_is_told(
    dataset: Dataset, encoder: Path, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "log.jsonl").unlink()
    with pytest.raises(InputError, match=r"log.jsonl: missing or empty"):
        train(dataset, str(encoder), tmp_path / "run", SHORT, resume=True)


def test_an_encoder_may_be_named_by_another_path(
    dataset: Dataset, encoder: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run, tmp_path / "run")
    monkeypatch.chdir(encoder.parent)
    train(dataset, f"./{encoder.name}", tmp_path / "run", SHORT, resume=True)


def test_a_kill_between_start_and_run_json_is_no_hindrance(
    dataset: Dataset, encoder: Path, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run / "start", tmp_path / "run" / "start")
    (tmp_path / "run" / "start" / "model.safetensors").write_bytes(b"of another encoder")
    train(dataset, str(encoder), tmp_path / "run", SHORT, resume=True)
    _assert_same(tmp_path / "run" / "model", run / "model")


def test_a_finished_run_is_left_as_it_is(dataset: Dataset, encoder: Path, run: Path) -> None:
    before = _weights(run / "model")
    told = train(dataset, str(encoder), run, SHORT, resume=True)
    assert told == read_log(run)[-1] | {"best": told["best"]}
    assert all(torch.equal(x, before[name]) for name, x in _weights(run / "model").items())


def test_a_damaged_checkpoint_is_refused(run: Path, dataset: Dataset, tmp_path: Path) -> None:
    shutil.copytree(run / "checkpoint", tmp_path / "checkpoint")
    (newest,) = (tmp_path / "checkpoint").iterdir()
    (newest / "state.safetensors").write_bytes(b"cut short")
    job = prepare([dataset], run, read_run(run), SHORT, World())
    with pytest.raises(InputError, match="not a checkpoint of this run"):
        load_checkpoint(tmp_path / "checkpoint", job)


def test_training_raises_the_mrr_on_unseen_entities(tmp_path: Path, encoder: Path) -> None:
    data = make_dataset(tmp_path / "d", countries=30)
    config = dataclasses.replace(SHORT, epochs=8, checkpoint_steps=0)
    train(data, str(encoder), tmp_path / "run", config)
    result = evaluate_run(tmp_path / "run", data, "test")
    trained = result.metrics["both"]["mrr"]
    assert trained > 1.5 * result.baselines["untrained encoder"]["both"]["mrr"]
    assert trained > 1.5 * result.baselines["random"]["both"]["mrr"]


def test_the_result_states_candidates_and_baselines_and_is_written(
    run: Path, dataset: Dataset
) -> None:
    result = evaluate_run(run, dataset, "valid")
    assert load_result(run / "results" / "inductive-valid.json") == result
    own = part_entities(dataset, "inductive", "valid")
    assert result.protocol.candidates == len(own)
    assert result.kind == "kepler"
    assert set(result.baselines) == {"random", "untrained encoder"}
    assert result.metrics["both"]["mrr"] == pytest.approx(read_log(run)[-1]["valid_mrr"])
    log = read_log(run)
    assert [point.loss for point in result.train.curve] == [x["loss"] for x in log]
    best = max((x for x in log if "valid_mrr" in x), key=lambda x: x["valid_mrr"])
    assert result.train.best_epoch == best["epoch"]
    sample = evaluate_run(run, dataset, "valid", sample=10)
    assert load_result(run / "results" / "inductive-valid-sample-10.json") == sample
    assert sample.protocol.triplets == 10
    assert sample.protocol.of == result.protocol.triplets
    assert sample.protocol.candidates == len(own)
    low, high = sample.intervals["both"]["mrr"]
    assert low < sample.metrics["both"]["mrr"] < high


def test_the_untrained_baseline_is_the_encoder_the_run_started_from(
    run: Path, dataset: Dataset, encoder: Path
) -> None:
    start, given = (
        load_file(run / "start" / "model.safetensors"),
        load_file(encoder / "model.safetensors"),
    )
    assert all(torch.equal(start[name], given[name]) for name in given)
    judge = load_judge(run / "start", dataset, read_run(run))
    entities = part_entities(dataset, "inductive", "valid")
    ranks = rank(
        judge.predictor(judge.encode(entities), entities, "plain"),
        dataset.triplets("inductive", "valid"),
        known_triplets(dataset, "inductive"),
        entities,
    )
    both = np.concatenate([ranks.head.realistic, ranks.tail.realistic])
    result = evaluate_run(run, dataset, "valid")
    assert result.baselines["untrained encoder"]["both"]["mrr"] == pytest.approx((1 / both).mean())


def test_no_text_of_a_valid_or_test_entity_is_trained_on_by_either_loss(
    dataset: Dataset, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: dict[str, set[int]] = {"knowledge": set(), "language": set()}
    loss = ["language"]
    plain = Texts.batch

    def spy_keys(*args: Any) -> torch.Tensor:
        loss.append("knowledge")
        vectors = encode_keys(*args)
        loss.pop()
        return vectors

    def spy_batch(texts: Texts, keys: Indices) -> tuple[torch.Tensor, torch.Tensor]:
        if not torch.is_inference_mode_enabled():  # which validation runs in
            read[loss[-1]].update(texts.pieces(keys)[0].tolist())
        return plain(texts, keys)

    monkeypatch.setattr("kepler_ke.step.encode_keys", spy_keys)
    monkeypatch.setattr(Texts, "batch", spy_batch)
    config = dataclasses.replace(SHORT, epochs=1, negative_source="graph", mlm_batch=32)
    train(dataset, str(encoder), tmp_path / "run", config)
    entities = set(part_entities(dataset, "inductive", "train").tolist())
    assert read["knowledge"] == entities
    assert read["language"]
    assert read["language"] <= entities


def test_transductive_training_ranks_all_entities(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    config = dataclasses.replace(SHORT, epochs=1, mlm_batch=0)
    train(dataset, str(encoder), tmp_path / "run", config, setting="transductive")
    result = evaluate_run(tmp_path / "run", dataset, "test")
    assert result.protocol.candidates == dataset.num_entities


def test_another_dataset_is_refused_for_evaluation(run: Path, tmp_path: Path) -> None:
    other = make_dataset(tmp_path / "d", countries=6, seed=5)
    with pytest.raises(DatasetError, match="trained on another dataset"):
        evaluate_run(run, other, "test")


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no run\.json"):
        read_run(tmp_path)


def test_a_loss_that_is_not_finite_stops_with_step_and_cause(
    dataset: Dataset, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kepler_ke.step.knowledge_loss", lambda score_B, _: score_B.sum() * float("nan")
    )
    with pytest.raises(Wikidata5MError, match=r"not finite at update 1 .*learning rate, 0\.002"):
        train(dataset, str(encoder), tmp_path / "run", SHORT)


def test_the_rate_rises_to_its_peak_and_falls_to_nothing() -> None:
    config = KeplerConfig(lr=1.0, warmup=0.1, decay_power=2.0)
    rates = [learning_rate(config, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.25)
    assert rates[99] == pytest.approx((1 / 90) ** 2)


def test_symmetric_relations_are_those_with_mostly_reversed_triplets() -> None:
    triplets = np.array([[0, 0, 1], [1, 0, 0], [2, 0, 3], [0, 1, 1], [2, 2, 2]], dtype=np.int32)
    assert symmetric_relations(triplets) == pytest.approx(2 / 3)


def test_zero_relations_put_the_query_entity_on_top(run: Path, dataset: Dataset) -> None:
    judge = load_judge(run / "model", dataset, read_run(run))
    entities = part_entities(dataset, "inductive", "test")
    triplets = dataset.triplets("inductive", "test")
    predictor = judge.predictor(judge.encode(entities), entities, "plain")
    judge.relations_RD.zero_()
    assert top1_self(predictor, triplets, entities, 0) == 1
    judge.relations_RD.fill_(9.0)
    assert top1_self(predictor, triplets, entities, 0) < 1


@pytest.mark.parametrize("form", ["", *(f"-{form}" for form in forms())])
@pytest.mark.parametrize("name", presets())
def test_every_preset_loads_in_every_form(name: str, form: str) -> None:
    own = {"roberta": "epochs", "kepler-wordnet": "epochs and gamma", "contrastive": "epochs"}
    own["demo"] = "epochs and gamma"
    if name in own and form in ("-ke", "-nlp"):
        with pytest.raises(ConfigError, match=f"{name} has {own[name]} of its own"):
            resolve_config(name + form)
    else:
        assert isinstance(resolve_config(name + form), KeplerConfig)


def test_settings_come_from_preset_then_file_then_command_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("lr: 1e-5\ntokens: 77\npooling: mean\n", encoding="utf-8")
    config = resolve_config("kepler-wiki", file, ["tokens=99"])
    assert (config.lr, config.tokens, config.pooling, config.gamma) == (1e-5, 99, "mean", 9.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["negatves=2"], "did you mean negatives"),
        (["pooling=max"], "pooling"),
        (["p=3"], "p = 3"),
        (["batch=0"], "batch = 0: must be at least 1"),
        (["mlm_share=0"], "mlm_share = 0"),
        (["lr=0"], "lr = 0"),
        (["relation_lr=.inf"], "relation_lr = inf: must be above 0, and finite"),
        (["warmup=1"], "warmup = 1"),
    ],
)
def test_a_wrong_setting_is_refused(settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_config("demo", None, settings)


def test_an_unknown_preset_or_file_setting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean kepler-wiki"):
        resolve_config("kepler-wikki")
    (tmp_path / "mine.yaml").write_text("gama: 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.yaml: unknown setting gama"):
        resolve_config("demo", tmp_path / "mine.yaml")


def test_the_log_holds_one_line_per_interval_with_validation_at_the_end(run: Path) -> None:
    lines = [msgspec.json.decode(x) for x in (run / "log.jsonl").read_text().splitlines()]
    assert [x["step"] for x in lines[:-1]] == list(range(2, 2 * len(lines) - 1, 2))
    assert {"valid_mrr", "top1_self", "symmetric_relations"} <= lines[-1].keys()
    assert lines[-1]["epoch"] == SHORT.epochs
