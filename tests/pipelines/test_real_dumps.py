"""Every real Wikidata file goes through a build, its counts as a plain reader finds them."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ujson
from click.testing import CliRunner

from pipelines.build import BuildConfig, BuildInput, build
from tests.pipelines.test_wikidata import read
from wikidata5m import load
from wikidata5m.cli import main
from wikidata5m.manifest import Manifest
from wikidata5m.verify import verify

EXCERPT = "wikipedia/enwiki-2016-excerpt.xml.bz2"


def unpacked(path: Path) -> str:
    opened = {".bz2": bz2.decompress, ".gz": gzip.decompress}[path.suffix]
    return opened(path.read_bytes()).decode()


def records(path: Path) -> Iterator[dict[str, Any]]:
    for line in unpacked(path).splitlines():
        if len(line) > 2:
            yield ujson.loads(line.rstrip().rstrip(","))


def check_counts(manifest: Manifest, path: Path, site: str) -> None:
    """What came in, and where each record went, by a plain reading of the file."""
    every = list(records(path))
    items = [each for each in every if each["type"] == "item"]
    linked = [each for each in items if site in (each["sitelinks"] or {})]
    assert manifest.counts["wikidata_entities"] == len(every)
    assert manifest.counts["wikidata_properties"] == len(every) - len(items)
    drops = manifest.drops
    assert drops["no_page"] == len(items) - len(linked)
    assert drops["duplicate_item"] == len(linked) - len({each["id"] for each in linked})
    assert drops["corrupt_record"] == drops["other_entity"] == 0
    latest: dict[str, Any] = {}
    for each in sorted(linked, key=lambda each: each.get("lastrevid", 0)):
        latest[each["id"]] = each
    ranks = [
        statement["rank"]
        for each in latest.values()
        for statements in (each["claims"] or {}).values()
        for statement in statements
    ]
    assert drops["deprecated"] == ranks.count("deprecated")
    fates = ("page_missing", "page_too_large", "page_too_complex", "page_deleted", "short_lead")
    fallen = sum(drops[name] for name in fates)
    assert manifest.counts["entities"] + fallen == len(latest)
    whole = ("no_value", "some_value", "not_an_item", "head_not_kept", "tail_not_kept")
    lost = sum(drops[name] for name in (*whole, "relation_without_page", "duplicate_statement"))
    assert manifest.counts["triplets"] + lost + drops["deprecated"] == len(ranks)


@pytest.mark.parametrize(
    ("wikidata", "wikipedia", "language", "site"),
    [
        ("union.json.bz2", EXCERPT, "en", "enwiki"),
        ("wikibrain-2014.json.bz2", EXCERPT, "en", "enwiki"),
        ("unclosed-array.json.gz", EXCERPT, "en", "enwiki"),
        ("union.json.bz2", "wikipedia/ltgwiki.xml.gz", "ltg", "ltgwiki"),
        (
            "wikibrain-2014.json.bz2",
            "wikipedia/enwiki-gensim206-multistream10.xml.bz2",
            "en",
            "enwiki",
        ),
    ],
)
def test_a_real_file_is_counted_as_a_plain_reader_counts_it(
    real_data: Path, tmp_path: Path, wikidata: str, wikipedia: str, language: str, site: str
) -> None:
    path = real_data / "wikidata" / wikidata
    source = BuildInput(wikidata=path, wikipedia=real_data / wikipedia, workers=1)
    manifest = build(source, tmp_path / "data", BuildConfig(language=language, site=site))
    check_counts(manifest, path, site)
    assert manifest.counts["entities"] > 0
    assert verify(load(tmp_path / "data")) == []


def test_the_same_pages_cut_into_streams_give_the_same_dataset(
    real_data: Path, tmp_path: Path
) -> None:
    folder = real_data / "wikipedia"
    wikidata = real_data / "wikidata/union.json.bz2"
    whole = BuildInput(wikidata=wikidata, wikipedia=real_data / EXCERPT, workers=1)
    one = build(whole, tmp_path / "whole", BuildConfig())
    for streams in (10, 100):
        cut = BuildInput(
            wikidata=wikidata,
            wikipedia=folder / f"enwiki-gensim206-multistream{streams}.xml.bz2",
            wikipedia_index=folder / f"enwiki-gensim206-multistream{streams}-index.txt.bz2",
            workers=1,
            range_bytes=100_000,
        )
        two = build(cut, tmp_path / f"cut{streams}", BuildConfig())
        assert one.files == two.files, f"{streams} pages a stream"
        assert one.counts == two.counts, f"{streams} pages a stream"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mock-with-bugs.json.gz", "no item is left: no_page 55"),
        ("edits-2019.ndjson.bz2", "no item is left: no_page"),
        ("property.json", "line 1: not a Wikidata entity"),
    ],
)
def test_a_real_file_that_gives_no_dataset_says_why(
    real_data: Path, tmp_path: Path, name: str, reason: str
) -> None:
    run = ["build", "--wikidata", str(real_data / "wikidata" / name), "--workers", "1"]
    run += ["--wikipedia", str(real_data / EXCERPT), "--out", str(tmp_path / "data")]
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 1
    assert reason in result.stderr


@pytest.mark.parametrize("name", ["edits-2019.ndjson.bz2", "unclosed-array.json.gz"])
def test_lines_of_any_layout_are_all_read(real_data: Path, tmp_path: Path, name: str) -> None:
    path = real_data / "wikidata" / name
    every = list(records(path))
    found = read(tmp_path, unpacked(path))
    assert found["counts"]["entities"].item() == len(every)
    linked = [each for each in every if "enwiki" in (each["sitelinks"] or {})]
    assert found["items"]["entity"].to_list() == [int(each["id"][1:]) for each in linked]
    assert found["items"]["revision"].to_list() == [each.get("lastrevid", 0) for each in linked]


def test_a_real_property_on_one_line_is_read(real_data: Path, tmp_path: Path) -> None:
    record = ujson.loads((real_data / "wikidata/property.json").read_text())
    found = read(tmp_path, ujson.dumps(record))
    (row,) = found["properties"].to_dicts()
    assert (row["relation"], row["revision"]) == (int(record["id"][1:]), record["lastrevid"])
    assert row["label"] == record["labels"]["en"]["value"]
