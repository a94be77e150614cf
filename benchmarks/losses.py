"""Losses over one true score and many negative scores, with their gradients. Imports torch.

A loss is a pure function of scores, so it serves any scorer and any device, and compiles: nothing
branches on data. Gradients are written out; the tests hold them against autograd in float64.

Shapes: G chunks, B positives of a chunk, K negatives that a chunk shares. `clash_GBK` says where a
negative is the truth itself and must not be pushed away; a row of nothing but clashes has no
negative part.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Final, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

LossName = Literal["self_adversarial", "softmax", "one_vs_all"]


class LossFunction(Protocol):
    """What every loss is to a trainer."""

    def __call__(
        self,
        true_GB: Tensor,
        negative_GBK: Tensor,
        clash_GBK: Tensor,
        weight_GB: Tensor | None = None,
        log_share_GK: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The loss, and its gradients by the true (GB) and the negative scores (GBK).

        The loss is the mean over positives of weight times loss. `log_share_GK` is the log of how
        many entities each negative stands for, where they were not drawn uniformly.
        """


def self_adversarial(
    true_GB: Tensor,
    negative_GBK: Tensor,
    clash_GBK: Tensor,
    weight_GB: Tensor | None = None,
    log_share_GK: Tensor | None = None,
    *,
    alpha: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """(-log s(true) - sum_k w_k log s(-negative_k)) / 2, s the logistic function.

    The weights are w = softmax(alpha * negative), through which no gradient flows: Equation 5 of
    Sun et al. (2019), halved as in their code; alpha = 0 weighs negatives alike, which is
    Equation 2 of the KEPLER paper. GraphVite divides by a temperature instead: its T is 1 / alpha.
    A negative that stands for n entities weighs n times as much, so that in-batch negatives
    estimate the same average over entities as uniform ones.
    """
    adversity_GBK = alpha * negative_GBK
    if log_share_GK is not None:
        adversity_GBK = adversity_GBK + log_share_GK[..., None, :]
    adversity_GBK = _hide(adversity_GBK, clash_GBK).softmax(dim=-1).masked_fill(clash_GBK, 0.0)
    pushed_GB = (adversity_GBK * functional.logsigmoid(-negative_GBK)).sum(dim=-1)
    scale_GB = _scale(true_GB, weight_GB) / 2
    loss = -(scale_GB * (functional.logsigmoid(true_GB) + pushed_GB)).sum()
    grad_negative_GBK = adversity_GBK * negative_GBK.sigmoid() * scale_GB[..., None]
    return loss, -scale_GB * (-true_GB).sigmoid(), grad_negative_GBK


def softmax(
    true_GB: Tensor,
    negative_GBK: Tensor,
    clash_GBK: Tensor,
    weight_GB: Tensor | None = None,
    log_share_GK: Tensor | None = None,
    *,
    num_entities: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy of the truth against all E entities, estimated from K of them.

    A uniform negative stands for E / K entities, so its score is raised by the log of that, or by
    `log_share_GK`: the logQ correction, without which in-batch negatives would punish entities for
    being frequent. Where the negatives are all E entities, nothing is raised and the loss is exact.
    """
    if log_share_GK is None:
        raised_GBK = negative_GBK + math.log(num_entities / negative_GBK.shape[-1])
    else:
        raised_GBK = negative_GBK + log_share_GK[..., None, :]
    raised_GBK = _hide(raised_GBK, clash_GBK)
    rest_GB = raised_GBK.logsumexp(dim=-1)
    scale_GB = _scale(true_GB, weight_GB)
    # softplus(rest - true) by logsigmoid, which does not turn into a straight line at 20.
    loss = -(scale_GB * functional.logsigmoid(true_GB - rest_GB)).sum()
    wrong_GB = scale_GB * (rest_GB - true_GB).sigmoid()
    grad_negative_GBK = (raised_GBK - rest_GB[..., None]).exp() * wrong_GB[..., None]
    return loss, -wrong_GB, grad_negative_GBK.masked_fill(clash_GBK, 0.0)


def get_loss(name: LossName, *, alpha: float, num_entities: int) -> LossFunction:
    """The loss of that name with its parameters bound.

    one_vs_all is the softmax whose candidates are all entities, which `sampling` provides.
    """
    cross_entropy = partial(softmax, num_entities=num_entities)
    losses: Final[dict[LossName, LossFunction]] = {
        "self_adversarial": partial(self_adversarial, alpha=alpha),
        "softmax": cross_entropy,
        "one_vs_all": cross_entropy,
    }
    return losses[name]


def _hide(score_GBK: Tensor, clash_GBK: Tensor) -> Tensor:
    # A finite floor: a row of nothing but clashes must not become NaN.
    return score_GBK.masked_fill(clash_GBK, torch.finfo(score_GBK.dtype).min / 4)


def _scale(true_GB: Tensor, weight_GB: Tensor | None) -> Tensor:
    """What each positive's loss counts in the mean, (G, B)."""
    ones_GB = torch.ones_like(true_GB) if weight_GB is None else weight_GB
    return ones_GB / true_GB.numel()
