"""Training in plain torch, CPU and CUDA from one source.

Imports torch, benchmarks.{checkpoint,config,losses,optim,ranking,sampling,schedule,scorers} and
wikidata5m.

Shapes: E entities, D floats per entity, G chunks of a batch, B positives of a chunk, K negatives
that a chunk shares, M gathered rows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.checkpoint import load_state, save_state
from benchmarks.config import RunConfig
from benchmarks.losses import get_loss
from benchmarks.optim import RowAdagrad
from benchmarks.ranking import EmbeddingPredictor
from benchmarks.sampling import batches
from benchmarks.schedule import Rate, make_rate
from benchmarks.scorers import get_scorer
from wikidata5m.dataset import Triplets
from wikidata5m.errors import ConfigError, Wikidata5MError


class TorchEngine:
    """Tables, their optimizer state, and epochs over the training triplets.

    The same seed gives the same tables on one CPU with one number of threads. On a GPU the order of
    sums, and so the last bits, may vary.
    """

    def __init__(
        self, config: RunConfig, triplets_N3: Triplets, num_entities: int, num_relations: int
    ) -> None:
        self.config, self.num_entities, self.num_relations = config, num_entities, num_relations
        self.device = pick_device(config.train.device)
        self.triplets_N3 = torch.from_numpy(triplets_N3).long().to(self.device)
        model = config.model
        self.scorer = get_scorer(model.name, gamma=model.gamma, p=model.p)
        self.loss = get_loss(config.loss.name, alpha=config.loss.alpha, num_entities=num_entities)
        generator = torch.Generator().manual_seed(config.seed)
        rows = num_relations * (2 if model.reciprocal else 1)

        def table(count: int, width: int) -> Tensor:
            values = torch.rand(count, width, generator=generator)
            return values.mul_(2).sub_(1).mul_(model.init).to(self.device)

        self.entities = RowAdagrad(table(num_entities, model.dim))
        self.relations = RowAdagrad(table(rows, self.scorer.relation_width(model.dim)))
        self.epoch = 0
        """How many epochs are done."""

    @property
    def predictor(self) -> EmbeddingPredictor:
        """The tables as they are now, for ranking."""
        return EmbeddingPredictor(
            self.scorer,
            self.entities.table_ND,
            self.relations.table_ND,
            reciprocal=self.config.model.reciprocal,
        )

    def train_epoch(
        self, progress: Callable[[int, float], None] | None = None, rate: Rate | None = None
    ) -> float:
        """One pass over the triplets; returns the mean loss.

        `rate` scales the learning rates; by default as the schedule does, without validations.
        `progress` is told the positives seen in this epoch and the loss of the last batch. Raises
        Wikidata5MError when the loss is not finite.
        """
        train = self.config.train
        rate = rate or make_rate(train)
        per_epoch = -(-len(self.triplets_N3) // train.batch)
        seen, total = 0, torch.zeros((), device=self.device)
        source = batches(
            self.triplets_N3,
            num_entities=self.num_entities,
            batch=train.batch,
            chunk=train.chunk,
            negatives=train.negatives,
            seed=self.config.seed,
            epoch=self.epoch,
        )
        for number, (positives_GB3, negatives_GK) in enumerate(source):
            share = rate(self.epoch + number / per_epoch)
            loss = self._step(positives_GB3, negatives_GK, share)
            size = positives_GB3.shape[0] * positives_GB3.shape[1]
            seen += size
            total += loss * size
            # Reading the loss makes a GPU wait, so there it is read now and then.
            if self.device.type == "cpu" or number % 64 == 0 or seen == len(self.triplets_N3):
                self._check(loss, number)
                if progress:
                    progress(seen, float(loss))
        self.epoch += 1
        return float(total) / max(seen, 1)

    def _step(self, positives_GB3: Tensor, negatives_GK: Tensor, rate: float) -> Tensor:
        head_GB, relation_GB, tail_GB = positives_GB3.unbind(-1)
        inverse_GB = relation_GB + self.num_relations if self.config.model.reciprocal else None
        rows = [head_GB, tail_GB, negatives_GK]
        relation_rows = [relation_GB] if inverse_GB is None else [relation_GB, inverse_GB]
        vectors = [self.entities.table_ND[row].requires_grad_() for row in rows]
        relation_vectors = [self.relations.table_ND[row].requires_grad_() for row in relation_rows]
        clashes = [row[..., None] == negatives_GK[:, None, :] for row in (head_GB, tail_GB)]
        loss = self._loss(vectors, relation_vectors, clashes)
        grads = torch.autograd.grad(loss, [*vectors, *relation_vectors])
        lr, relation_lr = (rate * x for x in (self.config.train.lr, self.config.train.relation_lr))
        _scatter(self.entities, rows, grads[:3], lr)
        _scatter(self.relations, relation_rows, grads[3:], relation_lr)
        return loss.detach()

    def _loss(
        self, vectors: list[Tensor], relation_vectors: list[Tensor], clashes: list[Tensor]
    ) -> Tensor:
        """The mean over both directions, plus the penalty."""
        head_GBD, tail_GBD, candidates_GKD = vectors
        relation_GBR = relation_vectors[0]
        scorer = self.scorer
        true_GB = scorer.score_triplets(head_GBD, relation_GBR, tail_GBD)
        tails_GBK = scorer.score_tails(head_GBD, relation_GBR, candidates_GKD)
        if self.config.model.reciprocal:
            inverse_GBR = relation_vectors[1]
            true_head_GB = scorer.score_triplets(tail_GBD, inverse_GBR, head_GBD)
            heads_GBK = scorer.score_tails(tail_GBD, inverse_GBR, candidates_GKD)
        else:
            true_head_GB = true_GB
            heads_GBK = scorer.score_heads(relation_GBR, tail_GBD, candidates_GKD)
        loss = (
            self.loss(true_GB, tails_GBK, clashes[1])
            + self.loss(true_head_GB, heads_GBK, clashes[0])
        ) / 2
        if self.config.loss.l3:
            parts = [head_GBD, tail_GBD, *relation_vectors]
            cubes = sum(scorer.magnitudes(part).pow(3).sum() for part in parts)
            loss = loss + self.config.loss.l3 * cubes / true_GB.numel()
        return loss

    def _check(self, loss: Tensor, step: int) -> None:
        if not math.isfinite(float(loss)):
            train = self.config.train
            raise Wikidata5MError(
                f"epoch {self.epoch + 1}, step {step + 1}: the loss is {float(loss)}; training "
                f"diverged, most likely by its rate: lower train.lr ({train.lr}) or "
                f"train.relation_lr ({train.relation_lr}), or raise loss.l3"
            )

    def save(self, folder: Path) -> None:
        """Write a checkpoint that replaces an older one when complete."""
        save_state(folder, self._state(), self.config, self.epoch)

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint of the same configuration. Raises InputError."""
        self.epoch = load_state(folder, self._state(), self.config)

    def _state(self) -> dict[str, Tensor]:
        return {
            "entities": self.entities.table_ND,
            "entity_squares": self.entities.squares_N,
            "relations": self.relations.table_ND,
            "relation_squares": self.relations.squares_N,
        }


def _scatter(table: RowAdagrad, rows: list[Tensor], grads: tuple[Tensor, ...], lr: float) -> None:
    row_M = torch.cat([row.reshape(-1) for row in rows])
    table.step(row_M, torch.cat([grad.flatten(0, -2) for grad in grads]), lr)


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one.

    Raises ConfigError for anything but auto, cpu, cuda and cuda:N, and for a GPU that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device(name)
    found = re.fullmatch(r"cuda(?::(0|[1-9][0-9]{0,3}))?", name)
    if not found:
        raise ConfigError(f"train.device = {name}: unknown; use auto, cpu, cuda or cuda:N")
    count = torch.cuda.device_count()
    if int(found[1] or 0) >= count:
        raise ConfigError(
            f"train.device = {name}: torch can use {count} GPUs here, numbered from 0; "
            "name one of them, or cpu"
        )
    return torch.device(name)
