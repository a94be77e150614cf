"""Answers for an entity that is in no graph, from its text alone.

Imports numpy, torch, transformers, benchmarks.embeddings, wikidata5m and kepler_ke's data, encode,
evaluate, runs, tokens.

Shapes: C candidates, K of a block, D width.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.embeddings import load_embeddings
from kepler_ke.encode import encode_texts
from kepler_ke.encoder import load_kepler
from kepler_ke.evaluate import Judge, judge, write_vectors
from kepler_ke.runs import read_run_on
from kepler_ke.tokens import NONE, OneText
from kepler_ke.world import device
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError

Role = Literal["head", "tail"]
VECTORS: Final = "vectors"
"""Below RUN: the vectors of all entities, made when they are first asked for."""
BLOCK: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One entity that may complete the triplet."""

    entity: str
    label: str
    score: float


def predict(
    run: Path, dataset: Dataset, text: str, relation: str, *, role: Role = "head", top: int = 10
) -> list[Answer]:
    """The `top` entities of the dataset that best complete (text, relation, ?), best first.

    With role "tail" the text is the tail, and heads are sought. All entities are encoded on the
    first call and kept in RUN/vectors. Raises DatasetError on an unknown relation, ConfigError on
    an empty text and where this model cannot rank heads without encoding each.
    """
    info = read_run_on(run, dataset)
    number = dataset.relation_index(relation)
    if not text.strip():
        raise ConfigError("--text is empty; describe the entity, its name first")
    model, tokenizer = load_kepler(run / "model")
    found = judge(model.to(device()).eval(), tokenizer, dataset, info)
    if role == "tail" and model.config.conditioned and not model.config.inverse:
        raise ConfigError(
            f"{run}: this model conditions heads on relations, so seeking heads would encode all "
            "entities anew; ask for tails, or train with --set inverse=true"
        )
    write_vectors(run / VECTORS, run / "model", dataset, found, np.arange(dataset.num_entities))
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    score_C = _scores(found, ids, number, dataset.num_relations, role, run / VECTORS)
    best = torch.topk(score_C, min(top, len(score_C)))
    return [
        Answer(entity=dataset.entity_ids[i], label=dataset.entity_labels[i], score=score)
        for i, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def _scores(
    found: Judge, ids: list[int], relation: int, num_relations: int, role: Role, vectors: Path
) -> Tensor:
    """(C,) of every entity as the other end."""
    config, scorer = found.model.config, found.scorer
    turned = role == "tail" and config.inverse
    relation += num_relations * turned
    texts = dataclasses.replace(found.texts, entities=OneText(ids))
    key = texts.keys(np.array([0]), relation if config.conditioned else NONE)
    text_1D = encode_texts(found.model, texts, key)
    relation_1D = found.relations_RD[relation : relation + 1]
    entities_CD = load_embeddings(vectors).entities
    with torch.inference_mode():
        parts = [
            scorer.score_heads(relation_1D, text_1D, block_KD)
            if role == "tail" and not turned
            else scorer.score_tails(text_1D, relation_1D, block_KD)
            for block_KD in torch.split(entities_CD, BLOCK)
        ]
    return torch.cat(parts, dim=1)[0]
