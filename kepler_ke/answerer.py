"""KEPLER as the explorer asks it: its entities are encoded in the background, and then it answers.

Imports numpy, benchmarks.answerer, kepler_ke.{predict,predictor,runs} and wikidata5m.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from benchmarks.answerer import PredictorAnswerer
from kepler_ke.predict import TextPredictor
from kepler_ke.predictor import Heads
from kepler_ke.runs import RunInfo, read_run_on
from wikidata5m.console import log, watched
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.explorer.answerers import Role, Scored


class KeplerAnswerer:
    """A trained encoder as a TextAnswerer.

    A thread loads it and encodes all entities into RUN/vectors. It ends with the process, after
    the batch at work, and the next start goes on from there.
    """

    def __init__(self, run: Path, dataset: Path, info: RunInfo) -> None:
        self.name, self.setting = info.preset, info.setting
        self.texts: Future[TextPredictor] = Future()
        self._told = "loading"
        threading.Thread(target=self._prepare, args=(run, dataset), name=f"encode {run}").start()

    def pending(self) -> str:
        """See Answerer."""
        return "" if self.texts.done() else self._told

    def answer(
        self, given: int, relation: int, role: Role, top: int, hidden_M3: Triplets
    ) -> list[Scored]:
        """See Answerer. Raises ConfigError where heads cannot be ranked without encoding each."""
        texts = self.texts.result()
        texts.check(role)
        found = texts.judge
        entities = np.arange(len(found.texts.entities))
        heads: Heads = "inverse" if found.model.config.inverse else "plain"
        predictor = found.predictor(texts.entities_ED, entities, heads)
        plain = PredictorAnswerer(self.name, self.setting, predictor, len(entities))
        return plain.answer(given, relation, role, top, hidden_M3)

    def answer_text(self, text: str, relation: int, role: Role, top: int) -> list[Scored]:
        """See TextAnswerer."""
        return [Scored(*each) for each in self.texts.result().predict(text, relation, role, top)]

    def _prepare(self, run: Path, dataset: Path) -> None:
        try:
            # A dataset of its own: the pages read the texts of theirs meanwhile.
            with watched(self._note):
                found = TextPredictor.load(run, Dataset(dataset))
        except Exception as error:  # raised again by whoever asks
            log(f"{run}: {error}")
            self.texts.set_exception(error)
        else:
            self.texts.set_result(found)

    def _note(self, told: str) -> None:
        if not threading.main_thread().is_alive():
            raise SystemExit
        self._told = told


def load(run: Path, dataset: Dataset) -> KeplerAnswerer:
    """The model of a run of `kepler train`, which answers once all entities are encoded.

    Raises DatasetError when the run was trained on another dataset.
    """
    return KeplerAnswerer(run, dataset.path, read_run_on(run, dataset))
