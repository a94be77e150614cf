"""The datasets that results came from, for the names of their relations and entities.

Imports benchmarks.results and wikidata5m.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmarks.results import Result
from wikidata5m.dataset import Dataset
from wikidata5m.errors import Wikidata5MError


class Datasets:
    """The datasets of results: the one given, or where a run says, if it is still the same."""

    def __init__(self, given: Dataset | None = None) -> None:
        self._known: dict[str, Dataset | None] = {}
        if given:
            self._known[given.manifest.dataset_hash] = given

    def of(self, result: Result) -> Dataset | None:
        """None where the dataset is gone, or is another now."""
        wanted = result.dataset.hash
        if wanted not in self._known:
            self._known[wanted] = _open(Path(result.dataset.path), wanted)
        return self._known[wanted]

    def relations(self, result: Result) -> dict[str, str]:
        """The label of each relation by its id; empty where the dataset is not at hand."""
        dataset = self.of(result)
        if dataset is None:
            return {}
        return dict(dataset.relations.select("relation", "label").iter_rows())

    def entities(self, result: Result, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """The label and the description of each of these entities; empty as above."""
        dataset, wanted = self.of(result), list(dict.fromkeys(ids))
        if dataset is None or not wanted:
            return {}
        index = dataset.entity_indices(wanted)
        found = zip(dataset.entity_labels.gather(index), dataset.texts.take(index), strict=True)
        return dict(zip(wanted, found, strict=True))


def _open(path: Path, wanted: str) -> Dataset | None:
    try:
        dataset = Dataset(path)
    except Wikidata5MError:
        return None
    return dataset if dataset.manifest.dataset_hash == wanted else None
