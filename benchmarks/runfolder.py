"""Whose folder a run's is: the settings in RUN/config.yaml and the dataset they belong to.

Imports yaml, benchmarks.{checkpoint,config} and wikidata5m.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

import yaml

from benchmarks.checkpoint import difference, settings_of
from benchmarks.config import RunConfig
from wikidata5m.config import load_config
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, DatasetError, InputError
from wikidata5m.files import atomic_path

CONFIG: Final = "config.yaml"


def load_run_config(run: Path) -> RunConfig:
    """RUN/config.yaml. Raises InputError when `run` is no run of `bench train`."""
    if not (run / CONFIG).is_file():
        fix = "name a folder that `wikidata5m bench train` wrote"
        raise InputError(run, f"no {CONFIG}", fix=fix)
    if (run / "model").is_dir():
        raise InputError(run, "a KEPLER run", fix="use `wikidata5m kepler evaluate`")
    config = load_config(RunConfig, run / CONFIG)
    if not config.dataset_hash:
        fix = "train one: `wikidata5m bench train DATASET --config` takes it"
        raise InputError(run / CONFIG, "settings for a run, and not a run", fix=fix)
    return config


def open_dataset(named: Path | None, recorded: str) -> Dataset:
    """The dataset that --dataset named, else the run's. Raises DatasetError, which names that."""
    try:
        return Dataset(named or Path(recorded))
    except DatasetError as error:
        if named:
            raise
        raise DatasetError(f"{error}; or, where it was moved, name it by --dataset") from None


def require_same(dataset: Dataset, config: RunConfig, run: Path) -> None:
    """Raise DatasetError unless `dataset` is, by its content, the one that `config` is for."""
    found = dataset.manifest.dataset_hash
    if found != config.dataset_hash:
        raise DatasetError(
            f"{dataset.path}: has hash {found}, but {run} belongs to a dataset of hash "
            f"{config.dataset_hash}; name that dataset, or train again in another folder"
        )


def claim_config(run: Path, config: RunConfig, dataset: Dataset, *, resume: bool) -> None:
    """Save the configuration; on resuming, first require all but the dataset's path to be as saved.

    Another build may train on what this one tests.
    """
    path = run / CONFIG
    if resume and path.is_file():
        before = load_config(RunConfig, path)
        require_same(dataset, before, run)
        if found := difference(settings_of(before), settings_of(config)):
            raise ConfigError(
                f"{path}: {found}; resume with the same settings, or start a run in another folder"
            )
    with atomic_path(path) as temporary:
        temporary.write_text(yaml.safe_dump(asdict(config), sort_keys=False), encoding="utf-8")
