"""Vectors that are written as they come: the artefact, interruptions, other work."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import DEFAULT, Mock

import numpy as np
import pytest
import torch

from benchmarks.embeddings import TENSORS, EmbeddingsMeta, load_embeddings
from kepler_ke.encode import encode_texts
from kepler_ke.evaluate import Judge, encode_run, load_judge, meta_of, write_vectors
from kepler_ke.runs import read_run
from kepler_ke.stream import PROGRESS, model_identity, stream_embeddings
from wikidata5m.dataset import Dataset
from wikidata5m.errors import InputError, OutputExistsError
from wikidata5m.locks import taken


@pytest.fixture(scope="module")
def judge(run: Path, dataset: Dataset) -> Judge:
    return load_judge(run / "model", dataset, read_run(run))


class KillError(Exception):
    """Stands for a killed process."""


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kepler_ke.stream.STEP", 40)


@pytest.mark.parametrize("count", [0, 1, 90, 175])
def test_the_file_is_read_as_any_artefact(
    count: int, judge: Judge, run: Path, dataset: Dataset, tmp_path: Path, small_steps: None
) -> None:
    entities = (
        np.arange(0, dataset.num_entities, dtype=np.int64)[-count:] if count else np.arange(0)
    )
    write_vectors(tmp_path / "v", run / "model", dataset, judge, entities)
    found = load_embeddings(tmp_path / "v", dataset_hash=dataset.manifest.dataset_hash)
    torch.testing.assert_close(found.entities, judge.encode(entities), atol=1e-6, rtol=1e-5)
    assert torch.equal(found.relations, judge.relations_RD)
    if count < dataset.num_entities:
        assert found.index is not None
        assert found.index.tolist() == entities.tolist()
    else:
        assert found.index is None
    assert not (tmp_path / "v" / PROGRESS).exists()


def test_room_for_all_vectors_is_taken_at_the_start(
    run: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kepler_ke.stream.os.posix_fallocate", full)
    with pytest.raises(OSError, match="No space left") as error:
        encode_run(run, dataset, tmp_path / "v")
    assert error.value.filename == str(tmp_path / "v" / TENSORS)


def test_vectors_that_another_process_writes_are_not_overwritten(
    run: Path, dataset: Dataset, tmp_path: Path
) -> None:
    encode_run(run, dataset, tmp_path / "v")
    before = (tmp_path / "v" / TENSORS).read_bytes()
    with (tmp_path / "v" / TENSORS).open("ab") as held:
        assert taken(held)
        with pytest.raises(OutputExistsError, match="another process is at work"):
            encode_run(run, dataset, tmp_path / "v", overwrite=True)
    assert (tmp_path / "v" / TENSORS).read_bytes() == before


def test_an_interrupted_encoding_goes_on_and_ends_the_same(
    run: Path, dataset: Dataset, tmp_path: Path, small_steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kepler_ke.encode import encode_texts as plain

    asked: list[int] = []

    def die(*args: object, **kwargs: object) -> torch.Tensor:
        asked.append(1)
        if len(asked) == 3:
            raise KillError
        return plain(*args, **kwargs)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr("kepler_ke.stream.encode_texts", die)
        with pytest.raises(KillError):
            encode_run(run, dataset, tmp_path / "v")
    with pytest.raises(InputError):
        load_embeddings(tmp_path / "v")
    with pytest.raises(OutputExistsError):
        encode_run(run, dataset, tmp_path / "v")
    with monkeypatch.context() as patch:
        patch.setattr("kepler_ke.stream.encode_texts", die)
        encode_run(run, dataset, tmp_path / "v", resume=True)
    assert len(asked) == 3 + 3  # 175 entities by 40, of which 80 were done
    encode_run(run, dataset, tmp_path / "whole")
    for name in ("embeddings.safetensors", "embeddings.json"):
        assert (tmp_path / "v" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_is_finished_is_not_encoded_again_and_other_work_starts_anew(
    judge: Judge, run: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entities = np.arange(20)

    def work(meta: EmbeddingsMeta) -> None:
        stream_embeddings(
            tmp_path / "v", judge.model, judge.texts, entities, judge.relations_RD, meta
        )

    meta = meta_of(dataset, judge, model_identity(run / "model"))
    work(meta)
    with monkeypatch.context() as patch:
        patch.setattr("kepler_ke.stream.encode_texts", lambda *_: pytest.fail("encoded again"))
        work(meta)
    work(dataclasses.replace(meta, extra={"model": "another"}))
    assert load_embeddings(tmp_path / "v").meta.extra == {"model": "another"}


def test_the_identity_of_a_model_changes_with_its_weights(run: Path) -> None:
    assert model_identity(run / "model") == model_identity(run / "model")
    assert model_identity(run / "model") != model_identity(run / "start")


def test_of_two_at_once_one_encodes_and_the_other_waits_for_it(
    judge: Judge, run: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()
    monkeypatch.setattr("wikidata5m.locks.time.sleep", lambda _: waits.set())
    encodes = Mock(wraps=encode_texts, side_effect=lambda *_: waits.wait(60) and DEFAULT)
    monkeypatch.setattr("kepler_ke.stream.encode_texts", encodes)

    def work(_: int) -> None:
        write_vectors(tmp_path / "v", run / "model", dataset, judge, np.arange(20))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, range(2)))
    assert encodes.call_count == 1
    assert len(load_embeddings(tmp_path / "v").entities) == 20


def test_finished_vectors_are_read_where_nothing_can_be_written(
    judge: Judge, run: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_vectors(tmp_path / "v", run / "model", dataset, judge, np.arange(20))
    monkeypatch.setattr("kepler_ke.stream._alone", lambda _: pytest.fail("opened to write"))
    write_vectors(tmp_path / "v", run / "model", dataset, judge, np.arange(20))
