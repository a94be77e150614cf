"""Mean rank and AMRI from a sample of the candidates. Imports numpy, benchmarks and wikidata5m.

How many of all candidates score above a truth is the number among a random sample of them, scaled
up: so the mean rank has an unbiased estimate. MRR and Hits@k have none. Among a thousand of
millions of candidates the true ranks 1 and 1,000 mostly look alike, while 1/rank is a thousand
times smaller for one than for the other (Krichene and Rendle 2020). So they are not reported.

Shapes: N triplets, G groups of sampled candidates, V values of one triplet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.estimator import CONFIDENCE, Interval, student_quantile
from benchmarks.metrics import Side, Ties, Values, chosen, sides_of
from benchmarks.ranking import Predictor, Ranks, rank_triplets
from wikidata5m.console import log
from wikidata5m.errors import ConfigError

GROUPS: Final = 10
"""The sample is ranked in so many random groups, whose estimates tell their mean's variance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanRanks:
    """What can be said without ranking among all candidates: mr, amri and count."""

    metrics: dict[Side, Values]
    intervals: dict[Side, dict[str, Interval]]
    num_candidates: int
    """Of how many the sampled ones stand."""


def estimate_mean_ranks(
    predictor: Predictor,
    triplets_N3: npt.NDArray[np.integer],
    known_N3: npt.NDArray[np.integer],
    num_entities: int,
    *,
    candidates: int,
    population: int,
    seed: int,
    ties: Ties = "realistic",
    progress: Callable[[int], None] | None = None,
) -> MeanRanks:
    """Estimate the filtered mean ranks among all entities from `candidates` random ones.

    The entities of the triplets are candidates always, each for itself; the others are drawn.
    `population` is the number of triplets that these are a random sample of, or their own number.
    Raises ConfigError unless there are more entities to draw from than candidates to draw, and a
    group has one at least.
    """
    always = np.unique(triplets_N3[:, [0, 2]]).astype(np.int64)
    others = np.setdiff1d(np.arange(num_entities), always)
    if len(others) <= GROUPS:
        raise ConfigError(
            f"--candidates: {len(others)} entities lie outside these triplets, too few to sample; "
            "leave it out, which ranks among all"
        )
    if not GROUPS <= candidates < len(others):
        raise ConfigError(
            f"{candidates} sampled candidates: must be at least {GROUPS}, and fewer than the "
            f"{len(others)} entities outside these triplets; else rank among all"
        )
    scored = (GROUPS + 1) * len(always) + candidates
    if scored >= num_entities:
        log(
            f"--candidates {candidates}: scores {scored:,} entities a query, since these triplets' "
            f"own {len(always):,} are ranked with each group, and ranking among all "
            f"{num_entities:,} is exact and costs less: leave --candidates out, or add --sample"
        )
    drawn = np.random.default_rng(seed).choice(others, candidates, replace=False)
    own = rank_triplets(predictor, triplets_N3, known_N3, always)
    groups = []
    for number, group in enumerate(np.array_split(drawn, GROUPS), start=1):
        with_group = rank_triplets(predictor, triplets_N3, known_N3, np.union1d(always, group))
        groups.append(_scaled_up(own, with_group, len(others) / len(group), ties))
        if progress:
            progress(2 * len(triplets_N3) * number // GROUPS)
    left_of_variance = 1 - candidates / len(others)
    metrics: dict[Side, Values] = {}
    intervals: dict[Side, dict[str, Interval]] = {}
    for side in groups[0]:
        rank_GN, expected_GN = (np.stack([each[side][i] for each in groups]) for i in (0, 1))
        mean, expected = float(rank_GN.mean()), float(expected_GN.mean())
        half = _half_width(rank_GN, left_of_variance, population)
        low, high = max(mean - half, 1.0), mean + half
        metrics[side] = {"mr": mean, "amri": 1 - (mean - 1) / (expected - 1)}
        metrics[side]["count"] = float(len(triplets_N3) * (2 if side == "both" else 1))
        intervals[side] = {
            "mr": (low, high),
            "amri": (1 - (high - 1) / (expected - 1), 1 - (low - 1) / (expected - 1)),
        }
    return MeanRanks(metrics=metrics, intervals=intervals, num_candidates=num_entities)


def _scaled_up(
    own: Ranks, with_group: Ranks, scale: float, ties: Ties
) -> dict[Side, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Rank and expected rank of each triplet on each side, (N,) each, by one group."""
    found = {}
    both = sides_of(with_group.head, with_group.tail)
    for side, parts in sides_of(own.head, own.tail).items():
        rank_N, left_N = np.zeros(len(own.relation)), np.zeros(len(own.relation))
        for before, after in zip(parts, both[side], strict=True):
            rank_N += chosen(before, ties) + scale * (chosen(after, ties) - chosen(before, ties))
            left_N += before.candidates + scale * (after.candidates - before.candidates)
        found[side] = rank_N / len(parts), (left_N / len(parts) + 1) / 2
    return found


def _half_width(
    rank_GN: npt.NDArray[np.float64], left_of_variance: float, population: int
) -> float:
    """Of the interval: the groups' variance and, where triplets were drawn too, the triplets'."""
    groups, size = rank_GN.shape
    variances = [float(rank_GN.mean(axis=1).var(ddof=1)) / groups * left_of_variance]
    freedoms = [groups - 1]
    if size < population:
        spread = float(rank_GN.mean(axis=0).var(ddof=1)) if size > 1 else float("inf")
        variances.append(spread / size * (1 - size / population))
        freedoms.append(max(size - 1, 1))
    total = sum(variances)
    if total == 0:
        return 0.0
    # Satterthwaite: how many degrees of freedom the sum of two such variances has.
    freedom = total**2 / sum(v**2 / f for v, f in zip(variances, freedoms, strict=True))
    return student_quantile((1 + CONFIDENCE) / 2, freedom) * float(np.sqrt(total))
