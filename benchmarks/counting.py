"""Counting the candidates that score above and equal to each truth, a block of them at a time.

Imports numpy, torch, benchmarks.{compiling,kernels,predictors,queries} and wikidata5m.errors.

A block of scores is made, compared and dropped while it is in the cache. Known answers are counted
like all others and subtracted after, so no mask is formed. One way of scoring serves truths, known
answers and all candidates, since a tie is an equality of bits (decision 0004).

Shapes: B queries, N truths of them, C candidates, K candidates of a block, M pairs of a query and
a column, D floats of a vector, G tiles of a block with W candidates each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

from benchmarks.compiling import compiled
from benchmarks.kernels import Distance, Dot
from benchmarks.predictors import (
    BlockScorer,
    Indices,
    Predictor,
    VectorPredictor,
    block_scorer,
)
from benchmarks.queries import Queries
from wikidata5m.errors import Wikidata5MError

BLOCK: Final = 1024
"""Candidates of a block: with 2,048 queries its scores are 8 MiB, within a last-level cache."""

TILE: Final = 16
"""Candidates whose floats lie side by side, dimension by dimension: the lanes of a vector unit."""

COLUMNS: Final = 64
"""Blocks are filled up to a multiple of this: at ragged edges a matrix product may add in another
order, and equal vectors would score unequal."""

TRUTHS: Final = 1 << 15
"""Truths compared at once: with a block of candidates, 128 MiB of scores."""

WORTH_COMPILING: Final = 1 << 34
"""Queries x candidates x floats from which a compiler's seconds are repaid."""


WORTH_COMPILING_COMPARE: Final = 1 << 28
"""Truths x candidates from which that is so of comparing them."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted for each of N truths, filtered; (N,) each."""

    above: Indices
    equal: Indices
    """The truth itself included."""
    left: Indices
    """Candidates that no known answer took away, the truth included."""


def count(
    predictor: Predictor, queries: Queries, candidates_C: Indices, block: int = BLOCK
) -> Counts:
    """Count for one batch of queries, `block` candidates at a time, a multiple of COLUMNS.

    Raises Wikidata5MError when a score is not finite.
    """
    score = block_scores(predictor, queries, len(candidates_C))
    block = min(block, -(-len(candidates_C) // COLUMNS) * COLUMNS)
    truth_N = _truth_scores(score, queries, candidates_C, block)
    row_N = _on(truth_N, queries.truth_row_N)
    taken = Taken(queries, truth_N, block)
    above_N, equal_N = torch.zeros_like(row_N), torch.zeros_like(row_N)
    finite_B = torch.zeros(len(queries), dtype=torch.int64, device=truth_N.device)
    large = len(row_N) * len(candidates_C) >= WORTH_COMPILING_COMPARE
    compare = compiled(_compare, truth_N.device) if large else _compare
    for start in range(0, len(candidates_C), block):
        entity_K = candidates_C[start : start + block]
        scores_BK = score(_filled(entity_K, block))[:, : len(entity_K)]
        above, equal, finite = _in_slices(compare, scores_BK, row_N, truth_N)
        above_N += above.long()
        equal_N += equal.long()
        finite_B += finite.long()
        taken.read(scores_BK, start)
    if not bool((finite_B == len(candidates_C)).all()):
        raise _not_finite(score, queries, candidates_C, block)
    return taken.subtract_from(above_N.cpu().numpy(), equal_N.cpu().numpy(), len(candidates_C))


def block_scores(predictor: Predictor, queries: Queries, num_candidates: int) -> BlockScorer:
    """The fastest exact way to score blocks of candidates for these queries."""
    given_B, relation_B, direction = queries.given_U, queries.relation_U, queries.direction
    if not isinstance(predictor, VectorPredictor):
        return block_scorer(predictor, direction, given_B, relation_B)
    similarity, vectors = predictor.similarity, predictor.vectors
    query_BD = predictor.queries(direction, given_B, relation_B)
    if isinstance(similarity, Dot):
        return lambda entity_K: query_BD @ vectors(entity_K).contiguous().mT
    if isinstance(similarity, Distance) and query_BD.numel() * num_candidates >= WORTH_COMPILING:
        kernel = tile_kernel(similarity, query_BD.device)
        return lambda entity_K: kernel(query_BD, tiles(vectors(entity_K)))
    return lambda entity_K: similarity.finish(similarity.exact(query_BD, vectors(entity_K)))


TileKernel = Callable[[Tensor, Tensor], Tensor]


@cache
def tile_kernel(similarity: Distance, device: torch.device) -> TileKernel:
    """Scores of queries (B, D) and tiles of candidates (G, D, W), (B, G * W), in one fused loop.

    Each is a sum over the dimensions in their order, whatever the shapes.
    """

    def score(query_BD: Tensor, tiles_GDW: Tensor) -> Tensor:
        difference_BGWD = query_BD[:, None, None] - tiles_GDW.mT
        return similarity.finish(similarity.terms(difference_BGWD).sum(dim=-1)).flatten(1)

    kernel: TileKernel = compiled(score, device)
    return kernel


def tiles(vectors_KD: Tensor) -> Tensor:
    """(G, D, W): what a tile kernel reads in its order; K is a multiple of TILE."""
    return vectors_KD.view(-1, TILE, vectors_KD.shape[1]).mT.contiguous()


def _compare(scores_BK: Tensor, row_N: Tensor, truth_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scores above and equal to each truth, (N,), and finite ones of each query, (B,)."""
    # As floats, which count up to 2^24: sums of integers are half as fast.
    mine_NK, kind = scores_BK[row_N], torch.float32
    return (
        (mine_NK > truth_N[:, None]).sum(dim=1, dtype=kind),
        (mine_NK == truth_N[:, None]).sum(dim=1, dtype=kind),
        (scores_BK.abs() < torch.inf).sum(dim=1, dtype=kind),
    )


def _in_slices(
    compare: Callable[..., tuple[Tensor, ...]], scores_BK: Tensor, row_N: Tensor, truth_N: Tensor
) -> tuple[Tensor, ...]:
    """`compare` in bounded memory: one query to a hub may have hundreds of thousands of truths."""
    if len(row_N) <= TRUTHS:
        return compare(scores_BK, row_N, truth_N)
    slices = [slice(start, start + TRUTHS) for start in range(0, len(row_N), TRUTHS)]
    found = [compare(scores_BK, row_N[truths], truth_N[truths]) for truths in slices]
    above, equal, finite = zip(*found, strict=True)
    return torch.cat(above), torch.cat(equal), finite[0]


def _truth_scores(
    score: BlockScorer, queries: Queries, candidates_C: Indices, block: int
) -> Tensor:
    """(N,): each truth's score, in blocks of truths scored as blocks of candidates are."""
    found = []
    for start in range(0, len(queries.truth_row_N), block):
        row_K = queries.truth_row_N[start : start + block]
        entity_K = candidates_C[queries.truth_column_N[start : start + block]]
        scores_BK = score(_filled(entity_K, block))
        found.append(scores_BK[_on(scores_BK, row_K), torch.arange(len(row_K))])
    return torch.cat(found)


class Taken:
    """The scores of known answers and of truths, which are taken from the counts in the end."""

    def __init__(self, queries: Queries, truth_N: Tensor, block: int) -> None:
        self.queries, self.truth_N, self.block = queries, truth_N, block
        self.row_M = np.concatenate([queries.known_row_M, queries.truth_row_N])
        self.column_M = np.concatenate([queries.known_column_M, queries.truth_column_N])
        self.score_M = np.empty(len(self.column_M), truth_N[:0].cpu().numpy().dtype)
        self.order_M = np.argsort(self.column_M, kind="stable")
        self.ordered_M = self.column_M[self.order_M]

    def read(self, scores_BK: Tensor, start: int) -> None:
        """Keep what this block of scores, whose first column is `start`, holds of them."""
        low, high = np.searchsorted(self.ordered_M, (start, start + self.block))
        pair_M = self.order_M[low:high]
        row_M = _on(scores_BK, self.row_M[pair_M])
        column_M = _on(scores_BK, self.ordered_M[low:high] - start)
        self.score_M[pair_M] = scores_BK[row_M, column_M].cpu().numpy()

    def subtract_from(self, above_N: Indices, equal_N: Indices, num_candidates: int) -> Counts:
        """The counts without known answers; each truth counts once, as equal to itself."""
        queries = self.queries
        known_M, own_N = np.split(self.score_M, [len(queries.known_row_M)])
        truth_N = self.truth_N.cpu().numpy()
        is_known_N = np.isin(
            queries.truth_row_N * num_candidates + queries.truth_column_N,
            queries.known_row_M * num_candidates + queries.known_column_M,
        )
        above_N = above_N - (~is_known_N & (own_N > truth_N))
        equal_N = equal_N - (~is_known_N & (own_N == truth_N)) + 1
        left_N = np.full(len(truth_N), num_candidates)
        rows = np.arange(len(queries) + 1)
        known_start = np.searchsorted(queries.known_row_M, rows)
        truth_start = np.searchsorted(queries.truth_row_N, rows)
        for row in np.flatnonzero(np.diff(known_start)):
            sorted_M = np.sort(known_M[known_start[row] : known_start[row + 1]])
            mine = slice(truth_start[row], truth_start[row + 1])
            below = np.searchsorted(sorted_M, truth_N[mine], side="left")
            not_above = np.searchsorted(sorted_M, truth_N[mine], side="right")
            above_N[mine] -= len(sorted_M) - not_above
            equal_N[mine] -= not_above - below
            left_N[mine] -= len(sorted_M)
        return Counts(above_N, equal_N, left_N + is_known_N)


def _not_finite(
    score: BlockScorer, queries: Queries, candidates_C: Indices, block: int
) -> Wikidata5MError:
    """The error that names the first candidate whose score is not finite."""
    for start in range(0, len(candidates_C), block):
        entity_K = candidates_C[start : start + block]
        scores_BK = score(_filled(entity_K, block))[:, : len(entity_K)]
        bad = (~torch.isfinite(scores_BK)).nonzero()
        if len(bad):
            row, column = (int(i) for i in bad[0])
            given, relation = queries.given_U[row], queries.relation_U[row]
            asked = (
                f"({given}, {relation}, ?)"
                if queries.direction == "tail"
                else (f"(?, {relation}, {given})")
            )
            return Wikidata5MError(
                f"query {asked}: candidate {queries.direction} {entity_K[column]} scores "
                f"{scores_BK[row, column].item()}; the model has diverged, train with a smaller "
                "rate"
            )
    raise AssertionError("a score was not finite, and none is when scored again")


def _filled(entity_K: Indices, block: int) -> Indices:
    return np.pad(entity_K, (0, block - len(entity_K)), mode="edge")


def _on(like: Tensor, indices: Indices) -> Tensor:
    return torch.from_numpy(indices).to(like.device)
