"""What is timed: each stage of extraction alone, in a process of its own or in several.

Imports the readers of pipelines. Bytes are those of the unpacked dump.
"""

from __future__ import annotations

import bz2
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import mwparserfromhell
from isal import igzip

from pipelines import wikidata, wikipedia
from pipelines.ranges import Range, lines, pages, plan_ranges
from pipelines.ranges.records import blocks
from pipelines.tasks import TableWriter, Task, perform_all
from pipelines.wikitext import lead_text

READ_BYTES: Final = 1 << 20
WANTED: Final = wikidata.Wanted("en", "enwiki")


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds by the clock and of the processor, and the most memory the process ever held."""

    wall: float
    processor: float
    peak_mb: float


def spend(work: Callable[..., object], *arguments: object) -> Spent:
    """Do `work` and say what it took."""
    wall, processor = time.perf_counter(), time.process_time()
    work(*arguments)
    return Spent(time.perf_counter() - wall, time.process_time() - processor, _peak_mb())


def _peak_mb() -> float:
    # getrusage would count what the parent held when this process was started.
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024


def unpack_alone(path: Path) -> None:
    """The decompressor and nothing else, over the whole file."""
    if path.suffix == ".gz":
        with igzip.open(path) as stream:
            while stream.read(READ_BYTES):
                pass
        return
    with path.open("rb") as raw:
        decoder = bz2.BZ2Decompressor()
        while data := raw.read(READ_BYTES):
            decoder.decompress(data)


def unpack_blocks(path: Path) -> None:
    """Finding, shifting and decoding of blocks, or members."""
    for _ in blocks(whole(path)):
        pass


def cut_records(path: Path) -> None:
    """The same, cut into lines or pages."""
    cut = pages if ".xml" in path.name else lines
    for _ in cut(whole(path)):
        pass


def parse(path: Path) -> None:
    """The same, each record parsed, the rows thrown away."""
    reader(path)(whole(path), _Discard({}))


def extract(path: Path) -> None:
    """All that a task does: the same, the rows written as Parquet."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        out = TableWriter(Path(folder) / "task", layouts(path))
        reader(path)(whole(path), out)
        out.close()


def read_articles(path: Path) -> list[wikipedia.Page]:
    """The articles of a dump, redirects left out."""
    found = wikipedia.articles(whole(path), Counter())
    return [page for _, page in found if not page.redirect]


def spend_on_leads(path: Path) -> Spent:
    """What it takes to render the leads alone, and not to read the articles."""
    articles = read_articles(path)
    return spend(lambda: [lead_text(page.text) for page in articles])


def spend_on_stripping(path: Path, *, whole_pages: bool) -> Spent:
    """What mwparserfromhell's own strip_code takes for the same."""
    texts = [page.text for page in read_articles(path)]
    if not whole_pages:
        texts = [text.partition("\n==")[0] for text in texts]
    return spend(lambda: [mwparserfromhell.parse(text).strip_code() for text in texts])


def unpack_together(executor: Executor, workers: int, path: Path) -> float:
    """Seconds in which `workers` processes each run the decompressor over the whole file."""
    start = time.perf_counter()
    for future in [executor.submit(unpack_alone, path) for _ in range(workers)]:
        future.result()
    return time.perf_counter() - start


def extract_together(executor: Executor, workers: int, path: Path) -> float:
    """Seconds in which `workers` processes extract the file, as `wikidata5m build` does."""
    folder = Path(tempfile.mkdtemp(dir=path.parent))
    target = path.stat().st_size // (4 * workers)
    tasks = [
        Task(
            source=part,
            out=folder / str(part.index),
            layouts=layouts(path),
            run=reader(path),
        )
        for part in plan_ranges(path, target)
    ]
    start = time.perf_counter()
    perform_all(tasks, executor, lambda _done, _note="": None)
    seconds = time.perf_counter() - start
    shutil.rmtree(folder)
    return seconds


def whole(path: Path) -> Range:
    """The file as one range."""
    return plan_ranges(path, 1 << 62)[0]


def reader(path: Path) -> Callable[[Range, TableWriter], None]:
    """A task's work on a dump, told by its name."""
    return wikipedia.read_pages if ".xml" in path.name else wikidata.reader(WANTED)


def layouts(path: Path) -> dict[str, object]:
    """The tables that it leaves."""
    return dict(wikipedia.LAYOUTS if ".xml" in path.name else wikidata.LAYOUTS)


class _Discard(TableWriter):
    """Takes rows and keeps none."""

    def __init__(self, layouts: dict[str, object]) -> None:
        pass

    def add(self, name: str, row: tuple[object, ...]) -> None:
        pass
