"""One small dataset, one tiny encoder and one short run, shared by KEPLER's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kepler_ke.config import KeplerConfig
from kepler_ke.data import part_entities
from kepler_ke.init import init_encoder
from kepler_ke.train import train
from tests.datasets import make_dataset
from wikidata5m.dataset import Dataset

torch.set_num_threads(1)

SHORT = KeplerConfig(
    gamma=12,
    negatives=8,
    negative_source="batch",
    tokens=24,
    mlm_batch=4,
    batch=32,
    epochs=3,
    lr=2e-3,
    relation_lr=10,
    log_steps=2,
    checkpoint_steps=3,
    mlm_text="descriptions",
    accumulate=1,
)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("kepler") / "dataset", countries=12)


@pytest.fixture(scope="session")
def encoder(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kepler") / "encoder"
    texts = [dataset.texts[i] for i in part_entities(dataset, "inductive", "train")]
    init_encoder(folder, texts, vocabulary=600)
    return folder


@pytest.fixture(scope="session")
def run(dataset: Dataset, encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kepler") / "run"
    train(dataset, str(encoder), folder, SHORT)
    return folder
