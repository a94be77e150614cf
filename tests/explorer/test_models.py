"""What the page gets from models is what their own commands answer."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args
from unittest.mock import DEFAULT, Mock

import pytest
import torch
import ujson
from click.testing import CliRunner

from kepler_ke.answerer import KeplerAnswerer
from kepler_ke.encode import encode_texts
from kepler_ke.train import train
from tests.explorer.conftest import OURS, PATIENCE, client
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


def ready(run: Path, dataset: Dataset) -> KeplerAnswerer:
    """KEPLER when it can answer."""
    (model,) = load_answerers([("kepler", run)], dataset).values()
    assert isinstance(model, TextAnswerer)
    assert isinstance(model, KeplerAnswerer)
    model.texts.result(PATIENCE)
    return model


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
    model = ready(kepler, library.dataset)
    text = "A town of Land 3."
    command = ["kepler", "predict", kepler, "--text", text, "--relation", "P17", "--as", role]
    found = library.ask_text(model, text, library.relation("P17"), role, top=10)
    assert [(a.entity.id, a.score) for a in found.listed] == _pairs(_told(*command)["answers"])


def test_kepler_answers_for_an_entity_as_for_its_text(library: Library, kepler: Path) -> None:
    model = ready(kepler, library.dataset)
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
    model = ready(tmp_path / "run", library.dataset)
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


@pytest.fixture
def unencoded(kepler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run none of whose entities is encoded; 40 of them are between two notes."""
    monkeypatch.setattr("kepler_ke.stream.STEP", 40)
    return Path(shutil.copytree(kepler, tmp_path / "run", ignore=lambda *_: ["vectors"]))


def test_kepler_encodes_while_pages_are_served_and_tells_how_far_it_is(
    library: Library, unencoded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> torch.Tensor:
        if arguments[1].keys(0) not in arguments[2]:  # the second step
            begun.set()
            go_on.wait(PATIENCE)
        return encode_texts(*arguments)

    monkeypatch.setattr("kepler_ke.stream.encode_texts", slow)
    (model,) = load_answerers([("kepler", unencoded)], library.dataset).values()
    assert isinstance(model, KeplerAnswerer)
    pages = client(library, OURS, model)
    assert begun.wait(PATIENCE)
    asked = {"entity": "Q1005", "relation": "P19"}
    waiting = pages.get("/ask", params=asked).text
    total = library.dataset.num_entities
    assert f"cannot answer yet: encode: 40 of {total} texts" in waiting
    assert 'aria-label="Answers"' not in waiting
    assert "no entity of that name" not in waiting
    go_on.set()
    model.texts.result(PATIENCE)
    answered = pages.get("/ask", params=asked).text
    assert "cannot answer yet" not in answered
    assert 'aria-label="Answers"' in answered


def test_kepler_goes_on_where_a_kill_stopped_it(
    library: Library, unencoded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = -(-library.dataset.num_entities // 40)
    dies = Mock(wraps=encode_texts, side_effect=[DEFAULT, MemoryError])
    monkeypatch.setattr("kepler_ke.stream.encode_texts", dies)
    with pytest.raises(MemoryError):
        ready(unencoded, library.dataset)
    goes_on = Mock(wraps=encode_texts)
    monkeypatch.setattr("kepler_ke.stream.encode_texts", goes_on)
    ready(unencoded, library.dataset)
    assert goes_on.call_count == count - 1


def test_why_a_model_will_never_answer_is_told_to_who_asks(
    library: Library, unencoded: Path
) -> None:
    (unencoded / "model" / "relations.safetensors").write_bytes(b"short")
    (model,) = load_answerers([("kepler", unencoded)], library.dataset).values()
    assert isinstance(model, KeplerAnswerer)
    assert model.texts.exception(PATIENCE)
    assert model.pending() == ""
    refused = client(library, OURS, model).get("/ask?entity=Q1005&relation=P19")
    assert refused.status_code == 422
    assert "incomplete model" in refused.text
