"""Penalties against autograd in float64, and what dropout keeps."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from benchmarks.regularisers import RegulariserName, dropout_mask, get_regulariser
from benchmarks.scorers import SCORERS, get_scorer


@pytest.mark.parametrize("model", SCORERS)
@pytest.mark.parametrize("name", get_args(RegulariserName))
@pytest.mark.parametrize("p", [1.5, 2.0, 3.0])
def test_penalties_and_gradients_are_those_of_the_definition(
    model: str, name: RegulariserName, p: float
) -> None:
    scorer = get_scorer(model)
    generator = torch.Generator().manual_seed(0)
    vectors_MD = torch.randn(7, 8, generator=generator, dtype=torch.float64)
    weight_M = torch.rand(7, generator=generator, dtype=torch.float64)
    vectors_MD[2, 3] = 0.0  # a float that has no sign
    vectors_MD.requires_grad_()
    magnitudes = scorer.magnitudes(vectors_MD) if name == "n3" else vectors_MD.abs()
    expected = (weight_M[:, None] * magnitudes.pow(3 if name == "n3" else p)).sum()
    expected.backward()
    value, grad_MD = get_regulariser(name, p=p)(scorer, vectors_MD.detach(), weight_M)
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(grad_MD, vectors_MD.grad)


@pytest.mark.parametrize("name", get_args(RegulariserName))
def test_a_row_of_zeros_has_no_penalty_and_no_slope(name: RegulariserName) -> None:
    value, grad_MD = get_regulariser(name, p=1.5)(
        get_scorer("complex"), torch.zeros(2, 4), torch.ones(2)
    )
    assert float(value) == 0
    assert (grad_MD == 0).all()


def test_dropout_keeps_the_mean_and_follows_its_seed() -> None:
    def drawn(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return dropout_mask(400, 100, 0.3, generator, dtype=torch.float32)

    mask = drawn(1)
    assert mask.unique().tolist() == [0.0, pytest.approx(1 / 0.7)]
    assert float(mask.mean()) == pytest.approx(1, abs=0.02)
    assert torch.equal(mask, drawn(1))
    assert not torch.equal(mask, drawn(2))
