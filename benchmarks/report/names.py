"""How runs, relations and entities are called in a report.

Imports benchmarks.{results,tables}, benchmarks.report.blocks and wikidata5m.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.report.blocks import Term
from benchmarks.results import Result
from benchmarks.tables import distinct
from wikidata5m.dataset import Dataset
from wikidata5m.errors import Wikidata5MError


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


class Datasets:
    """The datasets of results: the one given, or where a run says, if it is still the same."""

    def __init__(self, given: Dataset | None) -> None:
        self._known: dict[str, Dataset | None] = {}
        if given:
            self._known[given.manifest.dataset_hash] = given

    def of(self, result: Result) -> Dataset | None:
        """None where the dataset is gone, or is another now."""
        wanted = result.dataset.hash
        if wanted not in self._known:
            self._known[wanted] = _open(Path(result.dataset.path), wanted)
        return self._known[wanted]

    def relations(self, result: Result) -> dict[str, Term]:
        """The name of each relation by its id; empty where the dataset is not at hand."""
        dataset = self.of(result)
        if dataset is None:
            return {}
        pairs = dataset.relations.select("relation", "label").iter_rows()
        return {relation: named(label, relation) for relation, label in pairs}

    def entities(self, result: Result, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """The label and the description of each of these entities; empty as above."""
        dataset, wanted = self.of(result), list(dict.fromkeys(ids))
        if dataset is None or not wanted:
            return {}
        index = dataset.entity_indices(wanted)
        found = zip(dataset.entity_labels.gather(index), dataset.texts.take(index), strict=True)
        return dict(zip(wanted, found, strict=True))


def named(label: str, identifier: str) -> Term:
    """A label with its id beside it; the id alone where there is no label."""
    return Term(label, identifier) if label and label != identifier else Term(identifier, "")


def _open(path: Path, wanted: str) -> Dataset | None:
    try:
        dataset = Dataset(path)
    except Wikidata5MError:
        return None
    return dataset if dataset.manifest.dataset_hash == wanted else None
