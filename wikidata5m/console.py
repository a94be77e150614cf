"""Command-line habits in one place: results on stdout, logs and progress on stderr, shared options.

Imports nothing of the project. Cheap to import: rich and ujson are loaded when they are used.
"""

from __future__ import annotations

import functools
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import click
from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])


class Progress(Protocol):
    """Told the absolute amount done, and a note such as the current loss."""

    def __call__(self, done: int, note: str = "", /) -> None:
        """Show that `done` units are finished."""


SEED = click.IntRange(0, 2**32 - 1)
"""What every generator takes as a seed."""
Watcher = Callable[[str], None]
LOG_SECONDS = 15.0
"""How often progress prints a line where stderr is no terminal."""
_MUTED: ContextVar[bool] = ContextVar("muted", default=False)
_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


def json_option(command: Command) -> Command:
    """Add --json: one JSON object on stdout in place of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def output_options(command: Command) -> Command:
    """Add --out, --resume and --overwrite, of which the last two exclude each other."""

    @functools.wraps(command)
    def checked(**arguments: Any) -> Any:
        if arguments["resume"] and arguments["overwrite"]:
            raise click.UsageError("--resume and --overwrite exclude each other.")
        return command(**arguments)

    decorated: Any = checked
    for option in (
        click.option("--overwrite", is_flag=True, help="Replace what the output folder holds."),
        click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped."),
        click.option(
            "--out", required=True, type=click.Path(path_type=Path), help="Output folder."
        ),
    ):
        decorated = option(decorated)
    return cast("Command", decorated)


def complete_from(
    folder: Path, *, first_word: bool = False
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """What Tab offers for an option that takes a YAML file of `folder` by name, or any file.

    With `first_word` only what stands before the names' first "-". Nothing is loaded.
    """

    def complete(
        _context: click.Context, _option: click.Parameter, beginning: str
    ) -> list[CompletionItem]:
        names = {
            path.stem.partition("-")[0] if first_word else path.stem
            for path in folder.glob("*.yaml")
        }
        found = [CompletionItem(name) for name in sorted(names) if name.startswith(beginning)]
        return found or [CompletionItem(beginning, type="file")]

    return complete


def log(message: str) -> None:
    """Say something on stderr."""
    if not _MUTED.get():
        click.echo(message, err=True)


def command_line(*words: str | Path) -> str:
    """The command `wikidata5m WORDS...`, quoted so that a shell reads it as it is meant."""
    return f"wikidata5m {shlex.join(map(str, words))}"


def emit(result: Mapping[str, Any], *, as_json: bool, text: str = "") -> None:
    """Print a command's result on stdout: the object as JSON, or `text`."""
    if as_json:
        import ujson  # noqa: PLC0415 - keeps `--help` light

        click.echo(ujson.dumps(result, ensure_ascii=False, escape_forward_slashes=False))
    elif text:
        click.echo(text)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers are right-aligned and grouped by thousands."""
    numeric = [
        bool(rows) and all(isinstance(row[i], int | float) for row in rows)
        for i in range(len(header))
    ]
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(3, *(len(row[i]) for row in [header, *cells])) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = "|".join(
        "-" * (width + 1) + (":" if right else "-")
        for width, right in zip(widths, numeric, strict=True)
    )
    return "\n".join([line(header), f"|{rule}|", *(line(row) for row in cells)])


def _cell(value: object) -> str:
    if isinstance(value, float):
        # An MRR to .0001, a mean rank of some dozens to .01, rates and sizes to .1.
        decimals = 4 if abs(value) < 10 else 2 if abs(value) < 100 else 1
        return f"{value:,.{decimals}f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value).replace("|", "\\|").replace("\n", " ")


@contextmanager
def progress(what: str, total: int | None, unit: str, *, before: int = 0) -> Iterator[Progress]:
    """Show progress with rate and ETA on stderr; the yielded function takes (done, note='').

    `done` is the absolute amount in `unit`; "bytes" are shown as kB, MB, GB. What an earlier run
    did `before` counts for no rate. On a terminal a bar; elsewhere a line now and then.
    """
    task = _Task(what, total, unit, before, time.monotonic())
    if _MUTED.get() or os.environ.get("WIKIDATA5M_PROGRESS") == "off":
        shown = contextmanager(_silence)()
    else:
        shown = contextmanager(_bar if sys.stderr.isatty() else _lines)(task)
    watcher = _WATCHER.get()
    with shown as update:
        yield _told_too(watcher, task, update) if watcher else update


@contextmanager
def muted() -> Iterator[None]:
    """Within, this thread says nothing on stderr: of processes that do alike one tells."""
    before = _MUTED.set(True)
    try:
        yield
    finally:
        _MUTED.reset(before)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Within, all progress of this thread is told to `watcher` too, a line each time.

    What it raises ends the work.
    """
    before = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(before)


def by_stages(what: str, stages: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """What each stage gives, by its name; progress tells the one at work."""
    results: dict[str, Any] = {}
    with progress(what, len(stages), "stages") as done:
        for number, (name, stage) in enumerate(stages.items()):
            done(number, name)
            results[name] = stage()
        done(len(stages))
    return results


@dataclass(frozen=True, slots=True)
class _Task:
    """What progress is about, and when it began."""

    what: str
    total: int | None
    unit: str
    before: int
    start: float

    def rate(self, done: int) -> float:
        """Units per second since the start."""
        return (done - self.before) / max(time.monotonic() - self.start, 1e-9)

    def line(self, done: int, note: str) -> str:
        """How far it is, in words."""
        rate = self.rate(done)
        left = f", ETA {duration((self.total - done) / rate)}" if self.total and rate else ""
        share = _share(done, self.total, self.unit)
        return f"{self.what}: {share}, {_per_second(rate, self.unit)}{left} {note}".rstrip()


def _told_too(watcher: Watcher, task: _Task, update: Progress) -> Progress:
    def both(done: int, note: str = "") -> None:
        update(done, note)
        watcher(task.line(done, note))

    return both


def _silence() -> Iterator[Progress]:
    yield lambda *_: None


def _bar(task: _Task) -> Iterator[Progress]:
    from rich import progress as rich_progress  # noqa: PLC0415 - keeps `--help` light
    from rich.console import Console  # noqa: PLC0415

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TextColumn("{task.fields[share]} {task.fields[rate]}"),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TextColumn("ETA"),
        rich_progress.TimeRemainingColumn(),
        rich_progress.TextColumn("{task.fields[note]}"),
    )
    share = _share(task.before, task.total, task.unit)
    with rich_progress.Progress(*columns, console=Console(stderr=True)) as bar:
        row = bar.add_task(
            task.what, total=task.total, completed=task.before, note="", share=share, rate=""
        )

        def update(done: int, note: str = "") -> None:
            share = _share(done, task.total, task.unit)
            rate = _per_second(task.rate(done), task.unit)
            bar.update(row, completed=done, note=note, share=share, rate=rate)

        yield update


def _lines(task: _Task) -> Iterator[Progress]:
    last = task.start
    done_last, note_last = task.before, ""

    def update(done: int, note: str = "") -> None:
        nonlocal last, done_last, note_last
        done_last, note_last = done, note
        if time.monotonic() - last >= LOG_SECONDS:
            last = time.monotonic()
            log(task.line(done, note))

    yield update
    seconds = round(time.monotonic() - task.start)
    taken = f" in {duration(seconds)}" if seconds else ""
    log(f"{task.what}: {amount(done_last, task.unit)}{taken} {note_last}".rstrip())


def amount(count: int, unit: str) -> str:
    """A count with its unit; "bytes" as kB, MB, GB."""
    if unit != "bytes":
        return f"{count:,} {unit}"
    from rich.filesize import decimal  # noqa: PLC0415 - keeps `--help` light

    return decimal(count)


def _share(done: int, total: int | None, unit: str) -> str:
    if not total:
        return amount(done, unit)
    return f"{amount(done, unit) if unit == 'bytes' else f'{done:,}'} of {amount(total, unit)}"


def _per_second(rate: float, unit: str) -> str:
    if unit == "bytes":
        return f"{amount(round(rate), unit)}/s"
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"


def duration(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any: 3:07, 1:00:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
