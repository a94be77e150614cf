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
MEASURED, REPORTED = "<!-- measured in expected.yaml -->", "<!-- only reported in expected.yaml -->"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs calls it so
    """The page with both tables; unchanged without the markers."""
    if MEASURED not in markdown:
        return markdown
    expected = Path(config.config_file_path).parent / EXPECTED
    figures = yaml.safe_load(expected.read_text(encoding="utf-8"))["configurations"]
    markdown = markdown.replace(MEASURED, "\n".join(_measured(figures)))
    return markdown.replace(REPORTED, "\n".join(_reported(figures)))


def _measured(figures: dict[str, Any]) -> Iterator[str]:
    yield "| configuration | MRR here | on | how | MRR by others | source |"
    yield "|---|--:|---|---|--:|---|"
    for name, figure in figures.items():
        if here := figure.get("measured"):
            part, others = here.get("part", "test"), _figure(figure.get("reported"))
            yield f"| `{name}` | {here['mrr']:.3f} | {part} | {here['source']} | {others} |"


def _reported(figures: dict[str, Any]) -> Iterator[str]:
    yield "| configuration | MRR by others | source |"
    yield "|---|--:|---|"
    for name, figure in figures.items():
        if "measured" not in figure:
            yield f"| `{name}` | {_figure(figure['reported'])} |"


def _figure(reported: dict[str, Any] | None) -> str:
    return f"{reported['mrr']:.3f} | {reported['source']}" if reported else "|"
