"""Row-sparse updates: only the rows of a batch are read or written. Imports torch.

Repeated rows of a batch are summed first, so a batch is one step, and no element of a table is
written twice: the result does not depend on the number of threads.

Shapes: N rows of the table, D their width, M rows of a batch (repeats allowed), U distinct ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Final, Literal

import torch
from torch import Tensor

OptimizerName = Literal["row_adagrad", "adagrad", "sgd", "adam"]

Reduce = Callable[[Tensor], Tensor]
"""Sums a tensor over the processes that hold slices of the dimensions; may work in place."""


def alone(tensor: Tensor) -> Tensor:
    """The Reduce of one process that holds all dimensions."""
    return tensor


class RowOptimizer(ABC):
    """A table and the state of its updates."""

    per_float: ClassVar[int] = 0
    per_row: ClassVar[int] = 0
    """Numbers of state kept for each float of the table, and for each row."""

    def __init__(self, table_ND: Tensor, *, width: int = 0, reduce: Reduce = alone) -> None:
        """`width` is the number of floats of a whole row, where the table holds slices of rows."""
        self.table_ND, self.width, self.reduce = table_ND, width or table_ND.shape[1], reduce

    def gather(self, row_M: Tensor) -> Tensor:
        """The given rows, (M, D), on the device that `row_M` is on."""
        table = self.table_ND
        # A GPU copies from pinned memory directly, from other memory by way of it.
        pinned = table.device.type == "cpu" and row_M.is_cuda
        shape = len(row_M), table.shape[1]
        vectors_MD = torch.empty(shape, dtype=table.dtype, device=table.device, pin_memory=pinned)
        # Several times faster than indexing, which also allows for masks and negative rows.
        torch.index_select(table, 0, row_M.to(table.device), out=vectors_MD)
        return vectors_MD.to(row_M.device, non_blocking=pinned)

    def step(self, row_M: Tensor, grad_MD: Tensor, lr: float) -> None:
        """Move the given rows against their summed gradients, in place.

        The gradients may be on another device than the table.
        """
        row_U, grad_UD = sum_repeats(row_M, grad_MD)
        device = self.table_ND.device
        self._move(row_U.to(device), grad_UD.to(device), lr)

    @classmethod
    def state_bytes(cls, rows: int, floats: int) -> int:
        """What the state of so many rows with so many floats takes."""
        return 4 * (cls.per_row * rows + cls.per_float * floats)

    @abstractmethod
    def _move(self, row_U: Tensor, grad_UD: Tensor, lr: float) -> None:
        """Update distinct rows; `grad_UD` may be overwritten."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """What must be kept beside the table to go on, by name; changed in place by steps."""


class RowAdagrad(RowOptimizer):
    """Adagrad with one accumulator per row: the mean square of the row's gradients (PBG's choice).

    An accumulator per float would double the table's memory.
    """

    per_row = 1

    def __init__(
        self, table_ND: Tensor, *, width: int = 0, reduce: Reduce = alone, eps: float = 1e-10
    ) -> None:
        super().__init__(table_ND, width=width, reduce=reduce)
        self.eps = eps
        self.squares_N = table_ND.new_zeros(len(table_ND))

    def _move(self, row_U: Tensor, grad_UD: Tensor, lr: float) -> None:
        squares_U = self.reduce(torch.linalg.vector_norm(grad_UD, dim=1).square_()) / self.width
        squares_U += self.squares_N.index_select(0, row_U)
        self.squares_N.index_copy_(0, row_U, squares_U)
        scale_U = -lr / (squares_U.sqrt_() + self.eps)
        self.table_ND.index_add_(0, row_U, grad_UD.mul_(scale_U[:, None]))

    def state(self) -> dict[str, Tensor]:
        """See RowOptimizer."""
        return {"squares": self.squares_N}


class Adagrad(RowOptimizer):
    """Adagrad (Duchi et al. 2011) with one accumulator per float, as large as the table."""

    per_float = 1

    def __init__(
        self, table_ND: Tensor, *, width: int = 0, reduce: Reduce = alone, eps: float = 1e-10
    ) -> None:
        super().__init__(table_ND, width=width, reduce=reduce)
        self.eps = eps
        self.squares_ND = torch.zeros_like(table_ND)

    def _move(self, row_U: Tensor, grad_UD: Tensor, lr: float) -> None:
        squares_UD = self.squares_ND.index_select(0, row_U).addcmul_(grad_UD, grad_UD)
        self.squares_ND.index_copy_(0, row_U, squares_UD)
        self.table_ND.index_add_(
            0, row_U, grad_UD.div_(squares_UD.sqrt_().add_(self.eps)), alpha=-lr
        )

    def state(self) -> dict[str, Tensor]:
        """See RowOptimizer."""
        return {"squares": self.squares_ND}


class RowSGD(RowOptimizer):
    """Plain gradient descent, which has no state."""

    def _move(self, row_U: Tensor, grad_UD: Tensor, lr: float) -> None:
        self.table_ND.index_add_(0, row_U, grad_UD, alpha=-lr)

    def state(self) -> dict[str, Tensor]:
        """See RowOptimizer."""
        return {}


class RowAdam(RowOptimizer):
    """Adam (Kingma and Ba 2015) whose moments and step count move only when a row is touched.

    Its two moments take twice the table's memory.
    """

    per_float, per_row = 2, 1

    def __init__(
        self,
        table_ND: Tensor,
        *,
        width: int = 0,
        reduce: Reduce = alone,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(table_ND, width=width, reduce=reduce)
        self.betas, self.eps = betas, eps
        self.mean_ND, self.square_ND = torch.zeros_like(table_ND), torch.zeros_like(table_ND)
        self.steps_N = torch.zeros(len(table_ND), dtype=torch.int32, device=table_ND.device)

    def _move(self, row_U: Tensor, grad_UD: Tensor, lr: float) -> None:
        steps_U = self.steps_N.index_select(0, row_U) + 1
        self.steps_N.index_copy_(0, row_U, steps_U)
        first, second = self.betas
        mean_UD = self.mean_ND.index_select(0, row_U).lerp_(grad_UD, 1 - first)
        square_UD = self.square_ND.index_select(0, row_U)
        square_UD.mul_(second).addcmul_(grad_UD, grad_UD, value=1 - second)
        self.mean_ND.index_copy_(0, row_U, mean_UD)
        self.square_ND.index_copy_(0, row_U, square_UD)
        # In double, since 1 - beta^step would lose digits while steps are few.
        shrunk_U, spread_U = (
            (1 - beta ** steps_U.double()).to(grad_UD.dtype)[:, None] for beta in self.betas
        )
        root_UD = square_UD.div_(spread_U).sqrt_().add_(self.eps)
        self.table_ND.index_add_(0, row_U, mean_UD.div_(shrunk_U).div_(root_UD), alpha=-lr)

    def state(self) -> dict[str, Tensor]:
        """See RowOptimizer."""
        return {"mean": self.mean_ND, "square": self.square_ND, "steps": self.steps_N}


def sum_repeats(row_M: Tensor, grad_MD: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct rows in ascending order, (U,), and the sum of the gradients of each, (U, D)."""
    row_U, slot_M = torch.unique(row_M, return_inverse=True)
    grad_UD = grad_MD.new_zeros(len(row_U), grad_MD.shape[1])
    # An expanded index takes a path of its own, parallel and free of races.
    return row_U, grad_UD.scatter_add_(0, slot_M[:, None].expand_as(grad_MD), grad_MD)


OPTIMIZERS: Final[dict[OptimizerName, type[RowOptimizer]]] = {
    "row_adagrad": RowAdagrad,
    "adagrad": Adagrad,
    "sgd": RowSGD,
    "adam": RowAdam,
}
