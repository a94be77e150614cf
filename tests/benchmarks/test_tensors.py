"""Tables on disk: rows as a tensor gives them, no page kept, errors that name the fix."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import tensors
from benchmarks.tensors import StoredRows, save_tensors
from wikidata5m.errors import InputError

ROWS = 23
TABLE_ED = torch.arange(ROWS * 3.0).view(ROWS, 3)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "table.safetensors"
    save_tensors(path, {"first": torch.zeros(5), "entities": TABLE_ED})
    return path


@given(
    rows=st.lists(st.integers(0, ROWS - 1), max_size=40),
    block=st.integers(1, ROWS + 1),
)
def test_rows_by_number_are_those_of_the_tensor(path: Path, rows: list[int], block: int) -> None:
    # Any order, repeated, none, and over the borders of blocks.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensors, "ROWS", block)
        index_M = torch.tensor(rows, dtype=torch.int64)
        assert torch.equal(StoredRows(path, "entities", fix="-")[index_M], TABLE_ED[index_M])


@given(start=st.integers(0, ROWS), end=st.integers(0, ROWS + 5))
def test_a_run_of_rows_is_that_of_the_tensor(path: Path, start: int, end: int) -> None:
    stored = StoredRows(path, "entities", fix="-")
    assert torch.equal(stored[start:end], TABLE_ED[start:end])
    assert len(stored) == ROWS


def test_the_file_is_mapped_only_while_rows_are_used(path: Path) -> None:
    stored = StoredRows(path, "entities", fix="-")
    for rows in (slice(0, ROWS), torch.tensor([0, ROWS - 1])):
        used = stored[rows]
        assert len(used) == (ROWS if isinstance(rows, slice) else 2)
        del used
        assert str(path) not in Path("/proc/self/maps").read_text()


def test_a_file_replaced_or_gone_meanwhile_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "table.safetensors"
    save_tensors(path, {"entities": TABLE_ED})
    stored = StoredRows(path, "entities", fix="encode again")
    save_tensors(path, {"entities": TABLE_ED + 1})
    with pytest.raises(InputError, match="replaced since it was opened; start the command again"):
        stored[0:1]
    path.unlink()
    with pytest.raises(InputError, match=r"not readable .*; encode again"):
        stored[0:1]


def test_a_damaged_file_is_an_error_with_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "table.safetensors"
    path.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"not readable .*; train again"):
        StoredRows(path, "entities", fix="train again")
