"""Writes reference/cli.md from the click commands whenever the site is built.

Imports click, mkdocs and wikidata5m.cli. The page says what `-h` says, so it cannot go stale.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from wikidata5m.cli import main

PAGE = "reference/cli.md"
INTRODUCTION = """# Command line

Every command with its options, as `-h` tells them. Results go to stdout, logs and progress to
stderr; exit codes are 0 for success, 1 for an expected failure told in one line that names the fix,
and 2 for wrong usage. [In the terminal](../how-to/terminal.md) has completion, colours and pipes.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page to what MkDocs builds."""
    content = "\n".join([INTRODUCTION, *reference()])
    files.append(File.generated(config, PAGE, content=content))
    return files


def reference() -> Iterator[str]:
    """The page's sections, a command or group each."""
    # With its settings, since a command keeps the help option of the first context that it meets.
    root = click.Context(main, info_name="wikidata5m", **main.context_settings)
    for name in main.list_commands(root):
        command = main.get_command(root, name)
        if command is not None:
            yield from _sections(command, click.Context(command, parent=root, info_name=name))


def _sections(command: click.Command, ctx: click.Context, depth: int = 2) -> Iterator[str]:
    yield f"{'#' * depth} {ctx.command_path}\n"
    prose, example = _help(command)
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    yield f"```text\n{usage}\n```\n\n{prose}\n\n```sh\n{example}\n```\n"
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            inner = click.Context(child, parent=ctx, info_name=name)
            yield from _sections(child, inner, depth + 1)
    else:
        yield from _options(command, ctx)


def _help(command: click.Command) -> tuple[str, str]:
    """What a command does, and its example, whose lines are indented by two spaces in the help."""
    prose, _, example = inspect.cleandoc(command.help or "").partition("\b\nExample:\n")
    return prose.strip(), inspect.cleandoc(example)


def _options(command: click.Command, ctx: click.Context) -> Iterator[str]:
    records = [parameter.get_help_record(ctx) for parameter in command.get_params(ctx)]
    rows = [f"| `{_cell(option)}` | {_cell(text)} |" for option, text in filter(None, records)]
    yield "\n".join(["| option | meaning |", "|---|---|", *rows, ""])


def _cell(text: str) -> str:
    """Text that neither ends a table's cell nor begins a tag or a link."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("  [", " \\[")
