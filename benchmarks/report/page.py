"""Sections as one HTML page that loads nothing and runs no script but its own.

Imports jinja2, markupsafe, benchmarks.report.blocks and wikidata5m. page.html, page.css and page.js
lie beside this file. All text is escaped by the template; only our own pictures are not.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchmarks.report.blocks import Section
from wikidata5m.manifest import now

HERE: Final = Path(__file__).parent


def html_page(title: str, sections: Sequence[Section], *, files: Sequence[str]) -> str:
    """The page; `files` are named as what lies beside it."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    style, script = ((HERE / name).read_text("utf-8") for name in ("page.css", "page.js"))
    return environment.get_template("page.html").render(
        title=title,
        sections=sections,
        files=files,
        created=now(),
        version=version("wikidata5m"),
        style=Markup(style),  # noqa: S704 - files of ours
        script=Markup(script),  # noqa: S704
        script_hash=_hash(script),
        markup=Markup,
        next_id=map("table-{}".format, itertools.count(1)).__next__,
    )


def shown(value: object) -> str:
    """A cell's text: numbers with separators, and four digits or one behind the point."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4f}" if abs(value) < 100 else f"{value:,.1f}"


def _hash(script: str) -> str:
    """By which the page's policy knows its one script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
