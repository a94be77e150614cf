"""The published releases: recognised by hash and counts, read whole, every drop counted."""

from __future__ import annotations

import errno
import gzip
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import polars as pl
import pytest
import ujson
from click.testing import CliRunner

import wikidata5m
from tests.conftest import REPOSITORY
from tests.datasets import make_dataset
from tests.release_files import archives, pack, release_members, write
from tests.server import Server, serve
from wikidata5m import schema
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, DatasetError, InputError, OutputExistsError
from wikidata5m.releases import catalogue, cli, home, texts
from wikidata5m.releases.catalogue import ARCHIVES, EDITIONS, KINDS, VERSIONS
from wikidata5m.releases.home import Source
from wikidata5m.releases.home import make_dataset as read_release
from wikidata5m.releases.identify import Counts, by_counts, by_hash, identify
from wikidata5m.releases.labels import choose_label
from wikidata5m.verify import verify

Members = dict[str, bytes]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own for each test, and no proxy between it and the server."""
    monkeypatch.setenv("WIKIDATA5M_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="module")
def members(original: Dataset) -> Members:
    return release_members(original)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


def read(tmp_path: Path, files: Members, **options: object) -> Dataset:
    folder = write(tmp_path / "release", files)
    read_release(Source(folder=folder), tmp_path / "out", **options)  # type: ignore[arg-type]
    return Dataset(tmp_path / "out")


def named_triplets(dataset: Dataset, setting: str, part: str) -> set[tuple[str, str, str]]:
    e, r = list(dataset.entities["entity"]), list(dataset.relations["relation"])
    triplets = dataset.triplets(setting, part).tolist()  # type: ignore[arg-type]
    return {(e[head], r[relation], e[tail]) for head, relation, tail in triplets}


# Reading


def test_a_release_comes_back_as_the_dataset_that_it_was(
    tmp_path: Path, original: Dataset, members: Members
) -> None:
    dataset = read(tmp_path, members)
    assert verify(dataset) == []
    assert dataset.manifest.departures == {}
    for setting in ("transductive", "inductive"):
        for part in schema.PARTS:
            told = named_triplets(original, setting, part)
            assert named_triplets(dataset, setting, part) == told
    assert dataset.entities["entity"].to_list() == original.entities["entity"].to_list()
    assert list(dataset.texts) == list(original.texts)
    assert dataset.entities["label"].to_list() == original.entities["label"].to_list()
    assert dataset.relations["label"].to_list() == original.relations["label"].to_list()
    for aliases, label in zip(dataset.entities["aliases"], original.entities["label"], strict=True):
        assert aliases.to_list() == [label, f"{label} (alias)"]
    border = original.manifest.drops["inductive_border"]
    assert dataset.manifest.drops["inductive_border"] == border > 0
    assert not (tmp_path / "out" / home.WORK).exists()


def test_what_export_writes_as_a_release_is_read_as_one(
    tmp_path: Path, original: Dataset, members: Members
) -> None:
    out = tmp_path / "exported"
    command = ["export", str(original.path), "--format", "tsv", "--out", str(out)]
    assert CliRunner().invoke(main, command, catch_exceptions=False).exit_code == 0
    read_release(Source(folder=out), tmp_path / "again")
    exported, shuffled = Dataset(tmp_path / "again"), read(tmp_path, members)
    for name in (schema.ENTITIES, schema.RELATIONS, schema.TRIPLETS):
        assert exported.manifest.files[name] == shuffled.manifest.files[name]


@pytest.mark.parametrize("rows", [1, 7])
def test_texts_go_through_many_buckets_in_order(
    tmp_path: Path,
    original: Dataset,
    members: Members,
    rows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(texts, "SHARD_ROWS", rows * 30)
    dataset = read(tmp_path, members)
    shards = sorted((dataset.path / schema.DESCRIPTIONS).iterdir())
    assert len(shards) == -(-original.num_entities // (rows * 30))
    index = pl.concat([pl.read_parquet(shard)["index"] for shard in shards])
    assert index.to_list() == list(range(original.num_entities))
    assert verify(dataset) == []


def test_archives_and_unpacked_files_give_the_same(tmp_path: Path, members: Members) -> None:
    packed = read(tmp_path / "a", archives(members))
    loose = read(tmp_path / "b", members)
    assert packed.manifest.dataset_hash == loose.manifest.dataset_hash
    assert len(packed.manifest.sources) == 4
    assert len(loose.manifest.sources) == 9
    assert all(source["sha256"] for source in packed.manifest.sources)


def test_what_the_release_breaks_is_kept_declared_and_verified(
    tmp_path: Path, members: Members
) -> None:
    broken = dict(members)
    # Entities that train lacks, one of them without text and names; a triplet twice.
    broken["wikidata5m_transductive_test.txt"] += b"Q999990\tP17\tQ1000\nQ999991\tP17\tQ1000\n"
    again = broken["wikidata5m_transductive_valid.txt"].splitlines(keepends=True)[0]
    broken["wikidata5m_transductive_valid.txt"] += again
    broken["wikidata5m_text.txt"] += b"Q999990\tA late entity that train never saw.\n"
    dataset = read(tmp_path, broken)
    assert dataset.manifest.departures == {
        "transductive_test_unseen_entity": 2,
        "transductive_valid_repeated": 1,
        "inductive_train_left_out": 2,
        "entity_without_text": 1,
    }
    assert ("Q999990", "P17", "Q1000") in named_triplets(dataset, "transductive", "test")
    assert verify(dataset) == []
    assert dataset.entities["label"][-1] == "Q999991"
    assert dataset.entities["aliases"][-1].to_list() == []
    assert dataset.manifest.counts["label_id"] == 2


def test_what_falls_out_is_counted_by_reason(tmp_path: Path, members: Members) -> None:
    odd = dict(members)
    first = odd["wikidata5m_text.txt"].split(b"\t")[0].decode()
    lines = f"Q77\tA text of no triplet's id.\n{first}\tAnother text.\nQ1000\t  \n"
    odd["wikidata5m_text.txt"] += lines.encode()
    odd["wikidata5m_entity.txt"] += b"Q77\tNobody\nQ1000\tAgain\n"
    odd["wikidata5m_relation.txt"] = odd["wikidata5m_relation.txt"].replace(b"P17\t", b"P99\t")
    dataset = read(tmp_path, odd)
    drops = dataset.manifest.drops
    assert drops["text_of_unknown_id"] == 1
    assert drops["repeated_text"] == 1
    assert drops["empty_text"] == 1
    assert drops["name_of_unknown_id"] == 2
    assert drops["repeated_names"] == 1
    assert set(drops) <= set(schema.DROP_MEANING)
    assert dataset.relations.filter(relation="P17")["label"].to_list() == ["P17"]
    assert any("1 relations have no name" in n and "P17" in n for n in dataset.manifest.notes)


@pytest.mark.parametrize(
    ("name", "line", "problem"),
    [
        ("wikidata5m_transductive_train.txt", b"Q1\tP1\n", "2 tab-separated columns, expected 3"),
        ("wikidata5m_transductive_valid.txt", b"Q1\tP1\tQ2\tQ3\n", "4 tab-separated columns"),
        ("wikidata5m_inductive_test.txt", b"Q1\t\xff\tQ2\n", "not UTF-8 text"),
        ("wikidata5m_text.txt", b"Q1 and no tab\n", "no id and tab before the text"),
        ("wikidata5m_text.txt", b"Q1\t\xc3(\n", "not UTF-8 text"),
        ("wikidata5m_entity.txt", b"\tname\n", "no id before the first tab"),
    ],
)
def test_a_bad_line_is_an_error_with_file_and_line(
    tmp_path: Path, members: Members, name: str, line: bytes, problem: str
) -> None:
    bad = members | {name: members[name] + line}
    number = bad[name].count(b"\n")
    with pytest.raises(InputError, match=f"{name}, line {number}: {re.escape(problem)}"):
        read(tmp_path, bad)
    dataset = read(tmp_path, bad, overwrite=True, max_errors=1)
    assert verify(dataset) == []
    assert sum(n for reason, n in dataset.manifest.drops.items() if "line_" in reason) == 1


def test_gigabytes_of_zeros_in_place_of_texts_are_refused(
    tmp_path: Path, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wikidata5m.lines.BLOCK", 1 << 20)
    monkeypatch.setattr("wikidata5m.lines.LONGEST_LINE", 3 << 20)
    zeros = members["wikidata5m_text.txt"] + bytes(40 << 20)
    files = archives(members) | {"wikidata5m_text.txt.gz": gzip.compress(zeros, 1)}
    line = members["wikidata5m_text.txt"].count(b"\n") + 1
    with pytest.raises(InputError, match=f"line {line}: a line of more than 3,145,728 bytes"):
        read(tmp_path, files)


def test_a_full_disk_while_reading_is_told_in_one_line(
    tmp_path: Path, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = write(tmp_path / "release", archives(members))
    monkeypatch.setattr("wikidata5m.unpack.shutil.copyfileobj", full)
    command = ["download", "dataset", "--from", str(folder), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: download: the disk is full; free some space")


def test_types_and_classes_come_from_instance_of(tmp_path: Path, members: Members) -> None:
    typed = dict(members)
    lines = b"Q1000\tP31\tQ1001\nQ1002\tP31\tQ1001\nQ1003\tP31\tQ4167410\n"
    typed["wikidata5m_transductive_train.txt"] += lines
    dataset = read(tmp_path, typed)
    rows = {row["entity"]: row for row in dataset.entities.iter_rows(named=True)}
    assert rows["Q1000"]["types"] == rows["Q1002"]["types"] == ["Q1001"]
    assert rows["Q1001"]["types"] == []
    assert (rows["Q1003"]["disambiguation"], rows["Q1000"]["disambiguation"]) == (True, False)
    labels = dict(dataset.classes.iter_rows())
    assert labels == {"Q1001": rows["Q1001"]["label"], "Q4167410": "Q4167410"}


def test_a_folder_without_inductive_text_and_names_is_read_and_says_so(
    tmp_path: Path, members: Members
) -> None:
    bare = {name: body for name, body in members.items() if "transductive" in name}
    dataset = read(tmp_path, bare)
    assert dataset.settings == ("transductive",)
    assert verify(dataset) == []
    assert dataset.manifest.departures == {"entity_without_text": dataset.num_entities}
    notes = " ".join(dataset.manifest.notes)
    assert all(f"no {what}" in notes for what in ("inductive split", "texts", "names"))
    with pytest.raises(InputError, match=r"holds neither wikidata5m_transductive\.tar\.gz nor"):
        read_release(Source(folder=tmp_path), tmp_path / "other")
    with pytest.raises(InputError, match="no such folder"):
        read_release(Source(folder=tmp_path / "none"), tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("lost", ["wikidata5m_relation.txt", "wikidata5m_inductive_test.txt"])
def test_members_of_a_kind_without_the_rest_are_told(
    tmp_path: Path, members: Members, lost: str
) -> None:
    folder = write(tmp_path / "x", {name: body for name, body in members.items() if name != lost})
    with pytest.raises(InputError, match=rf"holds a part of .*\.tar\.gz without {lost}"):
        read_release(Source(folder=folder), tmp_path / "out")


def test_a_dataset_does_not_take_the_place_of_its_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIKIDATA5M_HOME", str(tmp_path / "home"))
    fill = tmp_path / "home" / "archives" / "v3" / "wikidata5m_text.txt.gz"
    fill.parent.mkdir(parents=True)
    fill.write_bytes(b"1")
    for out in (tmp_path / "home", fill.parent):
        with pytest.raises(OutputExistsError, match="what is downloaded is kept in it"):
            read_release(Source(), out, overwrite=True)
    assert fill.exists()


def test_libkge_copies_are_read_under_their_own_names(tmp_path: Path, members: Members) -> None:
    libkge = {f"{p}.txt": members[f"wikidata5m_transductive_{p}.txt"] for p in schema.PARTS}
    extra = {"train.del": b"0\t0\t1\n"}
    packed = pack(libkge | extra, [*libkge, *extra])
    folder = write(tmp_path / "release", {"wikidata5m.tar.gz": packed})
    read_release(Source(folder=folder, version="v1-libkge"), tmp_path / "out")
    dataset = Dataset(tmp_path / "out")
    assert dataset.manifest.name == "wikidata5m-v1-libkge"
    assert verify(dataset) == []
    told = identify(folder / "wikidata5m.tar.gz").told
    assert told.startswith("unknown")
    assert told.endswith("in LibKGE's layout")


@pytest.mark.parametrize("names", ["_entity.txt", "_relation.txt", "ductive_*.txt"])
def test_empty_files_are_refused(tmp_path: Path, members: Members, names: str) -> None:
    emptied = {
        name: b"" if fnmatch(name, f"*{names}") else content for name, content in members.items()
    }
    with pytest.raises(InputError, match=r"holds no (name|triplet)"):
        read(tmp_path, emptied)


def test_splits_of_two_versions_are_refused(tmp_path: Path, members: Members) -> None:
    mixed = dict(members)
    mixed["wikidata5m_inductive_train.txt"] = b"".join(
        b"Q%d\tP17\tQ1000\n" % (5000 + n) for n in range(200)
    )
    with pytest.raises(InputError, match="different versions"):
        read(tmp_path, mixed)


def test_an_interrupted_reading_goes_on_and_a_finished_one_is_left(
    tmp_path: Path, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("wikidata5m.releases.reader.write_dataset", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            read(tmp_path, archives(members))
    unpacked = list((tmp_path / "out" / home.WORK).rglob("*.txt"))
    assert len(unpacked) == 8
    with pytest.raises(OutputExistsError):
        read(tmp_path, archives(members))
    with monkeypatch.context() as patch:
        patch.setattr(home, "unpack", lambda *_: 1 / 0)
        first = read(tmp_path, archives(members), resume=True)
    assert verify(first) == []
    # As a kill leaves it behind the last file.
    (tmp_path / "out" / home.WORK / "abc").mkdir(parents=True)
    again = read(tmp_path, {}, resume=True)
    assert again.manifest == first.manifest
    assert not (tmp_path / "out" / home.WORK).exists()
    (tmp_path / "changed").mkdir()
    for name, body in members.items():
        (tmp_path / "changed" / name).write_bytes(body)
    with pytest.raises(OutputExistsError, match="was read from other files"):
        read_release(Source(folder=tmp_path / "changed"), tmp_path / "out", resume=True)
    other = Source(folder=tmp_path / "release", version="v1-libkge")
    with pytest.raises(OutputExistsError, match="holds wikidata5m-v3, not v1-libkge"):
        read_release(other, tmp_path / "out", resume=True)


def test_a_resume_takes_nothing_from_another_archive(
    tmp_path: Path, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = dict(members)
    changed["wikidata5m_transductive_test.txt"] += b"Q1000\tP17\tQ1001\n"
    with monkeypatch.context() as patch:
        patch.setattr("wikidata5m.releases.reader.write_dataset", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            read(tmp_path, archives(members))
    (tmp_path / "out" / "descriptions").mkdir()
    (tmp_path / "out" / "descriptions" / "00007.parquet").touch()  # of the earlier reading
    resumed = read(tmp_path, archives(changed), resume=True)
    assert verify(resumed) == []
    assert ("Q1000", "P17", "Q1001") in named_triplets(resumed, "transductive", "test")


# Downloading and loading by name


def serve_release(server: Server, members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve the archives, and expect their sizes and hashes, not those of the real ones."""
    for name, body in archives(members).items():
        server.put(f"/{name}", body)
    served = {kind: replace(one, sha256="", bytes=None) for kind, one in ARCHIVES["v3"].items()}
    monkeypatch.setitem(catalogue.ARCHIVES, "v3", served)
    monkeypatch.setenv("WIKIDATA5M_MIRROR", server.url)


def test_download_dataset_then_load_by_name(
    server: Server, members: Members, original: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_release(server, members, monkeypatch)
    with pytest.raises(DatasetError, match="run `wikidata5m download dataset --version v3`"):
        wikidata5m.load("wikidata5m")
    assert server.requests == []
    server.files["/wikidata5m_text.txt.gz"].cut_after = [100]
    monkeypatch.setattr("time.sleep", lambda _: None)
    done = CliRunner().invoke(main, ["download", "dataset", "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert ujson.loads(done.stdout)["counts"]["entities"] == original.num_entities
    for name in ("wikidata5m", "transductive", "inductive", "wikidata5m-v3"):
        assert wikidata5m.load(name).num_entities == original.num_entities
    kept = {p.name for p in home.archives_folder("v3").iterdir() if ".json" not in p.name}
    assert kept == set(archives(members))


def test_one_file_is_fetched_where_asked_and_kept(
    server: Server, members: Members, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_release(server, members, monkeypatch)
    command = ["download", "inductive", "--out", str(tmp_path / "x"), "--json"]
    first = ujson.loads(CliRunner().invoke(main, command, catch_exceptions=False).stdout)
    asked = len(server.requests)
    again = ujson.loads(CliRunner().invoke(main, command).stdout)
    assert again == first
    assert len(server.requests) == asked
    assert Path(first["path"]).read_bytes() == archives(members)["wikidata5m_inductive.tar.gz"]
    assert first["url"] == f"{server.url}/wikidata5m_inductive.tar.gz"
    missing = CliRunner().invoke(main, ["download", "raw", "--out", str(tmp_path / "x")])
    assert missing.exit_code == 1
    assert "answers 404" in missing.stderr
    other = CliRunner().invoke(main, ["download", "text", "--version", "v1-libkge"])
    assert "version v1-libkge has no text file, only transductive" in other.stderr


def test_a_download_that_fails_keeps_what_it_was_to_replace_and_can_be_run_again(
    server: Server, tmp_path: Path, original: Dataset
) -> None:
    out = tmp_path / "out"
    shutil.copytree(original.path, out)
    new = tmp_path / "new"
    command = ["download", "dataset", "--mirror", server.url, "--out"]
    for arguments in ([str(out), "--overwrite"], [str(new)], [str(new)]):
        result = CliRunner().invoke(main, [*command, *arguments])
        assert result.exit_code == 1
        assert "answers 404" in result.stderr
    assert verify(wikidata5m.load(out)) == []


def test_a_mirror_beside_a_folder_to_read_is_refused(tmp_path: Path) -> None:
    run = ["download", "dataset", "--from", str(tmp_path), "--out", str(tmp_path / "x")]
    both = CliRunner().invoke(main, [*run, "--mirror", "http://127.0.0.1:9"])
    assert both.exit_code == 2
    assert "with --from nothing is fetched" in both.stderr
    named = CliRunner().invoke(main, run, env={"WIKIDATA5M_MIRROR": "http://127.0.0.1:9"})
    assert named.exit_code == 1
    assert "holds neither" in named.stderr


def test_a_published_hash_is_demanded(server: Server, members: Members, tmp_path: Path) -> None:
    server.put("/wikidata5m_alias.tar.gz", archives(members)["wikidata5m_alias.tar.gz"])
    command = ["download", "alias", "--mirror", server.url, "--out", str(tmp_path / "x")]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert "published are 197,449,751" in result.stderr


def test_load_downloads_only_when_told_to(
    server: Server, members: Members, original: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_release(server, members, monkeypatch)
    for kind, one in catalogue.ARCHIVES["v3"].items():
        urls = (f"{server.url}/{one.name}",)
        monkeypatch.setitem(catalogue.ARCHIVES["v3"], kind, replace(one, urls=urls))
    assert wikidata5m.load("wikidata5m", download=True).num_entities == original.num_entities


def test_unknown_names_get_the_closest_and_paths_stay_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'wikidata5m'\?"):
        wikidata5m.load("wikidata5n")
    with pytest.raises(ConfigError, match="releases: wikidata5m, transductive"):
        wikidata5m.load("zzz")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unfinished").mkdir()
    for path in (tmp_path / "absent", str(tmp_path / "absent"), "./wikidata5m", "unfinished"):
        with pytest.raises(DatasetError, match=r"no manifest\.json"):
            wikidata5m.load(path)


# Recognising


def test_the_versions_of_the_docs_are_those_of_the_recogniser() -> None:
    """Each row of the table in docs/how-to/releases.md is recognised as what it says."""
    page = (REPOSITORY / "docs" / "how-to" / "releases.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.split("## Versions in circulation")[1].split("\n## ")[0].splitlines()
        if re.match(r"\| v\d", line)
    ]
    assert len(rows) == len([edition for edition in EDITIONS if edition.triplets])
    for name, setting, *numbers in rows:
        entities, relations, train, valid, test = (int(n.replace(",", "")) for n in numbers)
        triplets = {"train": train, "valid": valid, "test": test}
        found = by_counts(Counts(triplets=triplets, entities=entities, relations=relations))
        assert (found.version, found.certainty) == (name, "counts")
        assert setting in found.told


V1 = {"train": 21_343_681, "valid": 5_357, "test": 5_321}
V3 = {"train": 20_614_279, "valid": 5_163, "test": 5_133}


@pytest.mark.parametrize(
    ("triplets", "entities", "relations", "version", "certainty", "told"),
    [
        (V3, 4_594_485, 822, "v3", "counts", "v3, transductive, train, valid, test: every count"),
        (V1, 4_818_679, 828, "v1 (also called v2)", "counts", "entities as in arXiv"),
        (V1, 4_818_298, 828, "v1 (also called v2)", "counts", "Dist-KGE's configuration"),
        (V1, 4_000_000, 828, "v1 (also called v2)", "rough", "4,000,000 entities where 4,818,679"),
        (V3, 4_594_485, 800, "v3", "rough", "800 relations where 822"),
        ({"train": 20_614_279}, 4_594_149, 822, "v3", "counts", "transductive, train: every"),
        ({"train": 20_614_279}, 4_594_485, 822, "v3", "rough", "4,594,149 (the paper)"),
        ({"all": 5_133}, 9_000, 200, "v3", "counts", "transductive, test"),
        ({"all": 6_894}, 7_475, 201, "v3", "counts", "inductive, test"),
        ({"all": 20_624_575}, 4_594_485, 822, "v3", "counts", "train, valid, test"),
        ({"all": 21_354_359}, 4_818_679, 828, "v1 (also called v2)", "counts", "arXiv"),
        ({"all": 21_000_000}, 4_980_000, 828, "GraphVite's temporary version", "rough", "rough"),
        ({"all": 21_000_000}, 4_980_000, 822, "unknown", "unknown", "4,980,000 entities, 822"),
        (V3 | {"test": 5_134}, 4_594_485, 822, "unknown", "unknown", "test 5,134"),
        ({"train": 5_133}, 9_000, 200, "unknown", "unknown", "train 5,133"),
        ({"all": 0}, 0, 0, "unknown", "unknown", "all 0"),
    ],
)
def test_counts_tell_the_version(
    triplets: dict[str, int], entities: int, relations: int, version: str, certainty: str, told: str
) -> None:
    found = by_counts(Counts(triplets=triplets, entities=entities, relations=relations))
    assert (found.version, found.certainty) == (version, certainty)
    assert told in found.told


def test_a_published_hash_tells_the_file() -> None:
    for kind in ("transductive", "inductive", "alias"):
        found = by_hash(ARCHIVES["v3"][kind].sha256)
        assert found is not None
        assert (found.version, found.certainty) == ("v3", "hash")
        assert kind in found.told
    assert by_hash("0" * 64) is None


def test_identify_counts_what_the_files_hold(
    tmp_path: Path, members: Members, original: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "x", members | archives(members))
    counts = original.manifest.counts
    small = replace(
        EDITIONS[0],
        name="small",
        triplets={part: counts[f"transductive_{part}"] for part in schema.PARTS},
        entities={original.num_entities: "the test"},
        relations=original.num_relations,
        part_entities={},
    )
    monkeypatch.setattr("wikidata5m.releases.identify.EDITIONS", (small,))
    found = identify(folder / "wikidata5m_transductive.tar.gz")
    assert (found.version, found.certainty) == ("small", "counts")
    assert identify(folder / "wikidata5m_inductive.tar.gz").version == "unknown"
    test = folder / "wikidata5m_transductive_test.txt"
    assert identify(test).told.startswith("small, transductive, test: every count")
    renamed = folder / "mine.gz"
    renamed.write_bytes(gzip.compress(test.read_bytes()))
    assert identify(renamed).told.startswith("small, transductive, test")
    both = identify(folder)
    assert (both.version, both.certainty) == ("several", "unknown")
    assert "wikidata5m_transductive: small, transductive, " in both.told
    assert "wikidata5m_inductive: unknown" in both.told
    result = CliRunner().invoke(main, ["download", "identify", str(test), "--json"])
    assert ujson.loads(result.stdout)[str(test)]["version"] == "small"


def test_the_command_line_knows_the_catalogue() -> None:
    assert cli.VERSIONS == VERSIONS
    assert tuple(cli.KINDS) == KINDS
    for version in VERSIONS:
        assert ARCHIVES[version]["transductive"].members
    urls = [url for files in ARCHIVES.values() for one in files.values() for url in one.urls]
    assert len(urls) == len(set(urls))
    assert all(url.startswith("https://") for url in urls)


# Names


@pytest.mark.parametrize(
    ("aliases", "text", "label", "rule"),
    [
        (
            ["Huamn", "human"],
            "Humans (Homo sapiens) are the most common ...",
            "human",
            "text",
        ),
        (["Huamn", "humans", "human"], "Humans are a species of ape.", "humans", "text"),
        (
            ["D. Adams", "Douglas Adams"],
            "Douglas Noel Adams was an author.",
            "Douglas Adams",
            "text",
        ),
        (
            ["Elisha Ann Cuthbert", "Elisha Cuthbert"],
            "Elisha Ann Cuthbert is.",
            "Elisha Cuthbert",
            "text",
        ),
        (
            ["united stated", "USA", "United States of America"],
            "The United States of America (USA)",
            "United States of America",
            "text",
        ),
        (["Losers", "The Losers"], "The Losers is a 2010 film.", "The Losers", "text"),
        (
            ["Prince Rogers Nelson", "Prince"],
            "Prince Rogers Nelson, known by his mononym Prince, was",
            "Prince",
            "known_as",
        ),
        (
            ["Sikandar", "Alexander the Great"],
            "Alexander III of Macedon, commonly known as Alexander the Great",
            "Alexander the Great",
            "known_as",
        ),
        (["Edge of Night", "Night"], "Nightly news.", "Edge of Night", "first_alias"),
        (["b", "a"], "", "b", "first_alias"),
        ([], "Some text.", "Q1", "id"),
        (["?!"], "Anything.", "?!", "first_alias"),
    ],
)
def test_the_label_rule(aliases: list[str], text: str, label: str, rule: str) -> None:
    assert choose_label("Q1", aliases, text) == (label, rule)


def test_a_folder_or_an_archive_without_triplets_is_no_release(tmp_path: Path) -> None:
    files = {"notes.md": b"nothing"}
    write(tmp_path / "other", files)
    (tmp_path / "other.tar.gz").write_bytes(pack(files, files))
    for path in (tmp_path / "other", tmp_path / "other.tar.gz"):
        with pytest.raises(InputError, match=f"{path}: holds no file of triplets"):
            identify(path)
