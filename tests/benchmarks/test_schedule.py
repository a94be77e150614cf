"""Schedules, early stopping and the best epoch against plain versions of them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.config import TrainConfig
from benchmarks.results import CurvePoint
from benchmarks.schedule import FLOOR, best_point, is_finished, make_rate

VALID = st.lists(st.none() | st.sampled_from([0.0, 0.1, 0.10005, 0.2, 0.3, 0.7]), max_size=30)


def curve_of(values: list[float | None]) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(epoch=n, loss=1.0, valid_mrr=value) for n, value in enumerate(values, start=1)
    )


def test_linear_falls_from_the_whole_rate_to_the_floor() -> None:
    rate = make_rate(TrainConfig(epochs=10, schedule="linear"))
    assert rate(0) == 1
    assert rate(2.5) == pytest.approx(0.75)
    assert rate(10) == FLOOR


@settings(deadline=None)
@given(VALID, st.integers(0, 3), st.sampled_from([0.5, 0.95]))
def test_plateau_lowers_the_rate_when_torch_would(
    values: list[float | None], patience: int, factor: float
) -> None:
    train = TrainConfig(
        schedule="plateau", plateau_patience=patience, plateau_factor=factor, min_improvement=1e-4
    )
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=factor, patience=patience, threshold=1e-4,
        threshold_mode="abs", eps=0.0,
    )  # fmt: skip
    for value in values:
        if value is not None:
            scheduler.step(value)
    expected = max(FLOOR, optimizer.param_groups[0]["lr"])
    assert make_rate(train, curve_of(values))(3.5) == pytest.approx(expected)


@given(VALID, st.integers(1, 4), st.sampled_from([0.0, 1e-4, 0.15]))
def test_stopping_counts_validations_since_the_last_improvement(
    values: list[float | None], patience: int, least: float
) -> None:
    train = TrainConfig(epochs=1000, patience=patience, min_improvement=least)
    best, waited = float("-inf"), 0
    for value in values:
        if value is not None:
            improved = value > best + least
            best, waited = (value, 0) if improved else (best, waited + 1)
    assert is_finished(train, curve_of(values)) == (waited >= patience)
    assert not is_finished(TrainConfig(epochs=1000), curve_of(values))
    assert is_finished(TrainConfig(epochs=max(1, len(values))), curve_of(values or [None]))


@given(VALID)
def test_the_best_epoch_is_the_earliest_of_the_highest(values: list[float | None]) -> None:
    best = best_point(curve_of(values))
    found = [value for value in values if value is not None]
    if best is None:
        assert not found
    else:
        assert best.epoch == 1 + values.index(max(found))
