"""Rank triplets by entities' descriptions.

Imports msgspec, torch, transformers, yaml, benchmarks, wikidata5m, and kepler_ke's config, data,
encode and encoder.

The ranks are benchmarks.ranking's; here is what they are asked: which candidates, which filter,
which baselines. Shapes: N triplets, C candidates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
import yaml
from transformers import PreTrainedTokenizerBase

from benchmarks.embeddings import load_embeddings
from benchmarks.metrics import metrics
from benchmarks.ranking import EmbeddingPredictor, Ranks, rank_triplets
from benchmarks.results import (
    CurvePoint,
    RankingProtocol,
    Result,
    TrainSummary,
    make_result,
)
from benchmarks.scorers import TransE
from kepler_ke.config import KeplerConfig
from kepler_ke.data import (
    Indices,
    Texts,
    generator,
    known_triplets,
    part_entities,
    tokenize,
)
from kepler_ke.encode import encode_texts, write_embeddings
from kepler_ke.encoder import Kepler, load_kepler
from wikidata5m.console import progress
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.errors import ConfigError, DatasetError
from wikidata5m.files import claim_output, read_json
from wikidata5m.schema import Part, Setting

RUN: Final = "run.json"
LOG: Final = "log.jsonl"
_SCORES: Final = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What a run was made from, besides its settings."""

    dataset: str
    """The dataset's folder."""
    dataset_hash: str
    encoder: str
    """The encoder the run started from, as it was named; its weights are in RUN/start."""
    setting: Setting
    seed: int
    preset: str

    def __post_init__(self) -> None:
        """Refuse a seed that no generator takes."""
        if self.seed < 0:
            raise ConfigError(f"seed = {self.seed}: must be at least 0")


def read_run(run: Path) -> RunInfo:
    """RUN/run.json. Raises ConfigError when the folder is no finished KEPLER run."""
    if not (run / RUN).is_file():
        raise ConfigError(f"{run}: no {RUN}; name a folder that `wikidata5m kepler train` wrote")
    if not (run / "model").is_dir():
        raise ConfigError(f"{run}: training is not finished; run kepler train again with --resume")
    return RunInfo(**read_json(run / RUN))  # type: ignore[arg-type]  # written by asdict


def evaluate_run(run: Path, dataset: Dataset, part: Part) -> Result:
    """Rank a part by the trained encoder and by the one it started from; write and return both.

    The setting is the run's own: the training part of one overlaps the test part of the other.
    Writes RUN/embeddings/<setting>-<part> and RUN/results/<setting>-<part>.json.
    Raises DatasetError when the run was trained on another dataset or the part is empty.
    """
    info = _read_run_on(run, dataset)
    setting = info.setting
    triplets = dataset.triplets(setting, part)
    if not len(triplets):
        raise DatasetError(
            f"{dataset.path}: {setting} {part} has no triplets to rank; rank the other part, or "
            "build the split from a larger graph"
        )
    folder = run / "embeddings" / f"{setting}-{part}"
    entities = part_entities(dataset, setting, part)
    known = known_triplets(dataset, setting)
    texts = _encode(load_kepler(run / "model"), folder, dataset, entities)
    predictor = EmbeddingPredictor.of(load_embeddings(folder))
    ranks = rank(predictor, triplets, known, entities, what=f"rank {setting} {part}")
    untrained = _start_predictor(run / "start", texts)
    start = rank(untrained, triplets, known, entities, what="rank by the untrained encoder")
    config = read_config(run)
    result = make_result(
        ranks,
        dataset,
        triplets,
        kind="kepler",
        run=run,
        model=info.preset if info.preset.startswith("kepler") else f"kepler ({info.preset})",
        setting=setting,
        part=part,
        protocol=RankingProtocol(
            candidates=len(entities),
            triplets=len(triplets),
            of=len(triplets),
            candidate_set=(
                "all entities" if setting == "transductive" else f"the entities of {part}, unseen"
            ),
        ),
        config=config
        | {
            "encoder": info.encoder,
            "preset": info.preset,
            "top1_self": top1_self(predictor, triplets, entities, info.seed),
            "labels_only": texts.labels_only,
        },
        seed=info.seed,
        train=train_summary(run),
        baselines={"untrained encoder": metrics(start)},
    )
    result.save(run / "results" / f"{setting}-{part}.json")
    return result


def rank(
    predictor: EmbeddingPredictor,
    triplets: Triplets,
    known: Triplets,
    entities: Indices,
    *,
    what: str = "",
) -> Ranks:
    """Filtered ranks among `entities`; with `what`, progress is shown under that name."""
    if not what:
        return rank_triplets(predictor, triplets, known, entities)
    with progress(what, 2 * len(triplets), "queries") as update:
        return rank_triplets(predictor, triplets, known, entities, progress=update)


def predictor_of(model: Kepler, texts: Texts, scorer: TransE) -> EmbeddingPredictor:
    """Encode `texts` with the model as it is now."""
    return EmbeddingPredictor(
        scorer,
        encode_texts(model, texts),
        model.relations_RD.detach().cpu(),
        index_E=torch.from_numpy(texts.index),
    )


def top1_self(
    predictor: EmbeddingPredictor, triplets: Triplets, entities: Indices, seed: int
) -> float:
    """The share of (head, relation) queries whose best candidate is the head itself, unfiltered.

    h + r - h is short when r is: the entity that asks stands in the way of the answer. Of at most
    1,000 queries, drawn by the seed.
    """
    queries = np.unique(triplets[:, :2].astype(np.int64), axis=0)
    if len(queries) > 1000:
        queries = queries[generator(seed, "sample").choice(len(queries), 1000, replace=False)]
    batch = max(1, _SCORES // len(entities))
    found = 0
    for start in range(0, len(queries), batch):
        head_B, relation_B = queries[start : start + batch].T
        scores_BC = predictor.score_tails(
            np.ascontiguousarray(head_B), np.ascontiguousarray(relation_B), entities
        )
        found += int((entities[scores_BC.argmax(dim=1).cpu().numpy()] == head_B).sum())
    return found / max(len(queries), 1)


def symmetric_relations(triplets: Triplets) -> float:
    """The share of relations at least half of whose triplets also occur with ends exchanged.

    A translation can fit such a relation only as r = 0.
    """
    width = int(triplets.max(initial=0)) + 1
    head_N, relation_N, tail_N = triplets.astype(np.int64).T
    # One number per pair; relation by relation, so that it fits 64 bits.
    reversed_too = np.zeros(len(triplets), dtype=np.bool_)
    for relation in np.unique(relation_N):
        here = np.flatnonzero(relation_N == relation)
        reversed_too[here] = np.isin(
            tail_N[here] * width + head_N[here], head_N[here] * width + tail_N[here]
        )
    total_R = np.bincount(relation_N)
    both_R = np.bincount(relation_N, weights=reversed_too)
    return float((2 * both_R >= total_R)[total_R > 0].mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """A fixed sample of valid triplets, ranked as the test will be."""

    texts: Texts
    triplets: Triplets
    known: Triplets
    entities: Indices
    symmetric: float
    seed: int

    def measure(self, model: Kepler, scorer: TransE) -> dict[str, float]:
        """MRR, and the signs of two known weaknesses; of an empty part the last."""
        if not len(self.triplets):
            return {"symmetric_relations": self.symmetric}
        predictor = predictor_of(model, self.texts, scorer)
        ranks = rank(predictor, self.triplets, self.known, self.entities)
        return {
            "valid_mrr": metrics(ranks)["both"]["mrr"],
            "top1_self": top1_self(predictor, self.triplets, self.entities, self.seed),
            "symmetric_relations": self.symmetric,
        }


def validation(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, info: RunInfo, config: KeplerConfig
) -> Validation:
    """The sample of a run: drawn by its seed, cut to its tokens."""
    valid = dataset.triplets(info.setting, "valid")
    if len(valid) > config.validate_triplets:
        rng = generator(info.seed, "sample")
        valid = valid[rng.choice(len(valid), config.validate_triplets, replace=False)]
    entities = part_entities(dataset, info.setting, "valid")
    return Validation(
        texts=tokenize(tokenizer, dataset, entities, config.tokens),
        triplets=valid,
        known=known_triplets(dataset, info.setting),
        entities=entities,
        symmetric=symmetric_relations(dataset.triplets(info.setting, "train")),
        seed=info.seed,
    )


def read_config(run: Path) -> dict[str, Any]:
    """The settings that RUN/config.yaml holds."""
    config: dict[str, Any] = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    return config


def read_log(run: Path) -> list[dict[str, Any]]:
    """The lines of RUN/log.jsonl, oldest first; none when there is no such file."""
    path = run / LOG
    lines: Iterable[str] = path.read_text("utf-8").splitlines() if path.is_file() else ()
    return [msgspec.json.decode(line) for line in lines]


def train_summary(run: Path) -> TrainSummary:
    """What RUN/log.jsonl says of the training."""
    log = read_log(run)
    seconds = sum(line["seconds"] for line in log)
    seen = sum(line["seconds"] * line["triplets_per_second"] for line in log)
    return TrainSummary(
        epochs=log[-1]["epoch"],
        seconds=seconds,
        triplets_per_second=seen / seconds,
        curve=tuple(
            CurvePoint(epoch=line["epoch"], loss=line["loss"], valid_mrr=line.get("valid_mrr"))
            for line in log
        ),
    )


def encode_run(
    run: Path, dataset: Dataset, folder: Path, *, overwrite: bool = False
) -> tuple[Texts, int]:
    """Encode all entities into `folder`; returns their texts and the vectors' width.

    What `folder` held is deleted, with `overwrite`, only when the run proved readable.
    Raises DatasetError when the run was trained on another dataset, OutputExistsError.
    """
    _read_run_on(run, dataset)
    loaded = load_kepler(run / "model")
    claim_output(folder, overwrite=overwrite, inputs=[dataset.path, run])
    texts = _encode(loaded, folder, dataset, np.arange(dataset.num_entities))
    return texts, loaded[0].dim


def _read_run_on(run: Path, dataset: Dataset) -> RunInfo:
    info = read_run(run)
    if info.dataset_hash != dataset.manifest.dataset_hash:
        raise DatasetError(
            f"{dataset.path}: the run {run} was trained on another dataset ({info.dataset}); "
            "name that one with --dataset: relations and unseen entities are its own"
        )
    return info


def _encode(
    loaded: tuple[Kepler, PreTrainedTokenizerBase, TransE, int],
    folder: Path,
    dataset: Dataset,
    entities: Indices,
) -> Texts:
    model, tokenizer, scorer, tokens = loaded
    return write_embeddings(
        folder, dataset, model.to(device()), tokenizer, scorer, entities=entities, tokens=tokens
    )


def _start_predictor(folder: Path, texts: Texts) -> EmbeddingPredictor:
    model, _, scorer, _ = load_kepler(folder)
    return predictor_of(model.to(device()), texts, scorer)


def device() -> torch.device:
    """The device to run on: the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
