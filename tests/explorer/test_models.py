"""What the page gets from models is what their own commands answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import ujson
from click.testing import CliRunner

from kepler_ke.train import train
from tests.kepler_ke.conftest import SHORT
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, DatasetError
from wikidata5m.explorer.answerers import Role, TextAnswerer, load_answerers
from wikidata5m.explorer.library import Library


def _told(*arguments: object) -> Any:
    result = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    return ujson.loads(result.stdout)


def _pairs(answers: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(each["entity"], pytest.approx(each["score"], abs=1e-5)) for each in answers]


@pytest.mark.parametrize("known", ["mark", "hide"])
@pytest.mark.parametrize("role", get_args(Role))
def test_embeddings_answer_as_bench_predict(
    library: Library, embeddings: Path, role: Role, known: str
) -> None:
    models = load_answerers([("embeddings", embeddings)], library.dataset)
    (name,) = models
    assert name == "transe (vectors)"
    asked = ["--head", "Q1000"] if role == "head" else ["--tail", "Q1000"]
    command = ["bench", "predict", embeddings, *asked, "--relation", "P17", "--known", known]
    expected = _told(*command)["queries"][0]["answers"]
    given, relation = library.find("Q1000"), library.relation("P17")
    hide = known == "hide"
    found = library.ask(models[name], given, relation, role, top=10, hide_known=hide).listed
    assert [(a.entity.id, a.score) for a in found] == _pairs(expected)
    assert [a.known for a in found] == [each["known"] or "" for each in expected]


@pytest.mark.parametrize("role", get_args(Role))
def test_kepler_answers_for_a_text_as_kepler_predict(
    library: Library, kepler: Path, role: Role
) -> None:
    (model,) = load_answerers([("kepler", kepler)], library.dataset).values()
    assert isinstance(model, TextAnswerer)
    text = "A town of Land 3."
    command = ["kepler", "predict", kepler, "--text", text, "--relation", "P17", "--as", role]
    found = library.ask_text(model, text, library.relation("P17"), role, top=10)
    assert [(a.entity.id, a.score) for a in found.listed] == _pairs(_told(*command)["answers"])


def test_kepler_answers_for_an_entity_as_for_its_text(library: Library, kepler: Path) -> None:
    (model,) = load_answerers([("kepler", kepler)], library.dataset).values()
    assert isinstance(model, TextAnswerer)
    given, relation = library.find("Q1005"), library.relation("P19")
    by_entity = library.ask(model, given, relation, "head", top=10, hide_known=False)
    by_text = library.ask_text(model, library.text(given.index), relation, "head", top=10)
    for one, other in zip(by_entity.listed, by_text.listed, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-4)


def test_heads_that_only_encoding_all_would_rank_are_refused_alike(
    library: Library, kepler: Path, tmp_path: Path
) -> None:
    conditioned = replace(SHORT, epochs=1, conditioned=True)
    train(library.dataset, str(kepler.parent / "encoder"), tmp_path / "run", conditioned)
    (model,) = load_answerers([("kepler", tmp_path / "run")], library.dataset).values()
    assert isinstance(model, TextAnswerer)
    given, relation = library.find("Q1005"), library.relation("P19")
    assert library.ask(model, given, relation, "head", top=3, hide_known=False).listed
    with pytest.raises(ConfigError, match="ask for tails"):
        library.ask(model, given, relation, "tail", top=3, hide_known=False)
    with pytest.raises(ConfigError, match="ask for tails"):
        library.ask_text(model, "A town.", relation, "tail", top=3)


def test_a_run_of_another_dataset_or_named_twice_is_refused(
    library: Library, hostile: Dataset, embeddings: Path, kepler: Path
) -> None:
    for kind, run in (("embeddings", embeddings), ("kepler", kepler)):
        with pytest.raises(DatasetError):
            load_answerers([(kind, run)], hostile)
    with pytest.raises(ConfigError, match="named twice"):
        load_answerers([("embeddings", embeddings)] * 3, library.dataset)
