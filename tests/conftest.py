"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import wikidata5m.cli  # noqa: F401 - sets the OpenMP policy before torch is loaded
from tests.browser import browser  # noqa: F401 - a fixture

REPOSITORY = Path(__file__).parents[1]

# A test must not fail because the machine is busy.
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real dumps and graphs where there are some: WIKIDATA5M_TEST_DATA, or beside the project."""
    place = Path(os.environ.get("WIKIDATA5M_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not place.is_dir():
        pytest.skip(f"no real data at {place}; set WIKIDATA5M_TEST_DATA")
    return place


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress lines have no place in test output."""
    monkeypatch.setenv("WIKIDATA5M_PROGRESS", "off")


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What fixtures of the session keep is theirs; they are made before any test's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WIKIDATA5M_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _cache_of_the_test(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What a test keeps is its alone, whatever ran before it."""
    monkeypatch.setenv("WIKIDATA5M_HOME", str(tmp_path_factory.mktemp("cache")))
