"""How fast wikitext becomes text, beside mwparserfromhell's own `strip_code` on the same leads.

    python -m tests.performance.text [--data FOLDER] [--rounds N] [--json]

Times are of this process's processor, in turn and repeated, and the best round counts: what the
machine does besides can only make a round slower.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import mwparserfromhell
import ujson

from pipelines.wikitext import first_section, full_text, lead_text
from tests.quality import DATA, real_articles
from wikidata5m.console import table

ARTICLES: Final = 106
"""Those of the dump excerpt, which come first."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Per second of one core."""

    leads: float
    """Articles whose first section became text, the cut included."""
    stripped_leads: float
    """First sections, cut already, through `mwparserfromhell.parse(..).strip_code()`."""
    ratio: float
    """Of the two."""
    full_text_megabytes: float
    """Characters of wikitext, in millions, whose prose was taken."""
    full_text_articles: float


def measure(wikitexts: Sequence[str], rounds: int = 3) -> Speed:
    """Time each way on the same articles, in turn."""
    sections = [first_section(text) for text in wikitexts]
    ways: list[tuple[Callable[[str], object], Sequence[str]]] = [
        (lead_text, wikitexts),
        (lambda text: mwparserfromhell.parse(text).strip_code(), sections),
        (full_text, wikitexts),
    ]
    best = [float("inf")] * len(ways)
    for _ in range(rounds):
        for i, (way, texts) in enumerate(ways):
            start = time.process_time()
            for text in texts:
                way(text)
            best[i] = min(best[i], time.process_time() - start)
    lead, stripped, full = best
    return Speed(
        leads=len(wikitexts) / lead,
        stripped_leads=len(wikitexts) / stripped,
        ratio=stripped / lead,
        full_text_megabytes=sum(map(len, wikitexts)) / full / 1e6,
        full_text_articles=len(wikitexts) / full,
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of real dumps")
    parser.add_argument("--rounds", type=int, default=3, help="how often to time each way")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if not (options.data / "wikipedia").is_dir():
        sys.exit(f"no real data at {options.data}; name the folder with --data")
    wikitexts = [text for _, text in islice(real_articles(options.data), ARTICLES)]
    speed = asdict(measure(wikitexts, options.rounds))
    if options.json:
        print(ujson.dumps(speed))  # noqa: T201 - a script's output
    else:
        print(table(["per second of one core", "value"], list(speed.items())))  # noqa: T201


if __name__ == "__main__":
    main()
