"""Exports hold the dataset: what the other tool loads is compared with the tables themselves."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
import ujson
import yaml
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import REPOSITORY
from tests.datasets import make_dataset
from wikidata5m import schema
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import DatasetError
from wikidata5m.export import huggingface
from wikidata5m.export.networkx import to_networkx
from wikidata5m.export.run import FORMATS, Format, export_dataset
from wikidata5m.schema import Part, Setting, Support

Rows = list[tuple[str, str, str]]

GRAPHS = ("fb15k-237", "codex-s", "umls", "nations", "ilpc-small", "small")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module", params=GRAPHS)
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Each published graph, imported; and the tests' own with both splits."""
    out = tmp_path_factory.mktemp("graphs") / request.param
    if request.param == "small":
        return make_dataset(out)
    folder: Path = request.getfixturevalue("real_data") / "graphs" / request.param
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    result = run("import", folder, "--out", out)
    assert result.exit_code == 0, result.output
    return Dataset(out)


def parts_of(dataset: Dataset, setting: Setting) -> Iterator[tuple[Part | Support, Rows]]:
    entities, relations = dataset.entities["entity"].to_list(), dataset.relations["relation"]
    for part in (*schema.PARTS, schema.SUPPORT):
        if schema.split_file(setting, part) in dataset.manifest.files:
            triplets = dataset.read_triplets(schema.split_file(setting, part)).tolist()
            yield part, [(entities[h], relations[r], entities[t]) for h, r, t in triplets]


def exported(dataset: Dataset, kind: Format, out: Path, **options: Any) -> Path:
    result = export_dataset(dataset, out, kind, **options)
    present = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert present == {file["file"] for file in result["files"]}
    return out


def load_pykeen(folder: Path, part: str) -> Any:
    """As docs/how-to/graphs.md does."""
    from pykeen.triples import TriplesFactory

    def ids(name: str) -> dict[str, int]:
        table = pd.read_csv(
            folder / name, sep="\t", header=None, dtype={0: str}, keep_default_na=False
        )
        return dict(zip(table[0], table[1], strict=True))

    return TriplesFactory.from_path(
        folder / f"{part}.txt",
        entity_to_id=ids("entity_to_id.tsv"),
        relation_to_id=ids("relation_to_id.tsv"),
    )


def test_tsv_is_imported_again_as_the_same_dataset(dataset: Dataset, tmp_path: Path) -> None:
    folder = exported(dataset, "tsv", tmp_path / "tsv")
    result = run("import", folder, "--out", tmp_path / "again", "--keep-unused")
    assert result.exit_code == 0, result.output
    again = Dataset(tmp_path / "again")
    if dataset.manifest.config.get("countries"):
        # The release's files hold no titles and types of entities.
        bare = dataset.entities.with_columns(
            title=pl.lit(""),
            types=again.entities["types"],
            aliases=pl.concat_list("label", "aliases"),
        )
        assert again.entities.equals(bare)
        hashes, written = (
            {name: record.sha256 for name, record in d.manifest.files.items()}
            for d in (again, dataset)
        )
        differ = {name for name, hashed in written.items() if hashes[name] != hashed}
        assert differ == {schema.ENTITIES, schema.RELATIONS, schema.CLASSES}
        assert again.manifest.drops == dataset.manifest.drops
    else:
        assert again.manifest.dataset_hash == dataset.manifest.dataset_hash
    assert again.manifest.departures == dataset.manifest.departures
    assert again.settings == dataset.settings


def test_pykeen_loads_the_same_triplets(dataset: Dataset, tmp_path: Path) -> None:
    folder = exported(dataset, "pykeen", tmp_path / "pykeen")
    setting = dataset.settings[0]
    for part, _ in parts_of(dataset, setting):
        loaded = load_pykeen(folder, part).mapped_triples.numpy()
        # PyKEEN sorts, and keeps each triplet once.
        written = dataset.read_triplets(schema.split_file(setting, part))
        assert np.array_equal(np.unique(loaded, axis=0), np.unique(written, axis=0))


def test_pykeen_takes_the_arrays_of_a_dataset(dataset: Dataset) -> None:
    import torch
    from pykeen.triples import CoreTriplesFactory

    factory = CoreTriplesFactory(
        torch.from_numpy(dataset.triplets(dataset.settings[0], "train")).long(),
        num_entities=dataset.num_entities,
        num_relations=dataset.num_relations,
    )
    assert factory.num_triples == len(dataset.triplets(dataset.settings[0], "train"))


def test_pykeen_makes_datasets_of_the_files(dataset: Dataset, tmp_path: Path) -> None:
    folder = exported(dataset, "pykeen", tmp_path / "pykeen")
    setting = dataset.settings[0]
    train = len(np.unique(dataset.triplets(setting, "train"), axis=0))
    if (folder / "support.txt").exists():
        from pykeen.datasets.inductive.base import DisjointInductivePathDataset

        loaded: Any = DisjointInductivePathDataset(
            folder / "train.txt", folder / "support.txt", folder / "test.txt", folder / "valid.txt"
        )
        assert loaded.transductive_training.num_triples == train
        assert loaded.inductive_inference.num_triples == len(dataset.support(setting))
    else:
        from pykeen.datasets.base import PathDataset

        loaded = PathDataset(folder / "train.txt", folder / "test.txt", folder / "valid.txt")
        assert loaded.training.num_triples == train


def test_networkx_reads_the_same_graph(dataset: Dataset, tmp_path: Path) -> None:
    import networkx as nx

    every = (None, *dataset.settings) if dataset.num_entities < 5000 else dataset.settings
    for setting in every:
        chosen = (setting,) if setting else ()
        folder = exported(dataset, "networkx", tmp_path / str(setting), settings=chosen)
        with gzip.open(folder / "graph.json.gz", "rt", encoding="utf-8") as stream:
            loaded = nx.node_link_graph(ujson.load(stream), edges="edges")
        assert isinstance(loaded, nx.MultiDiGraph)
        if len(dataset.triplets()) < 50_000:
            graph = to_networkx(dataset, setting)
            assert nx.utils.graphs_equal(graph, loaded)
            assert loaded.graph == graph.graph
        assert list(loaded) == dataset.entities["entity"].to_list()
        if setting:
            expected = {
                (h, t, r): part for part, rows in parts_of(dataset, setting) for h, r, t in rows
            }
            found = {(h, t, k): p for h, t, k, p in loaded.edges(keys=True, data="part")}
            assert found == expected
        else:
            assert loaded.number_of_edges() == len(dataset.triplets())


def test_hugging_face_loads_the_same_rows(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    folder = exported(dataset, "hf", tmp_path / "hf")

    def load(config: str) -> Any:
        return load_dataset(str(folder), config, cache_dir=str(tmp_path / "cache"))

    for setting in dataset.settings:
        loaded = load(setting)
        expected = {huggingface.SPLIT_NAME[p]: rows for p, rows in parts_of(dataset, setting)}
        assert set(loaded) == set(expected)
        for split, rows in expected.items():
            table = loaded[split].data.table
            assert (
                list(zip(*(table[c].to_pylist() for c in table.column_names), strict=True)) == rows
            )
    for name, frame in (("entities", dataset.entities), ("relations", dataset.relations)):
        assert load(name)["train"].to_list() == frame.to_dicts()
    assert load("triplets")["train"].num_rows == len(dataset.triplets())
    texts = dict(enumerate(dataset.texts))
    if any(texts.values()):
        rows = load("descriptions")["train"].to_list()
        ids = dataset.entities["entity"]
        assert rows == [{"entity": ids[i], "text": text} for i, text in texts.items() if text]


def test_the_card_has_metadata_the_hub_understands(dataset: Dataset, tmp_path: Path) -> None:
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard

    folder = exported(dataset, "hf", tmp_path / "hf", license=("cc-by-4.0",), language=("en",))
    card = DatasetCard.load(folder / "README.md")
    assert card.data.license == ["cc-by-4.0"]
    assert card.data.language == ["en"]
    assert card.data.task_categories == ["graph-ml"]
    configs = MetadataConfigs.from_dataset_card_data(card.data)
    assert configs.get_default_config_name() == dataset.settings[0]
    named = {f["path"] for c in configs.values() for f in c["data_files"]}
    assert named == {p.relative_to(folder).as_posix() for p in folder.rglob("*.parquet")}


@pytest.mark.parametrize(
    ("roles", "licence", "language"),
    [
        (("wikidata", "wikipedia"), ["cc0-1.0", "cc-by-sa-4.0"], ["de"]),
        (("release", "release"), ["cc0-1.0", "cc-by-sa-4.0"], ["en"]),
        (("transductive_train", "dataset"), ["unknown"], None),
    ],
)
def test_the_card_states_the_licence_of_what_the_dataset_was_made_from(
    tmp_path: Path, roles: tuple[str, ...], licence: list[str], language: list[str] | None
) -> None:
    from huggingface_hub import DatasetCard

    dataset = make_dataset(tmp_path / "data")
    sources = tuple({"role": role, "path": "/x/y.gz"} for role in roles)
    # A dataset that was split anew states what it was made of inside.
    config = {"dataset": {"language": "de"}} if "wikidata" in roles else {}
    dataset.manifest = dataclasses.replace(dataset.manifest, sources=sources, config=config)
    folder = exported(dataset, "hf", tmp_path / "hf")
    card = DatasetCard.load(folder / "README.md")
    assert card.data.license == licence
    assert card.data.language == language
    assert "| y.gz |" in card.text


@pytest.mark.parametrize(
    ("rows", "size"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (20_624_575, "10M<n<100M"),
     (10**9 - 1, "100M<n<1B"), (10**9, "n>1B")],
)  # fmt: skip
def test_sizes_are_the_words_of_the_hub(rows: int, size: str) -> None:
    assert huggingface._size(rows) == size


def test_libkge_files_hold_the_indices(dataset: Dataset, tmp_path: Path) -> None:
    folder = exported(dataset, "libkge", tmp_path / "libkge")
    described = yaml.safe_load((folder / "dataset.yaml").read_text())["dataset"]
    assert described["num_entities"] == dataset.num_entities
    for key, ids in (
        ("entity", dataset.entities["entity"]),
        ("relation", dataset.relations["relation"]),
    ):
        lines = (folder / described[f"files.{key}_ids.filename"]).read_text().split("\n")[:-1]
        assert lines == [f"{i}\t{name}" for i, name in enumerate(ids)]
    setting = dataset.settings[0]
    for part, rows in parts_of(dataset, setting):
        read = np.loadtxt(folder / described[f"files.{part}.filename"], dtype=np.int32, ndmin=2)
        assert np.array_equal(read, dataset.read_triplets(schema.split_file(setting, part)))
        assert described[f"files.{part}.size"] == len(rows)
    # LibKGE's own layout is one that can be imported.
    again = tmp_path / "again"
    assert run("import", folder, "--setting", setting, "--out", again).exit_code == 0
    assert list(parts_of(Dataset(again), setting)) == list(parts_of(dataset, setting))


def test_graphvite_files_are_cut_as_graphvite_cuts(dataset: Dataset, tmp_path: Path) -> None:
    folder = exported(dataset, "graphvite", tmp_path / "graphvite")
    for part, rows in parts_of(dataset, dataset.settings[0]):
        lines = (folder / f"{part}.txt").read_bytes().split(b"\n")[:-1]
        assert [tuple(line.partition(b"#")[0].decode().split()) for line in lines] == rows
    config = yaml.safe_load((folder / "config.yaml").read_text())
    named = [config["graph"]["file_name"], *config["evaluate"]["filter_files"]]
    assert all((folder / name).is_file() for name in named)
    aliases = (folder / "entity.txt").read_text().split("\n")[:-1]
    assert [line.split("\t")[0] for line in aliases] == dataset.entities["entity"].to_list()


ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0"), min_size=1)
few = st.sampled_from(["NA", "null", "007", "a b", '"', '"a"', "#", "é", "\t", "\\", "</a>"]) | ids
triplets = st.lists(st.tuples(few, few, few), max_size=8)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.tuples(few, few, few), triplets, triplets)
def test_awkward_ids_survive_or_are_refused(
    tmp_path: Path, first: tuple[str, str, str], train: Rows, test: Rows
) -> None:
    import networkx as nx

    for part, rows in (("train", [first, *train]), ("valid", []), ("test", test)):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        (tmp_path / f"{part}.csv").write_bytes(text.getvalue().encode())
    names = [tmp_path / f"{part}.csv" for part in ("train", "valid", "test")]
    options = ("--separator", "comma", "--no-header", "--overwrite")
    result = run("import", *names, "--out", tmp_path / "data", *options)
    assert result.exit_code == 0, result.output
    dataset = Dataset(tmp_path / "data")
    expected = dict(parts_of(dataset, "transductive"))
    every = {*dataset.entities["entity"], *dataset.relations["relation"]}
    for kind in FORMATS:
        refused = {"tsv": "\t", "graphvite": "\t #"}.get(kind, "")
        result = run(
            "export", dataset.path, "--format", kind, "--out", tmp_path / kind, "--overwrite"
        )
        assert (result.exit_code == 1) == any(c in name for name in every for c in refused)
    for part in ("train", "test"):
        read = pq.read_table(tmp_path / "hf" / "transductive" / f"{part}.parquet")
        assert list(zip(*(c.to_pylist() for c in read.columns), strict=True)) == expected[part]  # type: ignore[index]
    loaded = load_pykeen(tmp_path / "pykeen", "train").mapped_triples.numpy()
    assert np.array_equal(
        np.unique(loaded, axis=0), np.unique(dataset.triplets("transductive", "train"), axis=0)
    )
    with gzip.open(tmp_path / "networkx" / "graph.json.gz", "rt", encoding="utf-8") as stream:
        graph = nx.node_link_graph(ujson.load(stream), edges="edges")
    assert nx.utils.graphs_equal(graph, to_networkx(dataset))
    assert {(h, r, t) for h, t, r in graph.edges(keys=True)} == {
        row for rows in expected.values() for row in rows
    }


def test_texts_of_several_lines_are_flattened_and_counted(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a\tr\tb\n")
    names = {
        "a": {"label": "A\nB", "description": "one\ttwo\r\nthree"},
        "b": {"label": "B", "description": "four"},
    }
    (tmp_path / "entities.json").write_text(ujson.dumps(names))
    assert run("import", tmp_path, "--out", tmp_path / "data").exit_code == 0
    dataset = Dataset(tmp_path / "data")
    result = run("export", dataset.path, "--format", "tsv", "--out", tmp_path / "tsv", "--json")
    assert ujson.loads(result.stdout)["flattened"] == {"aliases": 1, "text": 1}
    assert "1 rows of text had tabs or line breaks, written as spaces" in result.stderr
    assert (tmp_path / "tsv" / "wikidata5m_text.txt").read_text() == "a\tone two three\nb\tfour\n"
    assert (tmp_path / "tsv" / "wikidata5m_entity.txt").read_text() == "a\tA B\nb\tB\n"


def test_what_cannot_be_exported_says_why(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data")
    (tmp_path / "graph.txt").write_text("a\tr\tb\n")
    assert run("import", tmp_path / "graph.txt", "--out", tmp_path / "bare").exit_code == 0

    def told(*arguments: object, folder: Path = dataset.path) -> tuple[int, str]:
        out = ("--out", tmp_path / "out")
        result = run("export", folder, *(arguments if "--out" in arguments else (*arguments, *out)))
        return result.exit_code, result.stderr.splitlines()[-1]

    two = ("--setting", "inductive", "--setting", "transductive")
    assert told("--format", "libkge", *two) == (
        2,
        "Error: --format libkge holds one split; name one --setting.",
    )
    assert told("--format", "tsv", "--license", "mit")[0] == 2
    assert (
        "has no temporal split (has: transductive, inductive)"
        in told("--format", "hf", "--setting", "temporal")[1]
    )
    bare = tmp_path / "bare"
    assert "has no split, which pykeen needs" in told("--format", "pykeen", folder=bare)[1]
    for kind in ("tsv", "networkx", "hf"):
        assert told("--format", kind, "--overwrite", folder=bare)[0] == 0
    code, message = told("--format", "tsv")
    assert (code, "not empty" in message) == (1, True)
    before = sorted(dataset.path.rglob("*"))
    inside = ("--out", dataset.path, "--overwrite")
    assert "which --overwrite would delete" in told("--format", "tsv", *inside)[1]
    assert sorted(dataset.path.rglob("*")) == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("kind", ["tsv", "hf"])
@pytest.mark.parametrize("harm", ["gone", "empty", "torn"])
def test_a_damaged_file_is_told_with_the_fix(tmp_path: Path, kind: Format, harm: str) -> None:
    small = make_dataset(tmp_path / "small")
    both = "transductive,classification"
    made = run("split", small.path, "--out", tmp_path / "data", "--settings", both)
    assert made.exit_code == 0, made.stderr
    for name in ("descriptions/00000.parquet", "classification/test.parquet"):
        damaged = tmp_path / "data" / name
        whole = damaged.read_bytes()
        damaged.unlink()
        if harm != "gone":
            # Torn where the last column's values end, so that the rest can be read.
            place = pq.ParquetFile(io.BytesIO(whole)).metadata.row_group(0)
            last = place.column(place.num_columns - 1)
            end = last.data_page_offset + last.total_compressed_size
            torn = whole[: end - 10] + bytes(10) + whole[end:]
            damaged.write_bytes(torn if harm == "torn" else b"")
        with pytest.raises(DatasetError, match=rf"{name}: cannot be read \(.*verify"):
            export_dataset(Dataset(tmp_path / "data"), tmp_path / "out", kind)
        damaged.write_bytes(whole)


def test_a_failed_export_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset(tmp_path / "data")
    exported(dataset, "tsv", tmp_path / "out")
    before = {p: p.read_bytes() for p in (tmp_path / "out").iterdir()}

    def fail(*_: object) -> Any:
        raise OSError(28, "No space left on device", "file")

    monkeypatch.setattr("wikidata5m.export.files.text_frames", fail)
    with pytest.raises(OSError, match="No space"):
        export_dataset(dataset, tmp_path / "out", "tsv", overwrite=True)
    assert {p: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before


def test_the_snippets_of_the_docs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    page = (REPOSITORY / "docs" / "how-to" / "graphs.md").read_text().partition("## Export")[2]
    make_dataset(tmp_path / "mine")
    commands = re.findall(r"^\$ wikidata5m (export .*?) *(?:#.*)?$", page, re.MULTILINE)
    assert len(commands) == len(FORMATS)
    for command in commands:
        assert run(*command.split()).exit_code == 0, command
    snippets = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(snippets) >= len(FORMATS)
    for snippet in snippets:
        exec(snippet, {})
