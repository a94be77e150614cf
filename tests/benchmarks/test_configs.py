"""Shipped configurations and what configurations refuse."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import ujson
import yaml
from click.testing import CliRunner

from benchmarks import run
from benchmarks.config import RunConfig, find_config, shipped
from benchmarks.scorers import SCORERS, get_scorer
from benchmarks.shipped import EXPECTED, Expectation, dataset_of, in_words, shipped_configurations
from tests.datasets import make_dataset
from wikidata5m.cli import main
from wikidata5m.config import load_config
from wikidata5m.errors import ConfigError
from wikidata5m.published import INVENTED

DATASETS = ("wikidata5m", "wikidata5m-graphvite", "fb15k-237", "codex-s", "wn18rr", "umls")


def test_each_model_has_a_configuration_per_dataset() -> None:
    expected = {f"{model}-{data}" for model in SCORERS for data in DATASETS}
    expected |= {"transe-wikidata5m-paper", "transe-wikidata5m-one-negative"}
    assert expected <= set(shipped())


@pytest.mark.parametrize(
    ("changes", "chosen"),
    [
        ({"name": "fb15k-237"}, "transe-fb15k-237"),
        ({"counts": {"entities": 14_541, "relations": 237}}, "transe-fb15k-237"),
        ({"config": {"release": "v3"}}, "transe-wikidata5m"),
        ({"config": {"release": "v3"}, "notes": [INVENTED]}, "the defaults, .* as transe-small"),
        ({}, "the defaults, .* as transe-small"),
    ],
)
def test_a_configuration_is_chosen_by_what_the_dataset_is(
    changes: dict[str, Any], chosen: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever its folder is called: a download of Wikidata5M is named wikidata5m-v3."""
    dataset = make_dataset(tmp_path / "data")
    place = dataset.path / "manifest.json"
    told = ujson.loads(place.read_text())
    told = told | changes | {"counts": told["counts"] | changes.get("counts", {})}
    place.write_text(ujson.dumps(told))
    run.resolve(dataset.path, model="transe", config=None, overrides=[])
    assert re.search(f"configuration: {chosen}", capsys.readouterr().err)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_configuration_loads_and_is_of_the_model_in_its_name(name: str) -> None:
    config = load_config(RunConfig, shipped()[name])
    assert name.startswith(f"{config.model.name}-")
    assert dataset_of(name, config.model.name) in name
    get_scorer(config.model.name, p=config.model.p).relation_width(config.model.dim)


def test_what_is_expected_is_of_configurations_that_are_shipped() -> None:
    told = yaml.safe_load(EXPECTED.read_text())["configurations"]
    assert set(told) <= set(shipped())
    found = {each.name: each for each in shipped_configurations()}
    assert set(found) == set(shipped())
    transe = found["transe-wikidata5m-one-negative"]
    assert transe.expected.reported is not None
    assert transe.expected.reported.mrr == 0.06
    assert "0.060 test by others (KEPLER, Table 9a)" in in_words(transe.expected)
    assert in_words(Expectation()) == "not run yet"


def test_a_name_without_a_dataset_is_refused() -> None:
    with pytest.raises(ConfigError, match="its name tells no dataset"):
        dataset_of("transe-wordnet", "transe")


def test_the_list_is_grouped_by_dataset() -> None:
    listed = [each.dataset for each in shipped_configurations()]
    assert listed == sorted(listed, key=listed.index)
    shown = CliRunner().invoke(main, ["bench", "list"]).stdout
    assert shown.startswith("wikidata5m\n\n| name")
    assert shown.index("\ncodex-s\n") < shown.index("| complex-codex-s")


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


@pytest.mark.parametrize("setting", ["in_batch", "filter_negatives"])
def test_negatives_that_are_all_entities_take_no_option(setting: str) -> None:
    with pytest.raises(ConfigError, match=f"{setting} = true: with loss.name = one_vs_all"):
        load_config(RunConfig, overrides=["loss.name=one_vs_all", f"train.{setting}=true"])


def test_an_unknown_configuration_gets_the_closest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean transe-demo"):
        find_config("trense-demo")
