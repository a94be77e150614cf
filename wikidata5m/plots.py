"""Pictures of a dataset: degrees, relation frequencies, words per description.

Imports dataset, files and stats; the one file of this package that may import matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from wikidata5m.dataset import Dataset
from wikidata5m.files import atomic_path
from wikidata5m.stats import relation_sizes, words

COLOUR: Final = "#2f6fb0"
BINS: Final = 100
FORMATS: Final = ("svg", "png")
STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "wikidata5m",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
}


def write_plots(dataset: Dataset, folder: Path) -> list[Path]:
    """Write each picture below `folder` as SVG and as PNG; returns the files."""
    name, written = dataset.manifest.name, []
    degree_E, size_R, words_T = dataset.degrees, relation_sizes(dataset), words(dataset)

    def degrees(axes: Any) -> None:
        degree, count = np.unique(degree_E[degree_E > 0], return_counts=True)
        axes.loglog(degree, count, ".", color=COLOUR, markersize=4)
        axes.set_xlabel("triplets of an entity, as head or tail")
        axes.set_ylabel("entities with so many")
        axes.set_title(f"{name}: degrees of {len(degree_E):,} entities")

    def relations(axes: Any) -> None:
        ordered = np.sort(size_R[size_R > 0])[::-1]
        axes.loglog(np.arange(1, len(ordered) + 1), ordered, "o", color=COLOUR, markersize=3)
        axes.set_xlabel("rank of the relation")
        axes.set_ylabel("triplets")
        axes.set_title(f"{name}: frequency of {len(ordered):,} relations")

    def described(axes: Any) -> None:
        top = int(np.quantile(words_T, 0.995)) + 1 if len(words_T) else 1
        # Bins of a whole number of words; others hold now more and now fewer, and make false peaks.
        width = -(-top // BINS)
        edges = np.arange(0, top + 2 * width, width) - 0.5
        axes.hist(words_T[words_T <= top], bins=edges, color=COLOUR)
        axes.set_xlabel("words of a description (the longest 0.5% left out)")
        axes.set_ylabel("entities")
        axes.set_title(f"{name}: words of {len(words_T):,} descriptions")

    for what, draw in (("degrees", degrees), ("relations", relations), ("words", described)):
        written += _save(draw, folder / what)
    return written


def _save(draw: Callable[[Any], None], path: Path) -> list[Path]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4.2), layout="constrained", facecolor="white")
        draw(figure.add_subplot())
        files = [path.with_suffix(f".{kind}") for kind in FORMATS]
        for file, kind in zip(files, FORMATS, strict=True):
            metadata = {"Date": None} if kind == "svg" else None
            with atomic_path(file) as temporary:
                figure.savefig(temporary, format=kind, dpi=150, metadata=metadata)
    return files
