"""Options of both commands that rank. Imports click and wikidata5m.console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from wikidata5m.console import SEED


def ranking_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --part, --sample and --sample-seed; the seed is None where it is not given."""
    for option in (
        click.option(
            "--sample-seed",
            type=SEED,
            help="Draws the sample: the same one for every run.  [default: 0]",
        ),
        click.option(
            "--sample",
            type=click.IntRange(min=1),
            help="Rank a random sample of so many triplets, with confidence intervals.",
        ),
        click.option(
            "--part",
            type=click.Choice(["test", "valid"]),
            default="test",
            show_default=True,
            help="Ranked.",
        ),
    ):
        command = option(command)
    return command
