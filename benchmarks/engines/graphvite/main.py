"""Train by GraphVite and leave what ours leaves: log.jsonl and embeddings/.

Imports numpy, the sibling modules, benchmarks.{config,embeddings,runlog,scorers} and wikidata5m.

    RUN/graphvite/
      config.yaml, train.txt, valid.txt, test.txt, entity.txt, relation.txt    rendered
      output.log          what it printed
      model.pkl           trained; there only once GraphVite ended well
    RUN/log.jsonl, .csv   its losses, in our form
    RUN/embeddings/       converted

A step that is done is not done again, so a run resumes at the step it was interrupted in. GraphVite
has no checkpoints: training starts over.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.config import RunConfig
from benchmarks.embeddings import EmbeddingsMeta, Ids, save_embeddings
from benchmarks.engines.graphvite.convert import Matched, convert
from benchmarks.engines.graphvite.process import (
    PARTIAL_MODEL,
    Point,
    require_installed,
    run_graphvite,
)
from benchmarks.engines.graphvite.render import (
    MARGIN,
    NAMES,
    check_settings,
    write_input,
)
from benchmarks.engines.graphvite.unpickle import Model, read_model
from benchmarks.runlog import LogLine, RunLog
from benchmarks.scorers import get_scorer
from wikidata5m.console import log
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, DatasetError
from wikidata5m.files import sha256
from wikidata5m.schema import Setting

FOLDER: Final = "graphvite"
MODEL: Final = "model.pkl"


def check(config: RunConfig, run: Path, *, resume: bool) -> None:
    """Raise what would keep `train` from starting: a setting, the model to convert, GraphVite."""
    check_settings(config)
    given = config.graphvite.model_file
    if given and not Path(given).is_file():
        raise ConfigError(f"graphvite.model_file = {given}: no such file; name GraphVite's model")
    trained = resume and (run / FOLDER / MODEL).is_file()
    if not given and not trained:
        require_installed(config.graphvite.command)


def train(config: RunConfig, dataset: Dataset, run: Path, *, out: Path) -> None:
    """Take the steps that are not done yet; the last one writes the embeddings artefact `out`.

    Raises Wikidata5MError when GraphVite fails, InputError when its model is not what it should be,
    and DatasetError when that is a model of another dataset.
    """
    if out.is_dir():
        return
    given = config.graphvite.model_file
    path = Path(given) if given else _trained(config, dataset, run)
    log(f"reading {path}")
    found = read_model(path)
    _check_model(found, config, path)
    entities_ED, relations_RD, matched = convert(found, dataset, config.model, path, config.seed)
    _tell(matched)
    if not given:
        _require_all(matched["entities"], found, dataset, config.setting, path)
    scorer = get_scorer(config.model.name, gamma=config.model.gamma, p=1)
    meta = EmbeddingsMeta(
        scorer=scorer.name,
        dim=config.model.dim,
        dataset=dataset.manifest.name,
        dataset_hash=dataset.manifest.dataset_hash,
        gamma=scorer.gamma,
        p=scorer.p,
        extra={
            "engine": "graphvite",
            "model_sha256": sha256(path),
            "matched": {what: asdict(how) for what, how in matched.items()},
        },
    )
    save_embeddings(out, entities_ED, relations_RD, meta, ids=Ids.of(dataset))


def _trained(config: RunConfig, dataset: Dataset, run: Path) -> Path:
    """The model GraphVite trained in `run`; trains it where there is none."""
    folder = run / FOLDER
    path = folder / MODEL
    if path.is_file():
        log(f"{path} is there, so training is done")
        return path
    write_input(config, dataset, folder)
    per_epoch = len(dataset.triplets(config.setting, "train"))
    name, epochs = NAMES[config.model.name], config.train.epochs
    points = run_graphvite(config.graphvite.command, folder, name, epochs * per_epoch)
    _write_log(run, points, epochs, per_epoch)
    (folder / PARTIAL_MODEL).replace(path)
    return path


def _write_log(run: Path, points: list[Point], epochs: int, per_epoch: int) -> None:
    """One line per epoch in which GraphVite told a loss, over the time since the line before."""
    by_epoch = {math.ceil(p.done * epochs): p for p in points if p.loss is not None}
    if not by_epoch:
        log("GraphVite told no loss; a lower graphvite.log_frequency may help")
        return
    lines = []
    done = seconds = 0.0
    for epoch, point in by_epoch.items():
        took, seen = point.seconds - seconds, (point.done - done) * epochs * per_epoch
        speed = seen / took if took else 0.0
        lines.append(
            LogLine(epoch=epoch, loss=point.loss or 0.0, seconds=took, triplets_per_second=speed)
        )
        done, seconds = point.done, point.seconds
    history = RunLog(run)
    history.lines += lines[:-1]
    history.add(lines[-1])


def _check_model(found: Model, config: RunConfig, path: Path) -> None:
    """Raise ConfigError where the model says, or shows, another setting than ours."""
    asked = {
        "model": ("model.name", NAMES[config.model.name]),
        "margin": ("model.gamma", config.model.gamma),
        "dim": ("model.dim", config.model.dim),
    }
    told = {**found.told, "dim": found.entities_ED.shape[1]}
    if config.model.name not in MARGIN:
        told.pop("margin", None)
    for key, (setting, value) in asked.items():
        if told.get(key, value) != value:
            raise ConfigError(
                f"{path}: is of {key} {told[key]}, not {value}; set {setting} to that"
            )


def _tell(matched: dict[str, Matched]) -> None:
    for what, how in matched.items():
        if how.without_vector:
            log(
                f"{how.without_vector:,} {what} of the dataset have no vector in its model: "
                "they get one drawn as before training"
            )
        if how.foreign:
            log(f"{how.foreign:,} {what} of its model are not in the dataset: left out")


def _require_all(
    matched: Matched, found: Model, dataset: Dataset, setting: Setting, path: Path
) -> None:
    """Raise DatasetError unless the model's entities are those of the training triplets."""
    trained = len(np.unique(dataset.triplets(setting, "train")[:, [0, 2]]))
    if matched.foreign or len(found.entities) != trained:
        raise DatasetError(
            f"{path}: has {len(found.entities):,} entities, {matched.foreign:,} of them foreign, "
            f"but {dataset.path} trains {trained:,}; start again with --overwrite"
        )
