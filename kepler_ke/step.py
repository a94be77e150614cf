"""One update of the weights: passes over triplets and masked texts, gradients added up (Eq. 6, 7).

Imports numpy, torch, transformers, benchmarks.scorers, wikidata5m and kepler_ke's config, data,
encode, encoder, graph, objectives, order, tokens and world.

Shapes: B triplets of a pass, M distinct texts, L earlier encodings, D vector width, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from benchmarks.scorers import Scorer
from kepler_ke.config import KeplerConfig
from kepler_ke.data import (
    contrastive_batch,
    false_negatives,
    generator,
    knowledge_batch,
    mask_tokens,
)
from kepler_ke.encode import encode_keys
from kepler_ke.encoder import Kepler
from kepler_ke.graph import TrainGraph
from kepler_ke.objectives import (
    contrastive_loss,
    contrastive_scores,
    knowledge_loss,
    knowledge_scores,
    masked_loss,
)
from kepler_ke.order import Batches
from kepler_ke.tokens import Indices, MaskedTexts, Texts
from kepler_ke.world import World
from wikidata5m.errors import Wikidata5MError

Place = tuple[int, int, int]
"""Update, graph, pass: what a random draw is a function of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """What the knowledge loss reads of one graph."""

    texts: Texts
    order: Batches
    entities: Indices
    """The training entities, ascending: negatives come from here."""
    train: TrainGraph | None
    """What `contrastive` looks false negatives up in."""
    scorer: Scorer
    first_relation: int
    """Where this graph's rows of the relation table begin."""
    num_relations: int


class Memory:
    """The last encodings of entities, as further negatives (`contrastive`)."""

    def __init__(self, size: int, dim: int, device: torch.device) -> None:
        self.size = size
        self.vectors_LD = torch.zeros(0, dim, device=device)
        self.entities_L: Indices = np.zeros(0, dtype=np.int64)

    def add(self, vectors_CD: Tensor, entities_C: Indices) -> None:
        """Remember these, forget the oldest."""
        if self.size:
            self.vectors_LD = torch.cat([self.vectors_LD, vectors_CD.detach()])[-self.size :]
            self.entities_L = np.concatenate([self.entities_L, entities_C])[-self.size :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a run holds in memory."""

    model: Kepler
    tokenizer: PreTrainedTokenizerBase
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    """Keeps small gradients of fp16 above zero; does nothing for other precisions."""
    graphs: tuple[Graph, ...]
    masked: MaskedTexts | None
    """What the masked-language-model loss reads."""
    memory: Memory
    config: KeplerConfig
    seed: int
    world: World

    @property
    def steps(self) -> int:
        """Updates of an epoch: the first graph's."""
        return self.graphs[0].order.steps


@dataclass(slots=True)
class Seen:
    """Sums over an update or several."""

    knowledge: float = 0.0
    masked: float = 0.0
    triplets: int = 0
    texts: int = 0
    """Texts encoded: the encoder's passes."""
    tokens: int = 0

    def add(self, other: Seen) -> None:
        """One more update."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def update(job: Job, step: int, rate: float) -> Seen:
    """Update number `step` (from 0) at this learning rate; returns its losses and amounts."""
    for group in job.optimizer.param_groups:
        group["lr"] = rate * group["multiple"]
    rng = generator(job.seed, "dropout", step, job.world.rank)
    torch.manual_seed(int(rng.integers(2**62)))
    job.optimizer.zero_grad()
    seen = accumulate(job, step)
    seen.masked = job.world.total(seen.masked)
    encoder = [x for x in job.model.parameters() if x.requires_grad]
    job.world.sum_gradients(encoder, job.model.replicated())
    job.scaler.step(job.optimizer)
    job.scaler.update()
    return seen


def accumulate(job: Job, step: int, most: int | None = None) -> Seen:
    """Add up the gradients of an update, or of its first `most` passes."""
    seen = Seen()
    for place, graph, triplets_B3, share in islice(_passes(job, step), most):
        if job.config.objective != "none":
            loss = share * _knowledge(job, graph, triplets_B3, place, seen)
            seen.knowledge += _backward(job, loss, "knowledge", step)
        if job.masked is not None and place[1] == 0:
            loss = share * job.config.mlm_weight * _masked(job, job.masked, place, seen)
            seen.masked += _backward(job, loss, "language", step)
        seen.triplets += len(triplets_B3)
    return seen


def _passes(job: Job, step: int) -> Iterator[tuple[Place, Graph, Indices, float]]:
    """The update's triplets, graph by graph and pass by pass, with their share of the loss."""
    for which, graph in enumerate(job.graphs):
        triplets_N3 = graph.order.batch(step)
        for number, first in enumerate(range(0, len(triplets_N3), job.config.batch)):
            triplets_B3 = triplets_N3[first : first + job.config.batch]
            share = len(triplets_B3) / len(triplets_N3)
            yield (step, which, number), graph, triplets_B3, share


def _backward(job: Job, loss: Tensor, kind: str, step: int) -> float:
    value = float(loss.detach())
    if not np.isfinite(value):
        raise Wikidata5MError(
            f"the {kind} loss is not finite at update {step + 1} ({value:.3g}); the learning rate, "
            f"{job.config.lr:g}, is the likely cause: lower it with --set lr=... and train again "
            "with --overwrite"
        )
    scaled: Tensor = job.scaler.scale(loss)
    if scaled.requires_grad:
        torch.autograd.backward(scaled)
    return value


def _knowledge(job: Job, graph: Graph, triplets_B3: Indices, place: Place, seen: Seen) -> Tensor:
    """The knowledge loss of a pass, each distinct text encoded once."""
    if job.config.objective == "contrastive":
        return _contrastive(job, graph, triplets_B3, seen)
    rng = generator(job.seed, "negatives", *place)
    batch = knowledge_batch(triplets_B3, graph.entities, graph.texts, job.config, rng)
    vectors_MD = _encode(job, graph, batch.keys, seen)
    relations_RD = _relations(job, graph, vectors_MD)
    return knowledge_loss(*knowledge_scores(graph.scorer, vectors_MD, relations_RD, batch))


def _contrastive(job: Job, graph: Graph, triplets_B3: Indices, seen: Seen) -> Tensor:
    assert graph.train is not None
    batch = contrastive_batch(triplets_B3, graph.num_relations, graph.texts, job.config)
    vectors_MD = _encode(job, graph, batch.keys, seen)
    relations_RD = _relations(job, graph, vectors_MD)
    score_QC = contrastive_scores(
        graph.scorer, vectors_MD, relations_RD, batch, job.memory.vectors_LD
    )
    hidden_QC = false_negatives(graph.train, batch, job.memory.entities_L).to(score_QC.device)
    job.memory.add(vectors_MD[batch.candidate], batch.answers)
    target_Q = batch.target.to(score_QC.device)
    return contrastive_loss(score_QC, target_Q, hidden_QC, job.model.log_scale.exp())


def _encode(job: Job, graph: Graph, keys_M: Indices, seen: Seen) -> Tensor:
    seen.texts += len(keys_M)
    seen.tokens += int(graph.texts.lengths(keys_M).sum())
    return encode_keys(job.model, graph.texts, keys_M, job.world)


def _relations(job: Job, graph: Graph, vectors_MD: Tensor) -> Tensor:
    """What the batch's relations index: the graph's rows of the table, or the texts' vectors."""
    if job.config.relations == "text":
        return vectors_MD
    return job.model.relations_RD[graph.first_relation :]


def _masked(job: Job, source: MaskedTexts, place: Place, seen: Seen) -> Tensor:
    """The masked-language-model loss on random texts, of which each process reads a share.

    All processes draw the same texts and masks, so that their shares add up to one process's loss.
    """
    rng = generator(job.seed, "mlm", *place)
    ids_BT, mask_BT = source.batch(rng.integers(len(source), size=job.config.mlm_batch))
    corrupted_BT, chosen_BT = mask_tokens(ids_BT, job.tokenizer, job.config.mlm_share, rng)
    own = torch.tensor(job.world.share(len(ids_BT)), dtype=torch.int64)
    seen.tokens += int(mask_BT.sum())
    there = job.model.device
    if not len(own):
        return torch.zeros((), device=there)
    corrupted_BT, mask_BT, here_BT = (x[own].to(there) for x in (corrupted_BT, mask_BT, chosen_BT))
    logits_MV = job.model.logits(corrupted_BT, mask_BT, here_BT)
    truth_M = ids_BT[own][chosen_BT[own]].to(there)
    return masked_loss(logits_MV, truth_M, int(chosen_BT.sum()))
