"""Losses against plain definitions under autograd, in float64."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid

from benchmarks.losses import LossName, get_loss

E = 50


def plain_loss(
    name: LossName,
    true_GB: Tensor,
    negative_GBK: Tensor,
    clash_GBK: Tensor,
    weight_GB: Tensor | None = None,
    log_share_GK: Tensor | None = None,
    *,
    alpha: float = 1.0,
    num_entities: int = E,
) -> Tensor:
    """The definition, positive by positive, for autograd to differentiate."""
    total = true_GB.new_zeros(())
    for g, b in torch.cartesian_prod(*(torch.arange(n) for n in true_GB.shape)).tolist():
        kept = ~clash_GBK[g, b]
        negatives = negative_GBK[g, b][kept]
        share = torch.zeros_like(negatives) if log_share_GK is None else log_share_GK[g][kept]
        if name == "self_adversarial":
            weights = (alpha * negatives + share).softmax(-1).detach()
            value = -(logsigmoid(true_GB[g, b]) + (weights * logsigmoid(-negatives)).sum()) / 2
        else:
            if log_share_GK is None:
                share = share + math.log(num_entities / negative_GBK.shape[-1])
            scores = torch.cat([true_GB[g, b, None], negatives + share])
            value = cross_entropy(scores[None], torch.tensor([0]))
        total = total + value * (1 if weight_GB is None else weight_GB[g, b])
    return total / true_GB.numel()


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    g, b, k = (draw(st.integers(1, most)) for most in (3, 4, 5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    scale = draw(st.sampled_from([0.1, 1.0, 30.0]))
    ties = draw(st.booleans())
    negative_GBK = normal(g, b, k) * scale
    return {
        "true_GB": normal(g, b) * scale,
        "negative_GBK": negative_GBK.round() if ties else negative_GBK,
        "clash_GBK": normal(g, b, k) > draw(st.sampled_from([-9.0, 0.0, 1.0, 9.0])),
        "weight_GB": normal(g, b).exp() if draw(st.booleans()) else None,
        "log_share_GK": normal(g, k) if draw(st.booleans()) else None,
    }


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(get_args(LossName)), case=cases(), alpha=st.sampled_from([0.0, 0.5, 2]))
def test_losses_and_gradients_are_those_of_the_definition(
    name: LossName, case: dict[str, Any], alpha: float
) -> None:
    true_GB, negative_GBK = case["true_GB"].requires_grad_(), case["negative_GBK"].requires_grad_()
    expected = plain_loss(name, **case, alpha=alpha)
    grads = torch.autograd.grad(expected, (true_GB, negative_GBK), materialize_grads=True)
    with torch.no_grad():
        found = get_loss(name, alpha=alpha, num_entities=E)(**case)
    for one, other in zip(found, (expected.detach(), *grads), strict=True):
        torch.testing.assert_close(one, other)
    assert (found[2][case["clash_GBK"]] == 0).all()


@pytest.mark.parametrize("name", get_args(LossName))
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_extreme_scores_do_not_overflow(name: LossName, size: float) -> None:
    true_GB = torch.tensor([[-size, size, -size, size]])
    negative_GBK = torch.tensor([[[-size], [-size], [size], [size]]])
    loss, grad_true_GB, grad_negative_GBK = get_loss(name, alpha=1, num_entities=1)(
        true_GB, negative_GBK, torch.zeros(1, 4, 1, dtype=torch.bool)
    )
    assert torch.isfinite(loss)
    assert 0 <= float(loss) <= size
    assert (grad_true_GB <= 0).all()
    assert (grad_true_GB >= -0.25).all()
    assert (grad_negative_GBK >= 0).all()
    assert (grad_negative_GBK <= 0.25).all()


@pytest.mark.parametrize("name", get_args(LossName))
def test_a_score_that_is_not_a_number_shows_in_the_loss(name: LossName) -> None:
    negative_GBK = torch.tensor([[[0.0, math.nan]]])
    clash_GBK = torch.zeros(1, 1, 2, dtype=torch.bool)
    loss, *_ = get_loss(name, alpha=1, num_entities=9)(torch.zeros(1, 1), negative_GBK, clash_GBK)
    assert math.isnan(loss)


def test_one_vs_all_is_the_cross_entropy_over_all_entities() -> None:
    scores_BE = torch.randn(6, E, dtype=torch.float64)
    truth_B = torch.randint(E, (6,))
    clash_BE = truth_B[:, None] == torch.arange(E)
    loss, *_ = get_loss("one_vs_all", alpha=0, num_entities=E)(
        scores_BE.gather(1, truth_B[:, None]).T, scores_BE[None], clash_BE[None]
    )
    torch.testing.assert_close(loss, cross_entropy(scores_BE, truth_B))


def test_the_corrected_sum_over_skewed_negatives_is_the_sum_over_all_entities() -> None:
    """logQ: each negative counts 1 / (K q), so that the estimate has the right mean."""
    generator = torch.Generator().manual_seed(0)
    scores_E = torch.randn(E, generator=generator, dtype=torch.float64)
    chance_E = torch.rand(E, generator=generator, dtype=torch.float64) + 0.1
    chance_E /= chance_E.sum()
    negatives_GK = torch.multinomial(chance_E, 200 * 40, replacement=True, generator=generator)
    negatives_GK = negatives_GK.view(200, 40)
    # At a very high true score the loss is the estimated sum times exp(-true).
    true_GB = torch.full((200, 1), 30.0, dtype=torch.float64)
    loss, *_ = get_loss("softmax", alpha=0, num_entities=E)(
        true_GB,
        scores_E[negatives_GK][:, None],
        torch.zeros(200, 1, 40, dtype=torch.bool),
        None,
        -(40 * chance_E[negatives_GK]).log(),
    )
    assert float(loss) * math.exp(30) == pytest.approx(float(scores_E.exp().sum()), rel=0.05)
