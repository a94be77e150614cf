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
from wikidata5m.schema import Ranks


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


def read(
    folder: Path,
    text: str,
    language: str = "en",
    site: str = "enwiki",
    ranks: Ranks = "not-deprecated",
    max_errors: int = 0,
) -> dict[str, Any]:
    path = folder / "dump.json"
    path.write_text(text, encoding="utf-8")
    (source,) = plan_ranges(path, 1 << 30)
    run = wikidata.reader(wikidata.Wanted(language, site, ranks), max_errors)
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
    assert [row[name] for name in wikidata.STATEMENT_DROPS] == [1, 0, 1, 1, 4]
    assert found["statements"].select("relation", "tail").rows() == [(31, 5), (31, 7), (26, 8)]


RANKED = {
    "P1": [
        statement(snak("P1", item(1)), "preferred"),
        statement(snak("P1", item(2))),
        statement(snak("P1", item(3)), "deprecated"),
        statement(snak("P1", snaktype="somevalue")),
    ],
    "P2": [statement(snak("P2", item(4))), statement(snak("P2", item(5)), "deprecated")],
    "P3": [
        statement(snak("P3", snaktype="novalue"), "preferred"),
        statement(snak("P3", item(6))),
    ],
    "P31": [statement(snak("P31", item(7)), "deprecated"), statement(snak("P31", item(8)))],
}


@pytest.mark.parametrize(
    ("ranks", "tails", "types", "drops"),
    [
        ("all", [1, 2, 3, 4, 5, 6, 7, 8], [7, 8], (0, 0, 1, 1, 0)),
        ("not-deprecated", [1, 2, 4, 6, 8], [8], (3, 0, 1, 1, 0)),
        # A preferred statement without a value outranks the normal ones, as in Wikidata's truthy.
        ("best", [1, 4, 8], [8], (3, 3, 1, 0, 0)),
    ],
)
def test_ranks_decide_what_counts(
    tmp_path: Path, ranks: Ranks, tails: list[int], types: list[int], drops: tuple[int, ...]
) -> None:
    found = read(tmp_path, dump(entity(42, claims=RANKED, **LINKED)), ranks=ranks)
    assert found["statements"]["tail"].to_list() == tails
    assert found["items"]["types"].to_list() == [types]
    assert found["items"].select(wikidata.STATEMENT_DROPS).row(0) == drops


def test_redirects_lexemes_and_schemas_are_no_items(tmp_path: Path) -> None:
    others: list[dict[str, Any]] = [
        {"id": "Q5", "redirect": "Q6"},
        {"type": "redirect", "entity": "Q7", "redirect": "Q8"},
        {"type": "lexeme", "id": "L3", "lemmas": {}, "claims": []},
        {"type": "entity-schema", "id": "E10", "labels": {}},
        {"id": "L9", "redirect": "L10"},
        entity(1, **LINKED),
    ]
    found = read(tmp_path, dump(*others))
    assert found["redirects"].rows() == [(5, 6), (7, 8)]
    assert found["items"]["entity"].to_list() == [1]
    assert found["counts"].to_dicts() == [
        {"lines": 8, "entities": 6, "no_page": 0, "other_entity": 3}
    ]


def test_a_statement_that_speaks_of_sitelinks_hides_no_page(tmp_path: Path) -> None:
    record = {"sitelinks": LINKED["sitelinks"], "type": "item", "id": "Q1"}
    record["claims"] = {"P1": [statement(snak("P1", "sitelinks")), statement(snak("P1", "x"))]}
    record["labels"] = {"en": term('a "sitelinks": b'), "de": term("sitelinks", "de")}
    assert read(tmp_path, dump(record))["items"]["entity"].to_list() == [1]


def nested(depth: int) -> str:
    return ujson.dumps(entity(2, **LINKED))[:-1] + ',"x":' + "[" * depth + "]" * depth + "}"


CORRUPT = {
    "cut": ujson.dumps(entity(2, **LINKED))[:-20],
    "deep": nested(100_000),
    "deep in a field": nested(100_000).replace('"x"', '"labels"'),
    "number without end": ujson.dumps(entity(2, **LINKED))[:-1]
    + ',"lastrevid":'
    + "9" * 5000
    + "}",
    "more than int64": ujson.dumps(entity(2, lastrevid=1, **LINKED)).replace(
        '"lastrevid":1', f'"lastrevid":{2**64}'
    ),
    "negative revision": ujson.dumps(entity(2, lastrevid=-1, **LINKED)),
    "Q0": ujson.dumps(entity(2, **LINKED)).replace("Q2", "Q0"),
    "Q-1": ujson.dumps(entity(2, **LINKED)).replace("Q2", "Q-1"),
    "Q1 and a blank": ujson.dumps(entity(2, **LINKED)).replace("Q2", "Q1 "),
    "an id past Wikibase's last": ujson.dumps(entity(2**31, **LINKED)),
    "Arabic digits": ujson.dumps(entity(2, **LINKED)).replace("Q2", "Q٢"),
    "no id": ujson.dumps({"type": "item", **LINKED}),
    "a type at odds with the id": ujson.dumps({"type": "property", "id": "Q2", **LINKED}),
    "a lone surrogate": ujson.dumps(entity(2, labels={"en": term("x")}, **LINKED)).replace(
        '"value":"x"', '"value":"\\ud800x"'
    ),
    "an unknown rank": ujson.dumps(
        entity(2, claims={"P1": [statement(snak("P1", item(1)), "best")]}, **LINKED)
    ),
    "a property without a number": ujson.dumps(entity(2, claims={"P": []}, **LINKED)),
    "an item value without an id": ujson.dumps(
        entity(2, claims={"P1": [statement(snak("P1", {"entity-type": "item"}))]}, **LINKED)
    ),
    "an item value of number 0": ujson.dumps(
        entity(2, claims={"P1": [statement(snak("P1", item(0)))]}, **LINKED)
    ),
    "a list": "5",
    "NULs": "\0" * 100,
    "a redirect to a property": '{"id":"Q2","redirect":"P2"}',
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_corrupt_record_is_left_out_within_the_limit_and_an_error_past_it(
    tmp_path: Path, name: str
) -> None:
    good = ujson.dumps(entity(1, **LINKED))
    text = f"[\n{good},\n{CORRUPT[name]},\n{good}\n]\n"
    found = read(tmp_path, text, max_errors=1)
    assert found["items"]["entity"].to_list() == [1, 1]
    assert found["statements"].is_empty()
    assert found["corrupt"]["number"].to_list() == [3]
    assert len(found["corrupt"]["problem"][0]) < 250
    (tmp_path / "strict").mkdir()
    with pytest.raises(InputError, match="--max-errors") as caught:
        read(tmp_path / "strict", text)
    assert caught.value.where == "line 3"
    (tmp_path / "twice").mkdir()
    with pytest.raises(InputError, match="after 1 that --max-errors allows") as caught:
        read(tmp_path / "twice", f"{text}{CORRUPT[name]}\n", max_errors=1)
    assert caught.value.where == "line 6"


def test_a_key_that_repeats_counts_as_its_last(tmp_path: Path) -> None:
    line = ujson.dumps(entity(2, **LINKED)).replace('"id":"Q2"', '"id":"Q2","id":"Q3"')
    assert read(tmp_path, line)["items"]["entity"].to_list() == [3]


def test_empty_maps_are_lists_in_real_dumps(tmp_path: Path) -> None:
    empty: dict[str, object] = {"labels": [], "descriptions": [], "aliases": [], "claims": []}
    found = read(tmp_path, dump(entity(1, **empty, **LINKED), entity(2, **empty, sitelinks=[])))
    assert found["items"].select("entity", "label", "aliases").rows() == [(1, "", [])]
    assert found["counts"]["no_page"].to_list() == [1]


@pytest.mark.parametrize("field", ["labels", "descriptions", "aliases", "claims", "sitelinks"])
def test_a_list_that_is_not_empty_is_no_map(tmp_path: Path, field: str) -> None:
    bad = entity(1, **(LINKED | {field: ["x"]}))
    with pytest.raises(InputError, match="line 2: not a Wikidata entity"):
        read(tmp_path, dump(bad))


def test_records_that_share_a_line_are_told_whatever_the_last_one_has(tmp_path: Path) -> None:
    line = ",".join(
        ujson.dumps(entity(number, **links), escape_forward_slashes=False)
        for number, links in ((3, LINKED), (4, LINKED), (5, {"sitelinks": {}}))
    )
    with pytest.raises(InputError, match="line 1: not a Wikidata entity"):
        read(tmp_path, line)


def test_a_property_without_pages_is_a_property(tmp_path: Path) -> None:
    record = {"type": "property", "id": "P5", "labels": {"en": term("five")}, "sitelinks": {}}
    found = read(tmp_path, dump(record))
    assert found["properties"]["label"].to_list() == ["five"]
    assert found["counts"]["no_page"].item() == 0


def test_labels_fall_back_to_mul_and_aliases_stay_in_the_language(tmp_path: Path) -> None:
    labels = {"mul": term("Many", "mul"), "de": term("Viele", "de")}
    aliases = {"en": [term("One"), term("Two")], "de": [term("Drei", "de")]}
    record = entity(1, labels=labels, aliases=aliases, **LINKED)
    found = read(tmp_path, dump(record))
    assert found["items"].select("label", "aliases").rows() == [("Many", ["Many", "One", "Two"])]


def test_aliases_of_every_language_follow_the_own_ones(tmp_path: Path) -> None:
    aliases = {"mul": [term("Uno", "mul"), term("One", "mul")], "en": [term("One"), term("Two")]}
    found = read(tmp_path, dump(entity(1, labels={"en": term("Two")}, aliases=aliases, **LINKED)))
    assert found["items"]["aliases"].to_list() == [["Two", "One", "Uno"]]


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
    plain = entity(6, labels={"en": term("nobody")}, claims={}, sitelinks={})
    found = read(tmp_path, dump(prop, kind, plain))
    assert found["properties"].rows() == [
        (2, 31, 0, "instance of", "that class of which this is an example", ["instance of", "is a"])
    ]
    assert found["pageless"].rows() == [(3, 5, 0, "human")]
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
        ('{"type":"item","labels":{', "not a Wikidata entity"),
        ('{"type":"item","sitelinks":{},"labels":{', "no whole JSON object"),
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
