"""Measure one engine in a process of its own: python -I worker.py WORK.json.

Imports the standard library and numpy alone, so that it runs in an environment that holds another
engine and nothing of ours. The adapter is the class `Adapter` of adapters/ENGINE.py, loaded by its
path; what it has to be is the protocol below.

    WORK.json    a Work
    WORK.out     an Outcome as JSON, written when all went well

Shapes: N training triplets, M triplets to rank, columns head, relation, tail.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

ADAPTERS = Path(__file__).parent / "adapters"
FIRST_TRAINED, FIRST_RANKED = 20_000, 16
"""Triplets of the pass that warms up, which is not counted."""


@dataclass(frozen=True)
class Work:
    """What to measure; everything an adapter is told."""

    engine: str
    model: str
    """By our name."""
    dim: int
    """Floats per entity."""
    negatives: int
    """Wrong answers scored per positive."""
    chunk: int
    """Positives that share their negatives, in engines that can share."""
    batch: int
    """Positives per update."""
    threads: int
    seconds: float
    """How long to train, and to rank, at least."""
    seed: int
    num_entities: int
    num_relations: int
    graph: str
    """An .npz: `train` (N, 3) and `ranked` (M, 3), int64."""
    folder: str
    """Scratch for the engine's own files."""


@dataclass(frozen=True)
class Outcome:
    """What one process found."""

    version: str
    trained_per_second: float
    ranked_per_second: float
    """Triplets, each ranked in both directions."""


class Engine(Protocol):
    """What an adapter is.

    It may import its engine when it is made, not before: the class alone is read elsewhere. Times
    are the engine's own work, without imports and without reading or writing files.
    """

    TITLE: ClassVar[str]
    MODULE: ClassVar[str]
    """What an environment must be able to import."""
    MODELS: ClassVar[dict[str, Any]]
    """Our names of the models that it trains, and what they are to the engine."""

    def __init__(self, work: Work, train_N3: Any, ranked_M3: Any) -> None: ...

    @property
    def version(self) -> str:
        """The engine's."""

    def train(self, count: int) -> float:
        """Train on the first `count` triplets once; the seconds it took."""

    def rank(self, count: int) -> float:
        """Rank the first `count` of ranked_M3, filtered, in both directions; the seconds."""


def load_adapter(engine: str) -> type[Engine]:
    """The class of that engine."""
    adapter: type[Engine] = runpy.run_path(str(ADAPTERS / f"{engine}.py"))["Adapter"]
    return adapter


def measure(work: Work) -> Outcome:
    """Train and rank for at least work.seconds each."""
    with np.load(work.graph) as graph:
        train_N3, ranked_M3 = graph["train"], graph["ranked"]
    engine = load_adapter(work.engine)(work, train_N3, ranked_M3)
    return Outcome(
        version=engine.version,
        trained_per_second=_rate(engine.train, FIRST_TRAINED, len(train_N3), work.seconds),
        ranked_per_second=_rate(engine.rank, FIRST_RANKED, len(ranked_M3), work.seconds),
    )


def _rate(job: Callable[[int], float], first: int, most: int, seconds: float) -> float:
    """Units of `job` per second, over a pass that is long enough, or over many of all there is."""
    count = min(first, most)
    job(count)
    took = job(count)
    while count < most and took < seconds:
        count = min(most, max(2 * count, int(1.1 * count * seconds / took)))
        took = job(count)
    done, spent = count, took
    while spent < seconds:
        done, spent = done + count, spent + job(count)
    return done / spent


def main(path: str) -> None:
    """Read the work, do it, write what was found."""
    place = Path(path)
    work = Work(**json.loads(place.read_text(encoding="utf-8")))
    outcome = measure(work)
    place.with_suffix(".out").write_text(json.dumps(asdict(outcome)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
