"""Ranking a seeded sample of a part, while training and after it.

Imports numpy, benchmarks.{config,metrics,ranking,unfinished} and wikidata5m.
"""

from __future__ import annotations

import numpy as np

from benchmarks.config import RunConfig
from benchmarks.metrics import metrics
from benchmarks.ranking import Predictor, Ranks, rank_triplets
from benchmarks.unfinished import Unfinished
from wikidata5m.console import Progress
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.schema import PARTS, Setting


def validate(predictor: Predictor, dataset: Dataset, config: RunConfig) -> float | None:
    """The filtered MRR of the run's validation sample; None when there is nothing to rank.

    The sample is the same each time, so that epochs compare.
    """
    valid_N3 = dataset.triplets(config.setting, "valid")
    if not len(valid_N3):
        return None
    sample_N3 = sample_triplets(valid_N3, config.train.validate_triplets, config.seed)
    ranks = rank_split(predictor, sample_N3, dataset, config.setting)
    return metrics(ranks)["both"]["mrr"]


def rank_split(
    predictor: Predictor,
    triplets_N3: Triplets,
    dataset: Dataset,
    setting: Setting,
    show: Progress | None = None,
    unfinished: Unfinished | None = None,
) -> Ranks:
    """Ranks among all entities, filtered by all three parts of the split."""
    return rank_triplets(
        predictor,
        triplets_N3,
        known_triplets(dataset, setting),
        np.arange(dataset.num_entities),
        progress=show,
        unfinished=unfinished,
    )


def known_triplets(dataset: Dataset, setting: Setting) -> Triplets:
    """What ranks are filtered by: all three parts of the split."""
    return np.concatenate([dataset.triplets(setting, part) for part in PARTS])


def sample_triplets(triplets_N3: Triplets, limit: int | None, seed: int) -> Triplets:
    """At most `limit` of the triplets, in their order; the same for the same seed."""
    if limit is None or limit >= len(triplets_N3):
        return triplets_N3
    chosen = np.random.default_rng(seed).choice(len(triplets_N3), limit, replace=False)
    return triplets_N3[np.sort(chosen)]
