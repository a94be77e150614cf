"""Our configuration and dataset as GraphVite's YAML and input files.

Imports yaml, the sibling process, benchmarks.{checkpoint,config,optim,scorers} and
wikidata5m.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

import yaml

from benchmarks.checkpoint import flat_settings
from benchmarks.config import RunConfig
from benchmarks.engines.graphvite.process import CONFIG, PARTIAL_MODEL
from benchmarks.optim import OptimizerName
from benchmarks.scorers import ModelName
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError
from wikidata5m.export.run import export_dataset
from wikidata5m.files import atomic_path
from wikidata5m.schema import PARTS

NAMES: Final[dict[ModelName, str]] = {
    "transe": "TransE",
    "distmult": "DistMult",
    "complex": "ComplEx",
    "simple": "SimplE",
    "rotate": "RotatE",
    "quate": "QuatE",
}
"""GraphVite's names; QuatE came with 0.2.2."""
OPTIMIZERS: Final[dict[OptimizerName, str]] = {"sgd": "SGD", "adagrad": "AdaGrad", "adam": "Adam"}
"""Those that both have; GraphVite keeps its sums of squares per float, as our adagrad does."""
MARGIN: Final[frozenset[ModelName]] = frozenset({"transe", "rotate"})
"""The models with a margin; the others have an L3 penalty in its place."""
DIMENSIONS: Final = (32, 64, 96, 128, 256, 512, 1024, 2048)
"""What it is compiled for."""

CARRIED: Final = {
    *("engine", "dataset", "dataset_hash", "setting", "seed"),
    *("model.name", "model.dim", "model.gamma", "model.p"),
    *("loss.name", "loss.alpha"),
    *("regulariser.name", "regulariser.p", "regulariser.entities", "regulariser.relations"),
    *("train.epochs", "train.negatives", "train.positives", "train.schedule"),
    *("train.optimizer", "train.lr", "train.relation_lr", "train.device"),
}
"""The shared settings that reach GraphVite or the steps around it; it has no place for others."""


def check_settings(config: RunConfig) -> None:
    """Raise ConfigError for what GraphVite cannot do, or has no setting for."""
    model, loss = config.model, config.loss
    if config.start:
        raise ConfigError(
            f"start = {config.start}: GraphVite starts from no vectors; train with --engine torch"
        )
    if config.graphvite.model_file:
        return
    if model.dim not in DIMENSIONS:
        known = ", ".join(map(str, DIMENSIONS))
        raise ConfigError(f"model.dim = {model.dim}: GraphVite is compiled for {known}; set one")
    if model.name == "transe" and model.p != 1:
        raise ConfigError(
            f"model.p = {model.p}: GraphVite's TransE knows the norm 1; set model.p=1"
        )
    if loss.name != "self_adversarial":
        raise ConfigError(
            f"loss.name = {loss.name}: GraphVite knows one loss; set loss.name=self_adversarial"
        )
    if config.train.schedule == "plateau":
        raise ConfigError("train.schedule = plateau: GraphVite knows linear and constant; set one")
    if config.train.optimizer not in OPTIMIZERS:
        known = ", ".join(OPTIMIZERS)
        raise ConfigError(
            f"train.optimizer = {config.train.optimizer}: GraphVite knows {known}; set one"
        )
    _check_penalty(config)
    default = flat_settings(asdict(RunConfig()))
    for key, value in flat_settings(asdict(config)).items():
        if value != default[key] and key not in CARRIED and not key.startswith("graphvite."):
            raise ConfigError(
                f"{key} = {value}: GraphVite has no such setting; leave it at {default[key]}, "
                "or train with --engine torch"
            )


def _check_penalty(config: RunConfig) -> None:
    """Raise ConfigError for another penalty than GraphVite's: cubed floats, or none at a margin."""
    own, name = config.regulariser, config.model.name
    if not own.entities and not own.relations:
        return
    if name in MARGIN:
        raise ConfigError(
            f"regulariser.entities = {own.entities}: GraphVite's {NAMES[name]} has no penalty; "
            "leave the regulariser out"
        )
    if (own.name, own.p) != ("lp", 3) or own.entities != own.relations:
        raise ConfigError(
            "regulariser: GraphVite's is lp with p = 3 and one weight for entities and relations; "
            "set it so"
        )


def write_input(config: RunConfig, dataset: Dataset, folder: Path) -> None:
    """Triplets, names and config.yaml in `folder`, unless they are there.

    Raises DatasetError for ids that GraphVite would cut.
    """
    path = folder / CONFIG
    text = render(config, [f"{part}.txt" for part in PARTS])
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    export_dataset(dataset, folder, "graphvite", settings=(config.setting,), overwrite=True)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def render(config: RunConfig, files: list[str]) -> str:
    """The YAML of `graphvite run`; it trains on the first of the files, and tests on the last."""
    model, own = config.model, config.graphvite
    margin_or_l3 = (
        {"margin": model.gamma}
        if model.name in MARGIN
        else {"l3_regularization": config.regulariser.entities}
    )
    values = {
        "application": "knowledge graph",
        "resource": {
            "gpus": list(range(own.gpus)),
            "cpu_per_gpu": own.cpu_per_gpu or "auto",
            "dim": model.dim,
        },
        "graph": {"file_name": files[0], "normalization": config.train.positives == "degree"},
        "build": {
            "optimizer": {
                "type": OPTIMIZERS[config.train.optimizer],
                "lr": config.train.lr,
                "weight_decay": own.weight_decay,
                "schedule": config.train.schedule,
            },
            "num_partition": own.num_partition or "auto",
            "num_negative": config.train.negatives,
            "batch_size": own.batch_size,
            "episode_size": own.episode_size or "auto",
        },
        "train": {
            "model": NAMES[model.name],
            "num_epoch": config.train.epochs,
            **margin_or_l3,
            "sample_batch_size": own.sample_batch_size,
            "adversarial_temperature": _ratio(1, config.loss.alpha),
            "relation_lr_multiplier": _ratio(config.train.relation_lr, config.train.lr),
            "log_frequency": own.log_frequency,
        },
        "evaluate": {
            "task": "link prediction",
            "file_name": files[-1],
            "filter_files": files,
        },
        "save": {"file_name": PARTIAL_MODEL},
    }
    dumped: str = yaml.safe_dump(values, sort_keys=False)
    return dumped


def _ratio(a: float, b: float) -> float:
    """The ratio without its last bits' noise; 0, by which GraphVite weighs all alike, for b = 0."""
    return float(f"{a / b:.12g}") if b else 0.0
