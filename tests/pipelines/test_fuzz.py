"""A seeded few hundred mutated records of each kind; `python -m tests.fuzz` does thousands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.harness import Kind, fuzz
from tests.fuzz.mutations import OF_ENTITIES, OF_PAGES


@pytest.mark.parametrize(
    ("kind", "records", "wanted"),
    [
        ("entity", 420, {"item", "property", "no_page", "corrupt_record"}),
        ("page", 220, {"article", "redirect", "corrupt_record", "error"}),
    ],
)
def test_mutated_records_end_as_a_record_a_drop_or_an_error(
    tmp_path: Path, kind: Kind, records: int, wanted: set[str]
) -> None:
    report = fuzz(kind, records, seed=1, folder=tmp_path)
    assert sum(report.outcomes.values()) == records
    assert wanted <= {outcome for _, outcome in report.outcomes}
    mutations = OF_ENTITIES if kind == "entity" else OF_PAGES
    assert {name for name, _ in report.outcomes} == {each.__name__ for each in mutations}
