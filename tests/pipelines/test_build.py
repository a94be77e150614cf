"""The build end to end: against the truth of invented and real dumps, on bad input, resumed."""

from __future__ import annotations

import bz2
import gzip
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
import ujson
from click.testing import CliRunner

from pipelines.build import WORK, BuildConfig, BuildInput, build
from pipelines.ranges import plan_ranges
from pipelines.split import SplitConfig, inductive, transductive
from pipelines.world import WorldConfig, write_world
from tests.pipelines.checker import check_inductive, check_transductive
from wikidata5m import load, schema
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import InputError, OutputExistsError
from wikidata5m.files import alone, clear_folder
from wikidata5m.published import INVENTED, is_wikidata5m
from wikidata5m.schema import PARTS, Ranks, StatementDrop
from wikidata5m.verify import verify

SEEDS = range(20)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(WorldConfig(entities=1000, seed=1), folder)
    return folder


def dumps(folder: Path, kind: str = "bz2") -> BuildInput:
    return BuildInput(
        wikidata=folder / f"wikidata.json.{kind}",
        wikipedia=folder / f"enwiki.xml.{kind}",
        workers=2,
    )


def triplets_as_strings(dataset: Dataset) -> set[tuple[str, str, str]]:
    entity = dataset.entities["entity"].to_numpy()
    relation = dataset.relations["relation"].to_numpy()
    head, rel, tail = dataset.triplets().T
    return set(zip(entity[head], relation[rel], entity[tail], strict=True))


def assert_equals_truth(dataset: Dataset, truth: Path) -> None:
    """Entities, texts, relations, classes, triplets and drops, each exactly."""
    assert verify(dataset) == []
    expected = pl.read_parquet(truth / "entities.parquet")
    columns = ["entity", "label", "title", "types", "aliases"]
    assert dataset.entities.select(columns).equals(expected.select(columns))
    texts = dict(pl.read_parquet(truth / "descriptions.parquet").iter_rows())
    found = dict(zip(dataset.entities["entity"], dataset.texts, strict=True))
    wrong = {
        entity: (found[entity], text) for entity, text in texts.items() if found[entity] != text
    }
    assert not wrong, f"{len(wrong)} of {len(texts)} texts differ: {next(iter(wrong.items()))}"
    assert found.keys() == texts.keys()
    for name in ("relations", "classes"):
        assert getattr(dataset, name).equals(pl.read_parquet(truth / f"{name}.parquet"))
    rows = set(pl.read_parquet(truth / "triplets.parquet").iter_rows())
    assert triplets_as_strings(dataset) == rows
    drops = ujson.loads((truth / "drops.json").read_text())
    expected_drops = drops["items"] | drops["statements"]
    assert {reason: dataset.manifest.drops[reason] for reason in expected_drops} == expected_drops


@pytest.mark.parametrize("kind", ["bz2", "gz"])
def test_a_built_world_equals_its_truth(world: Path, tmp_path: Path, kind: str) -> None:
    manifest = build(dumps(world, kind), tmp_path / "wikidata5m-0", BuildConfig())
    assert_equals_truth(load(tmp_path / "wikidata5m-0"), world / "truth")
    assert INVENTED in manifest.notes
    assert not is_wikidata5m(manifest)
    assert is_wikidata5m(replace(manifest, notes=()))


@pytest.mark.slow
def test_a_world_of_10000_entities_equals_its_truth(tmp_path: Path) -> None:
    write_world(WorldConfig(entities=10_000, seed=0), tmp_path / "world")
    build(dumps(tmp_path / "world"), tmp_path / "data", BuildConfig())
    assert_equals_truth(load(tmp_path / "data"), tmp_path / "world/truth")


def test_real_facts_written_as_dumps_come_back_exactly(real_data: Path, fb15k: Dataset) -> None:
    folder = real_data / "fb15k-as-dumps"
    assert verify(fb15k) == []
    expected = gzip.decompress((folder / "expected.tsv.gz").read_bytes()).decode().splitlines()
    assert triplets_as_strings(fb15k) == {tuple(line.split("\t")) for line in expected}
    assert fb15k.num_entities == 14_034
    triplets = fb15k.triplets()
    check_transductive(triplets, {part: fb15k.triplets("transductive", part) for part in PARTS})
    again = inductive(triplets, fb15k.num_entities, SplitConfig(), seed=0)
    check_inductive(triplets, again)
    for part in PARTS:
        assert np.array_equal(fb15k.triplets("inductive", part), again.parts[part])


def test_real_dumps_align_and_a_tiny_graph_gets_no_split(real_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    arguments = [
        "build",
        "--wikidata",
        str(real_data / "wikidata/union.json.bz2"),
        "--wikipedia",
        str(real_data / "wikipedia/enwiki-2016-excerpt.xml.bz2"),
        "--out",
        str(out),
    ]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "no transductive split: 6 triplets are too few" in result.stdout
    assert "no inductive split: 13 entities are too few" in result.stdout
    dataset = load(out)
    assert verify(dataset) == []
    listed = (real_data / "aligned_pairs.tsv").read_text().splitlines()[1:]
    expected = {tuple(line.split("\t")) for line in listed} | {("Q916", "Angola")}
    assert set(dataset.entities.select("entity", "title").rows()) == expected
    for title, text in zip(dataset.entities["title"], dataset.texts, strict=True):
        assert title.split()[-1] in text.split(".")[0]
        assert not any(mark in text for mark in ("{{", "}}", "[[", "]]", "<ref", "()", "( "))
        assert len(text.split()) > 50


def test_two_workers_and_other_ranges_give_the_same_bytes(world: Path, tmp_path: Path) -> None:
    source = dumps(world)
    one = build(source, tmp_path / "a", BuildConfig())
    size = 20_000
    assert len(plan_ranges(source.wikidata, size)) > 2 * len(plan_ranges(source.wikidata, 1 << 16))
    other = BuildInput(
        wikidata=source.wikidata, wikipedia=source.wikipedia, workers=1, range_bytes=size
    )
    two = build(other, tmp_path / "b", BuildConfig())
    assert one.files == two.files


def test_an_interrupted_build_goes_on_where_it_stopped(world: Path, tmp_path: Path) -> None:
    whole = build(dumps(world), tmp_path / "whole", BuildConfig())
    broken = tmp_path / "broken"
    shutil.copytree(world, broken)
    wikipedia = broken / "enwiki.xml.bz2"
    intact = wikipedia.read_bytes()
    damaged = bytearray(intact)
    damaged[len(damaged) // 2] ^= 0xFF
    wikipedia.write_bytes(damaged)
    run = ["build", "--wikidata", str(broken / "wikidata.json.bz2")]
    run += ["--wikipedia", str(wikipedia), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 1
    assert "corrupt bzip2 block" in result.stderr
    finished = list((tmp_path / "out" / WORK).glob("wikidata-*"))
    assert finished
    stamps = {path: path.stat().st_ino for path in finished}
    wikipedia.write_bytes(intact)
    again = CliRunner().invoke(main, run)
    assert again.exit_code == 1
    assert "not empty" in again.stderr
    other = CliRunner().invoke(main, [*run, "--resume", "--seed", "5"])
    assert other.exit_code == 1
    assert "other sources or settings (config.seed: 0 there, 5 here); repeat" in other.stderr
    assert {path: path.stat().st_ino for path in finished} == stamps
    assert CliRunner().invoke(main, [*run, "--resume", "--workers", "1"]).exit_code == 0
    mended = load(tmp_path / "out").manifest
    assert mended.files == whole.files
    told = "enwiki.xml.bz2 was changed before a resume: what was read of it before that was kept"
    assert mended.notes == (told, *whole.notes)
    assert not (tmp_path / "out" / WORK).exists()
    assert CliRunner().invoke(main, [*run, "--resume"]).exit_code == 0
    late = CliRunner().invoke(main, [*run, "--resume", "--set", "min_words=9"])
    assert late.exit_code == 1
    assert "begun with other sources or settings" in late.stderr


def test_what_is_replaced_stays_until_the_new_build_cannot_fail(
    world: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a[1]"  # which would match as a pattern
    old = build(dumps(world), out, BuildConfig())
    broken = tmp_path / "broken"
    shutil.copytree(world, broken)
    intact = (broken / "enwiki.xml.bz2").read_bytes()
    (broken / "enwiki.xml.bz2").write_bytes(intact[:-5000] + bytes(5000))
    seed = BuildConfig(seed=3)
    with pytest.raises(InputError):
        build(dumps(broken), out, seed, overwrite=True)
    assert load(out).manifest == old
    assert verify(load(out)) == []
    (out / "notes.txt").touch()
    (broken / "enwiki.xml.bz2").write_bytes(intact)
    with (
        alone(out / WORK),
        pytest.raises(OutputExistsError, match="another process is at work in it"),
    ):
        build(dumps(broken), out, seed, resume=True)
    new = build(dumps(broken), out, seed, resume=True)
    assert new.files != old.files
    assert new.files == build(dumps(world), tmp_path / "b", seed).files
    assert {each.name for each in out.iterdir()} == {
        each.name for each in (tmp_path / "b").iterdir()
    }


def test_a_record_left_out_of_a_damaged_dump_is_read_once_it_is_mended(
    world: Path, tmp_path: Path
) -> None:
    wikidata, wikipedia = tmp_path / "wikidata.json", tmp_path / "enwiki.xml.bz2"
    text = bz2.decompress((world / "wikidata.json.bz2").read_bytes())
    pages = (world / "enwiki.xml.bz2").read_bytes()
    source = BuildInput(wikidata=wikidata, wikipedia=wikipedia, workers=1, max_errors=1)
    wikidata.write_bytes(text)
    wikipedia.write_bytes(pages)
    whole = build(source, tmp_path / "whole", BuildConfig())
    wikidata.write_bytes(text.replace(b"{", b"!", 1))
    wikipedia.write_bytes(pages[:-5000] + bytes(5000))
    with pytest.raises(InputError):
        build(source, tmp_path / "out", BuildConfig())
    wikidata.write_bytes(text)
    wikipedia.write_bytes(pages)
    mended = build(source, tmp_path / "out", BuildConfig(), resume=True)
    assert mended.drops["corrupt_record"] == 0
    assert mended.files == whole.files


def test_a_kill_while_the_old_dataset_goes_leaves_nothing_of_it(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    build(dumps(world), out, BuildConfig())
    (out / "of-the-old.parquet").touch()

    def killed(folder: Path, *, but: Path) -> None:
        (folder / schema.MANIFEST).unlink()
        raise KeyboardInterrupt

    def killed_at_the_dataset(folder: Path, *, but: Path) -> None:
        (clear_folder if folder == out / WORK else killed)(folder, but=but)

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.work.clear_folder", killed_at_the_dataset)
        with pytest.raises(KeyboardInterrupt):
            build(dumps(world), out, BuildConfig(), overwrite=True)
    assert not (out / schema.MANIFEST).exists()
    build(dumps(world), out, BuildConfig(), resume=True)
    assert not (out / "of-the-old.parquet").exists()
    assert verify(load(out)) == []


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_who_interrupts_a_build_is_told_how_to_go_on(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ["build", "--wikidata", str(world / "wikidata.json.bz2")]
    run += ["--wikipedia", str(world / "enwiki.xml.bz2"), "--out", str(tmp_path), "--workers", "1"]
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.build.perform_all", interrupt)
        stopped = CliRunner().invoke(main, run)
    assert stopped.exit_code == 1
    assert "the same command with --resume goes on" in stopped.stderr
    assert CliRunner().invoke(main, [*run, "--resume"]).exit_code == 0


def test_a_resume_deletes_what_an_interrupted_overwrite_was_to_replace(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what has no manifest to be known by."""
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "old.parquet").write_text("not of a dataset")
    run = ["build", "--wikidata", str(world / "wikidata.json.bz2")]
    run += ["--wikipedia", str(world / "enwiki.xml.bz2"), "--out", str(tmp_path), "--workers", "1"]
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.build.perform_all", interrupt)
        stopped = CliRunner().invoke(main, [*run, "--overwrite"])
    assert "with --resume in place of --overwrite goes on" in stopped.stderr
    assert (tmp_path / "train" / "old.parquet").exists()
    assert CliRunner().invoke(main, [*run, "--resume"]).exit_code == 0
    assert verify(load(tmp_path)) == []


def test_a_resume_in_what_another_command_made_is_refused(world: Path, tmp_path: Path) -> None:
    build(dumps(world), tmp_path / "built", BuildConfig())
    out = str(tmp_path / "split")
    split = ["split", str(tmp_path / "built"), "--out", out, "--settings", "transductive"]
    assert CliRunner().invoke(main, split).exit_code == 0
    wikidata = ["--wikidata", str(world / "wikidata.json.bz2")]
    for command in (["build", *wikidata], ["corpus"]):
        run = [*command, "--wikipedia", str(world / "enwiki.xml.bz2"), "--out", out, "--resume"]
        result = CliRunner().invoke(main, run)
        assert result.exit_code == 1
        assert f"{out}: holds what another command made" in result.stderr
        assert result.stderr.count("\n") == 1


def test_overwriting_never_deletes_the_dumps(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world, tmp_path / "all")
    run = ["build", "--wikidata", str(tmp_path / "all/wikidata.json.bz2"), "--overwrite"]
    run += ["--wikipedia", str(tmp_path / "all/enwiki.xml.bz2"), "--out", str(tmp_path / "all")]
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 1
    assert "which --overwrite would delete" in result.stderr
    assert (tmp_path / "all/enwiki.xml.bz2").exists()
    both = CliRunner().invoke(main, [*run, "--resume"])
    assert both.exit_code == 2
    assert "exclude each other" in both.stderr


def plain_facts(dump: Path, ranks: Ranks) -> tuple[dict[str, list[Any]], dict[str, int]]:
    """By the plainest reading: each item's (relation, value) and why other statements fell out.

    Of an item that occurs twice the latest revision counts; items without a page are not read.
    """
    latest: dict[str, dict[str, Any]] = {}
    for line in bz2.decompress(dump.read_bytes()).splitlines():
        record = ujson.loads(line.rstrip(b",")) if len(line) > 2 else {}
        if record.get("type") == "item" and "enwiki" in (record["sitelinks"] or {}):
            known = latest.get(record["id"], {"lastrevid": -1})
            if record["lastrevid"] > known["lastrevid"]:
                latest[record["id"]] = record
    facts: dict[str, list[Any]] = {entity: [] for entity in latest}
    drops: Counter[str] = Counter()
    for entity, record in latest.items():
        for relation, statements in (record["claims"] or {}).items():
            preferred = ranks == "best" and any(s["rank"] == "preferred" for s in statements)
            for each in statements:
                snak = each["mainsnak"]
                value = snak.get("datavalue", {}).get("value")
                if ranks != "all" and each["rank"] == "deprecated":
                    drops["deprecated"] += 1
                elif preferred and each["rank"] == "normal":
                    drops["not_best"] += 1
                elif snak["snaktype"] != "value":
                    drops["no_value" if snak["snaktype"] == "novalue" else "some_value"] += 1
                elif not (isinstance(value, dict) and value.get("entity-type") == "item"):
                    drops["not_an_item"] += 1
                else:
                    facts[entity].append((relation, f"Q{value['numeric-id']}"))
    return facts, drops


@pytest.mark.parametrize("ranks", get_args(Ranks))
def test_each_choice_of_ranks_equals_a_plain_reading(
    world: Path, tmp_path: Path, ranks: Ranks
) -> None:
    source = dumps(world)
    excluded = tmp_path / "excluded.tsv"
    truth = pl.read_parquet(world / "truth/triplets.parquet")
    unwanted = {*truth[::7].rows(), ("Q1", "P999999", "Q2")}
    excluded.write_text("".join("\t".join(row) + "\n" for row in sorted(unwanted)))
    source = replace(source, exclude_triplets=excluded)
    manifest = build(source, tmp_path / "data", BuildConfig(ranks=ranks))
    dataset = load(tmp_path / "data")
    assert verify(dataset) == []
    kept = set(pl.read_parquet(world / "truth/entities.parquet")["entity"])
    paged = set(plain_properties(world / "wikidata.json.bz2"))
    facts, drops = plain_facts(world / "wikidata.json.bz2", ranks)
    triplets: set[tuple[str, str, str]] = set()
    for head, stated in facts.items():
        for relation, tail in stated:
            reason = (
                "head_not_kept" if head not in kept
                else "tail_not_kept" if tail not in kept
                else "relation_without_page" if relation not in paged
                else "duplicate_statement" if (head, relation, tail) in triplets
                else None
            )  # fmt: skip
            if reason:
                drops[reason] += 1
            else:
                triplets.add((head, relation, tail))
    drops["excluded"] = len(triplets & unwanted)
    assert triplets_as_strings(dataset) == triplets - unwanted
    assert {name: manifest.drops[name] for name in get_args(StatementDrop)} == {
        name: drops[name] for name in get_args(StatementDrop)
    }
    assert manifest.counts["excluded_listed"] == len(unwanted)
    assert manifest.counts["excluded_absent"] == len(unwanted) - drops["excluded"]
    types = dict(dataset.entities.select("entity", "types").iter_rows())
    assert types == {
        head: list(dict.fromkeys(tail for relation, tail in facts[head] if relation == "P31"))
        for head in kept
    }


def plain_properties(dump: Path) -> list[str]:
    """The properties with a non-empty page."""
    records = [
        ujson.loads(line.rstrip(b","))
        for line in bz2.decompress(dump.read_bytes()).splitlines()
        if len(line) > 2
    ]
    return [
        record["id"]
        for record in records
        if record["type"] == "property"
        and any("en" in (record[key] or {}) for key in ("labels", "descriptions", "aliases"))
    ]


def test_a_resume_with_other_exclusions_is_refused(world: Path, tmp_path: Path) -> None:
    source = dumps(world)
    excluded = tmp_path / "excluded.tsv"
    excluded.write_text("Q1\tP31\tQ5\n")
    run = ["build", "--wikidata", str(source.wikidata), "--wikipedia", str(source.wikipedia)]
    run += ["--out", str(tmp_path / "out"), "--exclude-triplets", str(excluded)]
    assert CliRunner().invoke(main, run).exit_code == 0
    assert CliRunner().invoke(main, [*run, "--resume"]).exit_code == 0
    excluded.write_text("Q2\tP31\tQ5\n")
    again = CliRunner().invoke(main, [*run, "--resume"])
    assert again.exit_code == 1
    assert "begun with other sources or settings" in again.stderr


@pytest.fixture
def damaged(world: Path, tmp_path: Path) -> tuple[BuildInput, list[int], list[int]]:
    """The world with two lines and a page that cannot be read, and their numbers."""
    folder = tmp_path / "damaged"
    folder.mkdir()
    lines = bz2.decompress((world / "wikidata.json.bz2").read_bytes()).split(b"\n")
    pages = bz2.decompress((world / "enwiki.xml.bz2").read_bytes()).split(b"<page>")
    bad_lines, bad_pages = [40, len(lines) - 30], [len(pages) // 2]
    for number in bad_lines:
        lines[number - 1] = lines[number - 1][:100]
    for number in bad_pages:
        pages[number] = pages[number].replace(b"title>", b"titel>")
    (folder / "wikidata.json.bz2").write_bytes(bz2.compress(b"\n".join(lines), 1))
    (folder / "enwiki.xml.bz2").write_bytes(bz2.compress(b"<page>".join(pages), 1))
    return dumps(folder), bad_lines, bad_pages


def test_corrupt_records_are_left_out_within_max_errors(
    damaged: tuple[BuildInput, list[int], list[int]], tmp_path: Path
) -> None:
    source, lines, pages = damaged
    run = ["build", "--wikidata", str(source.wikidata), "--wikipedia", str(source.wikipedia)]
    run += ["--out", str(tmp_path / "out")]
    strict = CliRunner().invoke(main, run)
    assert strict.exit_code == 1
    assert "or leave out up to N such records with --max-errors N" in strict.stderr
    two = CliRunner().invoke(main, [*run, "--resume", "--max-errors", "2"])
    assert two.exit_code == 1
    assert f"{source.wikipedia}, page {pages[0]:,}: a <page> that cannot be read" in two.stderr
    assert "after 2 that --max-errors allows" in two.stderr
    assert "--resume with --max-errors 3 or more" in two.stderr
    three = CliRunner().invoke(main, [*run, "--resume", "--max-errors", "3"])
    assert three.exit_code == 0, three.stderr
    manifest = load(tmp_path / "out").manifest
    assert manifest.drops["corrupt_record"] == 3
    places = [f"{source.wikidata}, line {number:,}: " for number in lines]
    places += [f"{source.wikipedia}, page {number:,}: " for number in pages]
    told = [note for note in manifest.notes if note.startswith("corrupt_record")]
    assert len(told) == 3
    assert all(place in note for place, note in zip(places, told, strict=True))
    for note in told:
        assert (three.stdout.count(note), three.stderr.count(note)) == (1, 0)
    # The places do not depend on how the dumps were cut.
    other = replace(source, range_bytes=30_000, max_errors=3, workers=1)
    again = build(other, tmp_path / "again", BuildConfig())
    assert again.files == manifest.files
    assert again.notes == manifest.notes
    assert again.drops == manifest.drops


def test_the_wiki_of_the_dump_must_be_the_one_asked_for(world: Path, tmp_path: Path) -> None:
    source = dumps(world)
    run = ["build", "--wikidata", str(source.wikidata), "--wikipedia", str(source.wikipedia)]
    run += ["--out", str(tmp_path / "out"), "--language", "no", "--site", "nowiki"]
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 1
    assert (
        "a dump of enwiki, but pages of nowiki are asked for; pass --site enwiki" in result.stderr
    )


def test_the_seed_of_a_configuration_file_counts(world: Path, tmp_path: Path) -> None:
    (tmp_path / "seed.yaml").write_text("seed: 7\n")
    source = dumps(world)
    run = ["build", "--wikidata", str(source.wikidata), "--wikipedia", str(source.wikipedia)]
    run += ["--out", str(tmp_path / "out"), "--config", str(tmp_path / "seed.yaml"), "--json"]
    result = CliRunner().invoke(main, run)
    assert ujson.loads(result.stdout)["config"]["seed"] == 7


def test_bad_input_is_one_line_that_names_the_fix(world: Path, tmp_path: Path) -> None:
    good = dumps(world)
    cut_off = tmp_path / "cut.json.bz2"
    whole = (world / "wikidata.json.bz2").read_bytes()
    cut_off.write_bytes(whole[:-200])
    half_line = tmp_path / "half.json.bz2"
    lines = bz2.decompress(whole).splitlines(keepends=True)
    lines[5] = lines[5][: len(lines[5]) // 2] + b"\n"
    half_line.write_bytes(bz2.compress(b"".join(lines[:50])))
    occupied = tmp_path / "occupied"
    occupied.mkdir()
    (occupied / "mine.txt").write_text("precious")
    absent = tmp_path / "absent.json.bz2"
    fresh = tmp_path / "fresh"
    cases = [
        (absent, good.wikipedia, fresh, f"{absent}: no such file; check the path"),
        (cut_off, good.wikipedia, fresh, "without its end mark; the file is cut off: download"),
        (half_line, good.wikipedia, fresh, f"{half_line}, line 6: "),
        (
            good.wikipedia,
            good.wikipedia,
            fresh,
            "line 1: an XML document, not a Wikidata JSON dump",
        ),
        (good.wikidata, good.wikidata, fresh, "line 1: JSON, not a Wikipedia XML dump"),
        (good.wikidata, good.wikipedia, occupied, "not empty; name another folder, or pass"),
    ]
    for wikidata, wikipedia, out, message in cases:
        run = ["build", "--wikidata", str(wikidata), "--wikipedia", str(wikipedia)]
        result = CliRunner().invoke(main, [*run, "--out", str(out)])
        assert result.exit_code == 1
        assert result.stdout == ""
        errors = [line for line in result.stderr.splitlines() if line.startswith("Error")]
        assert len(errors) == 1
        assert message in errors[0]
        assert "Traceback" not in result.stderr
        shutil.rmtree(fresh, ignore_errors=True)
    assert [path.name for path in occupied.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["language", "site"])
def test_a_build_without_a_language_or_a_site_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="language and site must be named"):
        BuildConfig(**{name: ""})  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", SEEDS)
def test_splits_of_a_world_hold_for_any_seed(world: Path, seed: int) -> None:
    truth = pl.read_parquet(world / "truth/triplets.parquet")
    entities = {e: i for i, e in enumerate(sorted({*truth["head"], *truth["tail"]}))}
    relations = {r: i for i, r in enumerate(sorted(set(truth["relation"])))}
    rows = [(entities[h], relations[r], entities[t]) for h, r, t in truth.iter_rows()]
    triplets = np.unique(np.array(rows, np.int32), axis=0)
    result = transductive(triplets, SplitConfig(), seed)
    check_transductive(triplets, result.parts)
    result = inductive(triplets, len(entities), SplitConfig(), seed)
    check_inductive(triplets, result)
    assert result.parts
