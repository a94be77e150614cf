"""Row-sparse updates against dense ones, and against touching one row too many."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.optim import OPTIMIZERS, OptimizerName, RowAdagrad, sum_repeats
from tests.benchmarks.test_scorers import vectors

NAMES = list(OPTIMIZERS)


def steps(name: OptimizerName, table: Tensor, count: int, dim: int) -> Tensor:
    """The table after a few steps on random rows, by the dense optimizer of torch."""
    generator = torch.Generator().manual_seed(1)
    dense = table.clone().requires_grad_()
    kinds = {"adagrad": torch.optim.Adagrad, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    optimizer = kinds[name]([dense], lr=0.3)
    sparse = OPTIMIZERS[name](table)
    for _ in range(4):
        # Every row at least once: a dense Adam also moves rows that get no gradient.
        row = torch.cat([torch.arange(count), torch.randint(count, (5,), generator=generator)])
        grad = torch.randn(len(row), dim, generator=generator, dtype=torch.float64)
        dense.grad = torch.zeros_like(dense).index_add_(0, row, grad)
        optimizer.step()
        sparse.step(row, grad, 0.3)
    return dense.detach()


@pytest.mark.parametrize("name", ["adagrad", "sgd", "adam"])
def test_steps_on_all_rows_are_those_of_torch(name: OptimizerName) -> None:
    table = vectors(6, 3)
    expected = steps(name, table, 6, 3)
    torch.testing.assert_close(table, expected)


def test_adagrad_keeps_the_mean_square_of_a_row() -> None:
    table, grad = vectors(4, 3), vectors(4, 3, seed=1)
    start = table.clone()
    optimizer = RowAdagrad(table)
    for _ in range(2):
        optimizer.step(torch.arange(4), grad, 0.5)
    squares = grad.square().mean(dim=1, keepdim=True)
    expected = start - 0.5 * grad / squares.sqrt() - 0.5 * grad / (2 * squares).sqrt()
    torch.testing.assert_close(table, expected)
    torch.testing.assert_close(optimizer.squares_N.double(), 2 * squares[:, 0])


@pytest.mark.parametrize("name", NAMES)
def test_a_row_moves_by_its_own_steps_alone(name: OptimizerName) -> None:
    """A row first touched late moves as in a table of its own."""
    table, grads = vectors(5, 3), vectors(3, 2, 3, seed=1)
    start = table.clone()
    optimizer, alone = OPTIMIZERS[name](table), OPTIMIZERS[name](start[3:4].clone())
    for number, grad in enumerate(grads):
        optimizer.step(torch.tensor([1, 3 if number else 0]), grad, 0.1)
        if number:
            alone.step(torch.tensor([0]), grad[1:], 0.1)
    torch.testing.assert_close(table[3:4], alone.table_ND)
    assert torch.equal(table[[2, 4]], start[[2, 4]])
    assert not torch.equal(table[[0, 1]], start[[0, 1]])


@pytest.mark.parametrize("name", NAMES)
def test_no_row_is_an_update_of_nothing(name: OptimizerName) -> None:
    table = vectors(5, 3)
    start = table.clone()
    OPTIMIZERS[name](table).step(torch.zeros(0, dtype=torch.int64), vectors(0, 3), 0.1)
    assert torch.equal(table, start)


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.integers(0, 9), max_size=60), dim=st.integers(1, 40))
def test_repeats_are_summed_whatever_the_number_of_threads(rows: list[int], dim: int) -> None:
    row, grad = torch.tensor(rows, dtype=torch.int64), vectors(len(rows), dim)
    expected = torch.zeros(10, dim, dtype=torch.float64).index_add_(0, row, grad)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(sum_repeats(row, grad))
    torch.set_num_threads(1)
    distinct, sums = found[0]
    assert distinct.tolist() == sorted(set(rows))
    torch.testing.assert_close(sums, expected[distinct])
    assert torch.equal(sums, found[1][1])


@pytest.mark.parametrize("name", NAMES)
def test_state_goes_on_where_it_was_copied(name: OptimizerName) -> None:
    row, grad = torch.tensor([1, 4]), vectors(2, 3, seed=1)
    first = OPTIMIZERS[name](vectors(5, 3))
    first.step(row, grad, 0.1)
    second = OPTIMIZERS[name](first.table_ND.clone())
    for key, value in second.state().items():
        value.copy_(first.state()[key])
    for optimizer in (first, second):
        optimizer.step(row, grad, 0.1)
    assert torch.equal(first.table_ND, second.table_ND)
