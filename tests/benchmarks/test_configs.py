"""Shipped configurations and what configurations refuse."""

from __future__ import annotations

import pytest

from benchmarks.config import RunConfig, find_config, shipped
from benchmarks.scorers import get_scorer
from wikidata5m.config import load_config
from wikidata5m.errors import ConfigError


def test_each_model_has_a_configuration_per_dataset() -> None:
    expected = {
        f"{model}-{data}"
        for model in ("transe", "complex")
        for data in ("demo", "fb15k-237", "wikidata5m")
    }
    assert expected <= set(shipped())


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_configuration_loads_and_is_of_the_model_in_its_name(name: str) -> None:
    config = load_config(RunConfig, shipped()[name])
    assert name.startswith(f"{config.model.name}-")
    get_scorer(config.model.name, p=config.model.p).relation_width(config.model.dim)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.lr=0", "lr = 0"),
        ("train.batch=100", "no multiple of train.chunk"),
        ("model.p=3", "the norm is 1 or 2"),
        ("model.name=transh", "transh"),
        ("train.epoch=3", "did you mean train.epochs"),
        ("train.epochs=many", "epochs"),
        ("seed=-1", "seed = -1"),
        ("seed=9223372036854775808", "seed = 9223372036854775808"),
    ],
)
def test_a_wrong_setting_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(RunConfig, overrides=[override])


def test_an_odd_dimension_is_refused_for_complex() -> None:
    with pytest.raises(ConfigError, match=r"dim = 7: ComplEx"):
        load_config(RunConfig, overrides=["model.name=complex", "model.dim=7"])


def test_an_unknown_configuration_gets_the_closest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean transe-demo"):
        find_config("trense-demo")
