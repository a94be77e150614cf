"""What `bench speed` shows: a table, the JSON, a bar chart.

Imports matplotlib, numpy, benchmarks.plots, benchmarks.speed.{machine,run} and wikidata5m.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.plots import COLOURS
from benchmarks.speed.machine import bytes_per_triplet, operations_per_triplet
from benchmarks.speed.run import OURS, Measured, Report, left
from wikidata5m.console import table
from wikidata5m.files import atomic_path, write_json

HEADER: Final = (
    "model",
    "engine",
    "batch",
    "trained/s",
    "ours is",
    "ranked/s",
    "ours is ",
    "peak MB",
    "of products",
    "of memory",
)

REPORT: Final = "speed.json"
"""The file that a run is gone on with from."""


def write_report(report: Report, out: Path) -> list[Path]:
    """Write speed.json, speed.md and speed.svg into `out`; returns their paths."""
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / name for name in (REPORT, "speed.md", "speed.svg")]
    write_json(paths[0], asdict(report))
    with atomic_path(paths[1]) as temporary:
        temporary.write_text(markdown(report) + "\n", encoding="utf-8")
    with atomic_path(paths[2]) as temporary:
        bars(report).savefig(temporary, format="svg", metadata={"Date": None})
    return paths


def markdown(report: Report) -> str:
    """The table, in words what was measured on what, and what is missing."""
    settings, machine = report.settings, report.machine
    rows = [_row(report, measured) for measured in report.measured]
    lines = [
        table(HEADER, rows),
        "",
        f"{report.graph}: {report.num_entities:,} entities, {report.num_relations:,} relations, "
        f"{report.num_triplets:,} triplets; dimension {settings.dim}, {settings.negatives} "
        f"negatives per positive, chunks of {settings.chunk}; {settings.threads} threads; the best "
        f"of {settings.repeats} processes, each at least {settings.seconds:g} s. Ranked triplets "
        "are filtered and asked in both directions.",
        f"{machine.cpu}: {machine.product_gflops:,.0f} GFLOP/s in matrix products, "
        f"{machine.memory_gbytes:,.1f} GB/s in a copy (read and written), with as many threads. "
        "`of products` counts 6 operations per negative and float, `of memory` one read, then a "
        "read and a write of each row of a positive.",
    ]
    lines += [f"{m.title}, {m.model}: failed: {m.error}" for m in report.measured if m.error]
    lines += [f"not measured: {name} ({why})" for name, why in report.missing.items()]
    if still := len(left(report)):
        lines.append(f"not finished: {still} processes are left; --resume goes on with them")
    return "\n".join(lines)


def ratio(report: Report, measured: Measured, rate: Callable[[Measured], float]) -> float | None:
    """How many times as fast ours is on that model; None where either is missing, or it is ours."""
    ours = next(
        (m for m in report.measured if m.engine == OURS and m.model == measured.model), None
    )
    if ours is None or measured.engine == OURS or not rate(ours) or not rate(measured):
        return None
    return rate(ours) / rate(measured)


def _row(report: Report, measured: Measured) -> list[object]:
    rates = (lambda m: m.trained_per_second), (lambda m: m.ranked_per_second)
    trained, ranked = (ratio(report, measured, rate) for rate in rates)
    settings, machine, rate = report.settings, report.machine, measured.trained_per_second
    operations = rate * operations_per_triplet(settings.dim, settings.negatives)
    moved = rate * bytes_per_triplet(settings.dim, settings.negatives, settings.chunk)
    return [
        measured.model,
        f"{measured.title} {measured.version}".strip(),
        measured.batch,
        _shown(rate, measured.error),
        _times(trained),
        _shown(measured.ranked_per_second, measured.error),
        _times(ranked),
        round(measured.peak_bytes / 1e6),
        f"{operations / 1e9 / machine.product_gflops:.1%}",
        f"{moved / 1e9 / machine.memory_gbytes:.1%}",
    ]


def _shown(rate: float, error: str = "") -> str:
    if not rate:
        return "failed" if error else ""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:,.1f}"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:,.1f}x"


def bars(report: Report) -> Figure:
    """Triplets per second on logarithmic axes: trained beside ranked, one bar per engine."""
    models = list(dict.fromkeys(m.model for m in report.measured))
    engines = list(dict.fromkeys(m.engine for m in report.measured))
    height = 1.4 + 0.28 * len(models) * (len(engines) + 1)
    with mpl.rc_context({"svg.hashsalt": "speed", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9, height), layout="constrained")
        trained, ranked = figure.subplots(1, 2, sharey=True)
    _draw(trained, report, models, engines, lambda m: m.trained_per_second)
    _draw(ranked, report, models, engines, lambda m: m.ranked_per_second)
    trained.set_xlabel("training triplets per second")
    ranked.set_xlabel("ranked triplets per second, filtered, both directions")
    trained.set_yticks(range(len(models)), models)
    trained.invert_yaxis()
    figure.legend(*trained.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return figure


def _draw(
    axes: Any,
    report: Report,
    models: Sequence[str],
    engines: Sequence[str],
    rate: Callable[[Measured], float],
) -> None:
    thick = 0.8 / len(engines)
    for n, engine in enumerate(engines):
        mine = [m for m in report.measured if m.engine == engine and rate(m)]
        places = [models.index(m.model) + (n - (len(engines) - 1) / 2) * thick for m in mine]
        rates = np.array([rate(m) for m in mine])
        title = next(m.title for m in report.measured if m.engine == engine)
        bar = axes.barh(places, rates, 0.9 * thick, label=title, color=COLOURS[n % len(COLOURS)])
        axes.bar_label(bar, [f" {_shown(each)}" for each in rates], fontsize=8)
    if any(map(rate, report.measured)):
        axes.set_xscale("log")
    axes.margins(x=0.18)
    axes.spines[["top", "right"]].set_visible(False)
