"""Learning-rate schedules, early stopping, and which epoch was best.

All are pure functions of the settings and the validation curve so far, so that a run which resumes
with its log decides as one that was never interrupted. Imports benchmarks.{config,results}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.config import TrainConfig
from benchmarks.results import CurvePoint

FLOOR: Final = 1e-4
"""No schedule lowers a rate below this share of it, as GraphVite's does not."""

Rate = Callable[[float], float]
"""Epochs done, with a fraction -> the share of train.lr and train.relation_lr to use."""


def make_rate(train: TrainConfig, curve: Sequence[CurvePoint] = ()) -> Rate:
    """The schedule over the epoch that follows `curve`."""
    if train.schedule == "linear":
        return lambda done: max(FLOOR, 1 - done / train.epochs)
    factor = _plateau_factor(train, curve) if train.schedule == "plateau" else 1.0
    return lambda _done: factor


def best_point(curve: Sequence[CurvePoint]) -> CurvePoint | None:
    """The earliest point of the highest validation MRR; None when there was no validation."""
    validated = [point for point in curve if point.valid_mrr is not None]
    return max(validated, key=lambda point: point.valid_mrr or 0.0, default=None)


def is_finished(train: TrainConfig, curve: Sequence[CurvePoint]) -> bool:
    """Whether all epochs are done, or `train.patience` validations brought no improvement."""
    if len(curve) >= train.epochs:
        return True
    bad = _bad_validations(train, curve)
    return bool(train.patience and bad and bad[-1] >= train.patience)


def _plateau_factor(train: TrainConfig, curve: Sequence[CurvePoint]) -> float:
    """plateau_factor for each plateau_patience + 1 validations in a row without improvement."""
    reductions = sum(
        bad > 0 and bad % (train.plateau_patience + 1) == 0
        for bad in _bad_validations(train, curve)
    )
    return float(max(FLOOR, train.plateau_factor**reductions))


def _bad_validations(train: TrainConfig, curve: Sequence[CurvePoint]) -> list[int]:
    """After each validation: how many in a row, up to it, did not improve."""
    best, bad, counts = float("-inf"), 0, []
    for point in curve:
        if point.valid_mrr is None:
            continue
        if point.valid_mrr > best + train.min_improvement:
            best, bad = point.valid_mrr, 0
        else:
            bad += 1
        counts.append(bad)
    return counts
