"""DKRL's encoder (Xie et al. 2016): a CNN over word vectors, as BLP reimplements it. Imports torch.

Shapes: B texts, T tokens, W width of word vectors, D width of an entity's vector.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

POOL: Final = 4
"""Positions that the first max-pooling makes one of."""


class Dkrl(nn.Module):
    """Word vectors, Conv1d(k=2), max-pool 4, tanh, Conv1d(k=2), mean over the text, tanh."""

    def __init__(self, vocabulary: int, width: int, dim: int, padding: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=padding)
        self.first = nn.Conv1d(width, dim, kernel_size=2, padding=1)
        self.second = nn.Conv1d(dim, dim, kernel_size=2, padding=1)

    @property
    def dim(self) -> int:
        """D."""
        return self.second.out_channels

    def forward(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """(B, D); what lies behind a text's end never reaches its vector."""
        words_BWT = (self.words(ids_BT) * mask_BT.unsqueeze(-1)).mT
        length_B = mask_BT.sum(dim=1)
        # A padding of 1 on both sides gives one position more than there are tokens.
        seen_B = length_B + 1
        first_BDT = _hide(self.first(words_BWT), seen_B, -torch.inf)
        pooled_BDT = functional.max_pool1d(first_BDT, POOL, ceil_mode=True)
        left_B = -(-seen_B // POOL)
        hidden_BDT = _hide(torch.tanh(pooled_BDT), left_B, 0.0)
        second_BDT = _hide(self.second(hidden_BDT), left_B + 1, 0.0)
        return torch.tanh(second_BDT.sum(dim=-1) / (left_B + 1).unsqueeze(-1))


def _hide(states_BDT: Tensor, length_B: Tensor, value: float) -> Tensor:
    place_T = torch.arange(states_BDT.shape[-1], device=states_BDT.device)
    behind_BT = place_T >= length_B.unsqueeze(-1)
    return states_BDT.masked_fill(behind_BT.unsqueeze(1), value)
