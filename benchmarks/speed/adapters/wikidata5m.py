"""Our engine. Loaded by benchmarks/speed/worker.py; imports torch, benchmarks and wikidata5m."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from benchmarks.speed.worker import Work

EPOCHS = 30
"""Of a usual run."""


class Adapter:
    """TorchEngine and rank_triplets, as `bench train` and `bench evaluate` use them."""

    TITLE: ClassVar = "wikidata5m"
    MODULE: ClassVar = "benchmarks"
    MODELS: ClassVar[dict[str, Any]] = {
        "transe": {"p": 1},
        "transe-l2": {"p": 2},
        "distmult": {},
        "complex": {},
        "simple": {},
        "rotate": {},
        "quate": {},
    }

    def __init__(self, work: Work, train_N3: Any, ranked_M3: Any) -> None:
        import torch

        from benchmarks.config import LossConfig, ModelConfig, RunConfig, TrainConfig

        torch.set_num_threads(work.threads)
        self.work, self.train_N3, self.ranked_M3 = work, train_N3, ranked_M3
        name: Any = work.model.removesuffix("-l2")
        self.config = RunConfig(
            seed=work.seed,
            model=ModelConfig(name=name, dim=work.dim, **self.MODELS[work.model]),
            loss=LossConfig(name="self_adversarial"),
            train=TrainConfig(
                batch=work.batch,
                chunk=work.chunk,
                negatives=work.negatives,
                lr=0.1,
                relation_lr=0.1,
                sides="alternate",
                schedule="constant",
                device="cpu",
            ),
        )
        self.engine: Any = None

    @property
    def version(self) -> str:
        """See Engine."""
        return version("wikidata5m")

    def train(self, count: int) -> float:
        """See Engine.

        An engine belongs to its triplets, so a new count gets a new one, and an epoch that compiles
        it. It compiles where a run of EPOCHS over the whole graph would.
        """
        if self.engine is None or len(self.engine.triplets_N3) != count:
            self._make(count)
        start = time.perf_counter()
        self.engine.train_epoch()
        return time.perf_counter() - start

    def _make(self, count: int) -> None:
        from benchmarks.engines.torch_engine import TorchEngine

        epochs = EPOCHS * len(self.train_N3) // count
        config = replace(self.config, train=replace(self.config.train, epochs=epochs))
        sizes = self.work.num_entities, self.work.num_relations
        self.engine = None
        self.engine = TorchEngine(config, self.train_N3[:count], *sizes)
        self.engine.train_epoch()

    def rank(self, count: int) -> float:
        """See Engine."""
        from benchmarks.ranking import rank_triplets

        candidates_E = np.arange(self.work.num_entities)
        start = time.perf_counter()
        rank_triplets(self.engine.predictor, self.ranked_M3[:count], self.train_N3, candidates_E)
        return time.perf_counter() - start
