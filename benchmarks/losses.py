"""Losses over one true score and many negative scores. Imports torch.

Shapes: (..., B) true scores, (..., B, K) negative scores, (..., B, K) clash: where a negative
happens to be the truth itself, which then must not be pushed away.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal

import torch
from torch import Tensor
from torch.nn import functional

LossName = Literal["self_adversarial", "softmax"]
LossFunction = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(true scores, negative scores, clash) -> the mean loss."""


def self_adversarial(true_B: Tensor, negative_BK: Tensor, clash_BK: Tensor, alpha: float) -> Tensor:
    """(-log s(true) - sum_k w_k log s(-negative_k)) / 2, s the logistic function.

    The weights are w = softmax(alpha * negative), through which no gradient flows: Equation 5 of
    Sun et al. (2019), halved as in their code; alpha = 0 weighs negatives alike.
    GraphVite divides by a temperature instead: its T is 1 / alpha.
    """
    with torch.no_grad():
        weight_BK = _hide(alpha * negative_BK, clash_BK).softmax(dim=-1)
    pushed_B = (weight_BK * functional.logsigmoid(-negative_BK)).sum(dim=-1)
    return -(functional.logsigmoid(true_B) + pushed_B).mean() / 2


def softmax(true_B: Tensor, negative_BK: Tensor, clash_BK: Tensor, num_entities: int) -> Tensor:
    """Cross-entropy of the truth against all entities, estimated from K uniform ones.

    Each negative stands for (E - 1) / K entities, so its score is raised by the log of that.
    """
    share = math.log(max(1.0, (num_entities - 1) / negative_BK.shape[-1]))
    rest_B = _hide(negative_BK, clash_BK).logsumexp(dim=-1) + share
    return functional.softplus(rest_B - true_B).mean()


def get_loss(name: LossName, *, alpha: float, num_entities: int) -> LossFunction:
    """The loss of that name with its parameters bound."""
    losses: Final[dict[LossName, LossFunction]] = {
        "self_adversarial": lambda true, negative, clash: self_adversarial(
            true, negative, clash, alpha
        ),
        "softmax": lambda true, negative, clash: softmax(true, negative, clash, num_entities),
    }
    return losses[name]


def _hide(score_BK: Tensor, clash_BK: Tensor) -> Tensor:
    # A finite floor: a row of nothing but clashes must not become NaN.
    return score_BK.masked_fill(clash_BK, torch.finfo(score_BK.dtype).min / 4)
