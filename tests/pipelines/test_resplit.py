"""`wikidata5m split`: a dataset anew with other splits, its tables untouched."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import ujson
from click.testing import CliRunner, Result

from pipelines.build import BuildConfig, BuildInput, build
from pipelines.split import (
    SplitConfig,
    classification,
    inductive,
    read_earlier,
    semi_inductive,
    transductive,
)
from pipelines.split.config import too_few
from pipelines.world import WorldConfig, write_world
from tests.datasets import make_dataset
from tests.pipelines.checker import (
    check_classification,
    check_inductive,
    check_semi_inductive,
    check_transductive,
)
from wikidata5m import load
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.schema import PARTS
from wikidata5m.verify import verify

EVERY = "transductive,inductive,semi_inductive,classification"
FEW = ("--set", "split.shots=1", "--set", "split.least_queries=1")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("small") / "data", countries=30)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["split", *map(str, arguments)])


def test_every_split_of_a_dataset_holds_and_its_tables_stay(small: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(small.path, "--out", out, "--settings", EVERY, *FEW, "--test", "5", "--json")
    assert result.exit_code == 0, result.stderr
    told = ujson.loads(result.stdout)
    dataset = load(out)
    assert verify(dataset) == []
    assert dataset.settings == ("transductive", "inductive", "semi_inductive")
    assert told["counts"]["transductive_test"] == 5 == len(dataset.triplets("transductive", "test"))
    assert told["counts"]["classification_test"] == 10
    assert told["sources"][-1]["dataset_hash"] == small.manifest.dataset_hash
    assert told["config"]["settings"] == EVERY.split(",")
    for name, record in small.manifest.files.items():
        if "/" not in name or name.startswith("descriptions"):
            assert (out / name).stat().st_ino == (small.path / name).stat().st_ino
            assert dataset.manifest.files[name] == record
    text = run(small.path, "--out", tmp_path / "text", "--settings", EVERY, *FEW).stdout
    assert "semi_inductive" in text
    assert "inductive_border" in text
    assert text.count("smaller transductive split") == 1


def test_only_the_splits_asked_for_are_there_and_they_can_be_made_again(
    small: Dataset, tmp_path: Path
) -> None:
    assert run(small.path, "--out", tmp_path / "a", "--settings", "inductive").exit_code == 0
    graph = load(tmp_path / "a")
    assert graph.settings == ("inductive",)
    assert not any(name.startswith("transductive") for name in graph.manifest.counts)
    assert not any("transductive" in note for note in graph.manifest.notes)
    for out, source in (("b", graph.path), ("c", small.path)):
        assert run(source, "--out", tmp_path / out, "--seed", "3").exit_code == 0
    assert load(tmp_path / "b").manifest.files == load(tmp_path / "c").manifest.files
    assert verify(load(tmp_path / "b")) == []


def test_what_was_said_of_a_split_that_is_made_anew_goes(small: Dataset, tmp_path: Path) -> None:
    graph = tmp_path / "graph"
    graph.mkdir()
    for part in ("train", "test"):
        rows = small.to_frame("transductive", part)
        rows.write_csv(graph / f"{part}.txt", separator="\t", include_header=False)
    made = ["import", str(graph), "--out", str(tmp_path / "data")]
    assert CliRunner().invoke(main, made).exit_code == 0
    empty = "transductive: the source has no valid part, so it is empty"
    notes = load(tmp_path / "data").manifest.notes
    assert empty in notes
    assert run(tmp_path / "data", "--out", tmp_path / "out").exit_code == 0
    anew = load(tmp_path / "out")
    assert len(anew.triplets("transductive", "valid"))
    assert set(notes) - set(anew.manifest.notes) == {empty}


def test_a_later_dataset_is_split_by_time(small: Dataset, tmp_path: Path) -> None:
    earlier = make_dataset(tmp_path / "earlier", countries=20, seed=4)
    out = tmp_path / "out"
    result = run(small.path, "--earlier", earlier.path, "--out", out)
    assert result.exit_code == 0, result.stderr
    dataset = load(out)
    assert verify(dataset) == []
    assert dataset.settings == ("temporal",)
    before, now = (as_strings(each) for each in (earlier, small))
    train, valid, test = (as_strings(dataset, part) for part in PARTS)
    drops, counts = dataset.manifest.drops, dataset.manifest.counts
    known = {e for h, _, t in train for e in (h, t)}
    assert train <= before
    assert len(before) - len(train) == drops["temporal_entity_gone"]
    assert valid | test == {t for t in now - before if t[0] in known and t[2] in known}
    assert counts["temporal_removed"] == len(train - now) > 0
    assert counts["temporal_new"] == len(now - before)
    assert dataset.manifest.sources[-1]["dataset_hash"] == earlier.manifest.dataset_hash
    kept = run(
        *(small.path, "--earlier", earlier.path, "--out", tmp_path / "kept"),
        *("--set", "split.keep_unseen=true"),
    )
    assert kept.exit_code == 0
    whole = load(tmp_path / "kept")
    assert verify(whole) == []
    assert sum(whole.manifest.departures.values()) == drops["temporal_unseen_entity"] > 0


def test_settings_that_are_configured_win_over_the_default_of_earlier(
    small: Dataset, tmp_path: Path
) -> None:
    earlier = make_dataset(tmp_path / "earlier", countries=20, seed=4)
    both = ("transductive", "temporal")
    (tmp_path / "both.yaml").write_text("settings: [transductive, temporal]\nseed: 1\n")
    ways: tuple[tuple[str | Path, ...], ...] = (
        ("--set", "settings=[transductive,temporal]"),
        ("--config", tmp_path / "both.yaml"),
        ("--settings", "transductive,temporal", "--set", "settings=[temporal]"),
    )
    for place, asked in enumerate(ways):
        out = tmp_path / f"out{place}"
        result = run(small.path, "--earlier", earlier.path, "--out", out, *asked)
        assert result.exit_code == 0, result.stderr
        assert load(out).settings == both
    (tmp_path / "seed.yaml").write_text("seed: 1\n")
    given = ("--earlier", earlier.path, "--config", tmp_path / "seed.yaml")
    assert run(small.path, "--out", tmp_path / "by-time", *given).exit_code == 0
    assert load(tmp_path / "by-time").settings == ("temporal",)


def as_strings(dataset: Dataset, part: str = "") -> set[tuple[str, str, str]]:
    entity = dataset.entities["entity"].to_list()
    relation = dataset.relations["relation"].to_list()
    name = f"temporal/{part}.parquet" if part else "triplets.parquet"
    return {(entity[h], relation[r], entity[t]) for h, r, t in dataset.read_triplets(name).tolist()}


def test_earlier_triplets_without_a_place_later_are_counted(small: Dataset, tmp_path: Path) -> None:
    fewer = make_dataset(tmp_path / "fewer", countries=20)
    found = read_earlier(small, fewer)
    known = set(fewer.entities["entity"])
    gone = [t for t in as_strings(small) if t[0] not in known or t[2] not in known]
    assert found.entity_gone == len(gone) > 0
    assert found.relation_gone == 0
    assert len(found.triplets) == len(small.triplets()) - len(gone)


def test_what_cannot_be_split_is_one_line_that_names_the_fix(
    small: Dataset, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(small.path, broken)
    (broken / "relations.parquet").write_bytes(b"short")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    out = ("--out", tmp_path / "out")
    for arguments, message in (
        ((small.path, *out, "--settings", "inductve"), "did you mean inductive?"),
        ((small.path, *out, "--settings", "classification"), "ask for transductive too"),
        ((small.path, *out, "--settings", "temporal"), "--earlier"),
        ((small.path, *out, "--earlier", small.path, "--settings", "inductive"), "--earlier"),
        ((small.path, *out, "--set", "split.shot=1"), "did you mean split.shots?"),
        ((small.path, *out, "--set", "split.most_facts=3"), "most_facts must be at least"),
        ((small.path, "--out", tmp_path / "full"), "not empty"),
        ((small.path, "--out", small.path, "--overwrite"), "would delete"),
        ((broken, "--out", tmp_path / "new"), "wikidata5m verify"),
        ((tmp_path / "none", *out), "no manifest.json"),
    ):
        result = run(*arguments)
        errors = [line for line in result.stderr.splitlines() if line.startswith("Error")]
        assert (result.exit_code, len(errors)) == (1, 1), (arguments, result.output)
        assert message in errors[0]
    assert (tmp_path / "full/mine.txt").read_text() == "mine"
    assert not (tmp_path / "new/manifest.json").exists()


def test_what_overwrite_replaces_stays_when_the_dataset_cannot_be_read(
    small: Dataset, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(small.path, damaged)
    out = tmp_path / "out"
    assert run(small.path, "--out", out).exit_code == 0
    for name in ("relations.parquet", "triplets.parquet"):
        (damaged / name).unlink()
        result = run(damaged, "--out", out, "--overwrite")
        assert (result.exit_code, result.stderr.count("Error")) == (1, 1)
        assert verify(load(out)) == []


def test_a_split_that_cannot_be_made_is_an_error_beside_those_that_can(tmp_path: Path) -> None:
    tiny = make_dataset(tmp_path / "tiny", countries=3)
    out = tmp_path / "out"
    result = run(tiny.path, "--out", out, "--settings", EVERY)
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error")]
    assert (result.exit_code, len(errors)) == (1, 1)
    entities = tiny.num_entities
    assert f"no inductive split: {entities} entities are too few; set split.max_share" in errors[0]
    assert "no semi_inductive split: hardly an entity has 7 to 20 facts" in errors[0]
    assert f"leave it out of --settings: {out} has the other splits" in errors[0]
    assert verify(load(out)) == []
    assert load(out).settings == ("transductive",)
    alone = run(tiny.path, "--out", out, "--overwrite", "--settings", "inductive")
    assert alone.exit_code == 1
    assert load(out).settings == ("transductive",), "what it was to replace stays"


@pytest.mark.parametrize("entities", [0, 1, 8, 9, 14, 16, 25, 50, 80, 399, 400])
def test_the_share_that_is_named_is_the_least_that_will_do(entities: int) -> None:
    few = too_few("inductive", "entities", entities, 4).note
    assert ("for any share" in few) == (entities < 9)
    if entities >= 9:
        share = float(few.split("max_share to ")[1].split(" or")[0])
        assert int(entities * share) >= 4 > int(entities * (share - 0.01))


def test_a_build_makes_what_its_configuration_asks_for(tmp_path: Path) -> None:
    write_world(WorldConfig(entities=1000, seed=1), tmp_path / "world", compressions=("gz",))
    names = tuple(EVERY.split(","))
    hashes = set()
    for workers in (1, 2):
        source = BuildInput(
            wikidata=tmp_path / "world/wikidata.json.gz",
            wikipedia=tmp_path / "world/enwiki.xml.gz",
            workers=workers,
        )
        out = tmp_path / f"data{workers}"
        build(source, out, BuildConfig(settings=names))
        assert verify(load(out)) == []
        hashes.add(load(out).manifest.dataset_hash)
    assert len(hashes) == 1
    dataset = load(tmp_path / "data1")
    assert dataset.settings == ("transductive", "inductive", "semi_inductive")
    assert run(dataset.path, "--out", tmp_path / "again", "--settings", EVERY).exit_code == 0
    assert load(tmp_path / "again").manifest.files == dataset.manifest.files


@pytest.mark.parametrize("seed", range(2))
def test_splits_of_real_facts_hold_for_any_seed(fb15k: Dataset, seed: int) -> None:
    triplets = fb15k.triplets()
    entities, relations = fb15k.num_entities, fb15k.num_relations
    config = SplitConfig()
    whole = transductive(triplets, config, seed)
    check_transductive(triplets, whole.parts)
    assert [len(whole.parts[part]) for part in ("valid", "test")] == [5163, 5133]
    check_inductive(triplets, inductive(triplets, entities, config, seed))
    few = semi_inductive(triplets, entities, config, seed)
    check_semi_inductive(triplets, few.parts, config)
    assert len(few.parts["support"]) > 500
    result = classification(whole.parts, entities, relations, config, seed)
    check_classification(whole.parts, result)
    assert result.without < 200


def test_each_shot_of_real_facts_is_a_random_one(fb15k: Dataset) -> None:
    """A fact that comes first by index is no likelier to be the first shot than any other."""
    config = SplitConfig()
    parts = semi_inductive(fb15k.triplets(), fb15k.num_entities, config, 0).parts
    rows = {tuple(row): k for k, row in enumerate(fb15k.triplets().tolist())}
    support = np.array([rows[tuple(row)] for row in parts["support"].tolist()])
    groups = support.reshape(-1, config.shots)
    first = (groups[:, :1] < groups[:, 1:]).all(axis=1).mean()
    assert abs(first - 1 / config.shots) < 0.06
