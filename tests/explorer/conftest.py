"""A small dataset with hostile names in it, models on it, and the pages over both."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import uvicorn
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from benchmarks import run
from kepler_ke.init import init_encoder
from kepler_ke.train import train
from tests.benchmarks.conftest import quick_config
from tests.datasets import make_dataset
from tests.kepler_ke.conftest import SHORT
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.explorer.answerers import Answerer, Role, Scored
from wikidata5m.explorer.app import make_app
from wikidata5m.explorer.guard import Policy
from wikidata5m.explorer.library import Library
from wikidata5m.explorer.serve import make_server
from wikidata5m.schema import Setting
from wikidata5m.writer import Provenance, Tables, write_dataset

OURS = Policy(hosts=frozenset({"localhost", "127.0.0.1", "::1"}), addresses=False)
PATIENCE = 60.0
"""Seconds until a test that hangs fails; none that passes takes so long."""
HOSTILE = {
    3: ("Q/../../etc/passwd?x=1&id=2#", "<script>document.title='run'</script>"),
    4: ('"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}{% raw %}"),
    5: ("javascript:alert(1)", "ﷺ\u202e right to left " + "W" * 300),
    6: ("%2e%2e/%00 \t", "' onmouseover='alert(1)"),
}
"""The entity of this index gets this id and this name."""


@dataclass(slots=True)
class Ranker:
    """Ranks entities by their index; reads texts too."""

    name: str = "by index"
    setting: Setting = "transductive"
    entities: int = 0
    waits: str = ""

    def pending(self) -> str:
        return self.waits

    def answer(
        self, given: int, relation: int, role: Role, top: int, hidden_M3: Triplets
    ) -> list[Scored]:
        hidden = set(hidden_M3[:, 2 if role == "head" else 0].tolist())
        left = [entity for entity in range(self.entities) if entity not in hidden]
        return [Scored(entity, -float(entity)) for entity in left[:top]]

    def answer_text(self, text: str, relation: int, role: Role, top: int) -> list[Scored]:
        first = len(text) % self.entities
        return [Scored(first, 1.5), Scored((first + 1) % self.entities, 0.5)][:top]


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("explorer")
    return make_dataset(folder / "plain")


@pytest.fixture(scope="session")
def hostile(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """As `dataset`, with ids, names and texts that try to leave their place."""
    entities = dataset.entities.to_dicts()
    texts = list(dataset.texts)
    for index, (identity, name) in HOSTILE.items():
        entities[index] |= {"entity": identity, "label": name, "aliases": [name, f"{name} again"]}
        texts[index] = f"{name}\n<b>bold</b> {identity}"
    folder = tmp_path_factory.mktemp("hostile") / "hostile"
    folder.mkdir()
    tables = Tables(
        entities=pl.DataFrame(entities),
        relations=dataset.relations.with_columns(
            label=pl.when(pl.col("relation") == "P19")
            .then(pl.lit("</select><script>alert(2)</script>"))
            .otherwise("label")
        ),
        classes=dataset.classes,
        triplets=dataset.triplets(),
        descriptions=[
            pl.DataFrame(
                {"index": np.arange(len(texts)), "text": texts},
                schema_overrides={"index": pl.Int32},
            )
        ],
    )
    splits = {setting: dict(dataset.parts(setting)) for setting in dataset.settings}
    about = Provenance(name="<i>hostile</i>", sources=(), config={}, drops={})
    write_dataset(folder, tables, splits, about)
    return Dataset(folder)


@pytest.fixture(scope="session")
def library(dataset: Dataset) -> Library:
    return Library(dataset)


@pytest.fixture(scope="session")
def hostile_library(hostile: Dataset) -> Library:
    return Library(hostile)


@pytest.fixture(scope="session")
def embeddings(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of `bench train`."""
    folder = tmp_path_factory.mktemp("runs") / "vectors"
    run.train(quick_config(dataset, "train.epochs=2"), folder)
    return folder


@pytest.fixture(scope="session")
def kepler(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of `kepler train`."""
    folder = tmp_path_factory.mktemp("runs")
    init_encoder(folder / "encoder", list(dataset.texts), vocabulary=600)
    train(dataset, str(folder / "encoder"), folder / "texts", replace(SHORT, epochs=1))
    return folder / "texts"


def client(library: Library, policy: Policy = OURS, *models: Answerer) -> TestClient:
    """A browser without patience for faults of ours: they are raised."""
    found = models or (Ranker(entities=library.dataset.num_entities),)
    app = make_app(library, {model.name: model for model in found}, policy)
    return TestClient(app, base_url="http://localhost:8765", follow_redirects=False)


@pytest.fixture
def pages(library: Library) -> TestClient:
    return client(library)


@contextmanager
def serving(app: ASGIApp) -> Iterator[tuple[uvicorn.Server, tuple[str, int]]]:
    """The explorer's server in a thread, and its address."""
    server = make_server(app)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield server, listening.getsockname()
        finally:
            server.should_exit = True
            thread.join(PATIENCE)


def home_of(folder: Path) -> list[str]:
    """What the cache folder keeps, hidden files apart."""
    return sorted(each.name for each in folder.iterdir() if not each.name.startswith("."))
