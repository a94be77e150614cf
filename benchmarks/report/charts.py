"""Pictures of tables of results, and of how runs went.

Imports matplotlib, numpy and benchmarks.{metrics,plots,report.blocks,tables}. Each gives a Figure,
whose alternative text holds the numbers in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure as Canvas

from benchmarks.metrics import Side
from benchmarks.plots import (
    INK,
    bar_style,
    beside,
    clean,
    draw,
    legend,
    line_style,
    plain_ticks,
    short,
)
from benchmarks.report.blocks import Figure
from benchmarks.tables import ResultTable, Row

SIDES: Final[tuple[Side, ...]] = ("head", "tail", "both")
SHOWN: Final = 15
"""How many relations a picture has room for."""
LOGARITHMIC: Final = 20
"""From so many times the shortest bar on, lengths are logarithmic."""
Points = Sequence[tuple[float, float]]


def by_side(table: ResultTable, name: str) -> Figure:
    """MRR by direction for each model, and a random order's; with deviations or intervals."""
    models = list(dict.fromkeys(row.name for row in table.rows if row.runs))
    value = {(row.name, row.side): row.values.get("mrr", 0.0) for row in table.rows}
    around = {(row.name, row.side): _around(row) for row in table.rows}
    chance = value.get(("(random)", "both"), 0.0)

    def paint(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        places = np.arange(len(models))
        for n, side in enumerate(SIDES):
            heights = [value.get((model, side), 0.0) for model in models]
            errors = [around.get((model, side), (0.0, 0.0)) for model in models]
            some = np.transpose(errors) if np.any(errors) else None
            style = bar_style(n) | {"error_kw": {"ecolor": INK, "elinewidth": 1, "capsize": 2}}
            axes.barh(places + n * 0.24, heights, 0.22, xerr=some, label=side, **style)
        axes.axvline(chance, color=INK, linestyle=":", linewidth=1, label="random order")
        for place, model in zip(places, models, strict=True):
            beside(axes, clean(model), 0, place - 0.2, size=8.5)
        axes.set_yticks([])
        axes.set_ylim(len(models) - 0.3, -0.45)
        axes.set_xlabel("MRR when predicting the head, the tail, and both")
        legend(axes, columns=4)

    told = "; ".join(
        f"{model}: " + ", ".join(f"{side} {value.get((model, side), 0):.3f}" for side in SIDES)
        for model in models
    )
    alt = f"Bars: MRR by direction. {told}; random order {chance:.4f}."
    picture = draw(paint, name, alt, height=1.0 + 0.75 * len(models))
    return Figure(picture, f"MRR by direction. {table.title}.")


def _around(row: Row) -> tuple[float, float]:
    """How far the MRR's deviation or interval reaches down and up."""
    spread = row.spread.get("mrr", 0.0)
    if "mrr" not in row.interval:
        return spread, spread
    low, high = row.interval["mrr"]
    return max(0.0, row.values["mrr"] - low), max(0.0, high - row.values["mrr"])


def by_group(table: ResultTable, name: str, *, ordered: bool) -> Figure:
    """MRR of each group of queries, one line or row of marks per model; bars are deviations."""
    groups = list(dict.fromkeys(row.group for row in table.rows))
    models = _models(table)

    def paint(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        for n, (model, rows) in enumerate(models.items()):
            here = [x for x, group in enumerate(groups) if group in rows]
            values = [rows[groups[x]].values["mrr"] for x in here]
            spread = [rows[groups[x]].spread.get("mrr", 0.0) for x in here]
            style = line_style(n) | ({} if ordered else {"linestyle": "none"})
            error = spread if any(spread) else None
            axes.errorbar(here, values, error, label=clean(model), capsize=2, **style)
        names = [group.replace(" or more", "+") for group in groups]
        axes.set_xticks(range(len(groups)), names, rotation=30 if len(groups) > 5 else 0)
        axes.set_xlim(-0.4, len(groups) - 0.6)
        _from_zero(axes)
        axes.grid(axis="y", color=INK, alpha=0.15)
        axes.set_ylabel("MRR, both directions")
        axes.set_xlabel(table.caption.rpartition("by ")[2])
        legend(axes)

    alt = f"MRR, {table.caption}. " + "; ".join(
        f"{group}: " + ", ".join(_told(models, group)) for group in groups
    )
    picture = draw(paint, name, alt, height=2.7 + 0.17 * len(models))
    return Figure(picture, f"MRR, {table.caption}.")


def by_relation(table: ResultTable, name: str, names: Mapping[str, str]) -> Figure:
    """MRR of the most frequent relations, one row each, one mark per model."""
    groups = list(dict.fromkeys(row.group for row in table.rows))[:SHOWN]
    models = _models(table)

    def paint(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        for n, (model, rows) in enumerate(models.items()):
            values = [(rows[g].values["mrr"], y) for y, g in enumerate(groups) if g in rows]
            x, y = zip(*values, strict=True) if values else ((), ())
            style = line_style(n) | {"linestyle": "none"}
            axes.plot(x, y, label=clean(model), **style)
        axes.set_yticks(range(len(groups)), [clean(names.get(g, g), 26) for g in groups])
        axes.invert_yaxis()
        axes.set_xlim(-0.02, 1.02)
        axes.grid(axis="y", color=INK, alpha=0.15)
        axes.set_xlabel("MRR, both directions")
        legend(axes)

    alt = f"Marks: MRR of the {len(groups)} most frequent relations. " + "; ".join(
        f"{names.get(g, g)}: " + ", ".join(_told(models, g)) for g in groups
    )
    height = 1.1 + 0.22 * len(groups) + 0.17 * len(models)
    picture = draw(paint, name, alt, height=height)
    return Figure(picture, f"MRR of the most frequent relations. {table.title}.")


def _from_zero(axes: Any) -> None:
    """With room for the marks of the highest values."""
    top = axes.dataLim.y1
    axes.set_ylim(min(0, axes.dataLim.y0), 1.08 * top if top > 0 else 1)


def _models(table: ResultTable) -> dict[str, dict[str, Row]]:
    """The row of each group, by the name of each model."""
    found: dict[str, dict[str, Row]] = {}
    for row in table.rows:
        found.setdefault(row.name, {})[row.group] = row
    return found


def _told(models: Mapping[str, Mapping[str, Row]], group: str) -> list[str]:
    return [
        f"{model} {rows[group].values['mrr']:.3f}"
        for model, rows in models.items()
        if group in rows
    ]


def curves(lines: Mapping[str, Points], name: str, y_label: str) -> Figure:
    """One line per run by epoch."""

    def paint(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        for n, (label, points) in enumerate(lines.items()):
            x, y = zip(*points, strict=True)
            # A mark for each of hundreds of epochs would hide the line.
            every = max(1, len(points) // 12)
            axes.plot(x, y, label=clean(label), markevery=every, **line_style(n))
        axes.set_xlabel("epoch")
        axes.set_ylabel(y_label)
        _from_zero(axes)
        axes.grid(axis="y", color=INK, alpha=0.15)
        legend(axes)

    told = "; ".join(
        f"{label} from {points[0][1]:.3f} to {points[-1][1]:.3f}" for label, points in lines.items()
    )
    picture = draw(paint, name, f"{y_label} by epoch: {told}", height=2.6 + 0.17 * len(lines))
    return Figure(picture, f"{_sentence(y_label)} by epoch.")


def bars(values: Mapping[str, float], name: str, x_label: str) -> Figure:
    """One bar per name, with its value; logarithmic where the shortest could not be seen."""
    log = max(values.values()) > LOGARITHMIC * min(values.values()) > 0

    def paint(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        places, sizes = range(len(values)), list(values.values())
        axes.barh(places, sizes, 0.35, **bar_style(0))
        start = 0.5 * min(sizes) if log else 0
        if log:
            axes.set_xscale("log")
        for place, (label, size) in zip(places, values.items(), strict=True):
            beside(axes, short(size), size, place)
            beside(axes, clean(label), start, place - 0.35, size=8.5)
        axes.set_ylim(len(values) - 0.5, -0.7)
        axes.set_yticks([])
        end = max(sizes)
        axes.set_xlim(start, end * (end / start) ** 0.18 if log else 1.18 * end)
        axes.set_xlabel(x_label)
        plain_ticks(axes.xaxis)

    told = "; ".join(f"{label}: {short(value)}" for label, value in values.items())
    picture = draw(paint, name, f"Bars: {x_label}. {told}", height=0.8 + 0.48 * len(values))
    return Figure(picture, f"{_sentence(x_label)}.")


def log_lines(
    lines: Mapping[str, tuple[Any, Any]],
    name: str,
    labels: tuple[str, str],
    caption: str,
    alt: str,
) -> Figure:
    """Lines on logarithmic axes; `labels` are of x and of y."""

    def paint(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        for n, (label, (x, y)) in enumerate(lines.items()):
            axes.loglog(x, y, label=label, markevery=max(1, len(x) // 10), **line_style(n))
        for axis in (axes.xaxis, axes.yaxis):
            plain_ticks(axis)
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        if len(lines) > 1:
            legend(axes, columns=len(lines))

    return Figure(draw(paint, name, alt, height=3.0), caption)


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]
