"""Every code block of the tutorials is run, in order, in an empty folder, as a reader would.

    ```sh        runs in bash, stopping at the first command that fails
    ```python    runs in one session per page
    ```text      is what the block before it prints; `...` stands for what varies

A block that cannot run here says why in a comment on the line before it: <!-- not run: REASON -->.
A page that goes on in another one's folder names it in its first lines: <!-- continues: PAGE -->.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

TUTORIALS = REPOSITORY / "docs" / "tutorials"
PAGES = {page.name: page.read_text(encoding="utf-8") for page in sorted(TUTORIALS.glob("*.md"))}
FENCE = re.compile(
    r"^(?:<!-- not run: *(?P<reason>.*?) *-->\n)?```(?P<language>\w*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
CONTINUES = re.compile(r"<!-- continues: (.+\.md) -->")
LOOSELY = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block and its place."""

    language: str
    body: str
    reason: str | None
    place: str


def blocks(page: str) -> Iterator[Block]:
    for found in FENCE.finditer(PAGES[page]):
        line = PAGES[page].count("\n", 0, found.start("language")) + 1
        yield Block(found["language"], found["body"], found["reason"], f"{page}:{line}")


def chains() -> list[list[str]]:
    """Pages that go on from one another, each chain from its first page on."""
    before = {page: found[1] for page, text in PAGES.items() if (found := CONTINUES.search(text))}
    after = {first: page for page, first in before.items()}
    assert len(after) == len(before), "two pages continue the same one"
    ordered = []
    for page in PAGES.keys() - before.keys():
        chain = [page]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        ordered.append(chain)
    return sorted(ordered)


def run_page(page: str) -> None:
    session: dict[str, Any] = {"__name__": "__main__"}
    printed = None
    for block in blocks(page):
        if block.reason is not None:
            printed = None
        elif block.language == "sh":
            printed = in_bash(block)
        elif block.language == "python":
            printed = in_python(block, session)
        elif printed is not None:
            alike = doctest.OutputChecker().check_output(block.body, printed, LOOSELY)
            assert alike, f"{block.place} should read\n{printed}"


def in_bash(block: Block) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", block.body]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | {"PATH": path}
    )
    assert done.returncode == 0, f"{block.place}:\n{done.stdout}{done.stderr}"
    return done.stdout


def in_python(block: Block, session: dict[str, Any]) -> str:
    out = StringIO()
    with redirect_stdout(out):
        exec(compile(block.body, block.place, "exec"), session)
    return out.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("chain", chains(), ids="-".join)
def test_the_tutorials_run(
    chain: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for page in chain:
        run_page(page)


@pytest.mark.parametrize("page", PAGES)
def test_no_block_of_a_tutorial_escapes(page: str) -> None:
    found = list(blocks(page))
    assert len(found) == len(re.findall(r"^\s*```\w", PAGES[page], re.MULTILINE))
    for block in found:
        assert block.language in {"sh", "python", "text"}, f"{block.place}: cannot be run"
        assert block.reason is None or len(block.reason) > 10, f"{block.place}: say why"
