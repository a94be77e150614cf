"""How runs, relations and entities are called in a report.

Imports benchmarks.{results,tables} and benchmarks.report.blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.report.blocks import Term
from benchmarks.results import Result
from benchmarks.tables import distinct


def run_labels(results: Sequence[Result]) -> list[str]:
    """How each result is called where results of all kinds stand together; no two alike."""
    names = []
    for result in results:
        ranked, of = result.protocol.triplets, result.protocol.of
        sample = f", sample of {ranked:,}" if ranked < of else ""
        names.append(f"{run_label(result)}, {result.part}{sample}")
    return distinct(names, results)


def run_label(result: Result) -> str:
    """The run of a result, whatever part was ranked."""
    return f"{result.model}, seed {result.seed} ({result.dataset.name}, {result.setting})"


def training_runs(results: Iterable[Result]) -> dict[str, Result]:
    """One result of each training run, by its name: one ranked on two parts was trained once."""
    runs = {(r.run, r.model, r.seed, r.dataset.hash, r.train): r for r in results}.values()
    names = distinct([run_label(run) for run in runs], list(runs))
    return dict(zip(names, runs, strict=True))


def named(label: str, identifier: str) -> Term:
    """A label with its id beside it; the id alone where there is no label."""
    return Term(label, identifier) if label and label != identifier else Term(identifier, "")
