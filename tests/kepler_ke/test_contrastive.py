"""`contrastive`, which is ours: batches, memory, temperature, resume, what it reaches."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from kepler_ke.checkpoint import save_checkpoint
from kepler_ke.config import KeplerConfig, ScorerName
from kepler_ke.data import contrastive_batch, false_negatives
from kepler_ke.encode import encode_keys
from kepler_ke.evaluate import evaluate_run
from kepler_ke.prepare import prepare, start
from kepler_ke.runs import RunInfo, read_log
from kepler_ke.step import Job, Memory, accumulate
from kepler_ke.train import train
from kepler_ke.world import World
from tests.datasets import make_dataset
from tests.kepler_ke.conftest import SHORT
from wikidata5m.dataset import Dataset

OURS = dataclasses.replace(
    SHORT, objective="contrastive", scorer="cosine", conditioned=True, inverse=True,
    normalize=True, pooling="mean", text="name_first", relation_text="label", mlm_batch=0,
    batch=32, epochs=2,
)  # fmt: skip


def _job(folder: Path, dataset: Dataset, encoder: Path, config: KeplerConfig) -> Job:
    info = RunInfo(
        dataset="d", dataset_hash=dataset.manifest.dataset_hash, encoder=str(encoder),
        setting="inductive", seed=3, preset="p",
    )  # fmt: skip
    start([dataset], folder, info, config, overwrite=False, resume=False)
    return prepare([dataset], folder, info, config, World())


@pytest.mark.parametrize("scorer", ["cosine", "distmult", "complex", "transe"])
@pytest.mark.parametrize("inverse", [True, False])
def test_the_loss_is_that_of_a_plain_loop_over_queries(
    scorer: ScorerName, inverse: bool, dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    config = dataclasses.replace(OURS, scorer=scorer, inverse=inverse, batch=8, p=2, memory=30)
    job = _job(tmp_path / "run", dataset, encoder, config)
    (graph,) = job.graphs
    for step in (0, 1):  # the second step has negatives of the first
        earlier_LD, earlier_L = job.memory.vectors_LD, job.memory.entities_L
        seen = accumulate(job, step)
        triplets = graph.order.batch(step)
        facts = dataset.triplets("inductive", "train").tolist()
        true = {(h, r, t) for h, r, t in facts}
        true |= {(t, r + dataset.num_relations, h) for h, r, t in facts}
        queries = [(h, r, t) for h, r, t in triplets.tolist()]
        queries += [(t, r + dataset.num_relations, h) for h, r, t in queries] if inverse else []
        batch = contrastive_batch(triplets, dataset.num_relations, graph.texts, config)
        with torch.no_grad():
            answers_CD = encode_keys(job.model, graph.texts, graph.texts.keys(batch.answers))
            losses = []
            for asked, relation, truth in queries:
                key = graph.texts.keys(np.array([asked]), relation)
                query_1D = encode_keys(job.model, graph.texts, key)
                candidates = [*zip(batch.answers.tolist(), answers_CD, strict=True)]
                kept = [
                    (e, x) for e, x in candidates if e == truth or (asked, relation, e) not in true
                ]
                kept += [
                    (-1, x)
                    for e, x in zip(earlier_L.tolist(), earlier_LD, strict=True)
                    if (asked, relation, e) not in true
                ]
                relation_1D = job.model.relations_RD[relation][None]
                score_K = graph.scorer.score_tails(
                    query_1D, relation_1D, torch.stack([x for _, x in kept])
                )[0]
                target = torch.tensor([e for e, _ in kept].index(truth))
                losses.append(functional.cross_entropy(score_K / 0.05, target))
        assert seen.knowledge == pytest.approx(float(torch.stack(losses).mean()), rel=1e-3)
    assert job.model.log_scale.grad is not None


def test_a_querys_own_entity_is_among_its_negatives(
    dataset: Dataset, encoder: Path, tmp_path: Path
) -> None:
    job = _job(tmp_path / "run", dataset, encoder, OURS)
    (graph,) = job.graphs
    assert graph.train
    batch = contrastive_batch(graph.order.batch(0), dataset.num_relations, graph.texts, OURS)
    hidden_QC = false_negatives(graph.train, batch, np.zeros(0, dtype=np.int64)).numpy()
    column_Q = np.searchsorted(batch.answers, batch.asked[0])
    assert (batch.answers[column_Q] == batch.asked[0]).all()
    assert not hidden_QC[np.arange(len(column_Q)), column_Q].any()


def test_memory_keeps_the_latest_without_their_history() -> None:
    memory = Memory(3, 2, torch.device("cpu"))
    memory.add(torch.ones(2, 2, requires_grad=True), np.array([5, 6]))
    memory.add(torch.zeros(2, 2), np.array([7, 5]))
    assert memory.entities_L.tolist() == [6, 7, 5]
    assert not memory.vectors_LD.requires_grad
    off = Memory(0, 2, torch.device("cpu"))
    off.add(torch.ones(2, 2), np.array([1, 2]))
    assert len(off.entities_L) == 0


class KillError(Exception):
    """Stands for a killed process."""


def test_memory_and_temperature_survive_an_interruption(
    dataset: Dataset, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(OURS, memory=50, checkpoint_steps=2, epochs=1, projection=16)

    def save_then_die(*args: Any) -> None:
        save_checkpoint(*args)
        raise KillError

    train(dataset, str(encoder), tmp_path / "whole", config)
    with monkeypatch.context() as patch:
        patch.setattr("kepler_ke.train.save_checkpoint", save_then_die)
        with pytest.raises(KillError):
            train(dataset, str(encoder), tmp_path / "cut", config)
    train(dataset, str(encoder), tmp_path / "cut", config, resume=True)
    whole, cut = (read_log(tmp_path / name)[-1] for name in ("whole", "cut"))
    assert whole["valid_mrr"] == cut["valid_mrr"]
    for file in ("relations.safetensors", "model.safetensors"):
        ours, theirs = (tmp_path / name / "model" / file for name in ("whole", "cut"))
        assert ours.read_bytes() == theirs.read_bytes()


def test_it_ranks_heads_by_the_inverse_relation_and_beats_the_untrained_encoder(
    encoder: Path, tmp_path: Path
) -> None:
    data = make_dataset(tmp_path / "d", countries=24)
    config = dataclasses.replace(OURS, epochs=4, batch=48)
    train(data, str(encoder), tmp_path / "run", config, preset="contrastive")
    result = evaluate_run(tmp_path / "run", data, "test")
    assert result.model == "contrastive"
    assert "as tail of the inverse relation" in result.protocol.in_words()
    untrained = result.baselines["untrained encoder"]["both"]["mrr"]
    assert result.metrics["both"]["mrr"] > 1.5 * untrained
