"""Wikidata lines of every quirk that real dumps have, read into tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import ujson

from pipelines import wikidata
from pipelines.ranges import plan_ranges
from pipelines.tasks import Task, perform
from wikidata5m.errors import InputError


def snak(prop: str, value: object = None, snaktype: str = "value") -> dict[str, Any]:
    data = {} if value is None else {"datavalue": {"value": value, "type": "x"}}
    return {"snaktype": snaktype, "property": prop, **data}


def statement(main: dict[str, Any], rank: str = "normal") -> dict[str, Any]:
    return {"mainsnak": main, "type": "statement", "rank": rank}


def item(number: int) -> dict[str, Any]:
    return {"entity-type": "item", "numeric-id": number, "id": f"Q{number}"}


def term(value: str, language: str = "en") -> dict[str, str]:
    return {"language": language, "value": value}


def entity(number: int, **fields: object) -> dict[str, Any]:
    return {"type": "item", "id": f"Q{number}", **fields}


LINKED = {"sitelinks": {"enwiki": {"site": "enwiki", "title": "A page", "badges": []}}}


def read(folder: Path, text: str, language: str = "en", site: str = "enwiki") -> dict[str, Any]:
    path = folder / "dump.json"
    path.write_text(text, encoding="utf-8")
    (source,) = plan_ranges(path, 1 << 30)
    run = wikidata.reader(wikidata.Wanted(language, site))
    perform(Task(source=source, out=folder / "out", layouts=wikidata.LAYOUTS, run=run))
    return {name: pl.read_parquet(folder / f"out/{name}.parquet") for name in wikidata.LAYOUTS}


def dump(*records: dict[str, Any]) -> str:
    return "[\n" + ",\n".join(ujson.dumps(record) for record in records) + "\n]\n"


def test_each_statement_is_kept_or_counted(tmp_path: Path) -> None:
    claims = {
        "P31": [
            statement(snak("P31", item(5)), "preferred"),
            statement(snak("P31", item(6)), "deprecated"),
            statement(snak("P31", {"entity-type": "item", "numeric-id": 7})),
        ],
        "P26": [
            statement(snak("P26", snaktype="novalue")),
            statement(snak("P26", snaktype="somevalue")),
            statement(snak("P26", {"entity-type": "item", "id": "Q8"})),
        ],
        "P569": [statement(snak("P569", {"time": "+1952-03-11T00:00:00Z", "precision": 11}))],
        "P18": [statement(snak("P18", "A file.jpg"))],
        "P1630": [statement(snak("P1630", {"entity-type": "property", "numeric-id": 31}))],
        "P2048": [statement(snak("P2048", 7))],
    }
    found = read(tmp_path, dump(entity(42, claims=claims, **LINKED)))
    (row,) = found["items"].to_dicts()
    assert row["types"] == [5, 7]
    assert [row[name] for name in ("deprecated", "no_value", "some_value", "not_an_item")] == [
        1, 1, 1, 4,
    ]  # fmt: skip
    assert found["statements"].select("relation", "tail").rows() == [(31, 5), (31, 7), (26, 8)]


def test_empty_maps_are_lists_in_real_dumps(tmp_path: Path) -> None:
    empty: dict[str, object] = {"labels": [], "descriptions": [], "aliases": [], "claims": []}
    found = read(tmp_path, dump(entity(1, **empty, **LINKED), entity(2, **empty, sitelinks=[])))
    assert found["items"].select("entity", "label", "aliases").rows() == [(1, "", [])]
    assert found["counts"]["no_page"].to_list() == [1]


def test_labels_fall_back_to_mul_and_aliases_stay_in_the_language(tmp_path: Path) -> None:
    labels = {"mul": term("Many", "mul"), "de": term("Viele", "de")}
    aliases = {"en": [term("One"), term("Two")], "de": [term("Drei", "de")]}
    record = entity(1, labels=labels, aliases=aliases, **LINKED)
    found = read(tmp_path, dump(record))
    assert found["items"].select("label", "aliases").rows() == [("Many", ["One", "Two"])]


def test_another_language_and_wiki(tmp_path: Path) -> None:
    labels = {"en": term("Vienna"), "de": term("Wien", "de")}
    record = entity(1, labels=labels, sitelinks={"dewiki": {"site": "dewiki", "title": "Wien"}})
    found = read(tmp_path, dump(record), "de", "dewiki")
    assert found["items"].select("title", "label").rows() == [("Wien", "Wien")]
    (tmp_path / "again").mkdir()
    assert read(tmp_path / "again", dump(record))["items"].is_empty()


def test_properties_and_pageless_classes_keep_their_names(tmp_path: Path) -> None:
    prop = {
        "type": "property",
        "id": "P31",
        "labels": {"en": term("instance of")},
        "descriptions": {"en": term("that class of which this is an example")},
        "aliases": {"en": [term("is a"), term("instance of")]},
    }
    kind = entity(5, labels={"en": term("human")}, claims={"P279": []})
    plain = entity(6, labels={"en": term("nobody")}, claims={})
    found = read(tmp_path, dump(prop, kind, plain))
    assert found["properties"].rows() == [
        (31, "instance of", "that class of which this is an example", ["instance of", "is a"])
    ]
    assert found["pageless"].rows() == [(5, "human")]
    assert found["counts"]["no_page"].to_list() == [2]


@pytest.mark.parametrize("shape", ["spaces", "no brackets", "unclosed", "blank lines", "CRLF"])
def test_any_line_layout_is_read(tmp_path: Path, shape: str) -> None:
    import json

    records = [entity(n, **LINKED) for n in (1, 2, 3)]
    text = {
        "spaces": "[\n" + ",\n".join(json.dumps(r) for r in records) + "\n]",
        "no brackets": "\n".join(ujson.dumps(r) for r in records),
        "unclosed": "[\n" + ",\n".join(ujson.dumps(r) for r in records) + ",\n",
        "blank lines": "[\n\n" + ",\n\n".join(ujson.dumps(r) for r in records) + "\n]\n",
        "CRLF": "[\r\n" + ",\r\n".join(ujson.dumps(r) for r in records) + "\r\n]\r\n",
    }[shape]
    assert read(tmp_path, text)["items"]["entity"].to_list() == [1, 2, 3]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (ujson.dumps(entity(2, **LINKED))[:-20], "no whole JSON object|not a Wikidata entity"),
        (ujson.dumps(entity(2, claims={"P1": 5}, **LINKED)), "claims"),
        (ujson.dumps({"type": "item", "id": "Q", **LINKED}), "not a Wikidata entity"),
        ('{"type":"item","labels":{', "no whole JSON object"),
    ],
)
def test_a_bad_line_is_an_error_that_names_it(tmp_path: Path, line: str, problem: str) -> None:
    text = "[\n" + ujson.dumps(entity(1, **LINKED)) + ",\n" + line + "\n]\n"
    with pytest.raises(InputError, match=problem) as caught:
        read(tmp_path, text)
    assert caught.value.where == "line 3"
    assert not (tmp_path / "out").exists()


def test_real_entities_are_read_whole(real_data: Path, tmp_path: Path) -> None:
    import bz2

    text = bz2.decompress((real_data / "wikidata/union.json.bz2").read_bytes()).decode()
    records = [ujson.loads(line.rstrip(",")) for line in text.splitlines()[1:-1]]
    found = read(tmp_path, text)
    pages = {int(r["id"][1:]): r for r in records if "enwiki" in (r.get("sitelinks") or {})}
    assert found["items"]["entity"].to_list() == list(pages)
    assert found["properties"].height == sum(r["type"] == "property" for r in records)
    statements = [
        (int(prop[1:]), main["datavalue"]["value"]["numeric-id"])
        for record in pages.values()
        for prop, claims in (record["claims"] or {}).items()
        for claim in claims
        for main in [claim["mainsnak"]]
        if claim["rank"] != "deprecated"
        and main["snaktype"] == "value"
        and isinstance(main["datavalue"]["value"], dict)
        and main["datavalue"]["value"].get("entity-type") == "item"
    ]
    assert found["statements"].select("relation", "tail").rows() == statements
