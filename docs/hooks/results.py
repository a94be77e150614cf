"""Puts benchmarks/expected.yaml into the page of results, in place of its marker.

Imports mkdocs and pyyaml. The file is read as it is: the package that reads it needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

EXPECTED = Path("benchmarks") / "expected.yaml"
MARKER = "<!-- table of expected.yaml -->"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """The page with the table; unchanged without the marker."""
    if MARKER not in markdown:
        return markdown
    expected = Path(config.config_file_path).parent / EXPECTED
    figures = yaml.safe_load(expected.read_text(encoding="utf-8"))["configurations"]
    return markdown.replace(MARKER, "\n".join(_table(figures)))


def _table(figures: dict[str, Any]) -> Iterator[str]:
    yield "| configuration | MRR here | on | how | MRR by others | source |"
    yield "|---|--:|---|---|--:|---|"
    for name, figure in figures.items():
        here, others = figure.get("measured"), figure.get("reported")
        ours = (
            [f"{here['mrr']:.3f}", here.get("part", "test"), here["source"]] if here else [""] * 3
        )
        theirs = [f"{others['mrr']:.3f}", others["source"]] if others else [""] * 2
        yield f"| `{name}` | {' | '.join(ours + theirs)} |"
