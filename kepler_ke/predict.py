"""Answers for an entity that is in no graph, from its text alone.

Imports numpy, torch, transformers, benchmarks.{embeddings,questions,tensors}, wikidata5m and
kepler_ke's data, encode, evaluate, runs, tokens.

Shapes: E entities, K of a block, D width.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from benchmarks.embeddings import stored_entities
from benchmarks.questions import find_relation
from benchmarks.tensors import StoredRows
from kepler_ke.encode import encode_texts
from kepler_ke.encoder import load_kepler
from kepler_ke.evaluate import Judge, judge, write_vectors
from kepler_ke.runs import RunInfo, read_run_on
from kepler_ke.tokens import NONE, OneText
from kepler_ke.world import device
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, Wikidata5MError
from wikidata5m.explorer.answerers import Role

VECTORS: Final = "vectors"
"""Below RUN: the vectors of all entities, made when they are first asked for; of the second graph
(Eq. 7) in vectors-second."""
BLOCK: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One entity that may complete the triplet."""

    entity: str
    label: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPredictor:
    """A trained encoder and the vectors of all entities, ready for any number of texts."""

    run: Path
    info: RunInfo
    judge: Judge
    tokenizer: PreTrainedTokenizerBase
    entities_ED: StoredRows

    @classmethod
    def load(cls, run: Path, dataset: Dataset) -> TextPredictor:
        """Of a run on this dataset; all entities are encoded the first time, into RUN/vectors.

        Raises DatasetError when the run was trained on another dataset.
        """
        info = read_run_on(run, dataset)
        model, tokenizer = load_kepler(run / "model")
        found = judge(model.to(device()).eval(), tokenizer, dataset, info)
        folder = run / f"{VECTORS}{info.behind(dataset)}"
        write_vectors(folder, run / "model", dataset, found, np.arange(dataset.num_entities))
        return cls(
            run=run,
            info=info,
            judge=found,
            tokenizer=tokenizer,
            entities_ED=stored_entities(folder),
        )

    def check(self, role: Role) -> None:
        """Raise ConfigError where the other end could be ranked by encoding all entities alone."""
        config = self.judge.model.config
        if role == "tail" and config.conditioned and not config.inverse:
            raise ConfigError(
                f"{self.run}: this model conditions heads on relations, so seeking heads would "
                "encode all entities anew; ask for tails, or train with --set inverse=true"
            )

    def predict(self, text: str, relation: int, role: Role, top: int) -> list[tuple[int, float]]:
        """The `top` entities that best complete (text, relation, ?), and their scores, best first.

        With role "tail" the text is the tail, and heads are sought. Raises ConfigError on an empty
        text, and as `check` does.
        """
        if not text.strip():
            raise ConfigError("--text is empty; describe the entity, its name first")
        self.check(role)
        # A text of more tokens than the encoder reads is cut, and no cause for a warning.
        ids = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        score_E = self._scores(ids, relation, role)
        if not score_E.isfinite().all():
            raise Wikidata5MError(
                f"{self.run}: scores that are not finite; the model has diverged, train with a "
                "smaller rate"
            )
        best = torch.topk(score_E, min(top, len(score_E)))
        return list(zip(best.indices.tolist(), best.values.tolist(), strict=True))

    def _scores(self, ids: list[int], relation: int, role: Role) -> Tensor:
        """(E,) of every entity as the other end."""
        found, config = self.judge, self.judge.model.config
        turned = role == "tail" and config.inverse
        if turned:
            relation += len(found.texts.relations) // 2
        texts = dataclasses.replace(found.texts, entities=OneText(ids))
        key = texts.keys(np.array([0]), relation if config.conditioned else NONE)
        text_1D = encode_texts(found.model, texts, key)
        relation_1D = found.relations_RD[relation : relation + 1]
        with torch.inference_mode():
            parts = [
                found.scorer.score_heads(relation_1D, text_1D, block_KD)
                if role == "tail" and not turned
                else found.scorer.score_tails(text_1D, relation_1D, block_KD)
                for start in range(0, len(self.entities_ED), BLOCK)
                for block_KD in (self.entities_ED[start : start + BLOCK],)
            ]
        return torch.cat(parts, dim=1)[0]


def predict(
    run: Path, dataset: Dataset, text: str, relation: str, *, role: Role = "head", top: int = 10
) -> list[Answer]:
    """The answers of `TextPredictor.predict` by ids and labels.

    `relation` is an id or a label. Raises DatasetError on an unknown one; see also TextPredictor.
    """
    number = find_relation(dataset, relation)
    found = TextPredictor.load(run, dataset).predict(text, number, role, top)
    return [
        Answer(entity=dataset.entity_ids[i], label=dataset.entity_labels[i], score=score)
        for i, score in found
    ]
