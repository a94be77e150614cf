"""Batches of positives and the negatives they share, from (seed, epoch) alone.

Imports numpy, torch and benchmarks.config. Nothing is carried over from one epoch to the next, so a
run resumes at any epoch exactly, and every process of many draws the same batches.

Shapes: N triplets, U distinct pairs, E entities, G chunks of a batch, B positives of a chunk,
K negatives that a chunk shares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.config import TrainConfig

Side = Literal["both", "tails", "heads"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One update's worth of positives, each chunk with its negatives."""

    positives_GB3: Tensor
    """Head, relation, tail as int64."""
    negatives_GK: Tensor
    """Entities that every positive of the chunk is compared with."""
    weight_GB: Tensor | None = None
    """What each positive counts, 1 on average over training; None where all count alike."""
    log_share_GK: Tensor | None = None
    """Log of how many entities each negative stands for; None where they are uniform."""
    known_tails_GBK: Tensor | None = None
    """Where a negative is the tail of a training triplet; None where negatives are not filtered."""
    known_heads_GBK: Tensor | None = None
    """The same for heads."""
    in_batch: int = 0
    """How many of the negatives, from the first on, are the chunk's own heads, then its tails."""
    side: Side = "both"
    """Whether the negatives serve as wrong tails, wrong heads, or both."""

    def clash(self, truth_GB: Tensor, known_GBK: Tensor | None = None) -> Tensor:
        """(G, B, K): where a negative is the truth, or the positive's own end taken from the batch.

        A positive's own head would otherwise be a negative of every one of its tail queries.
        `known_GBK` adds other truths.
        """
        clash_GBK = truth_GB[..., None] == self.negatives_GK[:, None, :]
        if known_GBK is not None:
            clash_GBK = clash_GBK | known_GBK
        if self.in_batch:
            own_BB = torch.eye(truth_GB.shape[1], dtype=torch.bool, device=truth_GB.device)
            clash_GBK[..., : self.in_batch] |= own_BB.repeat(1, 2)
        return clash_GBK


class Sampler:
    """Batches of one training set, epoch by epoch.

    An epoch is every triplet once in random order, or, by degree, N draws with replacement.
    """

    def __init__(
        self,
        triplets_N3: Tensor,
        num_entities: int,
        train: TrainConfig,
        *,
        seed: int,
        all_entities: bool = False,
        weight_N: Tensor | None = None,
    ) -> None:
        """`all_entities` (1-vs-all) makes every entity a negative, and every batch one chunk.

        `weight_N` are the triplets' weights, any positive scale.
        """
        self.triplets_N3, self.num_entities, self.train = triplets_N3, num_entities, train
        self.seed, self.all_entities = seed, all_entities
        spans = _spans(len(triplets_N3), train.batch, train.batch if all_entities else train.chunk)
        self.spans = list(spans)
        """Where each batch of an epoch starts and stops, and its number of chunks."""
        self.weight_N = None if weight_N is None else weight_N / weight_N.mean()
        self.chances_N: Tensor | None = None
        self.share_E: Tensor | None = None
        """How often each entity is an end of a drawn positive, as a share of all ends."""
        self.known: Known | None = None
        """What negatives are filtered by."""
        self.derive()

    def derive(self) -> None:
        """Work out what follows from the triplets: again where they were filled in since."""
        if self.train.positives == "degree":
            self.chances_N = inverse_root_degrees(self.triplets_N3)
        if self.train.in_batch:
            self.share_E = self._shares()
        if self.train.filter_negatives:
            self.known = Known(self.triplets_N3, self.num_entities)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch `number` (from 0).

        The last ones may be smaller; a remainder that fills no chunk forms a chunk of its own.
        """
        device = self.triplets_N3.device
        generator = seeded(device, self.seed, number)
        order_N = self._draw(generator)
        # Reading rows in random order once is several times cheaper than batch by batch.
        shuffled_N3 = self.triplets_N3.index_select(0, order_N)
        weight_N = None if self.weight_N is None else self.weight_N[order_N]
        del order_N
        for step, (start, stop, chunks) in enumerate(self.spans):
            positives_GB3 = shuffled_N3[start:stop].long().view(chunks, -1, 3)
            negatives_GK, log_share_GK = self._negatives(positives_GB3, generator)
            side = self._side(number * len(self.spans) + step)
            known = self.known.masks(positives_GB3, negatives_GK, side) if self.known else {}
            yield Batch(
                positives_GB3=positives_GB3,
                negatives_GK=negatives_GK,
                weight_GB=None if weight_N is None else weight_N[start:stop].view(chunks, -1),
                log_share_GK=log_share_GK,
                in_batch=0 if self.share_E is None else 2 * positives_GB3.shape[1],
                side=side,
                **known,
            )

    def _draw(self, generator: torch.Generator) -> Tensor:
        total = len(self.triplets_N3)
        order_N = torch.randperm(total, generator=generator, device=generator.device)
        if self.chances_N is None:
            return order_N
        # Sums of exponentials are sorted uniform draws, and sorted keys are found ten times faster.
        drawn_N = torch.empty(total + 1, dtype=torch.float64, device=generator.device)
        drawn_N = drawn_N.exponential_(generator=generator).cumsum_(0)
        edges_N = self.chances_N.double().cumsum(0)
        place_N = torch.searchsorted(edges_N, drawn_N[:-1].mul_(edges_N[-1] / drawn_N[-1]))
        return place_N.clamp_(max=total - 1)[order_N]

    def _negatives(
        self, positives_GB3: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        chunks, size = positives_GB3.shape[:2]
        device = positives_GB3.device
        if self.all_entities:
            return torch.arange(self.num_entities, device=device).expand(chunks, -1), None
        shape = (chunks, self.train.negatives)
        negatives_GK = torch.randint(self.num_entities, shape, generator=generator, device=device)
        if self.known:
            # What is looked up in order is found in a third less time.
            negatives_GK = negatives_GK.sort(dim=-1).values
        if self.share_E is None:
            return negatives_GK, None
        ends_GK = torch.cat([positives_GB3[..., 0], positives_GB3[..., 2]], dim=1)
        negatives_GK = torch.cat([ends_GK, negatives_GK], dim=1)
        # How often an entity is expected among the negatives of a positive that it is no end of.
        uniform = self.train.negatives / self.num_entities
        expected_GK = 2 * (size - 1) * self.share_E.take(negatives_GK) + uniform
        return negatives_GK, -expected_GK.log()

    def _shares(self) -> Tensor:
        ends_M = self.triplets_N3[:, [0, 2]].reshape(-1)
        chances_N = self.chances_N
        weights_M = None if chances_N is None else chances_N.repeat_interleave(2)
        counts_E = torch.bincount(ends_M, weights=weights_M, minlength=self.num_entities)
        return (counts_E / counts_E.sum()).float()

    def _side(self, update: int) -> Side:
        if self.train.sides == "both":
            return "both"
        return "tails" if update % 2 == 0 else "heads"


class Known:
    """The training triplets, as sorted integers that negatives are looked up in."""

    def __init__(self, triplets_N3: Tensor, num_entities: int) -> None:
        self.num_entities = num_entities
        head_N, relation_N, tail_N = triplets_N3.long().unbind(1)
        self.num_relations = 1 + int(relation_N.max())
        self.by_head_N = self._key(head_N, relation_N, tail_N).sort().values
        self.by_tail_N = self._key(tail_N, relation_N, head_N).sort().values

    def masks(self, positives_GB3: Tensor, negatives_GK: Tensor, side: Side) -> dict[str, Tensor]:
        """Where a negative completes a query to a training triplet, by the fields of a Batch."""
        head_GB1, relation_GB1, tail_GB1 = positives_GB3[..., None].unbind(2)
        answer_G1K = negatives_GK[:, None, :]
        masks = {}
        if side != "heads":
            key_GBK = self._key(head_GB1, relation_GB1, answer_G1K)
            masks["known_tails_GBK"] = _among(key_GBK, self.by_head_N)
        if side != "tails":
            key_GBK = self._key(tail_GB1, relation_GB1, answer_G1K)
            masks["known_heads_GBK"] = _among(key_GBK, self.by_tail_N)
        return masks

    def _key(self, asked: Tensor, relation: Tensor, answer: Tensor) -> Tensor:
        return (asked * self.num_relations + relation) * self.num_entities + answer


def _among(wanted: Tensor, ordered_N: Tensor) -> Tensor:
    place = torch.searchsorted(ordered_N, wanted).clamp_(max=len(ordered_N) - 1)
    return ordered_N[place] == wanted


def inverse_root_degrees(triplets_N3: Tensor) -> Tensor:
    """(N,) 1 / sqrt(deg(h, r) * deg(t, r)), float32: GraphVite's chance of drawing a positive.

    deg(h, r) counts the triplets with head h and relation r, deg(t, r) those with tail t.
    """
    head_N, relation_N, tail_N = triplets_N3.unbind(1)
    chances_N = torch.ones(len(triplets_N3), device=triplets_N3.device)
    for end_N in (head_N, tail_N):
        pair_N = end_N.long() << 32 | relation_N
        _, slot_N, count_U = torch.unique(pair_N, return_inverse=True, return_counts=True)
        chances_N /= count_U.sqrt()[slot_N]
    return chances_N


def seeded(device: torch.device, *seeds: int) -> torch.Generator:
    """A generator on the device whose draws follow from all the seeds."""
    state = np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state >> 1))


def _spans(total: int, batch: int, chunk: int) -> Iterator[tuple[int, int, int]]:
    start = 0
    while start < total:
        left = total - start
        size = min(batch, left if left < chunk else left - left % chunk)
        yield start, start + size, max(1, size // chunk)
        start += size
