"""Runs mutated records through the public readers; each must end as a record, a drop or an error.

Anything else (another exception, an account that does not add up, a value that no table takes)
is a defect, told with the record that shows it.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, Literal

import pyarrow as pa

from pipelines import wikidata, wikipedia
from pipelines.ranges import Range, lines, pages, plan_ranges
from pipelines.tasks import Row, TableWriter
from pipelines.world import WorldConfig, write_world
from tests.fuzz.mutations import OF_ENTITIES, OF_PAGES, Mutation
from wikidata5m.errors import InputError

Kind = Literal["entity", "page"]
REPOSITORY: Final = Path(__file__).parents[2]
MAX_SEED_BYTES: Final = 60_000
MANY: Final = 1 << 30
_SITEINFO: Final = b"<mediawiki><siteinfo><dbname>enwiki</dbname></siteinfo>"
_TABLES: Final = {
    "items": "item",
    "properties": "property",
    "redirects": "redirect",
    "pages": "article",
    "corrupt": "corrupt_record",
}


class Defect(AssertionError):  # noqa: N818 - it is no error of the program that raises it
    """A record that ends as none of the things it may end as."""


class Collected(TableWriter):
    """Rows in memory; made into Arrow at the end, as the real writer does, and forgotten."""

    def __init__(self, layouts: dict[str, pa.Schema]) -> None:
        self._layouts = layouts
        self._rows: dict[str, list[Row]] = {name: [] for name in layouts}

    def add(self, name: str, row: Row) -> None:
        self._rows[name].append(row)

    def tables(self) -> dict[str, pa.Table]:
        return {
            name: pa.table(
                [
                    pa.array(column, each.type)
                    for column, each in zip(
                        zip(*self._rows[name], strict=True)
                        if self._rows[name]
                        else [()] * len(layout),
                        layout,
                        strict=True,
                    )
                ],
                schema=layout,
            )
            for name, layout in self._layouts.items()
        }


@dataclass(slots=True)
class Report:
    """What became of the records, by mutation; and the slowest of them."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest: float = 0.0
    """Seconds of processor time."""
    slowest_record: tuple[str, int] = ("", 0)


def seeds(kind: Kind, folder: Path) -> list[bytes]:
    """Real records where there are some, and records of a small world."""
    write_world(WorldConfig(entities=150, seed=3), folder, compressions=("bz2",))
    world = folder / ("wikidata.json.bz2" if kind == "entity" else "enwiki.xml.bz2")
    found = _some(kind, world)
    real = Path(os.environ.get("WIKIDATA5M_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    names = {
        "entity": ("union.json.bz2", "edits-2019.ndjson.bz2", "wikibrain-2014.json.bz2"),
        "page": ("enwiki-2016-excerpt.xml.bz2",),
    }
    for name in names[kind]:
        path = real / ("wikidata" if kind == "entity" else "wikipedia") / name
        if path.is_file():
            found += _some(kind, path)
    return found


def _some(kind: Kind, path: Path) -> list[bytes]:
    """A few dozen records from all over the dump, most of them with something to read."""
    small = [record for record in _records(kind, path) if len(record) <= MAX_SEED_BYTES]
    rich = [record for record in small if kind == "page" or b'"enwiki"' in record]
    return small[:: len(small) // 20 + 1] + rich[:: len(rich) // 60 + 1]


def _records(kind: Kind, path: Path) -> Iterator[bytes]:
    (source,) = plan_ranges(path, MANY)
    if kind == "page":
        yield from pages(source)
    else:
        yield from (line for each in lines(source) if len(line := each.strip(b"[], \r\n")) > 1)


def fuzz(
    kind: Kind,
    records: int,
    seed: int,
    folder: Path,
    on_record: Callable[[int], None] | None = None,
) -> Report:
    """Mutate and read `records` records. Raises Defect at the first that ends wrongly."""
    found, rng, report = seeds(kind, folder / "seeds"), Random(seed), Report()
    mutations = OF_ENTITIES if kind == "entity" else OF_PAGES
    path = folder / ("mutated.json" if kind == "entity" else "mutated.xml")
    read = _read_entity if kind == "entity" else _read_page
    for number in range(records):
        mutation: Mutation = mutations[number % len(mutations)]
        record = rng.choice(found)
        for _ in range(rng.choice((1, 1, 1, 2))):
            record = mutation(record, rng) if record else b" "
        start = time.process_time()
        outcome = read(record, path)
        spent = time.process_time() - start
        report.outcomes[mutation.__name__, outcome] += 1
        if spent > report.slowest:
            report.slowest, report.slowest_record = spent, (mutation.__name__, number)
        if on_record:
            on_record(number + 1)
    return report


def _read_entity(record: bytes, path: Path) -> str:
    path.write_bytes(b"[\n" + record + b",\n]\n")
    run = wikidata.reader(wikidata.Wanted("en", "enwiki"), max_errors=MANY)
    blank = not record.strip(b"[], \t\r\n")
    return _read(run, wikidata.LAYOUTS, path, "entities", ("no_page", "other_entity"), blank=blank)


def _read_page(record: bytes, path: Path) -> str:
    path.write_bytes(_SITEINFO + record + b"</mediawiki>")
    run = wikipedia.reader(max_errors=MANY)
    blank = not record.partition(b"</mediawiki>")[0].strip()
    return _read(run, wikipedia.LAYOUTS, path, "pages", ("other_namespace",), blank=blank)


def _read(
    run: Callable[[Range, TableWriter], None],
    layouts: dict[str, pa.Schema],
    path: Path,
    total: str,
    drops: tuple[str, ...],
    *,
    blank: bool,
) -> str:
    """Read the file of one record; the outcome, whose parts must sum up to what came in."""
    out = Collected(layouts)
    (source,) = plan_ranges(path, MANY)
    try:
        run(source, out)
        tables = out.tables()
    except InputError:
        return "error"
    except Exception as error:
        raise Defect(f"{type(error).__name__}: {error}; the record is in {path}") from error
    counts: dict[str, Any] = tables["counts"].to_pylist()[0]
    ends = Counter({name: counts[name] for name in drops})
    for table, name in _TABLES.items():
        ends[name] += tables[table].num_rows if table in tables else 0
    told = tables["dropped"]["reason"].to_pylist() if "dropped" in tables else []
    if failed := [reason for reason in told if reason.startswith("page_failed")]:
        raise Defect(f"{failed[0]}; the record is in {path}")
    if sum(ends.values()) != counts[total]:
        raise Defect(f"{counts[total]} {total}, but {dict(ends)}; the record is in {path}")
    found = sorted(name for name, count in ends.items() if count)
    if not found and not blank:
        raise Defect(f"a record came to nothing; it is in {path}")
    return " + ".join(found) or "blank"
