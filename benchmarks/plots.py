"""The report's pictures as inline SVG, readable on light and dark pages.

Imports matplotlib, numpy, benchmarks.{metrics,results,tables} and wikidata5m. Each picture is
one <svg> element whose ink is the page's text colour.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.metrics import Side
from benchmarks.results import Result
from benchmarks.tables import distinct
from wikidata5m.dataset import Dataset

INK: Final = "#010203"
"""Drawn in this colour, then replaced by `currentColor`."""
COLOURS: Final = ("#3b82c4", "#d9822b", "#4c9f70", "#b35fa8", "#c0504d", "#8a8d2f")
"""Middle tones that stand out on white and on near-black alike."""
MARKS: Final = "os^Dvx"
Points = tuple[tuple[float, float], ...]
STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
} | dict.fromkeys(
    ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
)


def labels(results: Sequence[Result]) -> list[str]:
    """How each result is called in a picture; no two alike."""
    names = []
    for result in results:
        ranked, of = result.protocol.triplets, result.protocol.of
        sample = f", sample of {ranked:,}" if ranked < of else ""
        names.append(f"{_run_label(result)}, {result.part}{sample}")
    return distinct(names, results)


def _run_label(result: Result) -> str:
    return f"{result.model}, seed {result.seed} ({result.dataset.name}, {result.setting})"


def learning_curves(results: Sequence[Result]) -> str:
    """Validation MRR by epoch, one line per run; empty when no run has two points."""
    # A run that was ranked on two parts has one curve.
    runs = {(_run_label(r), r.run, _validated(r)): r for r in results if len(_validated(r)) > 1}
    if not runs:
        return ""
    names = distinct([name for name, _, _ in runs], list(runs.values()))
    curves = [(name, points) for name, (_, _, points) in zip(names, runs, strict=True)]

    def draw(axes: Any) -> None:
        for n, (name, points) in enumerate(curves):
            x, y = zip(*points, strict=True)
            style = {"color": COLOURS[n % len(COLOURS)], "marker": MARKS[n % len(MARKS)]}
            axes.plot(x, y, label=name, **style)
        axes.set_xlabel("epoch")
        axes.set_ylabel("validation MRR")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=8)

    return _svg(draw, "curves", "Validation MRR by epoch: " + _ends(curves))


def _validated(result: Result) -> Points:
    return tuple((p.epoch, p.valid_mrr) for p in result.train.curve if p.valid_mrr is not None)


def mrr_bars(results: Sequence[Result]) -> str:
    """MRR by direction for each result, beside a random order's."""
    sides: tuple[Side, ...] = ("head", "tail", "both")
    names = labels(results)
    values = [[result.metrics[side].get("mrr", 0.0) for side in sides] for result in results]

    def draw(axes: Any) -> None:
        places = np.arange(len(names))
        for n, side in enumerate(sides):
            heights = [row[n] for row in values]
            axes.barh(places + (n - 1) * 0.27, heights, 0.25, label=side, color=COLOURS[n])
        for place, result in zip(places, results, strict=True):
            chance = result.baselines["random"]["both"].get("mrr", 0.0)
            axes.plot([chance, chance], [place - 0.42, place + 0.42], color=INK, linestyle=":")
        axes.plot([], [], color=INK, linestyle=":", label="random order")
        axes.set_yticks(places, names)
        axes.invert_yaxis()
        axes.set_xlabel("MRR when predicting the head, the tail, and both")
        axes.legend(frameon=False, fontsize=8, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))

    told = "; ".join(
        f"{name}: head {row[0]:.3f}, tail {row[1]:.3f}, both {row[2]:.3f}"
        for name, row in zip(names, values, strict=True)
    )
    return _svg(draw, "bars", f"MRR by direction. {told}", height=1.2 + 0.7 * len(names))


def degrees(dataset: Dataset) -> str:
    """How many entities have how many triplets, on logarithmic axes."""
    triplets = dataset.triplets()
    degree_E = np.bincount(triplets[:, [0, 2]].ravel(), minlength=dataset.num_entities)
    degree, count = np.unique(degree_E[degree_E > 0], return_counts=True)

    def draw(axes: Any) -> None:
        axes.loglog(degree, count, ".", color=COLOURS[0])
        axes.set_xlabel("triplets of an entity, as head or tail")
        axes.set_ylabel("entities")

    alt = (
        f"Degree distribution: median {np.median(degree_E):,.0f}, "
        f"mean {degree_E.mean():,.1f}, largest {degree_E.max(initial=0):,} triplets per entity"
    )
    return _svg(draw, "degrees", alt)


def _ends(curves: Sequence[tuple[str, Points]]) -> str:
    return "; ".join(
        f"{name} from {points[0][1]:.3f} to {points[-1][1]:.3f}" for name, points in curves
    )


def _svg(draw: Callable[[Any], None], name: str, alt: str, *, height: float = 3.6) -> str:
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(7.2, height), layout="constrained")
        axes = figure.add_subplot()
        figure.patch.set_alpha(0)
        axes.patch.set_alpha(0)
        draw(axes)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return _inline(stream.getvalue(), name, alt)


def _inline(document: str, name: str, alt: str) -> str:
    """The <svg> alone: no prologue, no metadata, ids of its own, the page's ink, an alt text."""
    body = document[document.index("<svg") :].replace(INK, "currentColor")
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", body)
    safe = alt.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return body.replace("<svg", f'<svg role="img" aria-label="{safe}"', 1)
