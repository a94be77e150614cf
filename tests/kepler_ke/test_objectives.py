"""The losses against numpy written from the paper's equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.scorers import TransE
from kepler_ke.data import knowledge_batch
from kepler_ke.objectives import knowledge_loss, masked_loss
from kepler_ke.train import batch_scores


def _sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


@pytest.mark.parametrize("p", [1, 2])
def test_knowledge_loss_is_equation_2_with_the_distance_of_equation_3(p: int) -> None:
    rng = np.random.default_rng(0)
    vectors_MD, relations_RD = rng.normal(size=(9, 5)), rng.normal(size=(3, 5))
    triplets_B3 = np.array([[0, 1, 4], [8, 2, 3], [4, 0, 0]])
    batch = knowledge_batch(triplets_B3, 9, 2, "graph", np.random.default_rng(1))
    gamma = 3.0

    def distance(head: int, relation: int, tail: int) -> float:
        h, t = vectors_MD[batch.rows[head]], vectors_MD[batch.rows[tail]]
        return float(np.linalg.norm(h + relations_RD[relation] - t, ord=p))

    expected = []
    for h, r, t, heads, tails in zip(
        batch.head.tolist(),
        batch.relation.tolist(),
        batch.tail.tolist(),
        batch.other_head.tolist(),
        batch.other_tail.tolist(),
        strict=True,
    ):
        corrupted = [distance(x, r, t) for x in heads] + [distance(h, r, x) for x in tails]
        expected.append(
            -np.log(_sigmoid(gamma - distance(h, r, t)))
            - sum(np.log(_sigmoid(d - gamma)) for d in corrupted) / len(corrupted)
        )
    scores = batch_scores(
        TransE(gamma=gamma, p=p),
        torch.from_numpy(vectors_MD[batch.rows]),
        torch.from_numpy(relations_RD),
        batch,
    )
    assert float(knowledge_loss(*scores)) == pytest.approx(np.mean(expected))


def test_a_step_down_the_gradient_brings_truths_nearer_and_negatives_farther() -> None:
    score_B = torch.zeros(4, requires_grad=True)
    negative_BN = torch.zeros(4, 6, requires_grad=True)
    knowledge_loss(score_B, negative_BN).backward()
    assert score_B.grad is not None
    assert negative_BN.grad is not None
    assert bool((score_B.grad < 0).all())
    assert bool((negative_BN.grad > 0).all())


def test_a_batch_without_chosen_positions_has_no_masked_loss() -> None:
    logits_MV = torch.zeros(0, 7, requires_grad=True)
    loss = masked_loss(logits_MV, torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert float(loss.detach()) == 0


def test_masked_loss_is_the_mean_negative_log_likelihood() -> None:
    logits_MV = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    expected = (np.log(2) - np.log(_sigmoid(-2.0))) / 2
    assert float(masked_loss(logits_MV, torch.tensor([0, 1]))) == pytest.approx(expected)
