"""The documentation's seams: files that name pages, and the pages generated from code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import click

from tests.conftest import REPOSITORY
from tests.wikidata5m.test_cli import ALL

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


def test_the_reference_has_every_command_with_its_options_and_example() -> None:
    page = "\n".join(hook("cli_reference").reference())
    for path, command in ALL.items():
        section = re.split(
            r"^#+ wikidata5m ", page.partition(f"# wikidata5m {path}\n")[2], flags=re.MULTILINE
        )[0]
        assert "wikidata5m " + path in section.partition("```sh\n")[2], path
        assert isinstance(command, click.Group) or "| `-h, --help` |" in section, path
        missing = [x.opts[-1] for x in command.params if x.opts[-1] not in section]
        assert not [name for name in missing if name.startswith("--")], path


def test_examples_in_docstrings_are_fenced() -> None:
    fenced = hook("examples").EXAMPLE.sub(
        lambda found: f"[{found[0]}]", "Says x.\n\n>>> 1\n1\n\nEnd."
    )
    assert fenced == "Says x.\n\n[>>> 1\n1]\n\nEnd."


def hook(name: str) -> Any:
    path = REPOSITORY / "docs" / "hooks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
