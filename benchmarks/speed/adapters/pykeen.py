"""PyKEEN (Ali et al. 2021). Loaded by benchmarks/speed/worker.py; imports pykeen and torch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from benchmarks.speed.worker import Work


class Adapter:
    """Its stochastic training loop with its basic sampler, and its rank-based evaluator.

    Its dimensions count complex numbers or quaternions where a model has them, so `floats` of its
    vectors' numbers are one of its dimensions.
    """

    TITLE: ClassVar = "PyKEEN"
    MODULE: ClassVar = "pykeen"
    MODELS: ClassVar[dict[str, Any]] = {
        "transe": {"model": "TransE", "floats": 1, "scoring_fct_norm": 1},
        "transe-l2": {"model": "TransE", "floats": 1, "scoring_fct_norm": 2},
        "distmult": {"model": "DistMult", "floats": 1},
        "complex": {"model": "ComplEx", "floats": 2},
        "simple": {"model": "SimplE", "floats": 2},
        "rotate": {"model": "RotatE", "floats": 2},
        "quate": {"model": "QuatE", "floats": 4},
    }

    def __init__(self, work: Work, train_N3: Any, ranked_M3: Any) -> None:
        import torch
        from pykeen.evaluation import RankBasedEvaluator
        from pykeen.models import model_resolver
        from pykeen.training import SLCWATrainingLoop

        torch.set_num_threads(work.threads)
        self.work, self.train_N3 = work, torch.from_numpy(train_N3)
        self.ranked_M3 = torch.from_numpy(ranked_M3)
        settings = dict(self.MODELS[work.model])
        self.model = model_resolver.make(
            settings.pop("model"),
            triples_factory=self._factory(1),
            embedding_dim=work.dim // settings.pop("floats"),
            loss="NSSALoss",
            random_seed=work.seed,
            **settings,
        )
        self.optimizer = torch.optim.Adagrad(self.model.get_grad_params(), lr=0.1)
        self.loop = SLCWATrainingLoop
        self.evaluator = RankBasedEvaluator(filtered=True)

    @property
    def version(self) -> str:
        """See Engine."""
        from importlib.metadata import version

        return version("pykeen")

    def train(self, count: int) -> float:
        """See Engine."""
        factory = self._factory(count)
        loop = self.loop(
            model=self.model,
            triples_factory=factory,
            optimizer=self.optimizer,
            negative_sampler="basic",
            negative_sampler_kwargs={"num_negs_per_pos": self.work.negatives},
        )
        start = time.perf_counter()
        loop.train(factory, num_epochs=1, batch_size=self.work.batch, use_tqdm=False)
        return time.perf_counter() - start

    def rank(self, count: int) -> float:
        """See Engine. 32 queries at once is what PyKEEN itself takes on a CPU."""
        start = time.perf_counter()
        self.evaluator.evaluate(
            self.model,
            self.ranked_M3[:count],
            additional_filter_triples=[self.train_N3],
            batch_size=min(32, count),
            use_tqdm=False,
        )
        return time.perf_counter() - start

    def _factory(self, count: int) -> Any:
        """The first `count` triplets as PyKEEN takes them."""
        from pykeen.triples import CoreTriplesFactory

        work = self.work
        return CoreTriplesFactory(self.train_N3[:count], work.num_entities, work.num_relations)
