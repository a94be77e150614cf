"""Embeddings as the explorer asks them.

Imports numpy, benchmarks.{embeddings,predict,predictors,run} and wikidata5m.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.embeddings import stored_entities
from benchmarks.predict import Query, predict
from benchmarks.predictors import Predictor
from benchmarks.run import EMBEDDINGS, load_predictor, load_run_config
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.explorer.answerers import Role, Scored
from wikidata5m.schema import Setting


@dataclass(slots=True)
class PredictorAnswerer:
    """Any Predictor as an Answerer."""

    name: str
    setting: Setting
    predictor: Predictor
    num_entities: int
    """All of them are candidates."""

    def pending(self) -> str:
        """See Answerer."""
        return ""

    def answer(
        self, given: int, relation: int, role: Role, top: int, hidden_M3: Triplets
    ) -> list[Scored]:
        """See Answerer."""
        query = Query(given, relation, None) if role == "head" else Query(None, relation, given)
        # Of a hub the hidden answers are millions: left out beforehand they cost nothing.
        asked_E = np.ones(self.num_entities, dtype=np.bool_)
        asked_E[hidden_M3[:, 2 if role == "head" else 0]] = False
        (found,) = predict(self.predictor, [query], np.flatnonzero(asked_E), {}, top=top)
        return [Scored(answer.entity, answer.score) for answer in found]


def load(run: Path, dataset: Dataset) -> PredictorAnswerer:
    """The embeddings of a run of `bench train`.

    Raises InputError where training is not finished, DatasetError on another dataset than RUN's.
    """
    config = load_run_config(run)
    predictor = load_predictor(run, dataset, config)
    if predictor.entities_ED.device.type == "cpu":
        predictor.entities_ED = stored_entities(run / EMBEDDINGS)
    return PredictorAnswerer(
        name=config.model.name,
        setting=config.setting,
        predictor=predictor,
        num_entities=dataset.num_entities,
    )
