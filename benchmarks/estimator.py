"""What a sample of the triplets says about all of them: confidence intervals for every metric.

Imports numpy, benchmarks.{metrics,ranking} and wikidata5m.

The triplets are drawn at random without replacement and ranked exactly, so metrics over them are
unbiased. The two queries of a triplet go together: the unit is the triplet, and the value of `both`
is the mean of its two. docs/decisions/0015 holds the methods' coverage, measured.

Shapes: S sides (one, or both), n triplets of the sample, out of N.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.metrics import HITS, Side, Ties, chosen, sides_of
from benchmarks.ranking import Ranks

CONFIDENCE: Final = 0.95
FEW: Final = 5.0
"""Below so many successes (or failures) a sample shows too little of its own variance."""
Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """n of N units, drawn without replacement."""

    size: int
    population: int

    @property
    def variance_factor(self) -> float:
        """What is left of the variance of a mean, (1 - n/N) / n."""
        return (1 - self.size / self.population) / self.size

    @property
    def quantile(self) -> float:
        """Student's, of n - 1 degrees of freedom, for CONFIDENCE."""
        return student_quantile((1 + CONFIDENCE) / 2, self.size - 1)


def intervals(
    ranks: Ranks, population: int, ties: Ties = "realistic"
) -> dict[Side, dict[str, Interval]]:
    """Where each metric over all `population` triplets lies, in CONFIDENCE of all samples.

    Of less than two triplets nothing can be said, and of all of them nothing needs to: then {}.
    """
    size = len(ranks.relation)
    if not 2 <= size < population:
        return {}
    drawn = Sampling(size=size, population=population)
    return {
        side: _of_side(
            np.stack([chosen(part, ties) for part in parts]),
            np.stack([part.candidates for part in parts]),
            drawn,
        )
        for side, parts in sides_of(ranks.head, ranks.tail).items()
    }


def _of_side(
    rank_Sn: Floats, left_Sn: npt.NDArray[np.int64], drawn: Sampling
) -> dict[str, Interval]:
    shares = {"mrr": 1 / rank_Sn} | {f"hits@{k}": (rank_Sn <= k).astype(float) for k in HITS}
    found = {name: share_interval(x_Sn.mean(axis=0), drawn) for name, x_Sn in shares.items()}
    found["mr"] = mean_interval(rank_Sn.mean(axis=0), drawn)
    # AMRI is one minus a ratio of two means, which the sample estimates by its own ratio: the
    # residuals of the ratio have mean zero, and their spread is its spread (Cochran 1977, ch. 6).
    excess_n, expected_n = (rank_Sn - 1).mean(axis=0), ((left_Sn - 1) / 2).mean(axis=0)
    if expected_n.mean() > 0:
        ratio = excess_n.mean() / expected_n.mean()
        low, high = mean_interval((excess_n - ratio * expected_n) / expected_n.mean(), drawn)
        found["amri"] = (1 - ratio - high, 1 - ratio - low)
    return found


def share_interval(x_n: Floats, drawn: Sampling) -> Interval:
    """For the mean of values from 0 to 1: Wilson's score interval, of the effective sample size.

    That is the number of coin flips whose mean would vary as much as this one does: variance within
    (0, 1), correlation in a triplet and the finite population all enter through it. Where successes
    are FEW the sample's variance is no guide, and coin flips, the most variable of all, stand in.
    """
    mean, variance = float(x_n.mean()), float(x_n.var(ddof=1)) * drawn.variance_factor
    flips = 1 / drawn.variance_factor
    if variance > 0 and len(x_n) * mean * (1 - mean) >= FEW:
        flips = mean * (1 - mean) / variance
    correction = drawn.quantile**2 / flips
    centre = (mean + correction / 2) / (1 + correction)
    half = (correction * mean * (1 - mean) + correction**2 / 4) ** 0.5 / (1 + correction)
    return centre - half, centre + half


def mean_interval(x_n: Floats, drawn: Sampling) -> Interval:
    """For the mean of any values: Student's t, transformed for skewness (Hall 1992).

    Ranks are skewed: the few large ones make up the mean, a sample with less of them has a smaller
    mean and a smaller variance at once, and the plain interval misses on that side.
    """
    mean, deviation = float(x_n.mean()), float(x_n.std())
    if deviation == 0:
        return mean, mean
    skew = float(((x_n - mean) ** 3).mean()) / deviation**3 / len(x_n) ** 0.5
    error = float(x_n.std(ddof=1)) * drawn.variance_factor**0.5

    def untransformed(t: float) -> float:
        # Inverts t = x + skew x^2 / 3 + skew^2 x^3 / 27 + skew / 6, which takes the skew out.
        return 3 * (float(np.cbrt(1 + skew * (t - skew / 6))) - 1) / skew if abs(skew) > 1e-9 else t

    return (
        mean - error * untransformed(drawn.quantile),
        mean - error * untransformed(-drawn.quantile),
    )


def student_quantile(share: float, freedom: float) -> float:
    """Student's quantile by its expansion around the normal one (Abramowitz and Stegun 26.7.5)."""
    z = NormalDist().inv_cdf(share)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))
