"""The whole job on a synthetic world, as the commands a user would type. Imports errors, console.

Each step runs in a process of its own, through the public command line, so this file imports no
upper package and reads as the shortest tutorial.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from wikidata5m.console import command_line, log
from wikidata5m.errors import Wikidata5MError

MODELS = ("transe", "complex")
DATASET = "demo-world"
"""The dataset's folder below the output, and so its name in tables and reports."""


def run_demo(out: Path, *, entities: int, seed: int) -> Path:
    """Run every step below `out`; returns the report page.

    Raises Wikidata5MError naming the first step that fails; its own message is on stderr.
    """
    steps = _steps(out, str(entities), str(seed))
    for number, arguments in enumerate(steps, start=1):
        told = command_line(*arguments)
        log(f"\nstep {number} of {len(steps)}\n$ {told}")
        command = [sys.executable, "-m", "wikidata5m", *arguments]
        if subprocess.run(command, check=False).returncode:  # noqa: S603 - our own command line
            raise Wikidata5MError(f"the demo stopped at `{told}`; its message is above")
    return out / "report" / "index.html"


def _steps(out: Path, entities: str, seed: str) -> list[list[str]]:
    world, dataset, encoder = (str(out / name) for name in ("dumps", DATASET, "encoder"))
    runs = {model: str(out / "runs" / model) for model in (*MODELS, "kepler-wiki")}
    kepler = runs["kepler-wiki"]
    dumps = ["--wikidata", f"{world}/wikidata.json.bz2", "--wikipedia", f"{world}/enwiki.xml.bz2"]
    return [
        ["world", "--entities", entities, "--seed", seed, "--out", world],
        ["build", *dumps, "--out", dataset, "--seed", seed],
        ["verify", dataset],
        *(step for model in MODELS for step in _bench(dataset, model, runs[model], seed)),
        ["kepler", "init", dataset, "--out", encoder, "--seed", seed],
        [*_train("kepler", dataset, kepler, seed), "--encoder", encoder, "--preset", "demo"],
        ["kepler", "evaluate", kepler],
        ["report", *runs.values(), "--dataset", dataset, "--out", str(out / "report")],
    ]


def _bench(dataset: str, model: str, run: str, seed: str) -> list[list[str]]:
    settings = ["--model", model, "--config", f"{model}-demo"]
    return [[*_train("bench", dataset, run, seed), *settings], ["bench", "evaluate", run]]


def _train(group: str, dataset: str, run: str, seed: str) -> list[str]:
    return [group, "train", dataset, "--out", run, "--seed", seed]
