"""The token files that runs share: listed with the cache, cleared, and made again."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from kepler_ke.encoder import load_encoder
from kepler_ke.tokens import entity_tokens, graph_texts, write_tokens
from tests.kepler_ke.conftest import SHORT
from wikidata5m import cache
from wikidata5m.cache import Held
from wikidata5m.dataset import Dataset
from wikidata5m.files import cache_home
from wikidata5m.kept import KeptError


def clear() -> list[Held]:
    return cache.clear(["tokens"])


def test_token_files_are_listed_and_cleared(dataset: Dataset, encoder: Path) -> None:
    clear()
    _, tokenizer = load_encoder(str(encoder))
    before = graph_texts(tokenizer, dataset, SHORT).entities
    (found,) = [each for each in cache.held() if each.kind == "tokens"]
    assert found.source == str(dataset.path.resolve())
    assert clear() == [found]
    assert not Path(found.folder).exists()
    after = graph_texts(tokenizer, dataset, SHORT).entities
    assert all((before[row] == after[row]).all() for row in range(dataset.num_entities))


def test_who_comes_second_reads_what_the_first_has_written(
    dataset: Dataset, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear()
    written: list[Path] = []

    def write(folder: Path, *given: Any) -> None:
        written.append(folder)
        write_tokens(folder, *given)

    tokenizers = [load_encoder(str(encoder))[1] for _ in range(4)]

    def ask(tokenizer: PreTrainedTokenizerBase) -> int:
        return len(entity_tokens(tokenizer, dataset, SHORT)[0])

    monkeypatch.setattr("kepler_ke.tokens.write_tokens", write)
    monkeypatch.setattr("wikidata5m.locks.PAUSE", 0.01)
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(ask, tokenizers)] == [dataset.num_entities] * 4
    assert len(written) == 1


@pytest.mark.parametrize("name", ["ids.bin", "start.npy", "meta.json"])
def test_a_token_file_that_was_cut_short_is_told_with_the_fix(
    dataset: Dataset, encoder: Path, name: str
) -> None:
    clear()
    _, tokenizer = load_encoder(str(encoder))
    graph_texts(tokenizer, dataset, SHORT)
    (path,) = cache_home().glob(f"tokens-*/{name}")
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(KeptError, match=r"tokens-\w+: damaged .*delete it, and it is made again"):
        graph_texts(tokenizer, dataset, SHORT)
    assert [each.folder for each in clear()] == [str(path.parent)]
    assert len(graph_texts(tokenizer, dataset, SHORT).entities) == dataset.num_entities
