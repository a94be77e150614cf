"""The best answers to a question: exact, among millions of entities, in bounded memory.

Imports numpy, polars, torch, benchmarks.ranking and wikidata5m. Takes any Predictor, so that tables
and encoders answer alike.

Shapes: B queries of a batch, C candidates, K candidates of a block, M answers of all queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from benchmarks.ranking import Direction, Indices, Predictor
from wikidata5m.dataset import Triplets
from wikidata5m.errors import ConfigError, Wikidata5MError
from wikidata5m.schema import Part, Support

KnownMode = Literal["mark", "hide", "only"]
"""What becomes of answers that a triplet of the dataset states."""
BATCH: Final = 256
MEMORY_BYTES: Final = 256 << 20
MAX_BLOCK: Final = 1 << 16
"""Candidates of a block at most, since their vectors are gathered."""
COLUMNS: Final = 64
"""Blocks are filled up to a multiple of this, so that equal vectors score equal (decision 0004)."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Query:
    """(head, relation, ?) or (?, relation, tail), as the dataset's indices."""

    head: int | None
    relation: int
    tail: int | None

    def __post_init__(self) -> None:
        if (self.head is None) == (self.tail is None):
            raise ConfigError("a query gives the head or the tail, and asks for the other")

    @property
    def direction(self) -> Direction:
        """Which end is asked for."""
        return "tail" if self.tail is None else "head"

    @property
    def given(self) -> int:
        """The entity at the other end."""
        end = self.head if self.tail is None else self.tail
        assert end is not None
        return end


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One entity as an answer."""

    entity: int
    score: float
    known: Part | Support | None
    """The part of the split that states it; None for a new fact."""


@dataclass(frozen=True, slots=True)
class _Best:
    """Answers so far: query by query, best first; equal scores by index."""

    row_M: Indices
    entity_M: Indices
    score_M: Floats

    def merge(self, row_M: Indices, entity_M: Indices, score_M: Floats, top: int) -> _Best:
        """The best `top` of each query, of these and those."""
        row_M = np.concatenate([self.row_M, row_M])
        entity_M = np.concatenate([self.entity_M, entity_M])
        score_M = np.concatenate([self.score_M, score_M])
        order_M = np.lexsort((entity_M, -score_M, row_M))
        row_M = row_M[order_M]
        place_M = np.arange(len(row_M)) - np.searchsorted(row_M, row_M)
        kept_M = place_M < top
        order_M = order_M[kept_M]
        return _Best(row_M[kept_M], entity_M[order_M], score_M[order_M])


def predict(
    predictor: Predictor,
    queries: Sequence[Query],
    candidates_C: npt.NDArray[np.integer],
    parts: Mapping[Part | Support, Triplets],
    *,
    top: int = 10,
    known: KnownMode = "mark",
    memory_bytes: int = MEMORY_BYTES,
) -> list[list[Answer]]:
    """The `top` answers to each query among the candidates, best first; equal scores by index.

    `parts` are the triplets that are known: an answer that one of them states is marked with the
    part's name, left out ("hide"), or the only kind that is shown ("only"). Besides the embeddings
    about `memory_bytes` are used. Raises Wikidata5MError when a score is not finite.
    """
    stated = known_answers(queries, parts)
    entity_C = np.asarray(candidates_C, dtype=np.int64)
    if (np.diff(entity_C) <= 0).any():
        entity_C = np.unique(entity_C)
    found: list[list[Answer]] = [[] for _ in queries]
    for number_B in _batches(queries):
        batch = [queries[number] for number in number_B]
        mine = stated.filter(pl.col("query").is_in(number_B.tolist()))
        row_M = np.searchsorted(number_B, mine["query"].to_numpy())
        entity_M = mine["entity"].to_numpy()
        asked_C = np.intersect1d(entity_C, entity_M) if known == "only" else entity_C
        best = _best(predictor, batch, asked_C, (row_M, entity_M), top, known, memory_bytes)
        part_of = dict(
            zip(zip(row_M.tolist(), entity_M.tolist(), strict=True), mine["part"], strict=True)
        )
        for row, entity, score in zip(
            best.row_M.tolist(), best.entity_M.tolist(), best.score_M.tolist(), strict=True
        ):
            answer = Answer(entity=entity, score=score, known=part_of.get((row, entity)))
            found[number_B[row]].append(answer)
    return found


def known_answers(
    queries: Sequence[Query], parts: Mapping[Part | Support, Triplets]
) -> pl.DataFrame:
    """query, entity, part: what the triplets answer; an answer once, with its first part."""
    frames = []
    for direction, given, answer in (("tail", 0, 2), ("head", 2, 0)):
        asked = pl.DataFrame(
            [(n, q.given, q.relation) for n, q in enumerate(queries) if q.direction == direction],
            schema={"query": pl.Int64, "given": pl.Int32, "relation": pl.Int32},
            orient="row",
        )
        for part, triplets_N3 in parts.items() if len(asked) else ():
            # Few of millions have a relation and an entity that is asked about.
            some_N = np.isin(triplets_N3[:, given], asked["given"].to_numpy())
            some_N &= np.isin(triplets_N3[:, 1], asked["relation"].to_numpy())
            few_N3 = triplets_N3[some_N].astype(np.int32)
            columns = {"given": given, "relation": 1, "entity": answer}
            stated = pl.DataFrame({name: few_N3[:, i] for name, i in columns.items()})
            joined = asked.join(stated, on=["given", "relation"]).with_columns(part=pl.lit(part))
            frames.append(joined.select("query", pl.col("entity").cast(pl.Int64), "part"))
    empty = pl.DataFrame(schema={"query": pl.Int64, "entity": pl.Int64, "part": pl.String})
    stated = pl.concat([empty, *frames])
    return stated.unique(["query", "entity"], keep="first", maintain_order=True)


def _batches(queries: Sequence[Query]) -> Iterator[Indices]:
    """The numbers of queries of one direction, ascending, a batch at a time."""
    for direction in ("tail", "head"):
        asked = [n for n, query in enumerate(queries) if query.direction == direction]
        for start in range(0, len(asked), BATCH):
            yield np.array(asked[start : start + BATCH], dtype=np.int64)


def _best(
    predictor: Predictor,
    batch: Sequence[Query],
    entity_C: Indices,
    stated: tuple[Indices, Indices],
    top: int,
    known: KnownMode,
    memory_bytes: int,
) -> _Best:
    # A block of scores, a mask and their copies: 24 bytes are enough for each score.
    block = min(MAX_BLOCK, memory_bytes // (24 * len(batch)))
    block = max(COLUMNS, block - block % COLUMNS)
    none = np.zeros(0, dtype=np.int64)
    best = _Best(none, none, none.astype(np.float64))
    for start in range(0, len(entity_C), block):
        entity_K = entity_C[start : start + block]
        scores_BK = _scores(predictor, batch, entity_K)
        if known != "mark":
            row_M, column_M = _within(entity_K, *stated)
            rows, columns = (torch.from_numpy(x).to(scores_BK.device) for x in (row_M, column_M))
            kept_BK = torch.full_like(scores_BK, known == "hide", dtype=torch.bool)
            kept_BK[rows, columns] = known == "only"
            scores_BK = scores_BK.masked_fill(~kept_BK, -torch.inf)
        least_B1 = scores_BK.topk(min(top, len(entity_K)), dim=1).values[:, -1:]
        # All that reach the last place are taken, since topk breaks ties as it likes.
        row_M, column_M = (
            x.cpu().numpy()
            for x in ((scores_BK >= least_B1) & (scores_BK > -torch.inf)).nonzero(as_tuple=True)
        )
        score_M = scores_BK.cpu()[row_M, column_M].double().numpy()
        best = best.merge(row_M, entity_K[column_M], score_M, top)
    return best


def _scores(predictor: Predictor, batch: Sequence[Query], entity_K: Indices) -> Tensor:
    """(B, K). Raises Wikidata5MError when a score is not finite."""
    given_B = np.array([query.given for query in batch], dtype=np.int64)
    relation_B = np.array([query.relation for query in batch], dtype=np.int64)
    filled = np.pad(entity_K, (0, -len(entity_K) % COLUMNS), mode="edge")
    if batch[0].direction == "tail":
        scores_BK = predictor.score_tails(given_B, relation_B, filled)
    else:
        scores_BK = predictor.score_heads(relation_B, given_B, filled)
    scores_BK = scores_BK[:, : len(entity_K)]
    # A sum is many times faster to look at than all scores, and finite where they are, but for
    # an overflow.
    if not scores_BK.sum().isfinite() and not scores_BK.isfinite().all():
        row, column = (int(i) for i in (~scores_BK.isfinite()).nonzero()[0])
        raise Wikidata5MError(
            f"{batch[row]}: candidate {entity_K[column]} scores {scores_BK[row, column].item()}; "
            "the model has diverged, train with a smaller rate"
        )
    return scores_BK


def _within(entity_K: Indices, row_M: Indices, entity_M: Indices) -> tuple[Indices, Indices]:
    """The rows and columns of those of the given answers that are in this block."""
    column_M = np.searchsorted(entity_K, entity_M).clip(max=len(entity_K) - 1)
    here_M = entity_K[column_M] == entity_M
    return row_M[here_M], column_M[here_M]
