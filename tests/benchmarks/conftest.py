"""A small dataset and runs on it, made once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from benchmarks import run
from benchmarks.config import RunConfig
from tests.datasets import make_dataset
from wikidata5m.config import load_config
from wikidata5m.dataset import Dataset
from wikidata5m.splits import Split
from wikidata5m.writer import Provenance, Tables, write_dataset

QUICK = (
    "model.dim=16",
    "model.p=2",
    "loss.name=softmax",
    "train.batch=128",
    "train.chunk=64",
    "train.negatives=64",
    "train.lr=0.2",
    "train.relation_lr=0.2",
    "train.epochs=6",
    "train.validate_epochs=3",
    "train.checkpoint_epochs=2",
    "train.device=cpu",
)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Small products gain nothing from threads, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("data") / "small")


def quick_config(dataset: Dataset, *overrides: str) -> RunConfig:
    config = load_config(RunConfig, overrides=[*QUICK, *overrides])
    return replace(config, dataset=str(dataset.path), dataset_hash=dataset.manifest.dataset_hash)


def resplit(dataset: Dataset, folder: Path, split: Split) -> Dataset:
    """The same entities, relations and triplets under another transductive split."""
    folder.mkdir()
    tables = Tables(
        entities=dataset.entities,
        relations=dataset.relations,
        classes=dataset.classes,
        triplets=dataset.triplets(),
        descriptions=[pl.read_parquet(dataset.path / "descriptions")],
    )
    provenance = Provenance(name=dataset.manifest.name, sources=(), config={}, drops={})
    write_dataset(folder, tables, {"transductive": split}, provenance)
    return Dataset(folder)


@pytest.fixture(scope="session")
def trained(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An evaluated run of each model, by the model's name."""
    runs = {}
    for model in ("transe", "complex"):
        runs[model] = tmp_path_factory.mktemp("runs") / model
        run.train(quick_config(small, f"model.name={model}"), runs[model])
        run.evaluate(runs[model])
    return runs
