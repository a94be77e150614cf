"""The XML export in each version of its schema, titles, revisions, and pages beyond a limit."""

from __future__ import annotations

import html
from collections import Counter
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import ujson
from hypothesis import given
from hypothesis import strategies as st

from pipelines import wikipedia
from pipelines.build import BuildConfig, BuildInput, build
from pipelines.limits import guarded
from pipelines.ranges import Range, plan_ranges
from pipelines.tasks import TableWriter
from pipelines.titles import Site, normalise_title, redirect_target
from pipelines.wikipedia import (
    LAYOUTS,
    Page,
    _decode,
    articles,
    dropped_pages,
    dropped_words,
    read_pages,
)
from wikidata5m.errors import InputError

VERSIONS = [f"0.{minor}" for minor in range(3, 12)]
NAMESPACES = {-2: "Media", -1: "Special", 0: "", 1: "Talk", 10: "Template", 4: "Wikipedia"}


def dump(version: str, *pages: str, case: str = "first-letter") -> str:
    """A dump in the layout of one version: what its siteinfo, pages and revisions hold."""
    minor = int(version.split(".")[1])
    spaces = "".join(
        f'      <namespace key="{key}"'
        + (f' case="{case}"' if minor >= 4 else "")
        + (f">{name}</namespace>\n" if name else " />\n")
        for key, name in NAMESPACES.items()
    )
    return (
        f'<mediawiki xmlns="http://www.mediawiki.org/xml/export-{version}/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation='
        f'"http://www.mediawiki.org/xml/export-{version}/ '
        f'http://www.mediawiki.org/xml/export-{version}.xsd" version="{version}" xml:lang="en">\n'
        "  <siteinfo>\n    <sitename>Wikipedia</sitename>\n"
        + ("    <dbname>enwiki</dbname>\n" if minor >= 9 else "")
        + "    <base>http://en.wikipedia.org/wiki/Main_Page</base>\n"
        f"    <generator>MediaWiki 1.{minor + 10}</generator>\n    <case>{case}</case>\n"
        f"    <namespaces>\n{spaces}    </namespaces>\n  </siteinfo>\n"
        + "".join(pages)
        + "</mediawiki>\n"
    )


def page(
    version: str, title: str, text: str, *, ns: int = 0, redirect: str = "", number: int = 1
) -> str:
    """One page as that version writes it."""
    minor = int(version.split(".")[1])
    bare = f"    <title>{title}</title>\n"
    bare += f"    <ns>{ns}</ns>\n" if minor >= 6 else ""
    bare += f"    <id>{number}</id>\n"
    if redirect and minor >= 6:
        bare += f'    <redirect title="{redirect}" />\n'
    elif redirect and minor >= 4:
        bare += "    <redirect />\n"
    bare += "    <restrictions>move=sysop</restrictions>\n" if minor <= 10 and number == 1 else ""
    return f"  <page>\n{bare}{revision(version, text)}  </page>\n"


def revision(
    version: str, text: str, *, time: str = "2016-01-02T03:04:05Z", attributes: str = ""
) -> str:
    minor = int(version.split(".")[1])
    lines = ["<id>9</id>"]
    lines += ["<parentid>8</parentid>"] if minor >= 7 else []
    lines += [f"<timestamp>{time}</timestamp>"]
    lines += ["<contributor>\n        <username>A &lt;text> B</username>\n        <id>7</id>"]
    lines += ["</contributor>", "<minor/>", "<comment>/* a */ &lt;text>x&lt;/text></comment>"]
    origin = ["<origin>9</origin>"] if minor >= 11 else []
    kind = ["<model>wikitext</model>", "<format>text/x-wiki</format>"]
    sha = ["<sha1>phoiac9h4m842xq45sp7s6u21eteeq1</sha1>"]
    size = f' bytes="{len(text)}" sha1="phoiac9h"' if minor >= 11 else ""
    # A text without content closes itself.
    body = f">{text}</text>" if text else " />"
    content = [f'<text{size} xml:space="preserve"{attributes}{body}']
    lines += {8: sha + content + kind, 9: sha + content + kind}.get(
        minor, (origin + kind if minor >= 10 else []) + content + (sha if minor >= 10 else [])
    )
    if minor == 7:
        lines += sha
    if minor >= 11:
        slot = "<content><role>mediainfo</role><origin>1</origin><model>json</model>"
        lines += [slot + '<text bytes="2" xml:space="preserve">{}</text></content>']
    return "    <revision>\n" + "".join(f"      {line}\n" for line in lines) + "    </revision>\n"


def whole(path: Path) -> Range:
    size = path.stat().st_size
    return Range(path, 0, size, size)


def read(folder: Path, text: str) -> tuple[list[Page], Counter[str]]:
    path = folder / "dump.xml"
    path.write_text(text, encoding="utf-8")
    counts: Counter[str] = Counter()
    return [found for _, found in articles(whole(path), counts)], counts


def tables(folder: Path, text: str) -> dict[str, pl.DataFrame]:
    path = folder / "dump.xml"
    path.write_text(text, encoding="utf-8")
    writer = TableWriter(folder / "out", LAYOUTS)
    read_pages(whole(path), writer)
    writer.close()
    return {name: pl.read_parquet(folder / f"out/{name}.parquet") for name in LAYOUTS}


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_of_the_schema_gives_the_same_pages(tmp_path: Path, version: str) -> None:
    text = dump(
        version,
        page(version, "Anarchism", "'''Anarchism''' is &lt;ref>x&lt;/ref> a &amp;amp; b"),
        page(version, "Anarchy", "#REDIRECT [[anarchism#History|x]] {{R}}", redirect="Anarchism"),
        page(version, "Talk:Anarchism", "not an article", ns=1, number=3),
        page(version, "Template:A", "#REDIRECT [[Template:B]]", ns=10, redirect="Template:B"),
        page(version, "Wikipedia:About", "no", ns=4),
        page(version, "Alien: Covenant", "a film", number=4),
        page(version, "AT&amp;T", "", number=5),
    )
    found, counts = read(tmp_path, text)
    assert [(p.title, p.text, p.redirect, p.deleted) for p in found] == [
        ("Anarchism", "'''Anarchism''' is <ref>x</ref> a &amp; b", "", False),
        ("Anarchy", "#REDIRECT [[anarchism#History|x]] {{R}}", "Anarchism", False),
        ("Alien: Covenant", "a film", "", False),
        ("AT&T", "", "", False),
    ]
    assert counts == {"pages": 7, "other_namespace": 3}


@pytest.mark.parametrize("version", ["0.3", "0.10", "0.11"])
def test_the_last_revision_by_time_counts_and_then_by_order(tmp_path: Path, version: str) -> None:
    three = "".join(
        revision(version, text, time=f"2016-01-0{day}T00:00:00Z")
        for day, text in ((1, "first"), (3, "third"), (2, "second"))
    )
    tied = revision(version, "one") + revision(version, "two")
    bare = "  <page>\n    <title>{}</title>\n" + ("" if version == "0.3" else "    <ns>0</ns>\n")
    text = dump(
        version,
        bare.format("A") + three + "  </page>\n",
        bare.format("B") + tied + "  </page>\n",
        bare.format("C") + "  </page>\n",
    )
    found, _ = read(tmp_path, text)
    assert [(p.title, p.text) for p in found] == [("A", "third"), ("B", "two"), ("C", "")]


def test_a_removed_text_is_counted_and_named(tmp_path: Path) -> None:
    removed = revision("0.11", "", attributes=' deleted="deleted"')
    bare = "  <page>\n    <title>Gone</title>\n    <ns>0</ns>\n"
    result = tables(tmp_path, dump("0.11", bare + removed + "  </page>\n"))
    assert result["pages"].select("title", "text", "words").rows() == [
        ("Gone", "", dropped_words("page_deleted"))
    ]
    assert dropped_pages(result["dropped"]) == ("dropped_pages: Gone (page_deleted)",)


def test_a_page_over_a_limit_is_dropped_by_reason_and_named(tmp_path: Path) -> None:
    many = "{{nowrap|{{nowrap|{{nowrap|{{nowrap|a}}}}}}}} " * 4_000  # 180,000 characters, 4 deep
    text = dump(
        "0.10",
        page("0.10", "Long", "a" * 200_001),
        page("0.10", "Good", "A good page is read all the same.", number=3),
        page("0.10", "Complex", many, number=4),
    )
    result = tables(tmp_path, text)
    words = dict(result["pages"].select("title", "words").iter_rows())
    assert words["Good"] == 8
    assert words["Long"] == dropped_words("page_too_large")
    assert words["Complex"] == dropped_words("page_too_complex")
    assert result["dropped"].rows() == [("Long", "page_too_large"), ("Complex", "page_too_complex")]


def test_names_of_dropped_pages_stop_at_twenty() -> None:
    many = pl.DataFrame({"title": [f"P{i}" for i in range(25)], "reason": "page_too_slow"})
    (note,) = dropped_pages(many)
    assert note.startswith("dropped_pages: P0 (page_too_slow); P1 ")
    assert note.endswith("P19 (page_too_slow) and 5 more")
    assert dropped_pages(many.clear()) == ()


def test_a_case_sensitive_wiki_keeps_its_titles(tmp_path: Path) -> None:
    text = dump(
        "0.10",
        page("0.10", "iPod", "a thing"),
        page("0.10", "ipod", "#redirect [[iPod]]", redirect="iPod"),
        case="case-sensitive",
    )
    found, _ = read(tmp_path, text)
    assert [(p.title, p.redirect) for p in found] == [("iPod", ""), ("ipod", "iPod")]


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("albert_einstein", "Albert einstein"), ("  A __b_ ", "A b"), ("A#b", "A"), (":a", "A"),
        ("AT&amp;T", "AT&T"), ("AT&T", "AT&T"), ("R&copy D", "R&copy D"),
        ("&eacute;t&#233;", "Été"),
        ("e\u0301a", "Éa"), ("\u200eA\u202c", "A"), ("A\u00a0b\u3000c", "A b c"),
        ("ßa", "ßa"),
        ("ŉa", "ŉa"), ("ოა", "ოა"), ("ǆa", "Ǆa"), ("ﬁa", "ﬁa"), ("яa", "Яa"), ("", ""), ("#", ""),
    ],
)  # fmt: skip
def test_titles_are_normalised_as_mediawiki_does(written: str, title: str) -> None:
    assert normalise_title(written) == title


@given(st.text(max_size=30))
def test_normalising_a_title_twice_changes_nothing(title: str) -> None:
    # But for entities and colons, of which each pass reads one layer, as a link and its page do.
    once = normalise_title(title)
    if "&" not in once and not once.startswith(":"):
        assert normalise_title(once) == once


@pytest.mark.parametrize(
    ("text", "marked", "target"),
    [
        ("#REDIRECT [[A]]", False, "A"), ("#redirect: [[a_b#c|d]]", False, "a_b"),
        ("\n#Redirect[[:A]]", False, "A"), ("#WEITERLEITUNG [[Ä]]", False, "Ä"),
        ("#перенаправление [[Я]]", False, "Я"), ("#転送 [[日本]]", False, "日本"),
        ("#ELSEWHERE [[A]]", False, ""), ("#ELSEWHERE [[A]]", True, "A"), ("A [[B]]", False, ""),
    ],
)  # fmt: skip
def test_redirects_are_read_from_the_text(text: str, marked: bool, target: str) -> None:
    assert redirect_target(text, marked=marked) == target


def test_a_dump_without_siteinfo_is_taken_for_a_wikipedia() -> None:
    site = Site.of(b"<mediawiki>\n  <page>\n")
    assert (site.first_letter, site.namespace_of("Talk:A")) == (True, 0)
    named = Site.of(b'<case>case-sensitive</case><namespace key="2">Us&amp;er</namespace>')
    assert (named.first_letter, named.namespace_of("us&ER:A")) == (False, 2)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ("<page>\n<revision><text>a</text></revision></page>", "no <title>"),
        ("<page><title>A</title><revision><text>a</revision></page>", "a <text> without its end"),
        ("<page><title>A</title><ns>x</ns></page>", "invalid literal"),
    ],
)
def test_a_page_that_is_none_is_one_error_with_its_place(
    tmp_path: Path, broken: str, problem: str
) -> None:
    good = page("0.10", "A", "b")
    with pytest.raises(InputError, match=f"page 2: .*{problem}"):
        read(tmp_path, dump("0.10", good, broken))


def test_real_pages_of_two_wikis(real_data: Path) -> None:
    excerpt = real_data / "wikipedia/enwiki-2016-excerpt.xml.bz2"
    counts: Counter[str] = Counter()
    found = [p for _, p in articles(plan_ranges(excerpt, 1 << 40)[0], counts)]
    assert sum(not p.redirect for p in found) == 106
    assert sum(bool(p.redirect) for p in found) == 99
    counts.clear()
    small = [p for _, p in articles(whole(real_data / "wikipedia/ltgwiki.xml.gz"), counts)]
    assert counts["pages"] == 2004
    assert len(small) == 2004 - counts["other_namespace"]
    assert not any(p.deleted for p in small)


@given(st.lists(st.sampled_from(["&", "lt;", "&amp;", "&lt;", "#39;", '"', "<", ">", "x"])))
def test_escapes_are_undone_once(parts: list[str]) -> None:
    text = "".join(parts)
    escaped = html.escape(text, quote=False).replace('"', "&quot;")
    assert _decode(escaped.encode()) == text
    assert _decode(f"{escaped}&#39;".encode()) == f"{text}'"


def test_a_page_that_a_guard_stops_is_counted_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hostile(text: str) -> str:
        if text == "slow":
            while True:
                pass
        if text == "big":
            raise MemoryError
        return text if text != "odd" else str(int("²"))

    monkeypatch.setattr(wikipedia, "lead_text", hostile)
    monkeypatch.setattr(wikipedia, "guarded", partial(guarded, 0.02))
    texts = ("slow", "one two", "big", "three", "odd")
    pages = [page("0.10", f"P{i}", text) for i, text in enumerate(texts)]
    result = tables(tmp_path, dump("0.10", *pages))
    assert result["pages"]["words"].to_list() == [
        dropped_words("page_too_slow"), 2, dropped_words("page_out_of_memory"), 1,
        dropped_words("page_failed"),
    ]  # fmt: skip
    assert result["dropped"].rows() == [
        ("P0", "page_too_slow"), ("P2", "page_out_of_memory"), ("P4", "page_failed: ValueError")
    ]  # fmt: skip


def test_a_build_counts_the_items_of_dropped_pages_and_names_the_pages(tmp_path: Path) -> None:
    items = [
        {
            "id": f"Q{i}",
            "type": "item",
            "labels": {"en": {"language": "en", "value": f"P{i}"}},
            "claims": {"P1": [fact("P1", i % 5 + 1)]},
            "sitelinks": {"enwiki": {"site": "enwiki", "title": f"P{i}"}},
        }
        for i in range(1, 6)
    ]
    prop = {"id": "P1", "type": "property", "labels": {"en": {"language": "en", "value": "p"}}}
    lines = ",\n".join(ujson.dumps(each) for each in [*items, prop])
    (tmp_path / "w.json").write_text(f"[\n{lines}\n]\n")
    pages = [page("0.11", f"P{i}", f"P{i} has as many words.") for i in range(1, 5)]
    pages += [page("0.11", f"P{i}", "a" * 200_001) for i in (5, 6)]
    (tmp_path / "p.xml").write_text(dump("0.11", *pages))
    source = BuildInput(wikidata=tmp_path / "w.json", wikipedia=tmp_path / "p.xml", workers=1)
    manifest = build(source, tmp_path / "out", BuildConfig())
    assert manifest.counts["entities"] == 4
    # P6 has no item, so that its page is named but costs no entity.
    assert manifest.drops["page_too_large"] == 1
    assert manifest.notes[0] == "dropped_pages: P5 (page_too_large); P6 (page_too_large)"


def fact(prop: str, item: int) -> dict[str, object]:
    value = {"entity-type": "item", "numeric-id": item, "id": f"Q{item}"}
    snak = {"snaktype": "value", "property": prop, "datavalue": {"value": value}}
    return {"mainsnak": snak, "rank": "normal"}
