"""KEPLER's two losses (paper §2.2-2.4). Imports torch.

Shapes: B triplets, K negatives per side, M predicted positions, V vocabulary.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def knowledge_loss(score_B: Tensor, negative_BN: Tensor) -> Tensor:
    """Eq. 2, mean over triplets: -log s(score) - 1/n sum_i log s(-negative_i), s the sigmoid.

    A score is gamma - d(h, t), which makes s(d - gamma) the second sigmoid. `negative_BN` holds the
    n negatives of both sides.
    """
    positive_B = functional.logsigmoid(score_B)
    negative_B = functional.logsigmoid(-negative_BN).mean(dim=1)
    return -(positive_B + negative_B).mean()


def masked_loss(logits_MV: Tensor, truth_M: Tensor) -> Tensor:
    """Cross-entropy over the predicted positions; 0 where none was chosen."""
    if len(truth_M) == 0:
        return logits_MV.sum() * 0
    return functional.cross_entropy(logits_MV, truth_M)
