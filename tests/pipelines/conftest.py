"""Datasets that several files of tests read: built once per test process."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.build import BuildConfig, BuildInput, build
from wikidata5m import load
from wikidata5m.dataset import Dataset


@pytest.fixture(scope="session")
def fb15k(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """FB15k-237's real facts, built from the two dumps that they were written as."""
    folder = real_data / "fb15k-as-dumps"
    out = tmp_path_factory.mktemp("fb15k") / "data"
    source = BuildInput(
        wikidata=folder / "wikidata.json.bz2", wikipedia=folder / "enwiki.xml.bz2", workers=2
    )
    build(source, out, BuildConfig())
    return load(out)
