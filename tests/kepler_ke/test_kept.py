"""The token files that runs share: listed, cleared, and made again."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import ujson
from click.testing import CliRunner
from transformers import PreTrainedTokenizerBase

from kepler_ke.encoder import load_encoder
from kepler_ke.tokens import TokenFile, entity_tokens, graph_texts, token_home, write_tokens
from tests.kepler_ke.conftest import SHORT
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import InputError


def tokens(*words: str) -> str:
    result = CliRunner().invoke(main, ["kepler", "tokens", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_token_files_are_listed_and_cleared(dataset: Dataset, encoder: Path) -> None:
    assert len(tokens("--clear").splitlines()) == 3
    _, tokenizer = load_encoder(str(encoder))
    before = graph_texts(tokenizer, dataset, SHORT).entities
    (found,) = ujson.loads(tokens("--json"))["tokens"]
    assert found["source"] == str(dataset.path.resolve())
    assert found["texts"] == dataset.num_entities
    assert found["bytes"] == sum(path.stat().st_size for path in Path(found["folder"]).iterdir())
    assert str(dataset.path) in tokens()
    assert tokens("--clear").startswith("deleted:")
    assert not token_home().exists()
    after = graph_texts(tokenizer, dataset, SHORT).entities
    assert all((before[row] == after[row]).all() for row in range(dataset.num_entities))


def test_who_comes_second_reads_what_the_first_has_written(
    dataset: Dataset, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens("--clear")
    written: list[Path] = []

    def write(folder: Path, *given: Any) -> TokenFile:
        written.append(folder)
        return write_tokens(folder, *given)

    tokenizers = [load_encoder(str(encoder))[1] for _ in range(4)]

    def ask(tokenizer: PreTrainedTokenizerBase) -> int:
        return len(entity_tokens(tokenizer, dataset, SHORT)[0])

    monkeypatch.setattr("kepler_ke.tokens.write_tokens", write)
    monkeypatch.setattr("wikidata5m.locks.PAUSE", 0.01)
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(ask, tokenizers)] == [dataset.num_entities] * 4
    assert len(written) == 1


@pytest.mark.parametrize("name", ["ids.bin", "start.npy"])
def test_a_token_file_that_was_cut_short_is_told_with_the_fix(
    dataset: Dataset, encoder: Path, name: str
) -> None:
    _, tokenizer = load_encoder(str(encoder))
    graph_texts(tokenizer, dataset, SHORT)
    (path,) = token_home().glob(f"*/{name}")
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(InputError, match=rf"{name}: damaged .*`wikidata5m kepler tokens --clear`"):
        graph_texts(tokenizer, dataset, SHORT)
    assert "(damaged)" in tokens("--clear")
    assert len(graph_texts(tokenizer, dataset, SHORT).entities) == dataset.num_entities
