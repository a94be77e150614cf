"""The paper's variants and baselines: settings as published, runs that train and rank."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from benchmarks.ranking import rank_triplets
from benchmarks.results import load_run_results
from benchmarks.scorers import TransE
from kepler_ke.config import KeplerConfig, presets, resolve_config
from kepler_ke.data import known_triplets, part_entities, trained_elsewhere
from kepler_ke.encode import encode_texts
from kepler_ke.evaluate import evaluate_run, load_judge
from kepler_ke.predictor import choose_heads, rank
from kepler_ke.runs import read_log, read_run
from kepler_ke.train import train
from pipelines.split.resplit import ResplitConfig, resplit
from tests.datasets import make_dataset
from tests.kepler_ke.conftest import SHORT
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError

PAPER = {
    "gamma": 9.0, "p": 1, "negatives": 1, "tokens": 512, "pooling": "first", "mlm_share": 0.15,
    "epochs": 30, "lr": 6e-4, "beta1": 0.9, "beta2": 0.98, "eps": 1e-6, "weight_decay": 0.01,
    "warmup": 0.08, "relations": "table", "conditioned": False, "mlm_text": "corpus",
}  # fmt: skip


@pytest.mark.parametrize(
    ("preset", "differs"),
    [
        ("kepler-wiki", {}),
        ("kepler-wiki-ke", {}),
        ("kepler-wiki-nlp", {"gamma": 4.0, "epochs": 10}),
        ("kepler-rel", {"relations": "text"}),
        ("kepler-cond", {"conditioned": True}),
        ("kepler-cond-nlp", {"conditioned": True, "gamma": 4.0, "epochs": 10}),
        ("kepler-onlydesc", {"mlm_text": "descriptions"}),
        ("kepler-ke", {"mlm_batch": 0}),
        ("kepler-wordnet", {"gamma": 1.0, "epochs": 10}),
        ("kepler-w+w", {"second_gamma": 1.0}),
        ("our-roberta", {"objective": "none", "relations": "text"}),
    ],
)
def test_a_variant_is_the_papers_settings_but_for_what_names_it(
    preset: str, differs: dict[str, Any]
) -> None:
    config = resolve_config(preset)
    assert config.batch * config.accumulate == 12_288
    expected = PAPER | differs
    assert {name: getattr(config, name) for name in expected} == expected


def test_the_small_form_keeps_what_makes_a_variant() -> None:
    small = {"gamma": 12.0, "negatives": 32, "negative_source": "batch", "batch": 64}
    wiki, cond = resolve_config("kepler-wiki-small"), resolve_config("kepler-cond-small")
    assert {name: getattr(wiki, name) for name in small} == small
    assert dataclasses.replace(wiki, conditioned=True) == cond


def _train(run: Path, dataset: Dataset, encoder: Path, preset: str, **change: Any) -> None:
    config = resolve_config(preset)
    kept: dict[str, Any] = {
        "tokens": 24,
        "batch": 32,
        "accumulate": 1,
        "epochs": 1,
        "checkpoint_steps": 0,
    }
    if config.mlm_text == "corpus" and "corpus" not in change:
        kept["mlm_text"] = "descriptions"
    corpus = change.pop("corpus", None)
    second = change.pop("second", None)
    config = dataclasses.replace(config, **(kept | change))
    train(dataset, str(encoder), run, config, preset=preset, corpus=corpus, second=second)


@pytest.mark.parametrize("preset", sorted({*presets()} - {"demo"}))
def test_every_preset_trains_and_ranks(
    preset: str, dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    epochs = resolve_config(preset).epochs and 1
    small = {"cnn_dim": 16} if preset == "dkrl" else {}
    second = make_dataset(tmp_path / "second", countries=6) if preset == "kepler-w+w" else None
    _train(tmp_path / "run", dataset, encoder, preset, epochs=epochs, second=second, **small)
    result = evaluate_run(tmp_path / "run", dataset, "valid")
    assert result.model == preset
    assert np.isfinite(result.metrics["both"]["mrr"])
    assert read_log(tmp_path / "run")[-1]["epoch"] == epochs


def test_roberta_is_the_encoder_as_it_came(dataset: Dataset, encoder: Path, tmp_path: Path) -> None:
    _train(tmp_path / "run", dataset, encoder, "roberta", epochs=0)
    result = evaluate_run(tmp_path / "run", dataset, "test")
    assert result.metrics["both"] == result.baselines["untrained encoder"]["both"]
    assert result.train.epochs == 0


def test_the_language_loss_reads_the_corpus_and_no_description(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("some other words " * 40, encoding="utf-8")
    _train(tmp_path / "run", dataset, encoder, "our-roberta", corpus=tmp_path / "texts")
    other = tmp_path / "other"
    _train(other, dataset, encoder, "our-roberta")
    assert read_log(tmp_path / "run")[-1]["loss_mlm"] < read_log(other)[-1]["loss_mlm"]
    assert read_run(tmp_path / "run").corpus == str(tmp_path / "texts")


def test_a_corpus_that_is_not_given_or_not_read_is_refused(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    config = dataclasses.replace(SHORT, mlm_text="corpus")
    with pytest.raises(ConfigError, match="reads a corpus: pass --corpus DIR"):
        train(dataset, str(encoder), tmp_path / "run", config)
    with pytest.raises(ConfigError, match="read no corpus; leave --corpus away"):
        train(dataset, str(encoder), tmp_path / "run", SHORT, corpus=tmp_path)
    with pytest.raises(ConfigError, match="no such folder"):
        train(dataset, str(encoder), tmp_path / "run", config, corpus=tmp_path / "none")


def test_two_graphs_train_one_encoder_and_each_is_ranked_by_its_own_relations(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    second = make_dataset(tmp_path / "second", countries=6, seed=4)
    _train(tmp_path / "run", dataset, encoder, "kepler-w+w", second=second)
    info = read_run(tmp_path / "run")
    one, two = (load_judge(tmp_path / "run" / "model", d, info) for d in (dataset, second))
    table = one.model.relations_RD.detach()
    assert torch.equal(one.relations_RD, table[: dataset.num_relations])
    assert torch.equal(two.relations_RD, table[dataset.num_relations :])
    assert (one.scorer.gamma, two.scorer.gamma) == (9.0, 1.0)
    assert evaluate_run(tmp_path / "run", dataset, "test").dataset.hash == info.dataset_hash
    first = (tmp_path / "run" / "results" / "inductive-test.json").read_bytes()
    assert evaluate_run(tmp_path / "run", second, "test").dataset.hash == info.second_hash
    assert (tmp_path / "run" / "results" / "inductive-test.json").read_bytes() == first
    assert {x.hash for x in (r.dataset for r in load_run_results(tmp_path / "run"))} == {
        info.dataset_hash, info.second_hash,
    }  # fmt: skip


def test_two_graphs_are_refused_where_one_would_not_count(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    second = make_dataset(tmp_path / "second", countries=6, seed=4)
    for config, told in (
        (dataclasses.replace(SHORT, objective="none"), "leave --second away"),
        (dataclasses.replace(SHORT, objective="contrastive", memory=9), "set memory=0"),
    ):
        with pytest.raises(ConfigError, match=told):
            train(dataset, str(encoder), tmp_path / "run", config, second=second)


def test_a_second_graph_that_trains_on_unseen_entities_is_told(
    dataset: Dataset, encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resplit(dataset, tmp_path / "again", ResplitConfig(settings=("inductive",), seed=7))
    again = Dataset(tmp_path / "again")
    unseen = [part_entities(dataset, "inductive", part) for part in ("valid", "test")]
    shared = np.intersect1d(np.concatenate(unseen), part_entities(again, "inductive", "train"))
    assert len(shared)
    short = dataclasses.replace(SHORT, epochs=0.1)
    train(dataset, str(encoder), tmp_path / "run", short, second=again)
    told = capsys.readouterr().err
    assert f"{again.path} trains on {len(shared):,} entities that {dataset.path} keeps" in told
    other = make_dataset(tmp_path / "other", countries=6, seed=4)
    assert not len(trained_elsewhere(dataset, other, "transductive"))


@pytest.fixture(scope="module")
def cond(dataset: Dataset, encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("cond") / "run"
    config = dataclasses.replace(SHORT, conditioned=True, epochs=2, tokens=60)
    train(dataset, str(encoder), run, config, preset="kepler-cond")
    return run


def test_conditioned_heads_are_ranked_exactly(cond: Path, dataset: Dataset) -> None:
    judge = load_judge(cond / "model", dataset, read_run(cond))
    entities = part_entities(dataset, "inductive", "test")
    triplets = dataset.triplets("inductive", "test")
    known = known_triplets(dataset, "inductive")
    plain_CD = judge.encode(entities)
    ranks = rank(judge.predictor(plain_CD, entities, "exact"), triplets, known, entities)
    true = {tuple(x) for x in known.tolist()}
    place = {e: i for i, e in enumerate(entities.tolist())}
    for row, (head, relation, tail) in enumerate(triplets.tolist()):
        heads_CD = encode_texts(judge.model, judge.texts, judge.texts.keys(entities, relation))
        r = judge.relations_RD[relation]
        by_head = {(e, relation, tail) for e in place} - true
        by_tail = {(head, relation, e) for e in place} - true
        for ours, truth, difference_CD, others in (
            (ranks.head, head, heads_CD + r - plain_CD[place[tail]], {x[0] for x in by_head}),
            (ranks.tail, tail, heads_CD[place[head]] + r - plain_CD, {x[2] for x in by_tail}),
        ):
            distance = difference_CD.abs().sum(dim=1)
            kept = [i for e, i in place.items() if e == truth or e in others]
            better = int((distance[kept] < distance[place[truth]] - 1e-4).sum())
            worse = int((distance[kept] < distance[place[truth]] + 1e-4).sum())
            assert 1 + better <= ours.realistic[row] <= max(worse, 1)


def test_how_heads_were_ranked_is_in_the_result(
    cond: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = evaluate_run(cond, dataset, "test")
    assert "every candidate encoded with the relation" in result.protocol.in_words()
    monkeypatch.setattr("kepler_ke.predictor.EXACT", 10)
    with pytest.raises(ConfigError, match="train with --set inverse=true"):
        evaluate_run(cond, dataset, "test")


def test_heads_beyond_reach_are_ranked_by_the_inverse_relation(
    dataset: Dataset, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _train(tmp_path / "run", dataset, encoder, "kepler-cond", inverse=True)
    judge = load_judge(tmp_path / "run" / "model", dataset, read_run(tmp_path / "run"))
    assert judge.relations_RD.shape[0] == 2 * dataset.num_relations
    assert choose_heads(judge.model.config, 30, 5) == "exact"
    monkeypatch.setattr("kepler_ke.predictor.EXACT", 10)
    result = evaluate_run(tmp_path / "run", dataset, "test")
    assert "head (as tail of the inverse relation)" in result.protocol.in_words()
    entities = part_entities(dataset, "inductive", "test")
    predictor = judge.predictor(judge.encode(entities), entities, "inverse")
    triplets = dataset.triplets("inductive", "test").astype(np.int64)
    relation, tail = triplets[:, 1].copy(), triplets[:, 2].copy()
    turned = encode_texts(
        judge.model, judge.texts, judge.texts.keys(tail, relation + dataset.num_relations)
    )
    expected = TransE(gamma=9.0).score_tails(
        turned, judge.relations_RD[relation + dataset.num_relations], judge.encode(entities)
    )
    torch.testing.assert_close(
        predictor.score_heads(relation, tail, entities), expected, atol=1e-3, rtol=1e-4
    )
    assert rank_triplets(predictor, triplets, triplets, entities).num_candidates == len(entities)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["scorer=distmult"], "Eq. 3 is transe"),
        (["objective=contrastive", "scorer=cosine"], "set conditioned=true"),
        (["objective=contrastive", "scorer=cosine", "conditioned=true"], "set normalize=true"),
        (["mlm_weight=-1"], "mlm_weight = -1.0: must be 0 or more"),
        (["epochs=.inf"], "epochs = inf: must be 0 or more, and finite"),
        (["memory=5"], "only objective=contrastive"),
        (["architecture=cnn"], "no masked-LM head; set mlm_batch=0"),
        (["objective=none", "mlm_batch=0"], "nothing to train; set epochs=0"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_config("kepler-wiki", None, settings)


def _call(*args: object) -> Result:
    return CliRunner().invoke(main, ["kepler", *map(str, args)])


def test_presets_are_listed() -> None:
    listed = _call("presets")
    assert listed.exit_code == 0
    assert all(name in listed.stdout for name in presets())


def test_without_a_corpus_the_command_says_what_to_do(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    refused = _call("train", dataset.path, "--encoder", encoder, "--out", tmp_path / "run")
    assert refused.exit_code == 1
    assert len(refused.stderr.strip().splitlines()) == 1
    assert "--set mlm_text=descriptions" in refused.stderr


def test_the_defaults_are_the_papers() -> None:
    assert {name: getattr(KeplerConfig(), name) for name in PAPER} == PAPER


def test_semi_inductive_training_ranks_unseen_entities_among_all(
    encoder: Path, tmp_path: Path
) -> None:
    data = make_dataset(tmp_path / "d", countries=12)
    out = tmp_path / "semi"
    sizes = ["split.unseen_entities=6", "split.shots=1", "split.least_queries=1"]
    changes = [word for size in sizes for word in ("--set", size)]
    arguments = ["split", str(data.path), "--out", str(out), "--settings", "semi_inductive"]
    made = CliRunner().invoke(main, [*arguments, *changes])
    assert made.exit_code == 0, made.output
    semi = Dataset(out)
    config = dataclasses.replace(SHORT, epochs=1)
    train(semi, str(encoder), tmp_path / "run", config, setting="semi_inductive")
    result = evaluate_run(tmp_path / "run", semi, "test")
    assert result.protocol.candidates == semi.num_entities
    assert "all entities, known and unseen" in result.protocol.in_words()
