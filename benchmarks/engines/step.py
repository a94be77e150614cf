"""The gradients of one batch, by hand: queries -> partial scores -> loss -> back.

Imports torch and benchmarks.{losses,sampling,scorers}.

A batch asks in one direction or both; each has a query, an answer and the candidates that the chunk
shares. `partials` and `gradients` are pure functions of vectors, which torch.compile turns into a
few fused loops; between the two, processes that hold slices of the dimensions add up their partial
scores.

Shapes: G chunks of a batch, B positives of a chunk, K negatives that a chunk shares, D floats per
entity, R per relation, M rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal, NamedTuple

import torch
from torch import Tensor

from benchmarks.losses import LossFunction
from benchmarks.sampling import Batch, Side
from benchmarks.scorers import Scorer

Asked = Literal["tails", "heads"]

ASKED: Final[dict[Side, tuple[Asked, ...]]] = {
    "both": ("tails", "heads"),
    "tails": ("tails",),
    "heads": ("heads",),
}


class Vectors(NamedTuple):
    """What a batch's rows hold, by the part they play."""

    head_GBD: Tensor
    tail_GBD: Tensor
    candidates_GKD: Tensor
    relation_GBR: Tensor
    """What answers tail queries; without reciprocal relations, head queries too."""
    inverse_GBR: Tensor | None
    """What answers head queries, where relations are reciprocal."""


class Partials(NamedTuple):
    """Partial scores of one direction."""

    true_GB: Tensor
    negative_GBK: Tensor


def inverted(batch: Batch, num_relations: int) -> Batch:
    """Head queries (?, r, t) as the tail queries (t, r + R, ?) that answer them reciprocally."""
    head_GB, relation_GB, tail_GB = batch.positives_GB3.unbind(-1)
    positives_GB3 = torch.stack([tail_GB, relation_GB + num_relations, head_GB], dim=-1)
    known_GBK = batch.known_heads_GBK
    return replace(batch, positives_GB3=positives_GB3, known_tails_GBK=known_GBK, side="tails")


def rows_of(batch: Batch, inverse: int) -> tuple[Tensor, Tensor]:
    """The rows of entities and of relations that the batch needs, (M,) each, with repeats.

    Entities are heads, then tails, then negatives. Where `inverse` is not 0, the relations are
    followed by their inverses, that many rows on.
    """
    head_GB, relation_GB, tail_GB = batch.positives_GB3.unbind(-1)
    relation_M = relation_GB.reshape(-1)
    return (
        torch.cat([x.reshape(-1) for x in (head_GB, tail_GB, batch.negatives_GK)]),
        torch.cat([relation_M, relation_M + inverse]) if inverse else relation_M,
    )


def vectors_of(batch: Batch, entity_MD: Tensor, relation_MR: Tensor) -> Vectors:
    """What `rows_of` gathered, by parts; views."""
    (chunks, size), (_, negatives) = batch.positives_GB3.shape[:2], batch.negatives_GK.shape
    count = chunks * size
    inverse_MR = relation_MR[count:]
    return Vectors(
        entity_MD[:count].view(chunks, size, -1),
        entity_MD[count : 2 * count].view(chunks, size, -1),
        entity_MD[2 * count :].view(chunks, negatives, -1),
        relation_MR[:count].view(chunks, size, -1),
        inverse_MR.view(chunks, size, -1) if len(inverse_MR) else None,
    )


def narrow(batch: Batch) -> Batch:
    """The same batch with ids of 32 bits, of which twice as many fit a vector register."""
    positives_GB3, negatives_GK = batch.positives_GB3.int(), batch.negatives_GK.int()
    return replace(batch, positives_GB3=positives_GB3, negatives_GK=negatives_GK)


def partials(scorer: Scorer, batch: Batch, vectors: Vectors) -> list[Partials]:
    """The partial scores of truths and candidates, for each direction asked."""
    found = []
    for asked in ASKED[batch.side]:
        query_GBD, answer_GBD = _query(scorer, asked, vectors)
        found.append(
            Partials(
                scorer.similarity.pairs(query_GBD, answer_GBD),
                scorer.similarity.partial(query_GBD, vectors.candidates_GKD),
            )
        )
    return found


def gradients(
    scorer: Scorer, loss: LossFunction, batch: Batch, vectors: Vectors, partials: list[Partials]
) -> tuple[Tensor, Tensor, Tensor]:
    """The mean loss over the directions, and its gradients by the rows that `rows_of` gives."""
    similarity, share = scorer.similarity, 1 / len(partials)
    total, grads = vectors.head_GBD.new_zeros(()), _Grads(vectors)
    for asked, partial in zip(ASKED[batch.side], partials, strict=True):
        # Compared here, where the loss's own loop can do it: stored, the mask would be read often.
        place, known_GBK = (
            (2, batch.known_tails_GBK) if asked == "tails" else (0, batch.known_heads_GBK)
        )
        clash_GBK = batch.clash(batch.positives_GB3[..., place], known_GBK)
        true_GB, negative_GBK = (similarity.finish(x) for x in partial)
        value, *slopes = loss(true_GB, negative_GBK, clash_GBK, batch.weight_GB, batch.log_share_GK)
        total = total + share * value
        to_true_GB, to_negative_GBK = (
            similarity.finish_grad(x, share * slope)
            for x, slope in zip(partial, slopes, strict=True)
        )
        query_GBD, answer_GBD = _query(scorer, asked, vectors)
        to_query_GBD, to_answer_GBD = similarity.pairs_grads(query_GBD, answer_GBD, to_true_GB)
        more_GBD, to_candidates_GKD = similarity.grads(
            query_GBD, vectors.candidates_GKD, to_negative_GBK
        )
        grads.add(candidates_GKD=to_candidates_GKD)
        _query_back(scorer, asked, grads, to_query_GBD + more_GBD, to_answer_GBD)
    return total, *grads.rows()


class _Grads:
    """Gradients by the parts of a batch, summed."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors
        self.sums: dict[str, Tensor] = {}

    def add(self, **grads: Tensor) -> None:
        for name, grad in grads.items():
            self.sums[name] = self.sums[name] + grad if name in self.sums else grad

    def rows(self) -> tuple[Tensor, Tensor]:
        parts = {name: grad.flatten(0, -2) for name, grad in self.sums.items()}
        entities = [parts[name] for name in ("head_GBD", "tail_GBD", "candidates_GKD")]
        relations = [parts[name] for name in ("relation_GBR", "inverse_GBR") if name in parts]
        return torch.cat(entities), torch.cat(relations)


def _query(scorer: Scorer, asked: Asked, vectors: Vectors) -> tuple[Tensor, Tensor]:
    """The query, and the vector that answers it."""
    if asked == "tails":
        return scorer.query_tails(vectors.head_GBD, vectors.relation_GBR), vectors.tail_GBD
    if vectors.inverse_GBR is not None:
        return scorer.query_tails(vectors.tail_GBD, vectors.inverse_GBR), vectors.head_GBD
    return scorer.query_heads(vectors.relation_GBR, vectors.tail_GBD), vectors.head_GBD


def _query_back(
    scorer: Scorer, asked: Asked, grads: _Grads, to_query: Tensor, to_answer: Tensor
) -> None:
    """Pass the gradients of a query and its answer on to what `_query` made them of."""
    head_GBD, tail_GBD, _, relation_GBR, inverse_GBR = grads.vectors
    if asked == "tails":
        to_head, to_relation = scorer.query_tails_grad(head_GBD, relation_GBR, to_query)
        grads.add(head_GBD=to_head, relation_GBR=to_relation, tail_GBD=to_answer)
    elif inverse_GBR is not None:
        to_tail, to_inverse = scorer.query_tails_grad(tail_GBD, inverse_GBR, to_query)
        grads.add(tail_GBD=to_tail, inverse_GBR=to_inverse, head_GBD=to_answer)
    else:
        to_relation, to_tail = scorer.query_heads_grad(relation_GBR, tail_GBD, to_query)
        grads.add(tail_GBD=to_tail, relation_GBR=to_relation, head_GBD=to_answer)
