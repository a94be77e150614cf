"""The main path of a benchmark: train -> evaluate -> result.

    wikidata5m bench train DATASET --model transe --out RUN
    wikidata5m bench evaluate RUN

Imports msgspec, numpy, ujson, yaml, the other modules of benchmarks, and wikidata5m.

    RUN/
      config.yaml         the resolved RunConfig
      log.jsonl           one line per epoch: epoch, loss, seconds, triplets_per_second, valid_mrr
      checkpoint/         what --resume goes on from
      embeddings/         the artefact (benchmarks.embeddings)
      results/*.json      one benchmarks.results.Result per evaluated part
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import ujson
import yaml

from benchmarks.config import RunConfig, find_config, shipped
from benchmarks.embeddings import EmbeddingsMeta, load_embeddings, save_embeddings
from benchmarks.engines.torch_engine import TorchEngine, pick_device
from benchmarks.metrics import metrics
from benchmarks.ranking import EmbeddingPredictor, Predictor, Ranks, rank_triplets
from benchmarks.results import (
    CurvePoint,
    RankingProtocol,
    Result,
    TrainSummary,
    make_result,
)
from benchmarks.scorers import get_scorer
from wikidata5m.config import load_config
from wikidata5m.console import Progress, log, progress
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.errors import ConfigError, DatasetError, InputError
from wikidata5m.files import atomic_path
from wikidata5m.schema import PARTS, Part, Setting

CONFIG, LOG, CHECKPOINT, EMBEDDINGS = "config.yaml", "log.jsonl", "checkpoint", "embeddings"
SETTING: Final[Setting] = "transductive"
"""A table holds vectors of entities seen in training, and of no others."""


def resolve(
    dataset: Path, *, model: str | None, config: str | None, overrides: Iterable[str]
) -> RunConfig:
    """The configuration to train by.

    From `config` (a shipped name or a file); else the shipped one for this model and a dataset of
    this name; else the defaults. Then `model` and the overrides. Raises ConfigError, and
    DatasetError when the dataset has nothing to train on.
    """
    if model:
        get_scorer(model)
    data = Dataset(dataset)
    by_name = f"{model}-{data.manifest.name}"
    file = find_config(config) if config else shipped().get(by_name)
    settings = [f"model.name={model}"] if model else []
    resolved = load_config(RunConfig, file, [*settings, *overrides])
    # What cannot be trained is refused here, before an output folder is claimed or emptied.
    pick_device(resolved.train.device)
    if not len(data.triplets(SETTING, "train")):
        raise DatasetError(f"{dataset}: no training triplets; build it from a larger graph")
    log(f"configuration: {file.stem if file else 'defaults'}")
    return replace(
        resolved, dataset=str(dataset.resolve()), dataset_hash=data.manifest.dataset_hash
    )


def train(config: RunConfig, run: Path, *, resume: bool = False) -> TrainSummary:
    """Train, log, checkpoint, and leave the embeddings artefact in `run`.

    With `resume` it goes on from the last checkpoint and ends with the same embeddings as a run
    that was never interrupted; the dataset may have moved meanwhile. Raises ConfigError when `run`
    was started with another configuration, and DatasetError on another dataset.
    """
    dataset = Dataset(Path(config.dataset))
    _require_same(dataset, config, run)
    triplets = dataset.triplets(SETTING, "train")
    _claim_config(run, config, dataset, resume=resume)
    engine = TorchEngine(config, triplets, dataset.num_entities, dataset.num_relations)
    if resume and (run / CHECKPOINT).is_dir():
        engine.load(run / CHECKPOINT)
        log(f"resuming after epoch {engine.epoch}")
    lines = [line for line in _read_log(run) if line["epoch"] <= engine.epoch]
    total = config.train.epochs * len(triplets)
    with progress(f"training {config.model.name}", total, "triplets") as show:
        while engine.epoch < config.train.epochs:
            lines.append(_epoch(engine, dataset, show))
            _write_log(run, lines)
            last = engine.epoch == config.train.epochs
            if last or engine.epoch % config.train.checkpoint_epochs == 0:
                engine.save(run / CHECKPOINT)
    save_embeddings(
        run / EMBEDDINGS,
        engine.entities.table_ND,
        engine.relations.table_ND,
        _meta(engine, dataset),
    )
    return summary(run)


def evaluate(
    run: Path, *, dataset: Path | None = None, part: Part = "test", limit: int | None = None
) -> Result:
    """Rank a part of the split in both directions and write RUN/results/<part>.json.

    `limit` ranks a seeded sample of that many triplets, which the result's protocol and its file
    name, <part>-sample-<limit>.json, say. Raises DatasetError when the part holds no triplets, and
    when the dataset is not the one that the run was trained on.
    """
    config = load_run_config(run)
    data = Dataset(dataset or Path(config.dataset))
    _require_same(data, config, run)
    if not (run / EMBEDDINGS).is_dir():
        fix = "finish it by `wikidata5m bench train` with --resume"
        raise InputError(run, f"no {EMBEDDINGS}/, so training is not finished", fix=fix)
    embeddings = load_embeddings(
        run / EMBEDDINGS,
        dataset_hash=data.manifest.dataset_hash,
        device=str(pick_device(config.train.device)),
    )
    triplets = data.triplets(SETTING, part)
    if not len(triplets):
        raise DatasetError(
            f"{data.path}: its {SETTING} {part} part has no triplets to rank; "
            "build it from a larger graph"
        )
    sample = sample_triplets(triplets, limit, config.seed)
    with progress(f"ranking {part}", 2 * len(sample), "queries") as show:
        ranks = _rank(EmbeddingPredictor.of(embeddings), sample, data, show)
    result = make_result(
        ranks,
        data,
        kind="bench",
        run=run,
        model=config.model.name,
        setting=SETTING,
        part=part,
        protocol=RankingProtocol(
            candidates=ranks.num_candidates,
            triplets=len(sample),
            of=len(triplets),
            sample_seed=config.seed if len(sample) < len(triplets) else None,
        ),
        config=asdict(config),
        seed=config.seed,
        train=summary(run),
    )
    name = part if len(sample) == len(triplets) else f"{part}-sample-{len(sample)}"
    result.save(run / "results" / f"{name}.json")
    return result


def sample_triplets(triplets_N3: Triplets, limit: int | None, seed: int) -> Triplets:
    """At most `limit` of the triplets, in their order; the same for the same seed."""
    if limit is None or limit >= len(triplets_N3):
        return triplets_N3
    chosen = np.random.default_rng(seed).choice(len(triplets_N3), limit, replace=False)
    return triplets_N3[np.sort(chosen)]


def load_run_config(run: Path) -> RunConfig:
    """RUN/config.yaml. Raises InputError when `run` is no run of `bench train`."""
    if not (run / CONFIG).is_file():
        fix = "name a folder that `wikidata5m bench train` wrote"
        raise InputError(run, f"no {CONFIG}", fix=fix)
    if (run / "model").is_dir():
        raise InputError(run, "a KEPLER run", fix="use `wikidata5m kepler evaluate`")
    return load_config(RunConfig, run / CONFIG)


def summary(run: Path) -> TrainSummary:
    """What RUN/log.jsonl says of the training."""
    lines = _read_log(run)
    seconds = sum(line["seconds"] for line in lines)
    triplets = sum(line["seconds"] * line["triplets_per_second"] for line in lines)
    curve = [
        CurvePoint(epoch=line["epoch"], loss=line["loss"], valid_mrr=line.get("valid_mrr"))
        for line in lines
    ]
    return TrainSummary(
        epochs=len(lines),
        seconds=seconds,
        triplets_per_second=triplets / seconds if seconds else 0.0,
        curve=tuple(curve),
    )


def _epoch(engine: TorchEngine, dataset: Dataset, show: Progress) -> dict[str, Any]:
    """Train one epoch, validate when it is time; the line for the log."""
    number, triplets = engine.epoch, len(engine.triplets_N3)
    start = time.perf_counter()
    loss = engine.train_epoch(lambda seen, loss: show(number * triplets + seen, f"loss {loss:.4f}"))
    seconds = time.perf_counter() - start
    line: dict[str, Any] = {
        "epoch": engine.epoch,
        "loss": loss,
        "seconds": seconds,
        "triplets_per_second": triplets / seconds,
    }
    config = engine.config.train
    due = engine.epoch % config.validate_epochs == 0 or engine.epoch == config.epochs
    valid = dataset.triplets(SETTING, "valid") if due else None
    if valid is not None and len(valid):
        sample = sample_triplets(valid, config.validate_triplets, engine.config.seed)
        ranks = _rank(engine.predictor, sample, dataset, None)
        line["valid_mrr"] = metrics(ranks)["both"]["mrr"]
        log(f"epoch {engine.epoch}: loss {loss:.4f}, valid MRR {line['valid_mrr']:.4f}")
    return line


def _rank(
    predictor: Predictor, triplets: Triplets, dataset: Dataset, show: Progress | None
) -> Ranks:
    known = np.concatenate([dataset.triplets(SETTING, part) for part in PARTS])
    candidates = np.arange(dataset.num_entities)
    return rank_triplets(predictor, triplets, known, candidates, progress=show)


def _meta(engine: TorchEngine, dataset: Dataset) -> EmbeddingsMeta:
    return EmbeddingsMeta(
        scorer=engine.scorer.name,
        dim=engine.config.model.dim,
        dataset=dataset.manifest.name,
        dataset_hash=dataset.manifest.dataset_hash,
        gamma=engine.scorer.gamma,
        p=engine.scorer.p,
        reciprocal=engine.config.model.reciprocal,
        extra={"epochs": engine.epoch, "seed": engine.config.seed},
    )


def _require_same(dataset: Dataset, config: RunConfig, run: Path) -> None:
    """Raise DatasetError unless `dataset` is, by its content, the one that `config` is for."""
    found = dataset.manifest.dataset_hash
    if found != config.dataset_hash:
        raise DatasetError(
            f"{dataset.path}: has hash {found}, but {run} belongs to a dataset of hash "
            f"{config.dataset_hash}; name that dataset, or train again in another folder"
        )


def _claim_config(run: Path, config: RunConfig, dataset: Dataset, *, resume: bool) -> None:
    """Save the configuration; on resuming, first require all but the dataset's path to be as saved.

    Another build may train on what this one tests.
    """
    path = run / CONFIG
    if resume and path.is_file():
        before = load_config(RunConfig, path)
        _require_same(dataset, before, run)
        saved = _flat(asdict(replace(before, dataset=config.dataset)))
        for key, value in _flat(asdict(config)).items():
            if saved[key] != value:
                raise ConfigError(
                    f"{path}: {key} is {saved[key]} there, {value} here; "
                    "resume with the same settings, or start a run in another folder"
                )
    with atomic_path(path) as temporary:
        temporary.write_text(yaml.safe_dump(asdict(config), sort_keys=False), encoding="utf-8")


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _read_log(run: Path) -> list[dict[str, Any]]:
    path = run / LOG
    if not path.is_file():
        return []
    with path.open("rb") as stream:
        return [msgspec.json.decode(line, type=dict[str, Any]) for line in stream]


def _write_log(run: Path, lines: list[dict[str, Any]]) -> None:
    with atomic_path(run / LOG) as temporary:
        temporary.write_text("".join(ujson.dumps(line) + "\n" for line in lines), encoding="utf-8")
