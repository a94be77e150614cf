"""A small dataset and runs on it, made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import run
from benchmarks.config import RunConfig
from tests.datasets import make_dataset
from wikidata5m.config import load_config
from wikidata5m.dataset import Dataset

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
    settings = [*QUICK, f"dataset={dataset.path}", *overrides]
    return load_config(RunConfig, overrides=settings)


@pytest.fixture(scope="session")
def trained(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An evaluated run of each model, by the model's name."""
    runs = {}
    for model in ("transe", "complex"):
        runs[model] = tmp_path_factory.mktemp("runs") / model
        run.train(quick_config(small, f"model.name={model}"), runs[model])
        run.evaluate(runs[model])
    return runs
