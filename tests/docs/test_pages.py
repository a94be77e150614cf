"""The documentation's seams: files that name pages, and the pages generated from code."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import REPOSITORY

PACKAGES = ("wikidata5m", "pipelines", "benchmarks", "kepler_ke", "tests")


def test_every_page_that_a_file_names_is_there() -> None:
    # Links between pages are checked by `mkdocs build --strict`; these are outside its sight.
    sources = [
        *REPOSITORY.glob("*.md"),
        *(p for x in PACKAGES for p in (REPOSITORY / x).rglob("*.py")),
    ]
    named = {
        (page, path) for path in sources for page in re.findall(r"docs/[\w/-]+\.md", read(path))
    }
    assert len(named) > 10
    assert [f"{path}: {page}" for page, path in named if not (REPOSITORY / page).is_file()] == []


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
