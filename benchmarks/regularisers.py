"""Penalties on the vectors of a batch, with their gradients, and dropout.

Imports torch and benchmarks.scorers.

A penalty is a sum over rows, so the slices of a row add up, and the gradient of a slice needs no
other slice.

Shapes: M rows, D floats per row, W magnitudes per row.

A row pays once for every positive that holds it, so frequent rows pay more: the frequency-weighted
penalty of LibKGE and Dist-KGE, and what Lacroix et al. (2018) minimise.
"""

from __future__ import annotations

from functools import partial
from typing import Final, Literal, Protocol

import torch
from torch import Tensor

from benchmarks.scorers import Scorer

RegulariserName = Literal["n3", "lp"]


class Regulariser(Protocol):
    """What every penalty is to a trainer."""

    def __call__(
        self, scorer: Scorer, vectors_MD: Tensor, weight_M: Tensor, /
    ) -> tuple[Tensor, Tensor]:
        """The sum of the rows' penalties times their weights, and its gradient (M, D)."""


def n3(scorer: Scorer, vectors_MD: Tensor, weight_M: Tensor) -> tuple[Tensor, Tensor]:
    """Sum |z|^3 over the magnitudes of the scorer's numbers: Lacroix et al. (2018), Equation 11.

    A complex number or quaternion counts by its modulus, a real number by its absolute value, so
    for real models this is L3. Parts of a number lie in equal blocks of the row.
    """
    magnitude_MW = scorer.magnitudes(vectors_MD)
    weight_M1 = weight_M[:, None]
    value = (weight_M1 * magnitude_MW.pow(3)).sum()
    parts = vectors_MD.shape[-1] // magnitude_MW.shape[-1]
    return value, 3 * weight_M1 * magnitude_MW.repeat(1, parts) * vectors_MD


def lp(_scorer: Scorer, vectors_MD: Tensor, weight_M: Tensor, *, p: float) -> tuple[Tensor, Tensor]:
    """Sum |x|^p over the floats of each row; p = 3 is GraphVite's L3, whatever the scorer."""
    size_MD = vectors_MD.abs()
    slope_MD = size_MD.pow(p - 1)
    weight_M1 = weight_M[:, None]
    value = (weight_M1 * slope_MD * size_MD).sum()
    return value, p * weight_M1 * slope_MD * vectors_MD.sign()


def get_regulariser(name: RegulariserName, *, p: float) -> Regulariser:
    """The penalty of that name; only lp has a p."""
    regularisers: Final[dict[RegulariserName, Regulariser]] = {"n3": n3, "lp": partial(lp, p=p)}
    return regularisers[name]


def dropout_mask(
    rows: int, width: int, share: float, generator: torch.Generator, *, dtype: torch.dtype
) -> Tensor:
    """(rows, width): 0 with probability `share`, else 1 / (1 - share), so that the mean stays.

    Vectors are multiplied by it before scoring, and their gradients after. A process that holds
    some of the columns draws all and keeps its own.
    """
    drawn_MD = torch.rand(rows, width, generator=generator, device=generator.device)
    return (drawn_MD >= share).to(dtype).div_(1 - share)
