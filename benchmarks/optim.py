"""Row-sparse updates: only the rows of a batch are read or written. Imports torch.

Shapes: N rows of the table, D their width, M rows of a batch (repeats allowed), U distinct ones.
"""

from __future__ import annotations

import torch
from torch import Tensor


class RowAdagrad:
    """Adagrad with one accumulator per row: the mean square of the row's gradients (PBG's choice).

    An accumulator per float would double the table's memory. Repeated rows are summed before the
    square, so a batch is one step.
    """

    def __init__(self, table_ND: Tensor, *, eps: float = 1e-10) -> None:
        self.table_ND, self.eps = table_ND, eps
        self.squares_N = torch.zeros(len(table_ND), device=table_ND.device)

    def step(self, row_M: Tensor, grad_MD: Tensor, lr: float) -> None:
        """Move the given rows against their summed gradients, in place."""
        row_U, slot_M = torch.unique(row_M, return_inverse=True)
        grad_UD = grad_MD.new_zeros(len(row_U), grad_MD.shape[1]).index_add_(0, slot_M, grad_MD)
        squares_U = self.squares_N[row_U] + grad_UD.square().mean(dim=1)
        self.squares_N[row_U] = squares_U
        scale_U = -lr / (squares_U.sqrt() + self.eps)
        self.table_ND.index_add_(0, row_U, grad_UD.mul_(scale_U[:, None]))
