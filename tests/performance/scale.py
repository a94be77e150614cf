"""How long the toolkit takes at Wikidata5M's size, and how much memory: one table.

    python -m tests.performance.scale --out FOLDER [--entities N --triplets N] [--json]

Makes a synthetic graph, splits it, verifies and reads the result, each in a process of its own.
Wall and processor seconds and peak memory are the operating system's. `split only` is the pure
function, without reading or writing. FOLDER needs about 3 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import ujson

from pipelines.split import SPLIT_NAMES, SplitConfig, Whole, make_splits, read_earlier
from wikidata5m import load
from wikidata5m.console import table
from wikidata5m.dataset import Dataset

BOTH = "transductive,inductive"
EVERY = f"{BOTH},semi_inductive,classification"


@dataclass(frozen=True, slots=True)
class Step:
    """What one process took; `inside` is the processor time of the split alone."""

    step: str
    wall: float
    processor: float
    peak_gb: float
    inside: float | None = None


def main() -> None:
    """Run every step and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to work in")
    parser.add_argument("--entities", default="4594485")
    parser.add_argument("--triplets", default="20624575")
    parser.add_argument("--relations", default="822")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--split", help=argparse.SUPPRESS)  # a child of this script
    arguments = parser.parse_args()
    if arguments.split:
        print(split_only(arguments.out, arguments.split))  # noqa: T201
        return
    steps = run_all(arguments)
    if arguments.json:
        print(ujson.dumps({"steps": [asdict(step) for step in steps]}))  # noqa: T201
    else:
        header = ["step", "wall s", "processor s", "peak GB", "split alone, processor s"]
        rows = [
            (s.step, f"{s.wall:.1f}", f"{s.processor:.1f}", f"{s.peak_gb:.2f}",
             "" if s.inside is None else f"{s.inside:.1f}")
            for s in steps
        ]  # fmt: skip
        print(table(header, rows))  # noqa: T201


def run_all(arguments: argparse.Namespace) -> list[Step]:
    """Each step in turn; what it wrote before is replaced."""
    out: Path = arguments.out
    graph, later = str(out / "graph"), str(out / "other")
    size = ["--entities", arguments.entities, "--triplets", arguments.triplets]
    size += ["--relations", arguments.relations]
    steps = [
        command("synthetic", "synthetic", "--out", graph, "--overwrite", *size),
        command("verify, no splits", "verify", graph),
    ]
    steps += [pure(name, out) for name in SPLIT_NAMES if name != "temporal"]
    for name, settings in (
        ("split: transductive", "transductive"),
        ("split: inductive", "inductive"),
        ("split: both", BOTH),
        ("split: all but temporal", EVERY),
    ):
        arguments_of = ["split", graph, "--out", str(out / "data"), "--overwrite"]
        steps.append(command(name, *arguments_of, "--settings", settings))
    steps += [
        command("verify, four splits", "verify", str(out / "data")),
        process("load all triplets and texts", [sys.executable, "-c", LOAD, str(out / "data")]),
        command(
            "synthetic, another",
            *("synthetic", "--out", later, "--overwrite", "--seed", "1", *size),
        ),
        pure("temporal", out),
        command(
            "split: temporal, hardly a fact in common",
            *("split", graph, "--earlier", later, "--out", str(out / "later"), "--overwrite"),
        ),
        command("verify, temporal", "verify", str(out / "later")),
    ]  # fmt: skip
    return steps


LOAD = (
    "import sys, wikidata5m\n"
    "data = wikidata5m.load(sys.argv[1])\n"
    "print(len(data.triplets()), len(data.texts), len(data.triplets('inductive', 'train')))"
)


def command(step: str, *arguments: str) -> Step:
    """One `wikidata5m` command."""
    return process(step, [sys.executable, "-m", "wikidata5m", *arguments])


def pure(name: str, out: Path) -> Step:
    """One split without reading or writing, in a process of its own."""
    script = [sys.executable, "-m", "tests.performance.scale", "--out", str(out), "--split", name]
    return process(f"split only: {name}", script)


def process(step: str, arguments: list[str]) -> Step:
    """Run a process and ask the operating system what it took. A failure ends the script."""
    start = time.monotonic()
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        told = running.stdout.read()
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        sys.exit(f"{step}: `{' '.join(arguments)}` failed with code {running.returncode}")
    wall = time.monotonic() - start
    print(f"{step}: {wall:.1f} s", file=sys.stderr)  # noqa: T201
    inside = float(told) if "--split" in arguments else None
    return Step(step, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6, inside)


def split_only(out: Path, name: str) -> float:
    """Processor seconds of one split; of `classification` without the transductive it needs."""
    dataset: Dataset = load(str(out / "graph"))
    earlier = load(str(out / "other")) if name == "temporal" else None
    whole = Whole(
        triplets=dataset.triplets(),
        num_entities=dataset.num_entities,
        num_relations=dataset.num_relations,
        earlier=read_earlier(earlier, dataset) if earlier else None,
    )
    marks: list[float] = []
    names = [each for each in SPLIT_NAMES if each == name]
    if name == "classification":
        names = ["transductive", *names]

    def update(_done: int, _note: str = "", /) -> None:
        marks.append(time.process_time())

    make_splits(whole, names, SplitConfig(), 0, update)
    return marks[-1] - marks[-2]


if __name__ == "__main__":
    main()
