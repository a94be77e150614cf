"""Training in plain torch, CPU and CUDA from one source.

Imports torch, benchmarks.{checkpoint,compiling,config,losses,optim,processes,ranking,regularisers,
sampling,schedule,scorers,weights}, the other modules of this folder but graphvite, and wikidata5m.

Shapes: E entities, D floats per entity, G chunks of a batch, B positives of a chunk, K negatives
that a chunk shares, M gathered rows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.checkpoint import load_state, save_state
from benchmarks.compiling import Compiler, as_it_is, pays
from benchmarks.config import RunConfig
from benchmarks.engines.heap import keep_freed_memory
from benchmarks.engines.placement import place
from benchmarks.engines.step import (
    Partials,
    gradients,
    inverted,
    narrow,
    partials,
    rows_of,
    vectors_of,
)
from benchmarks.losses import get_loss
from benchmarks.optim import OPTIMIZERS, RowOptimizer
from benchmarks.processes import ALONE, Processes, Slice, same_everywhere
from benchmarks.ranking import EmbeddingPredictor
from benchmarks.regularisers import dropout_mask, get_regulariser
from benchmarks.sampling import Batch, Sampler, seeded
from benchmarks.schedule import Rate, make_rate
from benchmarks.scorers import get_scorer
from benchmarks.weights import Weights
from wikidata5m.dataset import Triplets
from wikidata5m.errors import ConfigError, Wikidata5MError


class TorchEngine:
    """Tables, their optimizer state, and epochs over the training triplets.

    The same seed gives the same tables on one CPU with one number of threads. On a GPU the order of
    sums, and so the last bits, may vary.

    Of several processes each makes an engine with its slice of the dimensions and calls the same
    methods in the same order.
    """

    def __init__(
        self,
        config: RunConfig,
        triplets_N3: Triplets,
        num_entities: int,
        num_relations: int,
        *,
        weight_N: Weights | None = None,
        processes: Processes = ALONE,
    ) -> None:
        """`weight_N` says what each triplet counts, at any positive scale; by default all alike.

        Raises ConfigError where the processes cannot share the dimensions evenly.
        """
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
            weight_N=None if weight_N is None else torch.from_numpy(weight_N).to(self.device),
        )
        generator = torch.Generator().manual_seed(config.seed)
        rows = num_relations * (2 if model.reciprocal else 1)

        width = self.scorer.relation_width(model.dim)
        pieces = self.scorer.split
        self.processes = processes
        self.slices = (
            Slice(model.dim, pieces, processes),
            Slice(width, width * pieces // model.dim, processes),
        )
        """Which columns of entities and of relations are held here."""

        optimizer = OPTIMIZERS[config.train.optimizer]
        floats = (num_entities * model.dim + rows * width) // processes.count
        size = 4 * floats + optimizer.state_bytes(num_entities + rows, floats)
        self.home = place(config.train.tables, self.device, size)

        def table(count: int, part: Slice, init: float) -> RowOptimizer:
            values = part.draw(count, generator).mul_(2).sub_(1).mul_(init).to(self.home)
            return optimizer(values, width=part.width, reduce=self._sum)

        inits = (model.init, self.scorer.relation_init(model.init))
        self.entities, self.relations = map(table, (num_entities, rows), self.slices, inits)
        if self.device.type == "cpu":
            keep_freed_memory()
        compile_ = pays(config, self.scorer, len(triplets_N3), num_entities)
        self.compiler = Compiler(wanted=compile_)
        self.epoch = 0
        """How many epochs are done."""

    @property
    def predictor(self) -> EmbeddingPredictor:
        """The tables as they are now, for ranking."""
        whole = self.collect(("entities", "relations"))
        return EmbeddingPredictor(
            self.scorer,
            whole["entities"],
            whole["relations"],
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
        """Gather, score, pass back, move; returns the loss."""
        reciprocal, train = self.config.model.reciprocal, self.config.train
        if reciprocal and batch.side == "heads":
            batch = inverted(batch, self.num_relations)
        both = reciprocal and batch.side == "both"
        entity_M, relation_M = rows_of(batch, self.num_relations if both else 0)
        masks = [
            _mask(part, len(row_M), share, dropout)
            for part, row_M, share in zip(
                self.slices,
                (entity_M, relation_M),
                (train.entity_dropout, train.relation_dropout),
                strict=True,
            )
        ]
        entities = _Gathered(self.entities, entity_M, masks[0])
        relations = _Gathered(self.relations, relation_M, masks[1])
        loss = self._descend(batch, entities, relations)
        penalty = self.config.regulariser
        loss = loss + self._penalise(batch, entities, 2, penalty.entities)
        loss = loss + self._penalise(batch, relations, 1 + both, penalty.relations)
        entities.move(rate * train.lr)
        relations.move(rate * train.relation_lr)
        return loss

    def _descend(self, batch: Batch, entities: _Gathered, relations: _Gathered) -> Tensor:
        """The loss without penalties; leaves its gradients with the rows."""
        run, batch = self._run(batch), narrow(batch)
        vectors = vectors_of(batch, entities.shown_MD, relations.shown_MD)
        found = [
            Partials(*map(self._sum, partial))
            for partial in run(partials, self.scorer, batch, vectors)
        ]
        loss: Tensor
        loss, entities.grad_MD, relations.grad_MD = run(
            gradients, self.scorer, self.loss, batch, vectors, found
        )
        return loss

    def _penalise(self, batch: Batch, rows: _Gathered, times: int, weight: float) -> Tensor:
        """What the rows of the positives cost, which stand first, `times` per positive."""
        if not weight:
            return torch.zeros((), device=self.device)
        size = batch.positives_GB3[..., 0].numel()
        weight_M = torch.full((times * size,), weight / size, device=self.device)
        if batch.weight_GB is not None:
            weight_M *= batch.weight_GB.reshape(-1).repeat(times)
        value: Tensor
        value, grad_MD = self._run(batch)(
            self.regulariser, self.scorer, rows.vectors_MD[: times * size], weight_M
        )
        rows.penalty_MD = grad_MD
        return self._sum(value)

    def _sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, by way of the device that computes: NCCL sums nowhere else.

        May work in place.
        """
        return self.processes.sum(tensor.to(self.device)).to(tensor.device)

    def _run(self, batch: Batch) -> Callable[..., Any]:
        """Compiled for batches of full size; the last ones of an epoch would not repay it."""
        full = batch.positives_GB3[..., 0].numel() == self.config.train.batch
        return self.compiler.run if full else as_it_is

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
        whole = self.collect(tuple(self.state()))
        if self.processes.leads:
            save_state(folder, whole, self.config, self.epoch)

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint of the same configuration. Raises InputError."""
        if self.processes.count == 1:
            self.epoch = load_state(folder, self.state(), self.config)
            return
        whole: dict[str, Tensor] = {}
        epoch = 0
        if self.processes.leads:
            for name, part in self.state().items():
                whole[name] = torch.empty(self._slice(name).whole(part), dtype=part.dtype)
            epoch = load_state(folder, whole, self.config)
        self.receive(whole, epoch)

    def collect(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Whole tensors of the state, of which `entities` and `relations` are the tables.

        The first of several processes gets them in main memory, the others nothing.
        """
        state = self.state()
        whole = {
            name: self._slice(name).collect(state[name]) if state[name].dim() == 2 else state[name]
            for name in names
        }
        return {name: tensor for name, tensor in whole.items() if tensor is not None}

    def receive(self, whole: Mapping[str, Tensor], epoch: int) -> None:
        """Take over the whole state and the epoch, which the first of several processes holds."""
        for name, tensor in self.state().items():
            if tensor.dim() == 2:
                self._slice(name).spread(whole.get(name), tensor)
                continue
            if name in whole:
                tensor.copy_(whole[name])
            same_everywhere(tensor, self.processes)
        self.epoch = int(same_everywhere(torch.tensor(epoch, device=self.device), self.processes))

    def _slice(self, name: str) -> Slice:
        return self.slices[name.startswith("relation")]

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint holds, by name: the tables and their optimizers' state.

        Each has a row per entity, where its name starts with "entit", or per relation.
        """
        tables = {"entity": self.entities, "relation": self.relations}
        state = {"entities": self.entities.table_ND, "relations": self.relations.table_ND}
        for name, table in tables.items():
            state |= {f"{name}_{key}": value for key, value in table.state().items()}
        return state


class _Gathered:
    """The rows of one table that a batch reads and moves.

    Dropout sets the same floats to zero for the scores and for their gradients; a penalty is on
    what the table holds.
    """

    def __init__(self, table: RowOptimizer, row_M: Tensor, mask_MD: Tensor | None) -> None:
        self.table, self.row_M, self.mask_MD = table, row_M, mask_MD
        self.vectors_MD = self.shown_MD = table.gather(row_M)
        if mask_MD is not None:
            self.shown_MD = self.vectors_MD * mask_MD
        self.grad_MD = self.vectors_MD
        """What is passed back to the rows, once that is known."""
        self.penalty_MD: Tensor | None = None

    def move(self, lr: float) -> None:
        """Against the gradient of scores and penalty."""
        if self.mask_MD is not None:
            self.grad_MD *= self.mask_MD
        if self.penalty_MD is not None:
            self.grad_MD[: len(self.penalty_MD)] += self.penalty_MD
        self.table.step(self.row_M, self.grad_MD, lr)


def _mask(part: Slice, rows: int, share: float, generator: torch.Generator) -> Tensor | None:
    """What dropout multiplies the rows held here with; None where nothing is dropped."""
    if not share:
        return None
    return part.take(dropout_mask(rows, part.width, share, generator, dtype=torch.float32))


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
