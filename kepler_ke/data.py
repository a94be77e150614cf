"""What a training step reads: token ids, triplets with negatives, masked texts.

Imports numpy, torch, transformers, kepler_ke.config and wikidata5m. Every random draw is a function
of (seed, stream, number), so a run can go on from any step without any stored generator.

Shapes: N texts or triplets, B triplets of a batch, M its distinct texts, K negatives, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from kepler_ke.config import NegativeSource
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.errors import DatasetError
from wikidata5m.schema import PARTS, Part, Setting

Indices = npt.NDArray[np.int64]
Stream = Literal["order", "negatives", "mlm", "dropout", "sample"]

_STREAMS: Final[dict[Stream, int]] = {
    "order": 0, "negatives": 1, "mlm": 2, "dropout": 3, "sample": 4,
}  # fmt: skip
_TOKENIZE: Final = 4096


def generator(seed: int, stream: Stream, *number: int) -> np.random.Generator:
    """The generator of one stream at one step (or epoch): the same whenever it is asked for."""
    return np.random.default_rng([seed, _STREAMS[stream], *number])


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Tokenised descriptions of some entities; row i is the text of entity index[i]."""

    index: Indices
    """(N,) entity indices, ascending."""
    ids: npt.NDArray[np.int32]
    """The token ids of all texts, end to end, special tokens included."""
    start: Indices
    """Text i is ids[start[i] : start[i + 1]]; (N + 1,)."""
    padding: int
    """The id that fills up a batch."""
    labels_only: int
    """How many entities have no description and stand for their label."""

    def __len__(self) -> int:
        return len(self.index)

    def lengths(self, rows: Indices) -> Indices:
        """Tokens of each text."""
        return self.start[rows + 1] - self.start[rows]

    def rows(self, entities: npt.NDArray[np.integer]) -> Indices:
        """The row of each entity, all of which must be among `index`."""
        return np.searchsorted(self.index, entities)

    def batch(self, rows: Indices) -> tuple[Tensor, Tensor]:
        """Token ids (B, T) padded to the longest of these texts, and which of them are tokens."""
        length_B = self.lengths(rows)
        mask_BT = np.arange(length_B.max(initial=0)) < length_B[:, None]
        ids_BT = np.full(mask_BT.shape, self.padding, dtype=np.int64)
        ids_BT[mask_BT] = np.concatenate(
            [self.ids[self.start[row] : self.start[row + 1]] for row in rows.tolist()]
        )
        return torch.from_numpy(ids_BT), torch.from_numpy(mask_BT)

    def buckets(self, rows: Indices, size: int) -> Iterator[tuple[Indices, Tensor, Tensor]]:
        """The texts by length, `size` at a time: (places in `rows`, ids, mask); little padding."""
        order = np.argsort(-self.lengths(rows), kind="stable")
        for start in range(0, len(order), size):
            places = order[start : start + size]
            yield places, *self.batch(rows[places])


def tokenize(
    tokenizer: PreTrainedTokenizerBase, dataset: Dataset, entities: Indices, tokens: int
) -> Texts:
    """The first `tokens` tokens of the descriptions of `entities` (ascending).

    An entity without a description is read by its label, and counted.
    """
    texts, labels = dataset.texts, dataset.entity_labels
    missing = 0
    ids: list[npt.NDArray[np.int32]] = []
    for first in range(0, len(entities), _TOKENIZE):
        step = entities[first : first + _TOKENIZE]
        told = texts.take(step)
        missing += told.count("")
        part = [text or labels[index] for index, text in zip(step.tolist(), told, strict=True)]
        encoded = tokenizer(part, truncation=True, max_length=tokens, return_attention_mask=False)[
            "input_ids"
        ]
        ids.extend(np.array(text, dtype=np.int32) for text in encoded)
    return Texts(
        index=entities,
        ids=np.concatenate(ids) if ids else np.zeros(0, dtype=np.int32),
        start=np.concatenate([[0], np.cumsum([len(text) for text in ids])]).astype(np.int64),
        padding=int(tokenizer.pad_token_id),
        labels_only=missing,
    )


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


class Order:
    """Which triplets each update sees: every epoch is a permutation by (seed, epoch)."""

    def __init__(self, triplets_N3: Indices, size: int, seed: int) -> None:
        self.triplets_N3, self.size, self.seed = triplets_N3, size, seed
        self.steps = -(-len(triplets_N3) // size)
        """Updates of an epoch; the last one may see fewer triplets."""
        self._epoch = -1
        self._permutation = np.zeros(0, dtype=np.int64)

    def batch(self, step: int) -> Indices:
        """The triplets of an update, (up to size, 3)."""
        epoch, place = divmod(step, self.steps)
        if epoch != self._epoch:
            rng = generator(self.seed, "order", epoch)
            self._epoch, self._permutation = epoch, rng.permutation(len(self.triplets_N3))
        return self.triplets_N3[self._permutation[place * self.size :][: self.size]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeBatch:
    """Triplets whose entities are places in a list of distinct texts."""

    rows: Indices
    """(M,) the distinct texts to encode, rows of a Texts."""
    head: Tensor
    """(B,) places in `rows`, as are all but `relation`."""
    relation: Tensor
    """(B,) relation indices."""
    tail: Tensor
    """(B,)"""
    other_head: Tensor
    """(B, K) negatives."""
    other_tail: Tensor
    """(B, K) negatives."""


def knowledge_batch(
    triplets_B3: Indices,
    num_texts: int,
    negatives: int,
    source: NegativeSource,
    rng: np.random.Generator,
) -> KnowledgeBatch:
    """Give each triplet `negatives` random heads and tails other than its own.

    `triplets_B3` holds text rows in place of entities. With source "graph" negatives are drawn from
    all `num_texts` texts, with "batch" from the batch's own, each distinct one as likely.
    """
    size = (len(triplets_B3), negatives)
    truth_B2 = triplets_B3[:, [0, 2]]
    if source == "batch":
        rows_M, place = np.unique(truth_B2, return_inverse=True)
        truth_B2 = place.reshape(-1, 2)
        count = len(rows_M)
    else:
        count = num_texts
    drawn = [_draw_other(truth_B2[:, side], count, size, rng) for side in (0, 1)]
    if source == "graph":
        everything = np.concatenate([truth_B2.ravel(), *(x.ravel() for x in drawn)])
        rows_M, place = np.unique(everything, return_inverse=True)
        cut = np.cumsum([truth_B2.size, drawn[0].size])
        truth, first, second = np.split(place, cut)
        truth_B2, drawn = truth.reshape(-1, 2), [first.reshape(size), second.reshape(size)]
    head_BK, tail_BK = (torch.from_numpy(x) for x in drawn)
    return KnowledgeBatch(
        rows=rows_M,
        head=torch.from_numpy(truth_B2[:, 0].copy()),
        relation=torch.from_numpy(triplets_B3[:, 1].copy()),
        tail=torch.from_numpy(truth_B2[:, 1].copy()),
        other_head=head_BK,
        other_tail=tail_BK,
    )


def _draw_other(
    truth_B: Indices, count: int, size: tuple[int, int], rng: np.random.Generator
) -> Indices:
    """Uniform draws from 0..count-1 but each row's truth; the truth itself where count is 1."""
    drawn_BK = rng.integers(max(count - 1, 1), size=size)
    return drawn_BK + (drawn_BK >= truth_B[:, None]) * (count > 1)


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
