"""The losses: KEPLER's (paper §2.2-2.4) and the contrastive one, which is ours.

Imports torch, benchmarks.scorers and kepler_ke.data.

Shapes: B triplets, K negatives per side, N = 2 K, M texts, D width, Q queries, C candidates,
L earlier encodings, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.scorers import Scorer
from kepler_ke.data import ContrastiveBatch, KnowledgeBatch


def knowledge_loss(score_B: Tensor, negative_BN: Tensor) -> Tensor:
    """Eq. 2, mean over triplets: -log s(score) - 1/n sum_i log s(-negative_i), s the sigmoid.

    A score is gamma - d(h, t), which makes s(d - gamma) the second sigmoid. `negative_BN` holds the
    n negatives of both sides.
    """
    positive_B = functional.logsigmoid(score_B)
    negative_B = functional.logsigmoid(-negative_BN).mean(dim=1)
    return -(positive_B + negative_B).mean()


def knowledge_scores(
    scorer: Scorer, vectors_MD: Tensor, relations_RD: Tensor, batch: KnowledgeBatch
) -> tuple[Tensor, Tensor]:
    """Scores of the triplets (B,), and of their corruptions on either side (B, 2 K).

    `relations_RD` is the table of Eq. 1, or the texts' vectors again where relations are texts.
    """
    head_BD, tail_BD = _rows(vectors_MD, batch.head), _rows(vectors_MD, batch.tail)
    relation_BD = _rows(relations_RD, batch.relation)
    head_B1D, relation_B1D, tail_B1D = (x.unsqueeze(1) for x in (head_BD, relation_BD, tail_BD))
    negative_BN = torch.cat(
        [
            scorer.score_triplets(_rows(vectors_MD, batch.other_head), relation_B1D, tail_B1D),
            scorer.score_triplets(head_B1D, relation_B1D, _rows(vectors_MD, batch.other_tail)),
        ],
        dim=1,
    )
    return scorer.score_triplets(head_BD, relation_BD, tail_BD), negative_BN


def _rows(table_MD: Tensor, places: Tensor) -> Tensor:
    """`table_MD[places]`, whose gradients add up in one order however many threads do it."""
    return functional.embedding(places.to(table_MD.device), table_MD)


def contrastive_scores(
    scorer: Scorer,
    vectors_MD: Tensor,
    relations_RD: Tensor,
    batch: ContrastiveBatch,
    earlier_LD: Tensor,
) -> Tensor:
    """The score of every candidate, then of every earlier encoding, for every query, (Q, C + L)."""
    candidates_CD = torch.cat([_rows(vectors_MD, batch.candidate), earlier_LD])
    query_QD, relation_QD = _rows(vectors_MD, batch.query), _rows(relations_RD, batch.relation)
    return scorer.score_tails(query_QD, relation_QD, candidates_CD)


def contrastive_loss(
    score_QC: Tensor, target_Q: Tensor, hidden_QC: Tensor, scale: Tensor
) -> Tensor:
    """InfoNCE: cross-entropy of the truth among all candidates that are not hidden, mean over Q.

    `hidden_QC` are candidates known to be true as well; `scale` is 1 / temperature.
    """
    logits_QC = (scale * score_QC).masked_fill(hidden_QC, -torch.inf)
    return functional.cross_entropy(logits_QC, target_Q)


def masked_loss(logits_MV: Tensor, truth_M: Tensor, chosen: int | None = None) -> Tensor:
    """Cross-entropy over the predicted positions; 0 where none was chosen.

    The mean over `chosen` positions where these are only a share of them.
    """
    if len(truth_M) == 0:
        return logits_MV.sum() * 0
    total: Tensor = functional.cross_entropy(logits_MV, truth_M, reduction="sum")
    return total / (chosen or len(truth_M))
