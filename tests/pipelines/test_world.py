"""The synthetic world: the same bytes again, readable formats, a truth that the dumps bear out."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from xml.etree import ElementTree as ET

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.world import WorldConfig, WorldFiles, write_world
from pipelines.world.layout import Layout
from pipelines.world.names import Names
from pipelines.world.random import Shuffle, Stream
from wikidata5m.errors import ConfigError
from wikidata5m.schema import CLASS_SCHEMA, ENTITY_SCHEMA, RELATION_SCHEMA

SPACE = "{http://www.mediawiki.org/xml/export-0.10/}"
Triplet = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Page:
    number: int
    namespace: int
    redirect: str | None
    text: str


@dataclass(frozen=True)
class Written:
    files: WorldFiles
    progress: list[tuple[int, int]]
    lines: list[dict[str, Any]]
    pages: dict[str, Page]

    def truth(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.files.truth / f"{name}.parquet")

    def triplets(self) -> list[Triplet]:
        return [(h, r, t) for h, r, t in self.truth("triplets").iter_rows()]

    def drops(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = json.loads((self.files.truth / "drops.json").read_text())
        return found

    def items(self) -> dict[str, dict[str, Any]]:
        """The newest revision of each item."""
        newest: dict[str, dict[str, Any]] = {}
        for line in self.lines:
            if line["type"] == "item":
                known = newest.get(line["id"])
                if known is None or known["lastrevid"] < line["lastrevid"]:
                    newest[line["id"]] = line
        return newest

    def properties(self) -> dict[str, dict[str, Any]]:
        return {line["id"]: line for line in self.lines if line["type"] == "property"}


def entity_lines(data: bytes) -> Iterator[dict[str, Any]]:
    lines = data.decode().splitlines()
    assert lines[0] == "["
    assert lines[-1] == "]"
    for k, line in enumerate(lines[1:-1]):
        assert line.endswith(",") == (k < len(lines) - 3)
        yield json.loads(line.removesuffix(","))


def parsed_pages(data: bytes) -> Iterator[tuple[str, Page]]:
    for page in ET.parse(io.BytesIO(data)).getroot().iter(f"{SPACE}page"):
        redirect = page.find(f"{SPACE}redirect")
        yield (
            page.findtext(f"{SPACE}title", ""),
            Page(
                int(page.findtext(f"{SPACE}id", "")),
                int(page.findtext(f"{SPACE}ns", "")),
                None if redirect is None else redirect.attrib["title"],
                page.findtext(f"{SPACE}revision/{SPACE}text", ""),
            ),
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Written:
    progress: list[tuple[int, int]] = []
    out = tmp_path_factory.mktemp("world")
    files = write_world(
        WorldConfig(entities=2_000, seed=7),
        out,
        on_progress=lambda done, total: progress.append((done, total)),
    )
    assert files.wikidata_bz2
    assert files.wikipedia_bz2
    pages = list(parsed_pages(bz2.decompress(files.wikipedia_bz2.read_bytes())))
    assert len({title for title, _ in pages}) == len(pages)
    lines = list(entity_lines(bz2.decompress(files.wikidata_bz2.read_bytes())))
    return Written(files, progress, lines, dict(pages))


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_configuration_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    # A spawned worker hashes strings differently, so an order taken from a set would show.
    for name, workers in (("one", 1), ("two", 2)):
        write_world(WorldConfig(entities=300, seed=3), tmp_path / name, workers=workers)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    assert len(hashes(tmp_path / "one")) == 11


def test_another_seed_gives_another_world(tmp_path: Path) -> None:
    for seed in (3, 4):
        write_world(
            WorldConfig(entities=100, seed=seed), tmp_path / str(seed), compressions=("gz",)
        )
    labels = [
        set(pl.read_parquet(tmp_path / str(seed) / "truth/entities.parquet")["label"])
        for seed in (3, 4)
    ]
    assert len(labels[0] ^ labels[1]) > 50


def test_only_the_asked_compressions_are_written(tmp_path: Path) -> None:
    files = write_world(WorldConfig(entities=100), tmp_path, compressions=("gz",))
    assert files.wikidata_bz2 is None
    assert files.wikipedia_index is None
    assert {path.name for path in tmp_path.iterdir()} == {
        "wikidata.json.gz",
        "enwiki.xml.gz",
        "truth",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [("entities", 99), ("entities", 5_000_001), ("relations", 5), ("relations", 10_000),
     ("seed", -1), ("entities", "many")],
)  # fmt: skip
def test_a_setting_out_of_range_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        WorldConfig(**{name: value})


def test_gz_and_bz2_hold_the_same_text(world: Written) -> None:
    files = world.files
    pairs = (
        (files.wikidata_bz2, files.wikidata_gz),
        (files.wikipedia_bz2, files.wikipedia_gz),
    )
    for one, other in pairs:
        assert one is not None
        assert other is not None
        assert bz2.decompress(one.read_bytes()) == gzip.decompress(other.read_bytes())


def test_each_offset_of_the_index_begins_a_stream_that_holds_its_pages(world: Written) -> None:
    assert world.files.wikipedia_index
    assert world.files.wikipedia_bz2
    index = bz2.decompress(world.files.wikipedia_index.read_bytes()).decode().splitlines()
    data = world.files.wikipedia_bz2.read_bytes()
    streams: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for line in index:
        offset, number, title = line.split(":", 2)
        streams[int(offset)].append((int(number), title))
    for start, entries in streams.items():
        text = bz2.BZ2Decompressor().decompress(data[start:])
        found = [(page.number, title) for title, page in parsed_pages(_wrapped(text))]
        assert found == entries
    sizes = [len(entries) for entries in streams.values()]
    assert set(sizes[:-1]) == {100}
    assert sum(sizes) == len(world.pages)


def _wrapped(pages: bytes) -> bytes:
    return f'<mediawiki xmlns="{SPACE[1:-1]}">'.encode() + pages + b"</mediawiki>"


def test_progress_ends_at_the_total(world: Written) -> None:
    assert world.progress[-1][0] == world.progress[-1][1]
    assert [done for done, _ in world.progress] == sorted({done for done, _ in world.progress})


def resolved(world: Written, item: dict[str, Any]) -> str | None:
    """The title of the article that an item's sitelink leads to; "" when there is none."""
    if "enwiki" not in item["sitelinks"]:
        return None
    title = item["sitelinks"]["enwiki"]["title"].replace("_", " ")
    page = world.pages.get(title)
    if page and page.redirect:
        title, page = page.redirect, world.pages.get(page.redirect)
    return title if page and page.namespace == 0 else ""


def test_the_kept_entities_are_those_whose_page_is_there_and_long_enough(world: Written) -> None:
    truth = world.truth("entities")
    assert truth.columns == ENTITY_SCHEMA.names
    assert truth.height == 2_000
    titles = dict(zip(truth["entity"], truth["title"], strict=True))
    states: Counter[str] = Counter()
    for q, item in world.items().items():
        title = resolved(world, item)
        if q in titles:
            assert title == titles[q]
            continue
        states["no_page" if title is None else "short_lead" if title else "page_missing"] += 1
    items = [line for line in world.lines if line["type"] == "item"]
    unread = sum(resolved(world, line) is None for line in items)
    states["duplicate_item"] = len(items) - len(world.items()) - (unread - states["no_page"])
    states["no_page"] = unread
    assert dict(states) == world.drops()["items"]
    assert min(states.values()) > 0
    redirected = [
        q for q in titles if world.items()[q]["sitelinks"]["enwiki"]["title"].startswith("Former ")
    ]
    assert redirected


def test_names_of_entities_are_those_of_the_newest_revision(world: Written) -> None:
    items = world.items()
    for q, label, title, types, aliases, _ in world.truth("entities").iter_rows():
        labels = items[q]["labels"]
        expected = labels.get("en", labels.get("mul", {"value": title}))["value"]
        assert label == expected
        stated = [alias["value"] for alias in (items[q]["aliases"] or {"en": []})["en"]]
        assert aliases == list(dict.fromkeys([label, *stated]))
        claims = items[q]["claims"]
        classes = [
            claim["mainsnak"]["datavalue"]["value"]["numeric-id"]
            for claim in (claims.get("P31", []) if claims else [])
            if claim["rank"] != "deprecated" and claim["mainsnak"]["snaktype"] == "value"
        ]
        assert types == [f"Q{number}" for number in dict.fromkeys(classes)]
    numbers = [int(q[1:]) for q in world.truth("entities")["entity"]]
    assert numbers == sorted(set(numbers))


def reasons(world: Written) -> Iterator[tuple[str | None, Triplet]]:
    """Each statement of an item with a sitelink: why it is dropped, or None; by plain reading."""
    kept = set(world.truth("entities")["entity"])
    full = {
        p
        for p, line in world.properties().items()
        if any("en" in (line[part] or {}) for part in ("labels", "descriptions", "aliases"))
    }
    for q, item in world.items().items():
        claims = item["claims"] if "enwiki" in item["sitelinks"] else {}
        for p, group in (claims or {}).items():
            for claim in group:
                snak, nothing = claim["mainsnak"], (q, p, "")
                if claim["rank"] == "deprecated":
                    yield "deprecated", nothing
                elif snak["snaktype"] != "value":
                    yield (
                        {"novalue": "no_value", "somevalue": "some_value"}[snak["snaktype"]],
                        nothing,
                    )
                elif snak["datatype"] != "wikibase-item":
                    yield "not_an_item", nothing
                else:
                    tail = f"Q{snak['datavalue']['value']['numeric-id']}"
                    reason = (
                        "head_not_kept" if q not in kept
                        else "tail_not_kept" if tail not in kept
                        else "relation_without_page" if p not in full
                        else None
                    )  # fmt: skip
                    yield reason, (q, p, tail)


def test_the_triplets_and_drops_are_what_the_dumps_say(world: Written) -> None:
    found: set[Triplet] = set()
    counts: Counter[str] = Counter()
    for reason, triplet in reasons(world):
        if reason is None and triplet in found:
            counts["duplicate_statement"] += 1
        elif reason is None:
            found.add(triplet)
        else:
            counts[reason] += 1
    truth = world.triplets()
    assert truth == sorted(found, key=lambda triplet: [int(name[1:]) for name in triplet])
    assert min(counts.values()) > 0
    # With the default settings no rank but the deprecated falls out, and no triplet is excluded.
    none = {"not_best": 0, "excluded": 0}
    assert dict(counts) | none == world.drops()["statements"]
    assert 4 < len(truth) / 2_000 < 6


def test_relations_are_those_in_use_and_some_have_no_description(world: Written) -> None:
    truth = world.truth("relations")
    assert truth.columns == RELATION_SCHEMA.names
    assert set(truth["relation"]) == {relation for _, relation, _ in world.triplets()}
    assert 100 < truth.height <= 240
    properties = world.properties()
    for p, label, description, aliases in truth.iter_rows():
        line = properties[p]
        assert label == line["labels"]["en"]["value"]
        assert description == (line["descriptions"] or {"en": {"value": ""}})["en"]["value"]
        stated = [alias["value"] for alias in (line["aliases"] or {"en": []})["en"]]
        assert aliases == list(dict.fromkeys([label, *stated]))
    assert "" in set(truth["description"])
    assert any("en" not in line["labels"] for line in properties.values())


def test_classes_are_those_of_the_types_that_have_an_english_label(world: Written) -> None:
    truth = world.truth("classes")
    assert truth.columns == CLASS_SCHEMA.names
    items = world.items()
    used = set(world.truth("entities")["types"].explode().drop_nulls())
    labels = {q: items[q]["labels"]["en"]["value"] for q in used if "en" in items[q]["labels"]}
    assert dict(truth.iter_rows()) == labels
    assert set(labels) < used
    assert {"human", "taxon", "film", "human settlement", "Wikimedia list article"} <= set(
        labels.values()
    )


def test_texts_are_what_a_reader_sees(world: Written) -> None:
    truth = world.truth("descriptions")
    assert truth["entity"].to_list() == world.truth("entities")["entity"].to_list()
    for text in truth["text"]:
        assert len(text.split()) >= 5
        assert not re.search(r"\[\[|\]\]|\{\{|\}\}|<|>|&\w+;|'''|\(\)|\( |[ ;]\)|  |\n\n|\n ", text)
        assert text == text.strip()
        assert "first section" not in text
        assert "Plate" not in text


@pytest.mark.parametrize(
    "markup",
    ["{{Infobox", "{{Short description|", "{{convert|", "{{lang|", "{{lang-", "{{langx|",
     "{{transl|", "{{birth date|", "{{birth date and age|", "{{death date|", "{{circa|",
     "{{nowrap|", "{{formatnum:", "{{As of|", "{{snd}}", "{{IPA", "{{sfn|", "{{efn|", "{{rp|",
     "{{citation needed", "<ref>", '<ref name="', "<!--", "<nowiki>", "&nbsp;", "&ndash;",
     "[[File:", "<gallery>", "{|", "[[Category:", "[[de:", "__NOTOC__", "{{ill|",
     "{{disambiguation}}", "]]s", "[http://", "#REDIRECT", "#redirect", "{{DEFAULTSORT:",
     "{{about|", "== History =="],
)  # fmt: skip
def test_pages_hold_the_markup_of_real_leads(world: Written, markup: str) -> None:
    assert any(markup in page.text for page in world.pages.values())


def test_dumps_hold_the_quirks_of_real_ones(world: Written) -> None:
    items = list(world.items().values())
    assert any(item["sitelinks"] == [] for item in items)
    assert any(item["aliases"] == [] for item in items)
    assert any(item["claims"] == [] for item in items)
    assert any("mul" in item["labels"] and "en" not in item["labels"] for item in items)
    assert any(not {"mul", "en"} & set(item["labels"]) for item in items)
    values = [
        claim["mainsnak"]["datavalue"]["value"]
        for item in items
        for group in (item["claims"] or {}).values()
        for claim in group
        if claim["mainsnak"]["snaktype"] == "value"
    ]
    kinds = {value.get("entity-type") for value in values if isinstance(value, dict)}
    assert {"item", "property", "lexeme"} <= kinds
    assert any(isinstance(v, dict) and "numeric-id" in v and "id" not in v for v in values)
    assert {page.namespace for page in world.pages.values()} == {0, 1, 2, 10, 14}


def tails(triplets: list[Triplet], relation: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for h, r, t in triplets:
        if r == relation:
            found[h].add(t)
    return found


@pytest.mark.parametrize(
    ("relation", "inverse"),
    [("P26", "P26"), ("P3373", "P3373"), ("P190", "P190"), ("P47", "P47"), ("P197", "P197"),
     ("P36", "P1376"), ("P155", "P156"), ("P403", "P974")],
)  # fmt: skip
def test_symmetric_and_inverse_relations_are_mutual(
    world: Written, relation: str, inverse: str
) -> None:
    # Between kept entities of the newest revisions, every fact is stated at both ends.
    there = {(h, t) for h, group in tails(world.triplets(), relation).items() for t in group}
    back = {(t, h) for h, group in tails(world.triplets(), inverse).items() for t in group}
    assert len(there) >= 4
    assert there == back


def test_some_relations_have_one_value_and_some_have_many(world: Written) -> None:
    triplets = world.triplets()
    for functional in ("P36", "P19", "P171", "P57"):
        assert {len(group) for group in tails(triplets, functional).values()} == {1}
    for many in ("P161", "P40", "P150"):
        assert max(len(group) for group in tails(triplets, many).values()) >= 4


def test_a_few_entities_are_hubs(world: Written) -> None:
    degrees = Counter(tail for _, _, tail in world.triplets())
    assert max(degrees.values()) > 100 * median(degrees.values())


def test_texts_state_most_facts_and_leave_some_out(world: Written) -> None:
    texts = dict(world.truth("descriptions").iter_rows())
    names = dict(zip(*(world.truth("entities")[c] for c in ("entity", "label")), strict=True))
    stated = [
        names[tail] in texts[head]
        for head, relation, tail in world.triplets()
        if relation not in ("P31", "P21")
    ]
    assert 0.75 < sum(stated) / len(stated) < 0.97


@settings(max_examples=25, deadline=None)
@given(entities=st.integers(100, 3_000), seed=st.integers(0, 1_000))
def test_counts_are_exact_and_titles_unique_at_any_size(entities: int, seed: int) -> None:
    layout = Layout(entities, seed)
    names = Names(layout)
    everything = range(layout.items)
    assert sum(layout.kept(i) for i in everything) == entities
    assert {layout.number(i) for i in everything} == set(range(1, layout.items + 1))
    assert len({names.title(i) for i in everything}) == layout.items
    assert all(layout.at_number(layout.number(i)) == i for i in range(0, layout.items, 17))


@given(size=st.integers(1, 10_000), key=st.integers(0, 99))
def test_a_shuffle_is_a_permutation_with_an_inverse(size: int, key: int) -> None:
    shuffle = Shuffle(size, key)
    probes = {0, size // 3, size - 1}
    assert {shuffle.backward(shuffle.forward(i)) for i in probes} == probes
    assert all(0 <= shuffle.forward(i) < size for i in probes)


def test_draws_are_fixed_for_ever() -> None:
    stream = Stream(1, 2, 3)
    assert [stream.below(1_000) for _ in range(4)] == [981, 943, 427, 64]
    chances = [Stream(5, k).chance(30) for k in range(4_000)]
    assert abs(sum(chances) / 4_000 - 0.30) < 0.03
