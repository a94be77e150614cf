"""One's own graph: whatever its layout, the dataset holds what the files say and no more."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import polars as pl
import pytest
import ujson
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.graphs.layout import find_files
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import InputError
from wikidata5m.export.run import export_dataset
from wikidata5m.schema import PARTS, Part, Setting, Support
from wikidata5m.verify import verify

Rows = list[tuple[str, str, str]]

GRAPHS: dict[str, Setting] = {
    "fb15k-237": "transductive",
    "codex-s": "transductive",
    "umls": "transductive",
    "nations": "transductive",
    "ilpc-small": "inductive",
}
ILPC: dict[str, Part | Support] = {
    "train": "train",
    "inference": "support",
    "inference_validation": "valid",
    "inference_test": "test",
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["import", *map(str, arguments)], catch_exceptions=False)


def imported(out: Path, *arguments: object) -> Dataset:
    result = run(*arguments, "--out", out)
    assert result.exit_code == 0, result.output
    dataset = Dataset(out)
    assert verify(dataset) == []
    return dataset


def rows(dataset: Dataset, setting: Setting, part: Part | Support) -> Rows:
    read = dataset.support(setting) if part == "support" else dataset.triplets(setting, part)
    return named(dataset, read.tolist())


def named(dataset: Dataset, triplets: list[list[int]]) -> Rows:
    entities, relations = dataset.entities["entity"].to_list(), dataset.relations["relation"]
    return [(entities[h], relations[r], entities[t]) for h, r, t in triplets]


def write(path: Path, triplets: Rows, separator: str = "\t", order: str = "hrt") -> None:
    places = ["hrt".index(letter) for letter in order]
    lines = (separator.join(row[place] for place in places) + "\n" for row in triplets)
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("".join(lines))


@pytest.mark.parametrize("name", GRAPHS)
def test_published_graphs_are_imported_as_they_are(
    name: str, real_data: Path, tmp_path: Path
) -> None:
    folder, setting = real_data / "graphs" / name, GRAPHS[name]
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    dataset = imported(tmp_path / "data", folder)
    assert dataset.settings == (setting,)
    everything: set[tuple[str, ...]] = set()
    parts = ILPC if name == "ilpc-small" else {part: part for part in PARTS}
    for stem, part in parts.items():
        lines = gzip.decompress((folder / f"{stem}.txt.gz").read_bytes()).decode().splitlines()
        source = [tuple(line.split("\t")) for line in lines]
        assert sorted(rows(dataset, setting, part)) == sorted(source)
        everything |= set(source)
    assert set(named(dataset, dataset.triplets().tolist())) == everything
    assert len(dataset.triplets()) == len(everything)


def test_texts_names_and_departures_of_fb15k_237(real_data: Path, tmp_path: Path) -> None:
    if not (real_data / "graphs" / "fb15k-237").is_dir():
        pytest.skip("no fb15k-237")
    dataset = imported(tmp_path / "data", real_data / "graphs" / "fb15k-237")
    denton = dataset.describe_entity(dataset.entity_index("/m/010016"))
    assert denton["label"] == "Denton"
    assert denton["aliases"] == ["Denton", "Denton, Texas"]
    assert denton["text"].startswith("Denton -- Denton is a city")
    assert dataset.manifest.departures == {
        "transductive_valid_unseen_entity": 9,
        "transductive_test_unseen_entity": 28,
    }
    assert dataset.manifest.drops == {"text_of_unknown_id": 410}


ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r"), min_size=1)
few = st.sampled_from(["NA", "null", "nan", "007", "7", "a b", '"', "'x'", "#", "é", " "]) | ids
triplets = st.lists(st.tuples(few, st.sampled_from(["r", "NA", "0"]), few), max_size=12)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.tuples(few, few, few), triplets, triplets, triplets)
def test_departures_are_what_a_plain_count_says(
    tmp_path: Path, first: tuple[str, str, str], train: Rows, valid: Rows, test: Rows
) -> None:
    parts = {"train": [first, *train], "valid": valid, "test": test}
    for part, content in parts.items():
        write(tmp_path / "in" / f"{part}.tsv", content)
    out = tmp_path / "data"
    result = run(tmp_path / "in", "--separator", "tab", "--no-header", "--out", out, "--overwrite")
    assert result.exit_code == 0, result.output
    dataset = Dataset(out)
    assert verify(dataset) == []
    expected: dict[str, int] = {}
    earlier: Rows = []
    entities = {end for h, _, t in parts["train"] for end in (h, t)}
    relations = {r for _, r, _ in parts["train"]}
    for part, content in parts.items():
        assert sorted(rows(dataset, "transductive", part)) == sorted(content)  # type: ignore[arg-type]
        broken = {
            "repeated": sum(row in earlier + content[:i] for i, row in enumerate(content)),
            "unseen_entity": sum(not {h, t} <= entities for h, _, t in content),
            "unseen_relation": sum(r not in relations for _, r, _ in content),
        }
        expected |= {f"transductive_{part}_{rule}": n for rule, n in broken.items() if n}
        earlier += content
    expected["entity_without_text"] = dataset.num_entities
    # A repeat may also be told of the triplets of an earlier part that came first.
    assert dataset.manifest.departures == expected


TRAIN, VALID, TEST = [("a", "r", "b"), ("b", "s", "a")], [("a", "r", "a")], [("b", "s", "b")]


@pytest.mark.parametrize(
    ("names", "options", "setting"),
    [
        (("train.txt", "valid.txt", "test.txt"), (), "transductive"),
        (("train.tsv", "dev.tsv", "test.tsv"), (), "transductive"),
        (("FB_train", "FB_validation", "FB_test"), (), "transductive"),
        (("ind-train.tsv", "ind-dev.tsv", "ind-test.tsv"), (), "inductive"),
        (("x_semi_inductive_train.txt", "x_semi_inductive_valid.txt", "x_semi_inductive_test.txt"),
         (), "semi_inductive"),
        (("train.del", "valid.del", "test.del"), ("--setting", "temporal"), "temporal"),
    ],
)  # fmt: skip
def test_parts_are_told_by_their_names(
    tmp_path: Path, names: tuple[str, ...], options: tuple[str, ...], setting: Setting
) -> None:
    for name, content in zip(names, (TRAIN, VALID, TEST), strict=True):
        write(tmp_path / "in" / name, content)
    dataset = imported(tmp_path / "data", tmp_path / "in", *options)
    assert dataset.settings == (setting,)
    for part, content in zip(PARTS, (TRAIN, VALID, TEST), strict=True):
        assert rows(dataset, setting, part) == content
    # The same files, named one by one.
    again = imported(tmp_path / "again", *(tmp_path / "in" / name for name in names), *options)
    assert again.manifest.dataset_hash == dataset.manifest.dataset_hash


def test_files_of_any_name_are_parts_by_option(tmp_path: Path) -> None:
    for name, content in (("x", TRAIN), ("y", VALID), ("z", TEST), ("w", [("c", "r", "d")])):
        write(tmp_path / name, content)
    x, y, z, w = (tmp_path / name for name in "xyzw")
    options = ("--train", x, "--valid", y, "--test", z)
    assert rows(imported(tmp_path / "one", *options), "transductive", "test") == TEST
    dataset = imported(tmp_path / "two", *options, "--support", w)
    assert dataset.settings == ("inductive",)
    assert rows(dataset, "inductive", "support") == [("c", "r", "d")]
    assert dataset.manifest.departures["inductive_valid_shared_entity"] == 1


def test_negatives_become_a_classification_set(tmp_path: Path) -> None:
    false = [("b", "r", "b"), ("a", "s", "b")]
    for name, content in (("train", TRAIN), ("test", TEST), ("test_negatives", false)):
        write(tmp_path / "codex" / f"{name}.txt", content)
    dataset = imported(tmp_path / "data", tmp_path / "codex")
    table = pl.read_parquet(dataset.path / "classification" / "test.parquet")
    assert named(dataset, [list(row) for row in table.drop("label").rows()]) == [*TEST, *false]
    assert table["label"].to_list() == [True, False, False]
    assert not set(false) & set(named(dataset, dataset.triplets().tolist()))
    assert (
        dataset.manifest.notes[-1] == "transductive: the source has no valid part, so it is empty"
    )
    result = CliRunner().invoke(
        main, ["export", str(dataset.path), "--format", "tsv", "--out", str(tmp_path / "tsv")]
    )
    assert result.exit_code == 0, result.output
    again = imported(tmp_path / "again", tmp_path / "tsv")
    assert again.manifest.dataset_hash == dataset.manifest.dataset_hash
    export_dataset(dataset, tmp_path / "hf", "hf")
    labelled = pl.read_parquet(tmp_path / "hf" / "classification" / "test.parquet")
    assert labelled.rows() == [(*row, row in TEST) for row in [*TEST, *false]]


def test_negatives_that_the_graph_holds_are_declared(tmp_path: Path) -> None:
    false = [("b", "r", "b"), TRAIN[0]]
    for name, content in (("train", TRAIN), ("test", TEST), ("test_negatives", false)):
        write(tmp_path / "codex" / f"{name}.txt", content)
    dataset = imported(tmp_path / "data", tmp_path / "codex")
    assert dataset.manifest.departures["classification_test_false_in_graph"] == 1
    assert verify(dataset) == []


@pytest.mark.parametrize("name", ["triples.csv", "train.csv", "anything.csv.bz2"])
def test_one_file_is_a_graph_without_a_split(tmp_path: Path, name: str) -> None:
    content = [*TRAIN, *TRAIN, ("10", "r", "9")]
    write(tmp_path / "plain", content, ",", "htr")
    packed = bz2.compress if name.endswith("bz2") else bytes
    (tmp_path / name).write_bytes(packed((tmp_path / "plain").read_bytes()))
    dataset = imported(tmp_path / "data", tmp_path / name, "--order", "htr")
    assert dataset.settings == ()
    assert named(dataset, dataset.triplets().tolist()) == sorted(set(content))
    assert dataset.manifest.drops == {"duplicate_statement": 2}


def test_integers_stand_for_the_ids_of_openke_and_ogb(tmp_path: Path) -> None:
    folder = tmp_path / "openke"
    for name, lines in {
        "train2id.txt": "2\n0 1 0\n1 0 1\n",
        "valid2id.txt": "1\n0 0 0\n",
        "test2id.txt": "1\n1 1 1\n",
        "entity2id.txt": "2\nQ10\t0\nQ9\t1\n",
        "relation2id.txt": "2\nP2\t0\nP1\t1\n",
    }.items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(lines)
    dataset = imported(tmp_path / "data", folder)
    assert dataset.entities["entity"].to_list() == ["Q9", "Q10"]
    assert rows(dataset, "transductive", "train") == [("Q9", "P1", "Q10"), ("Q10", "P2", "Q9")]
    assert rows(dataset, "transductive", "test") == [("Q9", "P1", "Q9")]
    write(tmp_path / "edges.csv", [("0", "0", "1")], ",")
    mapping = tmp_path / "nodeidx2entityid.csv.gz"
    mapping.write_bytes(gzip.compress(b"node idx,entity id\n0,Q7\n1,Q8\n"))
    dataset = imported(tmp_path / "ogb", tmp_path / "edges.csv", "--entity-ids", mapping)
    assert named(dataset, dataset.triplets().tolist()) == [("Q7", "0", "Q8")]
    mapping.write_bytes(gzip.compress(b"0,Q7\n"))
    failed = run(tmp_path / "edges.csv", "--entity-ids", mapping, "--out", tmp_path / "no")
    assert failed.exit_code == 1
    assert "has no line for '1' of the triplets" in failed.stderr
    mapping.write_bytes(gzip.compress(b"0,Q7\n1,Q7\n"))
    failed = run(
        tmp_path / "edges.csv", "--entity-ids", mapping, "--out", tmp_path / "no", "--overwrite"
    )
    assert "gives 'Q7' to two keys" in failed.stderr


def test_a_map_whose_ids_are_integers_is_read_as_its_name_says(tmp_path: Path) -> None:
    folder = tmp_path / "openke"
    folder.mkdir()
    (folder / "train2id.txt").write_text("2\n0 1 0\n0 2 0\n")
    (folder / "entity2id.txt").write_text("4\n2\t0\n0\t1\n1\t2\n9\t3\n")
    (folder / "relation2id.txt").write_text("1\n7\t0\n")
    (folder / "entity2label.txt").write_text("2\ttwo\n9\tnine\n")
    dataset = imported(tmp_path / "data", folder)
    expected = [("2", "7", "0"), ("2", "7", "1")]
    assert named(dataset, dataset.triplets().tolist()) == expected
    # A line of the map and one of the names.
    assert dataset.manifest.drops["name_of_unknown_id"] == 2
    kept = imported(tmp_path / "kept", folder, "--keep-unused")
    assert named(kept, kept.triplets().tolist()) == expected
    assert kept.entities["label"].to_list() == ["0", "1", "two", "nine"]
    assert "name_of_unknown_id" not in kept.manifest.drops
    (folder / "entity2id.txt").rename(folder / "entities.dict")
    turned = imported(tmp_path / "turned", folder, "--entity-ids", folder / "entities.dict")
    assert named(turned, turned.triplets().tolist()) == [("1", "7", "0"), ("1", "7", "2")]


def test_parts_by_option_stand_before_what_a_folder_has(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    folder.mkdir()
    for part, content in (("valid", VALID), ("test", TEST)):
        write(folder / f"{part}.txt", content)
    write(tmp_path / "mine.tsv", TRAIN)
    dataset = imported(tmp_path / "data", folder, "--train", tmp_path / "mine.tsv")
    assert rows(dataset, "transductive", "train") == sorted(TRAIN)
    assert rows(dataset, "transductive", "test") == sorted(TEST)
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "entity2text.txt").write_text("a\tText of a\n")
    dataset = imported(tmp_path / "more", texts, "--train", tmp_path / "mine.tsv")
    assert rows(dataset, "transductive", "train") == sorted(TRAIN)


def test_folders_of_kg_bert_are_read(tmp_path: Path) -> None:
    """Its entities.txt and relations.txt are ids alone; two other files have the names."""
    folder = tmp_path / "g"
    folder.mkdir()
    for part, content in (("train", TRAIN), ("dev", VALID), ("test", TEST)):
        write(folder / f"{part}.tsv", content)
    heads = sorted({head for head, _, _ in TRAIN})
    (folder / "entities.txt").write_text("\n".join(heads))
    (folder / "relations.txt").write_text(TRAIN[0][1])
    (folder / "entity2text.txt").write_text(f"{heads[0]}\tName of it\n")
    (folder / "entity2textlong.txt").write_text(f"{heads[0]}\tA text of it.\n")
    (folder / "relation2text.txt").write_text(f"{TRAIN[0][1]}\tis so to\n")
    dataset = imported(tmp_path / "data", folder)
    assert "Name of it" in dataset.entities["label"].to_list()
    assert "A text of it." in list(dataset.texts)
    assert "is so to" in dataset.relations["label"].to_list()
    assert (
        "not read: " + str(folder / "entities.txt") in run(folder, "--out", tmp_path / "b").stderr
    )
    (folder / "relation2text.txt").rename(folder / "relations.json")
    refused = run(folder, "--out", tmp_path / "c")
    assert "relations.txt: holds the same part as relations.json" in refused.stderr


def test_of_two_files_of_one_kind_an_option_chooses(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    folder.mkdir()
    for name, content in (("train.txt", TRAIN), ("train.tsv", VALID), ("test.txt", TEST)):
        write(folder / name, content)
    for name in ("entity2label", "entity_names"):
        (folder / f"{name}.txt").write_text(f"{TRAIN[0][0]}\tsays {name}\n")
    refused = run(folder, "--out", tmp_path / "no")
    assert "holds the same part as" in refused.stderr
    chosen = ("--train", folder / "train.txt", "--entity-label", folder / "entity_names.txt")
    dataset = imported(tmp_path / "data", folder, *chosen)
    assert rows(dataset, "transductive", "train") == sorted(TRAIN)
    assert "says entity_names" in dataset.entities["label"].to_list()
    without = imported(tmp_path / "bare", folder, *chosen[:2], "--no-texts")
    assert not any(label.startswith("says") for label in without.entities["label"])


def test_no_texts_leaves_what_integers_stand_for(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    folder.mkdir()
    (folder / "train2id.txt").write_text("1\n0 1 0\n")
    (folder / "entity2id.txt").write_text("2\n/m/a\t0\n/m/b\t1\n")
    (folder / "relation2id.txt").write_text("1\n/r/x\t0\n")
    dataset = imported(tmp_path / "data", folder, "--no-texts")
    assert named(dataset, dataset.triplets().tolist()) == [("/m/a", "/r/x", "/m/b")]


def test_names_of_white_space_are_none_and_endings_may_be_capitals(tmp_path: Path) -> None:
    write(tmp_path / "g.tsv", TRAIN)
    entity, other = TRAIN[0][0], TRAIN[0][2]
    (tmp_path / "names.txt").write_text(f"{entity}\t \tA name\n{other}\t \n")
    lines = imported(tmp_path / "a", tmp_path / "g.tsv", "--entity-label", tmp_path / "names.txt")
    (tmp_path / "N.JSON").write_text(
        ujson.dumps({entity: {"label": " ", "aliases": ["A name"]}, other: " "})
    )
    record = imported(tmp_path / "b", tmp_path / "g.tsv", "--entity-label", tmp_path / "N.JSON")
    for dataset in (lines, record):
        labels = dict(dataset.entities.select("entity", "label").rows())
        assert (labels[entity], labels[other]) == ("A name", other)


def test_false_triplets_without_a_part_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    folder.mkdir()
    write(folder / "graph.tsv", TRAIN)
    write(folder / "valid_negatives.tsv", VALID)
    failed = run(folder, "--out", tmp_path / "no")
    assert failed.exit_code == 1
    assert "valid_negatives.tsv: false triplets of a part, and there is no part" in failed.stderr


def test_relation_text_is_read_as_texts(tmp_path: Path) -> None:
    found = find_files([write_graph(tmp_path / "g", "relation_text.txt")]).names
    assert list(found) == ["relation_text"]
    found = find_files([write_graph(tmp_path / "h", "relation2text.txt")]).names
    assert list(found) == ["relation_label"]


def write_graph(folder: Path, beside: str) -> Path:
    folder.mkdir()
    write(folder / "train.txt", TRAIN)
    (folder / beside).write_text("r\tWords\n")
    return folder


def graph_with_texts(folder: Path) -> Path:
    for part, content in zip(PARTS, (TRAIN, VALID, TEST), strict=True):
        write(folder / f"{part}.txt", content)
    (folder / "entities.json").write_text(
        ujson.dumps({"a": {"label": "A", "description": "short", "aliases": ["A", "first"]}})
    )
    (folder / "entity2text.txt").write_text("b\tText of\tb\nb\tagain\nz\tof no entity\na\t\n")
    (folder / "relations.json").write_text(
        ujson.dumps({"r": {"label": "likes", "description": "what one likes"}, "s": None, "q": "Q"})
    )
    (folder / "README").write_text("hello")
    return folder


def test_texts_and_names_are_found_and_counted(tmp_path: Path) -> None:
    folder = graph_with_texts(tmp_path / "in")
    dataset = imported(tmp_path / "data", folder)
    assert list(dataset.texts) == ["", "Text of\tb"]
    assert dataset.entities["label"].to_list() == ["A", "b"]
    assert dataset.entities["aliases"].to_list() == [["A", "first"], ["b"]]
    assert dataset.relations["label"].to_list() == ["likes", "s"]
    assert dataset.relations["description"].to_list() == ["what one likes", ""]
    assert dataset.manifest.drops == {
        "name_of_unknown_id": 1,
        "text_of_unknown_id": 1,
        "repeated_text": 1,
        "empty_text": 1,
    }
    assert dataset.manifest.departures == {"entity_without_text": 1}
    assert dataset.manifest.notes == (
        "1 of 2 entities have their id as name",
        "1 of 2 relations have their id as name",
    )
    result = run(folder, "--out", tmp_path / "data", "--overwrite")
    assert "not read: " in result.stderr
    assert "README" in result.stderr
    for note in dataset.manifest.notes:
        assert (result.stdout.count(note), result.stderr.count(note)) == (1, 0)
    bare = imported(tmp_path / "bare", folder, "--no-texts")
    assert list(bare.texts) == ["", ""]
    assert bare.entities["label"].to_list() == ["a", "b"]
    kept = imported(tmp_path / "kept", folder, "--keep-unused")
    assert kept.entities["entity"].to_list() == ["a", "b", "z"]
    assert kept.relations["relation"].to_list() == ["q", "r", "s"]
    (folder / "entity2text.txt").unlink()
    assert list(imported(tmp_path / "json", folder).texts) == ["short", ""]


@pytest.mark.parametrize("content", ['{"a": 3}', '["a"]', '{"a"', '{"a": {"label": 1}}', "\xff"])
def test_json_of_another_shape_is_an_error(tmp_path: Path, content: str) -> None:
    folder = graph_with_texts(tmp_path / "in")
    (folder / "entities.json").write_bytes(content.encode("latin-1"))
    result = run(folder, "--out", tmp_path / "data")
    assert result.exit_code == 1
    assert "entities.json: not an object of names by id" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: ")


def test_relation_texts_and_repeated_names_are_counted(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", TRAIN)
    (tmp_path / "entity2label.txt").write_text("a\tA\tAlpha\na\tagain\n")
    (tmp_path / "relation_descriptions.txt").write_text("r\tone\nr\ttwo\nx\tthree\ns\t\n")
    dataset = imported(tmp_path / "data", tmp_path)
    assert dataset.relations["description"].to_list() == ["one", ""]
    assert dataset.entities["aliases"].to_list() == [["A", "Alpha"], ["b"]]
    assert dataset.manifest.drops == {
        "repeated_names": 1,
        "text_of_unknown_id": 1,
        "repeated_text": 1,
    }


def test_bad_lines_are_errors_or_counted(tmp_path: Path) -> None:
    write(tmp_path / "graph.tsv", [*TRAIN, ("a", "r", "")])
    result = run(tmp_path / "graph.tsv", "--out", tmp_path / "data")
    assert result.exit_code == 1
    assert "graph.tsv, line 3: an empty field; correct the file" in result.stderr
    options = ("--max-errors", 1, "--overwrite")
    dataset = imported(tmp_path / "data", tmp_path / "graph.tsv", *options)
    assert dataset.manifest.drops == {"line_empty_field": 1}
    # A failure leaves what was there, even when it comes as late as the texts.
    (tmp_path / "texts.tsv").write_text("a\tone\nno tab")
    texts = ("--text", tmp_path / "texts.tsv", "--max-errors", 1, "--overwrite")
    assert (
        "line 2: no id and tab"
        in run(tmp_path / "graph.tsv", "--out", tmp_path / "data", *texts).stderr
    )
    assert verify(dataset) == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_cannot_be_imported_says_why(tmp_path: Path) -> None:
    def told(*arguments: object) -> tuple[int, str]:
        result = run(*arguments, "--out", tmp_path / "out")
        return result.exit_code, result.stderr.splitlines()[-1]

    assert told() == (
        2,
        "Error: Name a folder, a file, or the parts by --train, --valid, --test.",
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    code, message = told(empty)
    assert code == 1
    assert "no file named train, valid and test" in message
    assert "no such file" in told(tmp_path / "absent")[1]
    assert "h, r and t once each" in told("--train", __file__, "--order", "hrr")[1]
    (empty / "train.txt").write_text("")
    assert "holds no triplet" in told(empty)[1]
    write(empty / "train.txt", TRAIN)
    (empty / "test.txt").write_text("")
    (empty / "test.txt.gz").write_text("")
    assert "test.txt.gz: holds the same part as test.txt" in told(empty)[1]
    (empty / "train.txt").unlink()
    (empty / "test.txt.gz").unlink()
    assert "a part without a train file" in told(empty)[1]
    write(tmp_path / "notes.txt", TRAIN)
    write(tmp_path / "more.txt", TRAIN)
    assert "cannot tell from its name" in told(tmp_path / "notes.txt", tmp_path / "more.txt")[1]
    inside = tmp_path / "out"
    write(inside / "train.txt", TRAIN)
    (inside / "valid.txt").write_text("found only by reading it\n")
    assert "--overwrite would delete" in told(inside, "--overwrite")[1]


def test_files_may_be_told_without_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "any.txt", TRAIN)
    assert find_files([tmp_path / "any.txt"]).whole == tmp_path / "any.txt"
    with pytest.raises(InputError, match="a folder"):
        find_files([tmp_path / "any.txt", tmp_path])
