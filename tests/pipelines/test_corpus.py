"""The corpus end to end: what is kept, what is dropped and why, resumed, and read back."""

from __future__ import annotations

import bz2
import os
import re
import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import ujson
from click.testing import CliRunner

from pipelines import corpus as corpus_module
from pipelines.corpus import WORK, CorpusConfig, CorpusInput, make_corpus
from pipelines.documents import MAX_FILE_BYTES
from pipelines.wikitext import full_text
from tests.pipelines.test_wikipedia import dump, page
from wikidata5m import schema
from wikidata5m.cli import main
from wikidata5m.corpus import Corpus, is_corpus
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, DatasetError, InputError, OutputExistsError

V = "0.10"
FULL = [
    ("A\n\nB", "A\n\nB"), ("A\n== H ==\nB\n=== I ===\nC", "A\n\nB\n\nC"),
    ("A\n* b\n# c\n: d\n; e\nF", "A\n\nF"), ("A\n{|\n| b\n|}\nC", "A\n\nC"),
    ("[[File:x.jpg|thumb|caption]]\nA", "A"), ("A<ref>b</ref> c{{sfn|x}}", "A c"),
    ("A\n== References ==\nB\n=== Books ===\nC\n== Life ==\nD", "A\n\nD"),
    ("A\n=== See also ===\nB\n==== X ====\nC\n=== Life ===\nD", "A\n\nD"),
    ("A\n==References==<!-- x -->\nB", "A"), ("A\n== ''External links'' ==\nB", "A"),
    ("A\n== H ==\n<gallery>\nx.jpg|y\n</gallery>\nB", "A\n\nB"), ("== H ==\nA", "A"),
    ("A\n<nowiki>\n== b ==\n</nowiki>\nC", "A\n\n== b ==\n\nC"), ("", ""), ("* a\n* b", ""),
    ("A <!--\n== b ==\n--> c", "A c"), ("A\nb\n\n\n\nC", "A b\n\nC"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "text"), FULL)
def test_full_text_is_the_prose_alone(source: str, text: str) -> None:
    assert full_text(source) == text


@pytest.fixture
def wiki(tmp_path: Path) -> Path:
    prose = "'''{}''' is a word of this page.\n\n== More ==\n* item\nIt has more to say.\n"
    pages = [page(V, f"P{i}", prose.format(f"P{i}"), number=i) for i in range(40)]
    pages += [
        page(V, "Old", "#REDIRECT [[P1]]", redirect="P1"),
        page(V, "Many", "'''Many''' may refer to:\n* a\n{{disambiguation}}"),
        page(V, "Talk:P1", "Not an article at all, but words.", ns=1),
        page(V, "Short", "Too short."),
        page(V, "Huge", "a " * (1 << 20) + "b"),
        page(V, "P3", "'''P3''' is here for the second time."),
    ]
    path = tmp_path / "wiki.xml"
    path.write_text(dump(V, *pages), encoding="utf-8")
    return path


@pytest.fixture
def books(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    (folder / "b").mkdir(parents=True)
    (folder / "a.txt").write_bytes(
        "\ufeffOne line.\r\nAnother line of it.\r\n\r\n\r\nNew.".encode()
    )
    (folder / "b/c.txt").write_text("A book about nothing in particular.\n", encoding="utf-8")
    (folder / "b/short.txt").write_text("Too short.", encoding="utf-8")
    (folder / "notes.md").write_text("not a text file, so it is not read", encoding="utf-8")
    return folder


def test_both_sources_make_one_corpus_with_every_drop_counted(
    wiki: Path, books: Path, tmp_path: Path
) -> None:
    source = CorpusInput(wikipedia=wiki, texts=books, workers=2)
    make_corpus(source, tmp_path / "out", CorpusConfig())
    corpus = Corpus(tmp_path / "out")
    found = list(corpus.documents())
    assert [each.title for each in found if each.source == "wikipedia"] == [
        *(f"P{i}" for i in range(40) if i != 3),
        "P3",
    ]
    assert found[0].text == "P0 is a word of this page.\n\nIt has more to say."
    assert found[39].text == "P3 is here for the second time."
    assert [(each.title, each.text) for each in found if each.source == "texts"] == [
        ("a.txt", "One line.\nAnother line of it.\n\nNew."),
        ("b/c.txt", "A book about nothing in particular."),
    ]
    drops = {reason: count for reason, count in corpus.manifest.drops.items() if count}
    assert drops == {
        "redirect_page": 1, "disambiguation_page": 1, "other_namespace": 1, "short_text": 2,
        "page_too_large": 1, "duplicate_page": 1,
    }  # fmt: skip
    assert drops.keys() <= schema.DROP_MEANING.keys()
    counts = corpus.manifest.counts
    assert (counts["pages"], counts["files"], counts["documents"]) == (46, 3, 42)
    assert counts["characters"] == sum(len(each.text) for each in found)
    assert sum(drops.values()) + counts["documents"] == counts["pages"] + counts["files"]
    assert corpus.manifest.notes == ("dropped_pages: Huge (page_too_large)",)
    assert [each["role"] for each in corpus.manifest.sources] == ["wikipedia", "texts"]
    assert pq.read_schema(tmp_path / "out/documents/00000.parquet") == schema.CORPUS_SCHEMA
    assert corpus.verify() == []
    assert len(corpus) == 42
    assert not (tmp_path / "out" / WORK).exists()


def test_other_ranges_and_workers_give_the_same_bytes(
    wiki: Path, books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_module, "GROUP_CHARS", 200)
    monkeypatch.setattr(corpus_module, "SHARD_CHARS", 400)
    files = []
    for name, workers, task_bytes in (("a", 2, 5_000_000), ("b", 1, 6_000)):
        source = CorpusInput(wikipedia=wiki, texts=books, workers=workers, task_bytes=task_bytes)
        files.append(make_corpus(source, tmp_path / name, CorpusConfig()).files)
    assert files[0] == files[1]
    assert len(files[0]) > 3


@pytest.fixture
def shards(books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    monkeypatch.setattr(corpus_module, "GROUP_CHARS", 300)
    monkeypatch.setattr(corpus_module, "SHARD_CHARS", 900)
    for i in range(60):
        (books / f"x{i:02}.txt").write_text(f"This is book number {i} of the sixty.")
    make_corpus(CorpusInput(texts=books, workers=1), tmp_path / "out", CorpusConfig())
    return Corpus(tmp_path / "out")


def test_the_shares_of_a_corpus_are_a_partition_and_a_seed_fixes_the_order(shards: Corpus) -> None:
    whole = list(shards)
    assert len(whole) == len(shards) == 62
    for seed in (None, 0, 1):
        shares = [list(shards.texts(seed=seed, part=i, parts=3)) for i in range(3)]
        assert all(shares)
        assert Counter(text for share in shares for text in share) == Counter(whole)
        assert shares[1] == list(shards.texts(seed=seed, part=1, parts=3))
    assert list(shards.texts(seed=0)) != list(shards.texts(seed=1)) != whole
    assert sorted(shards.texts(seed=0)) == sorted(whole)


def test_verify_tells_a_damaged_corpus(shards: Corpus) -> None:
    run = CliRunner().invoke
    assert is_corpus(shards.path)
    assert "intact" in run(main, ["verify", str(shards.path)], catch_exceptions=False).stdout
    first = shards.path / "documents/00000.parquet"
    first.write_bytes(first.read_bytes()[:-1])
    result = run(main, ["verify", str(shards.path)])
    assert result.exit_code == 1
    assert "documents/00000.parquet" in result.stdout
    with pytest.raises(DatasetError, match="cannot be read"):
        list(shards)
    shutil.rmtree(shards.path / "documents")
    result = run(main, ["verify", str(shards.path), "--json"])
    assert result.exit_code == 1
    assert ujson.loads(result.stdout)["breaches"] == [
        f"{name}: missing" for name in shards.manifest.files
    ]


def test_an_interrupted_corpus_goes_on_where_it_stopped(
    wiki: Path, books: Path, tmp_path: Path
) -> None:
    run = ["corpus", "--wikipedia", str(wiki), "--texts", str(books), "--out", str(tmp_path / "o")]
    bad = books / "z.txt"
    bad.write_bytes(b"Caf\xe9 is written in another encoding.")
    result = CliRunner().invoke(main, [*run, "--workers", "1"])
    assert result.exit_code == 1
    assert f"{bad}, byte 3: not UTF-8 text (invalid continuation byte)" in result.stderr
    assert result.stderr.count("Error") == 1
    finished = sorted((tmp_path / "o" / WORK).glob("wikipedia-*"))
    assert finished
    stamps = {path: path.stat().st_ino for path in finished}
    assert "not empty" in CliRunner().invoke(main, run).stderr
    other = CliRunner().invoke(main, [*run, "--resume", "--set", "min_words=6"])
    assert "begun with other sources or settings" in other.stderr
    index = tmp_path / "index.txt"
    index.write_text("0:1:P0\n", encoding="utf-8")
    cuts = CliRunner().invoke(main, [*run, "--resume", "--wikipedia-index", str(index)])
    assert "begun with other sources or settings" in cuts.stderr
    bad.write_bytes(b"Cafe, written in this encoding here.")
    assert {path: path.stat().st_ino for path in finished} == stamps
    again = CliRunner().invoke(main, [*run, "--resume", "--json"], catch_exceptions=False)
    assert again.exit_code == 0
    assert ujson.loads(again.stdout)["counts"]["documents"] == 43
    done = CliRunner().invoke(main, [*run, "--resume"])
    assert (done.exit_code, "complete already" in done.stderr) == (0, True)
    bad.write_bytes(bad.read_bytes()[::-1])
    other = CliRunner().invoke(main, [*run, "--resume"])
    assert "begun with other sources or settings (sources: texts 4" in other.stderr
    bad.unlink()
    late = CliRunner().invoke(main, [*run, "--resume"])
    assert "begun with other sources or settings" in late.stderr
    none = CliRunner().invoke(main, [*run, "--overwrite", "--set", "min_words=999"])
    assert "no document is left" in none.stderr
    assert Corpus(tmp_path / "o").verify() == []
    assert CliRunner().invoke(main, [*run, "--overwrite"]).exit_code == 0
    assert Corpus(tmp_path / "o").manifest.counts["documents"] == 42


def test_a_text_that_changes_before_a_resume_is_told(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = CorpusInput(texts=books, workers=1), tmp_path / "o"
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.corpus._gather", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make_corpus(source, out, CorpusConfig())
    text = next(books.glob("*.txt"))
    stamp = text.stat()
    os.utime(text, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    notes = make_corpus(source, out, CorpusConfig(), resume=True).notes
    assert f"{books} was changed before a resume: what was read of it before that was kept" in notes


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_name_that_is_not_utf8_is_told(books: Path, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(books) + b"/caf\xe9.txt")).write_text("A coffee house.")
    run = ["corpus", "--texts", str(books), "--out", str(tmp_path / "o")]
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 1
    assert "a name that is not UTF-8; rename the file" in result.stderr


def test_a_limit_is_of_a_dump(books: Path, tmp_path: Path) -> None:
    run = ["corpus", "--texts", str(books), "--out", str(tmp_path / "o"), "--limit", "5"]
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 2
    assert "--limit needs --wikipedia" in result.stderr


def test_bad_sources_are_one_line_that_names_the_fix(
    wiki: Path, books: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "x.md").write_text("x")
    large = tmp_path / "large"
    large.mkdir()
    with (large / "all.txt").open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)
    nul = tmp_path / "nul"
    nul.mkdir()
    (nul / "a.txt").write_bytes(b"abc\0def")
    nothing = tmp_path / "nothing.xml.bz2"
    nothing.write_bytes(bz2.compress(b""))
    cases = [
        (CorpusInput(texts=tmp_path / "absent"), "no such folder; check the path"),
        (CorpusInput(texts=empty), "holds no .txt files; expected one document a file"),
        (CorpusInput(texts=large), "all.txt: 268 MB, too large for one document"),
        (CorpusInput(texts=nul), "a.txt, character 3: holds a NUL"),
        (CorpusInput(wikipedia=tmp_path / "absent.xml"), "no such file; check the path"),
        (
            CorpusInput(wikipedia=books / "a.txt"),
            "line 1: text of another format, not a Wikipedia XML dump; give --wikipedia a file",
        ),
        (CorpusInput(wikipedia=books), f"{books}: a folder; check the path"),
        (CorpusInput(wikipedia=nothing), f"{nothing}: is empty; download it again"),
    ]
    for source, message in cases:
        with pytest.raises(InputError, match=re.escape(message)):
            make_corpus(source, tmp_path / "out", CorpusConfig())
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
    with pytest.raises(ConfigError, match="nothing to read"):
        CorpusInput()
    with pytest.raises(OutputExistsError, match="which --overwrite would delete"):
        make_corpus(CorpusInput(texts=books), books.parent, CorpusConfig(), overwrite=True)
    indexed = CorpusInput(wikipedia=wiki, wikipedia_index=nul / "a.txt")
    with pytest.raises(OutputExistsError, match="which --overwrite would delete"):
        make_corpus(indexed, nul, CorpusConfig(), overwrite=True)
    with pytest.raises(DatasetError, match=r"no document is left: .*short_text 3"):
        make_corpus(CorpusInput(texts=books), tmp_path / "out", CorpusConfig(min_words=99))
    for arguments in ([], ["--wikipedia-index", "x", "--texts", str(books)]):
        result = CliRunner().invoke(main, ["corpus", *arguments, "--out", str(tmp_path / "new")])
        assert result.exit_code == 2


def test_a_damaged_page_is_named_without_an_option_that_corpus_lacks(tmp_path: Path) -> None:
    path = tmp_path / "wiki.xml"
    path.write_text(dump(V, page(V, "P1", "Text."), page(V, "P2", "Text.").replace("<title>", "")))
    result = CliRunner().invoke(
        main, ["corpus", "--wikipedia", str(path), "--out", str(tmp_path / "out"), "--workers", "1"]
    )
    assert (result.exit_code, result.stderr.count("Error")) == (1, 1)
    assert "page 2: a <page> that cannot be read (no <title>)" in result.stderr
    assert "download the dump again" in result.stderr
    assert "--max-errors" not in result.stderr


def test_a_dataset_is_no_corpus(tmp_path: Path) -> None:
    from tests.datasets import make_dataset

    dataset = make_dataset(tmp_path / "data")
    assert not is_corpus(dataset.path)
    with pytest.raises(DatasetError, match="a dataset, not a corpus"):
        Corpus(dataset.path)
    with pytest.raises(DatasetError, match="no complete corpus"):
        Corpus(tmp_path)


def test_a_corpus_is_no_dataset(shards: Corpus) -> None:
    with pytest.raises(DatasetError, match="a corpus, not a dataset"):
        Dataset(shards.path)
    again = CliRunner().invoke(main, ["import", str(shards.path), "--out", str(shards.path)])
    assert (again.exit_code, again.stderr.count("\n")) == (1, 1)
    assert "a dataset or corpus already, not files to import" in again.stderr


def test_a_real_dump_becomes_prose(real_data: Path, tmp_path: Path) -> None:
    source = CorpusInput(wikipedia=real_data / "wikipedia/enwiki-2016-excerpt.xml.bz2", workers=2)
    manifest = make_corpus(source, tmp_path / "out", CorpusConfig())
    kept, drops = manifest.counts["documents"], manifest.drops
    assert kept + sum(drops.values()) == manifest.counts["pages"] == 206
    assert (drops["redirect_page"], drops["other_namespace"]) == (99, 1)
    texts = {each.title: each.text for each in Corpus(tmp_path / "out").documents()}
    assert "Alien" not in texts
    assert texts["Alabama"].startswith("Alabama is a state located in the southeastern region")
    assert "\n\nThe European-American naming" in texts["Alabama"]
    for text in texts.values():
        assert not any(mark in text for mark in ("{{", "[[", "<ref", "\n\n\n", "\n==", "\n*"))
