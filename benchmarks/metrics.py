"""Numbers from ranks: MR, MRR, Hits@k, AMRI; both directions and each, and per relation.

Imports numpy and benchmarks.ranking. Shapes: N ranks.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from benchmarks.ranking import DirectionRanks, Ranks

Ties = Literal["realistic", "optimistic", "pessimistic"]
Side = Literal["both", "head", "tail"]
SIDES: Final[tuple[Side, ...]] = ("both", "head", "tail")
HITS: Final = (1, 3, 10)
Values = dict[str, float]


def metrics(ranks: Ranks, ties: Ties = "realistic") -> dict[Side, Values]:
    """For each side: mr, mrr, hits@1, hits@3, hits@10, amri and the number of queries `count`.

    amri is the adjusted mean rank index of Berrendorf et al. (2020): 1 - (mr - 1) / (expected - 1),
    1 for perfect, 0 for a random order. Of no queries at all every value but `count` is absent.
    """
    return {side: _values(*_of_side(ranks, side, ties)) for side in SIDES}


def per_relation(ranks: Ranks, ties: Ties = "realistic") -> dict[int, dict[Side, Values]]:
    """The same for each relation index that occurs."""
    return {
        int(relation): metrics(_subset(ranks, ranks.relation == relation), ties)
        for relation in np.unique(ranks.relation)
    }


def random_expectation(ranks: Ranks) -> dict[Side, Values]:
    """What a uniformly random order of each query's candidates gives, exactly, same filter."""
    found = {}
    for side in SIDES:
        _, left_N = _of_side(ranks, side, "realistic")
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


def _of_side(
    ranks: Ranks, side: Side, ties: Ties
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    parts = [
        d for name, d in (("head", ranks.head), ("tail", ranks.tail)) if side in (name, "both")
    ]
    chosen = [_choose(part, ties) for part in parts]
    return np.concatenate(chosen), np.concatenate([part.candidates for part in parts])


def _choose(part: DirectionRanks, ties: Ties) -> npt.NDArray[np.float64]:
    if ties == "realistic":
        return part.realistic
    rank_N = part.optimistic if ties == "optimistic" else part.pessimistic
    return rank_N.astype(np.float64)


def _subset(ranks: Ranks, chosen_N: npt.NDArray[np.bool_]) -> Ranks:
    def cut(part: DirectionRanks) -> DirectionRanks:
        return DirectionRanks(
            part.optimistic[chosen_N], part.pessimistic[chosen_N], part.candidates[chosen_N]
        )

    return Ranks(cut(ranks.head), cut(ranks.tail), ranks.relation[chosen_N], ranks.num_candidates)


def _mean(x_N: npt.NDArray[np.float64] | npt.NDArray[np.bool_]) -> float:
    return float(np.mean(x_N))
