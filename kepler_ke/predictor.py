"""Entities' and queries' encodings as what benchmarks.ranking asks for answers.

Imports numpy, torch, benchmarks.{ranking,scorers,tensors}, kepler_ke.{config,encode,encoder,tokens}
and wikidata5m.

Shapes: C candidates, K of a block, B queries, M distinct texts, D width, R relations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.ranking import (
    DirectionRanks,
    EmbeddingPredictor,
    Predictor,
    Ranks,
    rank_triplets,
)
from benchmarks.scorers import Scorer
from benchmarks.tensors import StoredRows
from kepler_ke.config import KeplerConfig
from kepler_ke.encode import encode_texts
from kepler_ke.encoder import Kepler
from kepler_ke.tokens import Indices, Texts
from wikidata5m.console import progress
from wikidata5m.dataset import Triplets
from wikidata5m.errors import ConfigError

Heads = Literal["plain", "exact", "inverse"]
"""How head queries are ranked: by the entities' vectors, by every candidate head's encoding with
the relation, or as tail queries of the inverse relation."""

HEADS_IN_WORDS: Final[dict[Heads, str]] = {
    "plain": "head and tail",
    "exact": "head (every candidate encoded with the relation) and tail",
    "inverse": "head (as tail of the inverse relation) and tail",
}
EXACT: Final = 2_000_000
"""Encodings of (candidate, relation) up to which heads are ranked exactly: the paper's inductive
test set asks for 7,475 x 201."""


def choose_heads(config: KeplerConfig, candidates: int, relations: int) -> Heads:
    """How a model of these settings ranks heads among so many candidates for so many relations.

    Raises ConfigError when only exact ranking would do and is out of reach.
    """
    if not config.conditioned:
        return "inverse" if config.inverse else "plain"
    if config.inverse and config.objective == "contrastive":
        return "inverse"
    if candidates * relations <= EXACT:
        return "exact"
    if config.inverse:
        return "inverse"
    fewer = ", or rank a --sample with fewer relations" if candidates <= EXACT else ""
    raise ConfigError(
        f"ranking heads exactly would encode {candidates:,} candidates with each of "
        f"{relations:,} relations; train with --set inverse=true, which ranks heads as tails of "
        f"the inverse relation{fewer}"
    )


def make_predictor(
    model: Kepler,
    texts: Texts,
    scorer: Scorer,
    vectors_CD: Tensor | StoredRows,
    relations_RD: Tensor,
    entities_C: Indices,
    heads: Heads,
) -> Predictor:
    """Rank the entities of these vectors, ascending, by the model as it is now."""
    index_C = torch.from_numpy(entities_C)
    plain = EmbeddingPredictor(
        scorer, vectors_CD, relations_RD, index_E=index_C, reciprocal=heads == "inverse"
    )
    if not model.config.conditioned:
        return plain
    count = len(texts.relations) // 2
    return _Conditioned(model, texts, plain, _Latest(), _Latest(), count, heads)


@dataclass(slots=True)
class _Latest:
    """The vectors of the last keys that were encoded: a block of candidates asks for them anew."""

    keys: Indices | None = None
    vectors: Tensor | None = None

    def encode(self, model: Kepler, texts: Texts, keys_M: Indices) -> Tensor:
        """(M, D)."""
        if self.vectors is None or self.keys is None or not np.array_equal(self.keys, keys_M):
            self.keys, self.vectors = keys_M, encode_texts(model, texts, keys_M)
        return self.vectors


@dataclass(slots=True)
class _Conditioned:
    """A Predictor whose queries start from an entity encoded with the relation (Eq. 5)."""

    model: Kepler
    texts: Texts
    plain: EmbeddingPredictor
    queries: _Latest
    candidates: _Latest
    num_relations: int
    heads: Heads

    def score_tails(self, head_B: Indices, relation_B: Indices, candidates_K: Indices) -> Tensor:
        """See Predictor."""
        keys_M, place_B = np.unique(self.texts.keys(head_B, relation_B), return_inverse=True)
        vectors_MD = self.queries.encode(self.model, self.texts, keys_M)
        return self.plain.scorer.score_tails(
            vectors_MD[torch.from_numpy(place_B.ravel())],
            self.plain.relations_RD[torch.from_numpy(relation_B.copy())],
            self._plain(candidates_K),
        )

    def score_heads(self, relation_B: Indices, tail_B: Indices, candidates_K: Indices) -> Tensor:
        """See Predictor. Exact heads of one relation at a time are encoded once."""
        if self.heads == "inverse":
            return self.score_tails(tail_B, relation_B + self.num_relations, candidates_K)
        tail_BD = self._plain(tail_B)
        score_BK = tail_BD.new_empty(len(tail_B), len(candidates_K))
        for relation in np.unique(relation_B).tolist():
            rows = torch.from_numpy(np.flatnonzero(relation_B == relation))
            keys_C = self.texts.keys(self._entities, relation)
            encoded_CD = self.candidates.encode(self.model, self.texts, keys_C)
            heads_KD = encoded_CD[torch.from_numpy(np.searchsorted(self._entities, candidates_K))]
            relation_1D = self.plain.relations_RD[relation].expand(len(rows), -1)
            score_BK[rows] = self.plain.scorer.score_heads(relation_1D, tail_BD[rows], heads_KD)
        return score_BK

    @property
    def _entities(self) -> Indices:
        assert self.plain.index_E is not None
        return self.plain.index_E

    def _plain(self, entities_B: Indices) -> Tensor:
        place_B = np.searchsorted(self._entities, entities_B)
        return self.plain.entities_ED[torch.from_numpy(place_B)]


def rank(
    predictor: Predictor,
    triplets: Triplets,
    known: Triplets,
    entities: Indices,
    *,
    what: str = "",
) -> Ranks:
    """Filtered ranks among `entities`; with `what`, progress is shown under that name."""
    if isinstance(predictor, _Conditioned) and predictor.heads == "exact":
        return _rank_by_relation(predictor, triplets, known, entities, what)
    if not what:
        return rank_triplets(predictor, triplets, known, entities)
    with progress(what, 2 * len(triplets), "queries") as update:
        return rank_triplets(predictor, triplets, known, entities, progress=update)


def _rank_by_relation(
    predictor: Predictor, triplets: Triplets, known: Triplets, entities: Indices, what: str
) -> Ranks:
    """Relation by relation, so that each candidate is encoded once with each relation."""
    found: dict[str, list[DirectionRanks]] = {"head": [], "tail": []}
    places = []
    relations = np.unique(triplets[:, 1])
    shown = progress(what or "rank", len(relations), "relations")
    with shown as update:
        for number, relation in enumerate(relations.tolist()):
            here = np.flatnonzero(triplets[:, 1] == relation)
            ranks = rank_triplets(
                predictor, triplets[here], known[known[:, 1] == relation], entities
            )
            found["head"].append(ranks.head)
            found["tail"].append(ranks.tail)
            places.append(here)
            update(number + 1)
    back = np.argsort(np.concatenate(places)) if places else np.zeros(0, dtype=np.int64)
    head, tail = (_join(found[side], back) for side in ("head", "tail"))
    return Ranks(head, tail, triplets[:, 1].astype(np.int64), len(np.unique(entities)))


def _join(parts: list[DirectionRanks], back: Indices) -> DirectionRanks:
    columns = ("optimistic", "pessimistic", "candidates")
    return DirectionRanks(
        *(np.concatenate([getattr(part, name) for part in parts])[back] for name in columns)
    )
