"""The explorer on a dataset of any size: how long it takes, and how much memory, over HTTP.

    python -m tests.performance.explorer DATASET [--embeddings RUN] [--queries N] [--json]

Makes the index in an empty cache folder, starts the command anew, and sends it searches one after
another: names of entities drawn at random, their beginnings, pieces of their words, words that no
name has, and single letters; then pages, from the best connected entity's to random ones; then
searches from 20 threads; then questions to the model, if one is named. Memory is the peak of the
process: what is mapped counts where touched, and at the end what is not mapped is told apart.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlencode

import ujson
import urllib3

from wikidata5m.console import table
from wikidata5m.dataset import Dataset
from wikidata5m.explorer.answerers import load_answerers


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of requests of one kind."""

    kind: str
    requests: int
    median: float
    p99: float
    most: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--embeddings", type=Path)
    parser.add_argument("--queries", type=int, default=200, help="of each kind")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    told, found = measure(options.dataset, options.embeddings, options.queries)
    times = [asdict(each) for each in found]
    if options.json:
        sys.stdout.write(ujson.dumps(told | {"times": times}, indent=2) + "\n")
        return
    sys.stdout.write(table(["what", "value"], list(told.items())) + "\n\n")
    sys.stdout.write(table(list(times[0]), [list(each.values()) for each in times]) + "\n")


def measure(dataset: Path, run: Path | None, queries: int) -> tuple[dict[str, float], list[Times]]:
    """Index, start, ask."""
    command = [sys.executable, "-m", "wikidata5m", "explore", str(dataset)]
    with tempfile.TemporaryDirectory() as home:
        os.environ["WIKIDATA5M_HOME"] = home
        start = time.perf_counter()
        index_mb = _peak_mb_of([*command, "--index-only"])
        told: dict[str, float] = {
            "index, seconds": time.perf_counter() - start,
            "index, peak MB": index_mb,
            "index, MB on disk": sum(f.stat().st_size for f in Path(home).rglob("*.*")) / 1e6,
        }
        models = ["--embeddings", str(run)] if run else []
        start = time.perf_counter()
        with _serving([*command, "--port", "0", *models]) as (process, address):
            told["start, seconds"] = time.perf_counter() - start
            told["memory at start, MB"] = _peak_mb(process.pid)
            times = [
                _times(kind, address, paths) for kind, paths in _paths(dataset, queries).items()
            ]
            told["requests per second, 20 threads"] = _at_once(address, dataset, queries)
            told["memory after these, MB"] = _peak_mb(process.pid)
            if run:
                times.append(_times("question to the model", address, _questions(dataset, run)))
                told["memory at the end, MB"] = _peak_mb(process.pid)
            told["of it now private, MB"] = _mb(process.pid, "RssAnon")
    return told, times


def _paths(folder: Path, queries: int) -> dict[str, list[str]]:
    dataset, rng = Dataset(folder), random.Random(0)
    drawn = [rng.randrange(dataset.num_entities) for _ in range(queries)]
    labels = [dataset.entity_labels[i] for i in drawn]
    words = [word for label in labels for word in label.split()]
    searches: dict[str, Iterable[str]] = {
        "name": labels,
        "beginning": [label[: rng.randint(2, 5)] for label in labels],
        "piece of a word": [word[1:] for word in words if len(word) > 4][:queries],
        "two beginnings": [f"{a[:2]} {b[:1]}" for a, b in itertools.pairwise(words)],
        "letter": "aeioubcdkl",
        "no name": [f"{word}qx" for word in words][:queries],
        "long": [" ".join(words[i : i + 20])[:200] for i in range(queries)],
    }
    found = {
        f"search, {kind}": [f"suggest?{urlencode({'q': text})}" for text in texts]
        for kind, texts in searches.items()
    }
    best = int(dataset.degrees.argmax())
    found["page of the best connected"] = [f"entity?id={dataset.entity_ids[best]}"] * 10
    found["page of an entity"] = [f"entity?id={dataset.entity_ids[i]}" for i in drawn]
    return found


def _questions(folder: Path, run: Path) -> list[str]:
    dataset, rng = Dataset(folder), random.Random(0)
    (model,) = load_answerers([("embeddings", run)], dataset)
    entities = rng.choices(dataset.entity_ids, k=10)
    relations = rng.choices(dataset.relations["relation"], k=10)
    return [
        "ask?" + urlencode({"model": model, "entity": entity, "relation": relation, "role": role})
        for role in ("head", "tail")
        for entity, relation in zip(entities, relations, strict=True)
    ]


def _times(kind: str, address: str, paths: list[str]) -> Times:
    pool, took = urllib3.PoolManager(), []
    for path in paths:
        start = time.perf_counter()
        assert pool.request("GET", address + path, retries=False).status == 200
        took.append(1000 * (time.perf_counter() - start))
    took.sort()
    rank = [round(share * (len(took) - 1)) for share in (0.5, 0.99)]
    return Times(kind, len(took), took[rank[0]], took[rank[1]], took[-1])


def _at_once(address: str, folder: Path, queries: int) -> float:
    paths = _paths(folder, queries)["search, beginning"]
    pool = urllib3.PoolManager(maxsize=20)
    start = time.perf_counter()
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda path: pool.request("GET", address + path), paths * 5))
    assert all(answer.status == 200 for answer in answers)
    return len(answers) / (time.perf_counter() - start)


@contextmanager
def _serving(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            line = next(line for line in process.stderr if " at http" in line)
            yield process, line.partition(" at ")[2].split()[0]
        finally:
            process.kill()


def _peak_mb(pid: int) -> float:
    """The most that the process held, by the system's account."""
    return _mb(pid, "VmHWM")


def _mb(pid: int, field: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (each for each in status.splitlines() if each.startswith(field))
    return int(line.split()[1]) / 1024


def _peak_mb_of(command: list[str]) -> float:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
