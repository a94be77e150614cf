"""How pictures look: as <svg> for a page, in the page's ink, and as a file of its own.

Imports matplotlib and markupsafe. Nothing is told by colour alone: lines differ by dashes and
marks, bars by hatches.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from markupsafe import escape
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

INK: Final = "#010203"
"""Drawn in this colour, then replaced by `currentColor`."""
COLOURS: Final = ("#3b82c4", "#d9822b", "#4c9f70", "#b35fa8", "#c0504d", "#8a8d2f")
"""Middle tones that stand out on white and on near-black alike."""
MARKS: Final = "os^Dvx*"
DASHES: Final = ("-", "--", ":", "-.")
HATCHES: Final = ("", "////", "\\\\\\\\", "xxx", "---", "|||")
WIDTH: Final = 4.9
"""Inches: at full width letters are large enough to be read on a phone."""
STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    # One name: the list is written at each word.
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.6,
    "lines.markersize": 4.5,
    # Names are no formulas, whatever signs they hold.
    "text.parse_math": False,
} | dict.fromkeys(
    (
        "text.color",
        "axes.edgecolor",
        "axes.labelcolor",
        "xtick.color",
        "ytick.color",
        "hatch.color",
    ),
    INK,
)
_NO_TEXT: Final = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold."""
_NEEDLESS: Final = re.compile(
    r'<metadata>.*?</metadata>|<!--.*?-->|(?<=<g) id="[^"]*"| transform="rotate\(-0 [^"]*"',
    re.DOTALL,
)
_NUMBERS: Final = re.compile(r' (?:d|x|y|x1|y1|x2|y2|width|height|transform|points)="[^"]*"')


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing in two forms; `name` is a part of a file's name, and its ids begin with it."""

    name: str
    alt: str
    inline: str
    """For a page: <svg> with `alt` as its label, and the page's ink."""
    document: str
    """For a file: on white."""


def line_style(n: int) -> dict[str, Any]:
    """How line `n` differs from the others."""
    marks, colours, dashes = (x[n % len(x)] for x in (MARKS, COLOURS, DASHES))
    return {"color": colours, "marker": marks, "linestyle": dashes, "linewidth": 1.4}


def bar_style(n: int) -> dict[str, Any]:
    """How bars of kind `n` differ from the others."""
    style = {"color": COLOURS[n % len(COLOURS)], "hatch": HATCHES[n % len(HATCHES)]}
    return style | {"edgecolor": INK, "linewidth": 0.4}


def plain_ticks(axis: Any) -> None:
    """Numbers with separators in place of powers."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axis.set_minor_formatter(FuncFormatter(lambda *_: ""))


def short(value: float) -> str:
    """For axes and bars: 0.1234, 12.34, 1,234, 12.34M."""
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.4g}"


def beside(axes: Any, text: str, x: float, y: float, size: float = 8) -> None:
    """Write just right of a point."""
    place = {"textcoords": "offset points", "va": "center", "annotation_clip": False}
    axes.annotate(text, (x, y), (3, 0), fontsize=size, **place)


def legend(axes: Any, columns: int = 1) -> None:
    """Below the axes, where long names have room."""
    axes.figure.legend(loc="outside lower left", frameon=False, fontsize=8, ncols=columns)


def clean(text: str, limit: int = 60) -> str:
    """A name as a picture can hold it: of one line, not too long."""
    one_line = " ".join(_NO_TEXT.sub("\ufffd", text).split())
    return one_line if len(one_line) <= limit else one_line[: limit - 1] + "…"


def draw(painter: Callable[[Figure], None], name: str, alt: str, *, height: float = 2.9) -> Picture:
    """What `painter` draws on a figure WIDTH wide and `height` inches high."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # The browser's fonts draw what matplotlib's own lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        painter(figure)
        for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
            patch.set_alpha(0)
        # Ticks change with the room they get: a second pass finds room for the final ones.
        engine = figure.get_layout_engine()
        assert engine is not None
        engine.execute(figure)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    body = _shortened(stream.getvalue())
    alt = _NO_TEXT.sub("\ufffd", alt)
    white = '<rect width="100%" height="100%" fill="#fff"/>'
    document = re.sub(r"(<svg[^>]*>)", lambda found: found[0] + white, body, count=1)
    return Picture(name, alt, _inline(body, name, alt), document.replace(INK, "#000"))


def _shortened(document: str) -> str:
    """Without what nothing refers to, and with two decimals: a fiftieth of a pixel."""
    body = _NEEDLESS.sub("", document)
    body = _NUMBERS.sub(lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), body)
    return re.sub(r"\n\s*", "\n", body)


def _inline(document: str, name: str, alt: str) -> str:
    """The <svg> alone: no prologue, ids of its own, the page's ink, an alternative text."""
    body = document[document.index("<svg") :].replace(INK, "currentColor")
    body = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(r' (?:width|height)="[\d.]+pt"', "", body, count=2)
    return body.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1)
