"""The front door: light, helpful, and honest with its exit codes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
import ujson
from click.testing import CliRunner

from tests.conftest import REPOSITORY
from tests.datasets import make_dataset
from wikidata5m.cli import main
from wikidata5m.console import command_line


def commands() -> Iterator[tuple[str, click.Command]]:
    for entry in entry_points(group="wikidata5m.commands"):
        yield from walk(entry.name, entry.load())


def walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from walk(f"{path} {name}", child)
    else:
        yield path, command


ALL = dict(commands())


@pytest.mark.parametrize("path", ALL)
def test_every_command_has_help_with_an_example_and_a_docs_page(path: str) -> None:
    help_text = ALL[path].help or ""
    example = help_text.split("Example:")[1]
    assert f"wikidata5m {path}" in example
    # A continued line that lost its backslash: the docstring then joins it to the next.
    assert not re.search(r"\S {4,}-", example)
    options = [p for p in ALL[path].params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []
    pages = "".join(page.read_text() for page in (REPOSITORY / "docs").rglob("*.md"))
    assert f"wikidata5m {path}" in pages


def test_help_loads_neither_torch_nor_polars() -> None:
    script = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from wikidata5m.cli import main\n"
        "result = CliRunner().invoke(main, ['-h'])\n"
        "heavy = {'torch', 'transformers', 'polars', 'numpy', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert 'kepler' in result.output and result.exit_code == 0, result.output\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_no_list_of_commands_cuts_a_line_short() -> None:
    for words in ([], ["bench"], ["kepler"], ["dumps"]):
        told = CliRunner().invoke(main, [*words, "-h"], catch_exceptions=False)
        listed = told.output.partition("Commands:")[2]
        assert listed, told.output
        assert "..." not in listed


def test_a_command_to_copy_is_quoted_for_the_shell() -> None:
    told = command_line("show", Path("a folder"), "O'Brien")
    assert shlex.split(told) == ["wikidata5m", "show", "a folder", "O'Brien"]


def test_a_mistyped_command_gets_the_closest_and_exit_code_2() -> None:
    result = CliRunner().invoke(main, ["verfy", "x"])
    assert result.exit_code == 2
    assert "Did you mean 'verify'?" in result.output


def test_a_name_that_is_not_utf8_is_refused_and_shown_as_far_as_it_can_be() -> None:
    result = CliRunner().invoke(main, ["import", os.fsdecode(b"caf\xe9.tsv"), "--out", "x"])
    assert result.exit_code == 1
    assert "caf?.tsv: not UTF-8" in result.stderr


def test_an_expected_failure_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["stats", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"Error: {tmp_path}: no manifest.json")
    assert result.stderr.count("\n") == 1


def test_a_missing_extra_is_named_with_the_command_that_brings_it(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from wikidata5m.cli import main\n"
        f"main(['bench', 'evaluate', {str(tmp_path)!r}])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "this command needs torch" in done.stderr
    assert "pip install -c constraints.txt '.[train]'" in done.stderr


def test_stats_show_and_verify_of_a_dataset(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data")
    run = CliRunner().invoke
    folder = str(dataset.path)
    stats = run(main, ["stats", folder, "--json"], catch_exceptions=False)
    result = ujson.loads(stats.stdout)
    assert result["counts"]["triplets"] == len(dataset.triplets())
    assert result["categories"][0]["label"] == "human"
    text = run(main, ["stats", folder], catch_exceptions=False).stdout
    assert "## Splits (Tables 1 and 3)" in text
    entity = dataset.entities["entity"][0]
    shown = ujson.loads(run(main, ["show", folder, entity, "--json"]).stdout)
    assert shown["text"] == dataset.texts[0]
    first = dataset.triplets()
    assert shown["facts"] == int(((first[:, 0] == 0) | (first[:, 2] == 0)).sum())
    assert dataset.texts[0] in run(main, ["show", folder, entity]).stdout
    missing = run(main, ["show", folder, "Q99999999"])
    assert missing.exit_code == 1
    assert "no entity 'Q99999999'" in missing.stderr
    verified = run(main, ["verify", folder], catch_exceptions=False)
    assert verified.exit_code == 0
    assert "intact" in verified.stdout
