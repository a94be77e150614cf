"""What a training step reads: triplets in order, negatives, distinct texts, masked texts.

Imports numpy, polars, torch, transformers, kepler_ke.{config,graph,tokens} and wikidata5m. Every
random draw is a function of (seed, stream, number), so a run goes on from any step without any
stored generator.

Shapes: N triplets, B triplets of a batch, M its distinct texts, K negatives, T tokens, Q queries,
C candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from kepler_ke.config import KeplerConfig
from kepler_ke.graph import TrainGraph
from kepler_ke.tokens import NONE, Indices, Texts
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.errors import DatasetError
from wikidata5m.schema import PARTS, Part, Setting

Stream = Literal["order", "negatives", "mlm", "dropout", "sample"]

_STREAMS: Final[dict[Stream, int]] = {
    "order": 0, "negatives": 1, "mlm": 2, "dropout": 3, "sample": 4,
}  # fmt: skip


def generator(seed: int, stream: Stream, *number: int) -> np.random.Generator:
    """The generator of one stream at one step (or epoch): the same whenever it is asked for."""
    return np.random.default_rng([seed, _STREAMS[stream], *number])


def part_entities(dataset: Dataset, setting: Setting, part: Part) -> Indices:
    """The entities that a part is about, ascending: all of them, or the part's own if inductive.

    Where an inductive split gives support, its entities are those of the support too.
    """
    if setting != "inductive":
        return np.arange(dataset.num_entities, dtype=np.int64)
    own_N3 = dataset.triplets(setting, part)
    if part != "train":
        own_N3 = np.concatenate([own_N3, dataset.support(setting)])
    return np.unique(own_N3[:, [0, 2]]).astype(np.int64)


def strictest_setting(dataset: Dataset) -> Setting:
    """The split that keeps most entities for later: what is learned for it spoils no other."""
    strictest: tuple[Setting, ...] = ("inductive", "semi_inductive", "temporal")
    return next((x for x in strictest if dataset.has_split(x)), "transductive")


def training_entities(dataset: Dataset, setting: Setting) -> Indices:
    """Those whose texts may be learned from before there are triplets, ascending."""
    if setting == "transductive":
        return np.arange(dataset.num_entities, dtype=np.int64)
    return np.unique(dataset.triplets(setting, "train")[:, [0, 2]]).astype(np.int64)


def known_triplets(dataset: Dataset, setting: Setting) -> Triplets:
    """All true triplets of a setting: what a ranking filters by."""
    parts = [dataset.triplets(setting, part) for part in PARTS]
    return np.concatenate([*parts, dataset.support(setting)])


def check_unseen(dataset: Dataset) -> None:
    """Raise DatasetError when the inductive parts share an entity: they would not be unseen.

    With support, valid and test ask about the same unseen entities.
    """
    train, valid, test = (
        part_entities(dataset, "inductive", part) for part in ("train", "valid", "test")
    )
    pairs = [("valid", train, valid), ("test", train, test)]
    if not len(dataset.support("inductive")):
        pairs.append(("valid+test", valid, test))
    for name, a, b in pairs:
        shared = np.intersect1d(a, b)
        if len(shared):
            entity = dataset.entities["entity"][int(shared[0])]
            other = "each other" if "+" in name else "train"
            raise DatasetError(
                f"{dataset.path}: inductive {name} shares {len(shared):,} entities with {other} "
                f"({entity} is one), so they are not unseen; build the split again"
            )


def trained_elsewhere(one: Dataset, other: Dataset, setting: Setting) -> pl.Series:
    """The ids of entities that `one` keeps unseen for valid and test, and `other` trains on."""
    asked_N3 = np.concatenate([one.triplets(setting, part) for part in ("valid", "test")])
    unseen = np.setdiff1d(asked_N3[:, [0, 2]], training_entities(one, setting))
    unseen_ids = one.entity_ids[unseen]
    train_ids = other.entity_ids[training_entities(other, setting)]
    return unseen_ids.filter(unseen_ids.is_in(train_ids.implode()))


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeBatch:
    """Triplets and their corruptions (Eq. 2), as places in a list of distinct texts."""

    keys: Indices
    """(M,) the distinct texts to encode."""
    head: Tensor
    """(B,) places in `keys`, as are all but `relation`."""
    relation: Tensor
    """(B,) relation indices, or places where relations are texts (Eq. 4)."""
    tail: Tensor
    """(B,)"""
    other_head: Tensor
    """(B, K) negatives."""
    other_tail: Tensor
    """(B, K) negatives."""


def knowledge_batch(
    triplets_B3: Indices,
    entities_E: Indices,
    texts: Texts,
    config: KeplerConfig,
    rng: np.random.Generator,
) -> KnowledgeBatch:
    """Give each triplet `negatives` random heads and tails other than its own.

    They are drawn from `entities_E` (ascending), or from the batch's own entities, each distinct
    one as likely. A head's text is followed by the relation's where the settings say so (Eq. 5).
    """
    head_B, relation_B, tail_B = triplets_B3.T
    pool = np.unique(triplets_B3[:, [0, 2]]) if config.negative_source == "batch" else entities_E
    size = (len(triplets_B3), config.negatives)
    other_head_BK, other_tail_BK = (_draw_other(x, pool, size, rng) for x in (head_B, tail_B))
    with_B = relation_B if config.conditioned else np.full_like(relation_B, NONE)
    wanted = [
        texts.keys(head_B, with_B),
        texts.keys(tail_B),
        texts.keys(other_head_BK, with_B[:, None]),
        texts.keys(other_tail_BK),
    ]
    if config.relations == "text":
        wanted.append(texts.keys(NONE, relation_B))
    keys_M, (head, tail, other_head, other_tail, *told) = _distinct(wanted)
    return KnowledgeBatch(
        keys=keys_M,
        head=head,
        relation=told[0] if told else torch.from_numpy(relation_B.copy()),
        tail=tail,
        other_head=other_head,
        other_tail=other_tail,
    )


def _distinct(wanted: list[Indices]) -> tuple[Indices, list[Tensor]]:
    """The distinct values of all arrays, and each array as places among them."""
    keys_M, place = np.unique(np.concatenate([x.ravel() for x in wanted]), return_inverse=True)
    cuts = np.cumsum([x.size for x in wanted])[:-1]
    parts = np.split(place.ravel(), cuts)
    return keys_M, [
        torch.from_numpy(part.reshape(x.shape)) for part, x in zip(parts, wanted, strict=True)
    ]


def _draw_other(
    truth_B: Indices, pool_E: Indices, size: tuple[int, int], rng: np.random.Generator
) -> Indices:
    """Uniform draws from the pool (ascending, with each truth) but each row's truth.

    The truth itself where the pool holds nothing else.
    """
    count = len(pool_E)
    place_B = np.searchsorted(pool_E, truth_B)
    drawn_BK = rng.integers(max(count - 1, 1), size=size)
    return pool_E[drawn_BK + (drawn_BK >= place_B[:, None]) * (count > 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastiveBatch:
    """Queries (entity, relation) and the entities that each ranks, all of the batch's."""

    keys: Indices
    """(M,) the distinct texts to encode."""
    query: Tensor
    """(Q,) places in `keys`: the entity asked from."""
    relation: Tensor
    """(Q,) relation indices, those of inverses too; or places where relations are texts."""
    candidate: Tensor
    """(C,) places in `keys`: the distinct entities of the batch; a query's own is among them."""
    target: Tensor
    """(Q,) columns among the candidates: the truth."""
    asked: tuple[Indices, Indices]
    """(Q,) entities and (Q,) relations of the queries."""
    answers: Indices
    """(C,) the candidates' entities."""


def contrastive_batch(
    triplets_B3: Indices, num_relations: int, texts: Texts, config: KeplerConfig
) -> ContrastiveBatch:
    """Each triplet asks for its tail and, with `inverse`, by the inverse relation for its head."""
    head_B, relation_B, tail_B = triplets_B3.T
    asks_Q, relation_Q, truth_Q = head_B, relation_B, tail_B
    if config.inverse:
        asks_Q, truth_Q = np.concatenate([head_B, tail_B]), np.concatenate([tail_B, head_B])
        relation_Q = np.concatenate([relation_B, relation_B + num_relations])
    answers_C, target_Q = np.unique(np.concatenate([truth_Q, head_B, tail_B]), return_inverse=True)
    with_Q = relation_Q if config.conditioned else np.full_like(relation_Q, NONE)
    wanted = [texts.keys(asks_Q, with_Q), texts.keys(answers_C)]
    if config.relations == "text":
        wanted.append(texts.keys(NONE, relation_Q))
    keys_M, (query, candidate, *told) = _distinct(wanted)
    return ContrastiveBatch(
        keys=keys_M,
        query=query,
        relation=told[0] if told else torch.from_numpy(relation_Q.copy()),
        candidate=candidate,
        target=torch.from_numpy(target_Q.ravel()[: len(truth_Q)].copy()),
        asked=(asks_Q, relation_Q),
        answers=answers_C,
    )


def false_negatives(graph: TrainGraph, batch: ContrastiveBatch, earlier_L: Indices) -> Tensor:
    """(Q, C + L) which candidates a query must not push away: other true answers in train.

    `earlier_L` are the entities of earlier encodings; the truth's own column alone is not masked.
    """
    entities = np.concatenate([batch.answers, earlier_L])
    mask_QC = graph.holds(*batch.asked, entities)
    mask_QC[np.arange(len(mask_QC)), batch.target.numpy()] = False
    return torch.from_numpy(mask_QC)


def mask_tokens(
    ids_BT: Tensor, tokenizer: PreTrainedTokenizerBase, share: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Corrupt texts for the masked-language-model loss: (corrupted ids, which to predict), (B, T).

    Each token is chosen with probability `share`, special ones never; of the chosen 80% become the
    mask token, 10% a random token, 10% stay (§2.3).
    """
    ordinary = ~np.isin(ids_BT.numpy(), tokenizer.all_special_ids)
    chosen = (rng.random(ids_BT.shape) < share) & ordinary
    fate = rng.random(ids_BT.shape)
    corrupted = ids_BT.numpy().copy()
    corrupted[chosen & (fate < 0.8)] = tokenizer.mask_token_id
    other = chosen & (fate >= 0.8) & (fate < 0.9)
    corrupted[other] = rng.integers(len(tokenizer), size=int(other.sum()))
    return torch.from_numpy(corrupted), torch.from_numpy(chosen)
