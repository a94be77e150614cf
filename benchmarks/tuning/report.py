"""What a search shows: a table, a CSV of every trial, parallel coordinates.

Imports matplotlib, numpy, benchmarks.tuning.{run,space} and wikidata5m.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.tuning.run import Trial
from benchmarks.tuning.space import Parameter, Space
from wikidata5m.console import table
from wikidata5m.files import atomic_path

SHOWN: Final = 10
"""Trials of the table."""
PLAIN: Final = ("settings", "metrics")
"""Fields of a trial that are written one column per key."""


def markdown(trials: Sequence[Trial], space: Space) -> str:
    """The best trials of the last round, then of the round before it, and so on."""
    names = list(space.drawn)
    header = ["round", "candidate", "valid MRR", "epochs", "triplets", "seconds", *names]
    rows = [
        [t.round, t.candidate, t.mrr, t.epochs, t.triplets, round(t.seconds, 1)]
        + [_shown(t.settings[name]) for name in names]
        for t in trials[:SHOWN]
    ]
    return table(header, rows)


def write_report(trials: Sequence[Trial], space: Space, out: Path) -> None:
    """Write trials.csv and tune.svg."""
    with (
        atomic_path(out / "trials.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        rows = [_flat(trial) for trial in trials]
        names = dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(stream, list(names))
        writer.writeheader()
        writer.writerows(rows)
    with atomic_path(out / "tune.svg") as temporary:
        plot(trials, space).savefig(temporary, format="svg", metadata={"Date": None})


def plot(trials: Sequence[Trial], space: Space) -> Figure:
    """Parallel coordinates: a line per candidate from its settings to the MRR where it ended."""
    last = {trial.candidate: trial for trial in reversed(trials)}
    lines = sorted(last.values(), key=lambda trial: (trial.round, trial.mrr))
    best = max(trial.mrr for trial in lines) or 1.0
    names = list(space.drawn)
    with mpl.rc_context({"svg.hashsalt": "tune", "svg.fonttype": "none"}):
        figure = Figure(figsize=(2.2 + 1.1 * len(names), 4), layout="constrained")
        axes = figure.add_subplot()
    rounds = max(trial.round for trial in lines)
    for trial in lines:
        heights = [_height(space.search[name], trial.settings[name]) for name in names]
        share = trial.mrr / best
        axes.plot(
            range(len(names) + 1),
            [*heights, share],
            color=mpl.colormaps["viridis_r"](share),
            linewidth=0.6 + 1.4 * trial.round / rounds,
            alpha=0.4 + 0.6 * trial.round / rounds,
        )
    axes.set_xticks(range(len(names) + 1), [*names, "valid MRR"], rotation=30, ha="right")
    axes.set_yticks([])
    for n, ends in enumerate(
        [*(_ends(space.search[name]) for name in names), ("0", f"{best:.3f}")]
    ):
        axes.axvline(n, color="grey", linewidth=0.5)
        axes.text(n, -0.04, ends[0], ha="center", va="top", fontsize=8)
        axes.text(n, 1.04, ends[1], ha="center", fontsize=8)
    axes.set_ylim(-0.12, 1.12)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{len(lines)} candidates; wider lines came further", fontsize=10)
    return figure


def _flat(trial: Trial) -> dict[str, Any]:
    plain: dict[str, Any] = {each.name: getattr(trial, each.name) for each in fields(trial)}
    for name in PLAIN:
        plain = {**plain.pop(name), **plain}
    return plain


def _height(parameter: Parameter, value: Any) -> float:
    """Where on its axis a value stands, from 0 to 1."""
    if parameter.choices:
        return parameter.choices.index(value) / max(1, len(parameter.choices) - 1)
    ends = [float(end) for end in parameter.ends()]
    low, high, here = np.log([*ends, value]) if parameter.log else (*ends, value)
    return float((here - low) / (high - low))


def _ends(parameter: Parameter) -> tuple[str, str]:
    ends = parameter.ends()
    return _shown(ends[0]), _shown(ends[-1])


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
