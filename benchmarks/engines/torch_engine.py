"""Training in plain torch, CPU and CUDA from one source.

Imports torch, benchmarks.{checkpoint,config,losses,optim,ranking,regularisers,sampling,schedule,
scorers} and wikidata5m.

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
from benchmarks.regularisers import dropout_mask, get_regulariser
from benchmarks.sampling import Batch, Sampler, seeded
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
        self.triplets_N3 = torch.from_numpy(triplets_N3).to(self.device)
        model = config.model
        self.scorer = get_scorer(model.name, gamma=model.gamma, p=model.p)
        self.loss = get_loss(config.loss.name, alpha=config.loss.alpha, num_entities=num_entities)
        self.regulariser = get_regulariser(config.regulariser.name, p=config.regulariser.p)
        self.sampler = Sampler(
            self.triplets_N3,
            num_entities,
            config.train,
            seed=config.seed,
            all_entities=config.loss.name == "one_vs_all",
        )
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
        seen, total = 0, torch.zeros((), device=self.device)
        dropout = seeded(self.device, self.config.seed, self.epoch, 1)
        for number, batch in enumerate(self.sampler.epoch(self.epoch)):
            share = rate(self.epoch + number / len(self.sampler.spans))
            loss = self._step(batch, share, dropout)
            size = batch.positives_GB3[..., 0].numel()
            seen += size
            total += loss * size
            # Reading the loss makes a GPU wait, so there it is read now and then.
            if self.device.type == "cpu" or number % 64 == 0 or seen == len(self.triplets_N3):
                self._check(loss, number)
                if progress:
                    progress(seen, float(loss))
        self.epoch += 1
        return float(total) / max(seen, 1)

    def _step(self, batch: Batch, rate: float, dropout: torch.Generator) -> Tensor:
        head_GB, relation_GB, tail_GB = batch.positives_GB3.unbind(-1)
        rows = [head_GB, tail_GB, batch.negatives_GK]
        relation_rows = [relation_GB]
        if self.config.model.reciprocal:
            relation_rows.append(relation_GB + self.num_relations)
        vectors = [self.entities.table_ND[row].requires_grad_() for row in rows]
        relation_vectors = [self.relations.table_ND[row].requires_grad_() for row in relation_rows]
        everything = [*vectors, *relation_vectors]
        train = self.config.train
        dropped = [_drop(part, train.entity_dropout, dropout) for part in vectors]
        relation_dropped = [
            _drop(part, train.relation_dropout, dropout) for part in relation_vectors
        ]
        loss, scores, score_grads = self._loss(batch, dropped, relation_dropped)
        grads = list(torch.autograd.grad(scores, everything, score_grads, materialize_grads=True))
        for part in (0, 1, *range(3, len(everything))):
            weight = self._penalty(batch, entity=part < 3)
            if weight is not None:
                rows_MD = everything[part].detach().flatten(0, 1)
                value, grad_MD = self.regulariser(self.scorer, rows_MD, weight)
                loss = loss + value
                grads[part] = grads[part] + grad_MD.view_as(grads[part])
        lr, relation_lr = (rate * x for x in (train.lr, train.relation_lr))
        _scatter(self.entities, rows, grads[:3], lr)
        _scatter(self.relations, relation_rows, grads[3:], relation_lr)
        return loss

    def _penalty(self, batch: Batch, *, entity: bool) -> Tensor | None:
        """What a row of each positive weighs in the penalty, (M,); None where there is none."""
        config = self.config.regulariser
        weight = config.entities if entity else config.relations
        if not weight:
            return None
        size = batch.positives_GB3[..., 0].numel()
        ones_M = torch.ones(size, device=self.device)
        weight_M = ones_M if batch.weight_GB is None else batch.weight_GB.reshape(-1)
        return weight_M * (weight / size)

    def _loss(
        self, batch: Batch, vectors: list[Tensor], relation_vectors: list[Tensor]
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """The mean over the batch's directions; the scores, and the loss's gradients by them."""
        head_GBD, tail_GBD, candidates_GKD = vectors
        forward_GBR, backward_GBR = relation_vectors[0], relation_vectors[-1]
        scorer, reciprocal = self.scorer, self.config.model.reciprocal
        head_GB, _, tail_GB = batch.positives_GB3.unbind(-1)
        asked: list[tuple[Tensor, Tensor, Tensor]] = []
        if batch.side != "heads":
            true_GB = scorer.score_triplets(head_GBD, forward_GBR, tail_GBD)
            asked.append(
                (true_GB, scorer.score_tails(head_GBD, forward_GBR, candidates_GKD), tail_GB)
            )
        if batch.side != "tails" and reciprocal:
            true_GB = scorer.score_triplets(tail_GBD, backward_GBR, head_GBD)
            asked.append(
                (true_GB, scorer.score_tails(tail_GBD, backward_GBR, candidates_GKD), head_GB)
            )
        elif batch.side != "tails":
            true_GB = scorer.score_triplets(head_GBD, forward_GBR, tail_GBD)
            asked.append(
                (true_GB, scorer.score_heads(forward_GBR, tail_GBD, candidates_GKD), head_GB)
            )
        total, scores, grads = torch.zeros((), device=self.device), [], []
        for true_GB, negative_GBK, truth_GB in asked:
            loss, *loss_grads = self.loss(
                true_GB.detach(),
                negative_GBK.detach(),
                batch.clash(truth_GB),
                batch.weight_GB,
                batch.log_share_GK,
            )
            total = total + loss / len(asked)
            scores += [true_GB, negative_GBK]
            grads += [grad / len(asked) for grad in loss_grads]
        return total, scores, grads

    def _check(self, loss: Tensor, step: int) -> None:
        if not math.isfinite(float(loss)):
            train = self.config.train
            raise Wikidata5MError(
                f"epoch {self.epoch + 1}, step {step + 1}: the loss is {float(loss)}; training "
                f"diverged, most likely by its rate: lower train.lr ({train.lr}) or "
                f"train.relation_lr ({train.relation_lr}), or raise regulariser.entities"
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


def _drop(vectors: Tensor, share: float, generator: torch.Generator) -> Tensor:
    if not share:
        return vectors
    rows, width = vectors[..., 0].numel(), vectors.shape[-1]
    mask_MD = dropout_mask(rows, width, share, generator, dtype=vectors.dtype)
    return vectors * mask_MD.view_as(vectors)


def _scatter(table: RowAdagrad, rows: list[Tensor], grads: list[Tensor], lr: float) -> None:
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
