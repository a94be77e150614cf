"""Numbers from ranks: MR, MRR, Hits@k, AMRI; both directions and each, and by groups of queries.

Imports numpy and benchmarks.{buckets,ranking}. Shapes: N ranks.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from benchmarks.buckets import Groups
from benchmarks.ranking import DirectionRanks, Ranks

Ties = Literal["realistic", "optimistic", "pessimistic"]
Side = Literal["both", "head", "tail"]
SIDES: Final[tuple[Side, ...]] = ("both", "head", "tail")
TIES: Final[tuple[Ties, ...]] = ("optimistic", "realistic", "pessimistic")
HITS: Final = (1, 3, 10)
Values = dict[str, float]


def metrics(ranks: Ranks, ties: Ties = "realistic") -> dict[Side, Values]:
    """For each side: mr, mrr, hits@1, hits@3, hits@10, amri and the number of queries `count`.

    amri is the adjusted mean rank index of Berrendorf et al. (2020): 1 - (mr - 1) / (expected - 1),
    1 for perfect, 0 for a random order. Of no queries at all every value but `count` is absent.
    """
    return _by_side(ranks.head, ranks.tail, ties)


def by_group(
    ranks: Ranks, groups: Groups, ties: Ties = "realistic"
) -> dict[str, dict[Side, Values]]:
    """The same for each group that has a query, in the order of the groups' names."""
    found = {}
    for number in np.unique(np.concatenate([groups.head_N, groups.tail_N])):
        head = _cut(ranks.head, groups.head_N == number)
        tail = _cut(ranks.tail, groups.tail_N == number)
        found[groups.names[number]] = _by_side(head, tail, ties)
    return found


def random_expectation(ranks: Ranks) -> dict[Side, Values]:
    """What a uniformly random order of each query's candidates gives, exactly, same filter."""
    found = {}
    for side, parts in sides_of(ranks.head, ranks.tail).items():
        left_N = np.concatenate([part.candidates for part in parts])
        if not len(left_N):
            found[side] = {"count": 0.0}
            continue
        harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, left_N.max() + 1))])
        found[side] = (
            {"mr": _mean((left_N + 1) / 2), "mrr": _mean(harmonic[left_N] / left_N)}
            | {f"hits@{k}": _mean(np.minimum(k, left_N) / left_N) for k in HITS}
            | {"amri": 0.0, "count": float(len(left_N))}
        )
    return found


def _values(rank_N: npt.NDArray[np.float64], left_N: npt.NDArray[np.int64]) -> Values:
    if not len(rank_N):
        return {"count": 0.0}
    mean_rank, expected = _mean(rank_N), _mean((left_N + 1) / 2)
    # One candidate alone can be ranked neither well nor badly.
    amri = 1 - (mean_rank - 1) / (expected - 1) if expected > 1 else 0.0
    return (
        {"mr": mean_rank, "mrr": _mean(1 / rank_N)}
        | {f"hits@{k}": _mean(rank_N <= k) for k in HITS}
        | {"amri": amri, "count": float(len(rank_N))}
    )


def _by_side(head: DirectionRanks, tail: DirectionRanks, ties: Ties) -> dict[Side, Values]:
    return {
        side: _values(
            np.concatenate([chosen(part, ties) for part in parts]),
            np.concatenate([part.candidates for part in parts]),
        )
        for side, parts in sides_of(head, tail).items()
    }


def sides_of(head: DirectionRanks, tail: DirectionRanks) -> dict[Side, tuple[DirectionRanks, ...]]:
    """The directions that each side looks at."""
    return {"both": (head, tail), "head": (head,), "tail": (tail,)}


def chosen(part: DirectionRanks, ties: Ties) -> npt.NDArray[np.float64]:
    """(N,) the ranks by one rule for equal scores."""
    if ties == "realistic":
        return part.realistic
    rank_N = part.optimistic if ties == "optimistic" else part.pessimistic
    return rank_N.astype(np.float64)


def _cut(part: DirectionRanks, chosen_N: npt.NDArray[np.bool_]) -> DirectionRanks:
    return DirectionRanks(
        part.optimistic[chosen_N], part.pessimistic[chosen_N], part.candidates[chosen_N]
    )


def _mean(x_N: npt.NDArray[np.float64] | npt.NDArray[np.bool_]) -> float:
    return float(np.mean(x_N))
