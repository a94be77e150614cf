"""The front door: `wikidata5m COMMAND`. Imports errors; commands come lazily by entry point.

A package adds a command by naming it under [project.entry-points."wikidata5m.commands"]. The
modules named there import click and little else, so `wikidata5m --help` loads no torch, no Polars.
"""

from __future__ import annotations

import difflib
import os
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from wikidata5m.errors import NO_ROOM, MissingExtraError, Wikidata5MError, how_to_install

# Idle OpenMP threads spin by default; beside other work that has slowed training tenfold. Read when
# torch is loaded, so it is set before any command is.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ORDER = (
    "demo",
    "download",
    "dumps",
    "world",
    "synthetic",
    "build",
    "import",
    "wordnet",
    "corpus",
    "split",
    "stats",
    "verify",
    "show",
    "leakage",
    "diff",
    "export",
    "bench",
    "kepler",
    "report",
    "explore",
    "cache",
)


EXTRAS = {
    "train": frozenset({"torch", "transformers", "safetensors", "psutil"}),
    "tune": frozenset({"optuna"}),
    "plots": frozenset({"matplotlib"}),
    "cluster": frozenset({"distributed"}),
    "remote": frozenset({"aiohttp"}),
    "explore": frozenset({"starlette", "uvicorn", "jinja2"}),
}
"""The modules that each extra brings."""


class LazyGroup(click.Group):
    """A group whose commands are entry points, and which turns our errors into one line, exit 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order in which a user meets them."""
        names = _installed()
        return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else 99, name))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the command's module."""
        entry = _installed().get(cmd_name)
        command: click.Command | None = entry.load() if entry else None
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the closest match for a mistyped command; refuses names not in UTF-8."""
        for arg in args:
            if (shown := arg.encode(errors="replace").decode()) != arg:
                raise click.ClickException(f"{shown}: not UTF-8; rename the file or folder")
        if args and not args[0].startswith("-") and args[0] not in _installed():
            close = difflib.get_close_matches(args[0], _installed(), n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an expected failure becomes one line on stderr and exit code 1."""
        try:
            return super().invoke(ctx)
        except Wikidata5MError as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:
            raise click.ClickException(str(_missing(error))) from error
        except OSError as error:
            if error.errno in NO_ROOM:
                raise click.ClickException(
                    f"{error.filename or ctx.invoked_subcommand}: the disk is full; free some "
                    "space, then run the command again, with --resume where it has one"
                ) from error
            if error.filename is None:
                raise
            raise click.ClickException(f"{error.filename}: {error.strerror}") from error


def _missing(error: ModuleNotFoundError) -> MissingExtraError:
    """The error to show for a module of an extra; raises `error` again for any other."""
    module = (error.name or "").partition(".")[0]
    extra = next((name for name, modules in EXTRAS.items() if module in modules), None)
    if extra is None:
        raise error
    return MissingExtraError(
        f"this command needs {module}, which is not installed; {how_to_install(extra)}"
    )


def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="wikidata5m.commands")}


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wikidata5m")
def main() -> None:
    """Build, benchmark and learn from Wikidata5M-style knowledge graphs aligned with text.

    \b
    Example:
      wikidata5m demo --out demo-output
    """
