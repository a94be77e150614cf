"""KEPLER as the explorer asks it. Imports benchmarks.answerer and kepler_ke.{predict,predictor}."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.answerer import PredictorAnswerer
from kepler_ke.predict import TextPredictor
from kepler_ke.predictor import Heads
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.explorer.answerers import Role, Scored
from wikidata5m.schema import Setting


@dataclass(slots=True)
class KeplerAnswerer:
    """A trained encoder as a TextAnswerer."""

    name: str
    setting: Setting
    texts: TextPredictor

    def answer(
        self, given: int, relation: int, role: Role, top: int, hidden_M3: Triplets
    ) -> list[Scored]:
        """See Answerer. Raises ConfigError where heads cannot be ranked without encoding each."""
        self.texts.check(role)
        found = self.texts.judge
        entities = np.arange(len(found.texts.entities))
        heads: Heads = "inverse" if found.model.config.inverse else "plain"
        predictor = found.predictor(self.texts.entities_ED, entities, heads)
        plain = PredictorAnswerer(self.name, self.setting, predictor, len(entities))
        return plain.answer(given, relation, role, top, hidden_M3)

    def answer_text(self, text: str, relation: int, role: Role, top: int) -> list[Scored]:
        """See TextAnswerer."""
        return [Scored(*each) for each in self.texts.predict(text, relation, role, top)]


def load(run: Path, dataset: Dataset) -> KeplerAnswerer:
    """The model of a run of `kepler train`; all entities are encoded when it is first loaded.

    Raises DatasetError when the run was trained on another dataset.
    """
    texts = TextPredictor.load(run, dataset)
    return KeplerAnswerer(texts.info.preset, texts.info.setting, texts)
