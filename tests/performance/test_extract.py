"""The measurement itself runs, on little, and tells what it should. Its figures are not judged."""

from __future__ import annotations

from pathlib import Path

import pytest
import ujson
from click.testing import CliRunner

from pipelines.ranges import lines, plan_ranges
from tests.performance.extract import main
from tests.performance.mix import write_mix


@pytest.mark.slow
def test_every_stage_is_measured(real_data: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(real_data), "--work", str(tmp_path), "--workers", "1"]
    arguments += ["--megabytes", "1", "--rounds", "1", "--json"]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    figures = {each["name"]: each["value"] for each in ujson.loads(result.stdout)["figures"]}
    assert all(value > 0 for value in figures.values())
    assert {
        "Wikidata bz2: 1 processes, of the decompressor alone",
        "Wikidata gz: 1 processes, extract",
        "Wikipedia: leads rendered",
        "July 2019, Wikidata gz, 32 cores",
    } <= figures.keys()


def test_the_mixed_dump_holds_each_item_once_in_every_form(real_data: Path, tmp_path: Path) -> None:
    mix = write_mix(real_data / "wikidata", tmp_path, 2_000_000)
    forms = [
        [line for part in plan_ranges(path, 100_000) for line in lines(part)]
        for path in (mix.plain, mix.bzip2, mix.gzip)
    ]
    assert forms[0] == forms[1] == forms[2]
    items = [ujson.loads(line.rstrip(b",")) for line in forms[0][1:-1]]
    assert [item["id"] for item in items] == [f"Q{n}" for n in range(1, mix.items + 1)]
    assert 0.04 < sum("enwiki" in item["sitelinks"] for item in items) / mix.items < 0.25
