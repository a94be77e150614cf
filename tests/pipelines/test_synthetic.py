"""The synthetic graph: exact, valid, shaped like Wikidata5M, and the same again."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import polars as pl
import pytest
import ujson
from click.testing import CliRunner

from pipelines.split import SPLIT_NAMES, Whole, inductive, make_splits
from pipelines.split.config import SplitConfig
from pipelines.synthetic.config import SyntheticConfig
from pipelines.synthetic.plan import Plan
from pipelines.synthetic.write import write_synthetic
from tests.pipelines.checker import check_inductive, check_semi_inductive, check_transductive
from wikidata5m import load
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError
from wikidata5m.verify import verify

CONFIG = SyntheticConfig(entities=20_000, relations=120, triplets=90_000, seed=2)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    out = tmp_path_factory.mktemp("synthetic") / "graph"
    write_synthetic(out, CONFIG)
    return load(str(out))


def test_the_graph_is_intact_and_of_exactly_the_size_asked_for(graph: Dataset) -> None:
    assert verify(graph) == []
    triplets = graph.triplets()
    assert len({*map(tuple, triplets.tolist())}) == 90_000 == len(triplets)
    assert (graph.num_entities, graph.num_relations) == (20_000, 120)
    assert np.all(triplets[:, 0] != triplets[:, 2])
    assert set(triplets[:, 0].tolist()) == set(range(20_000)), "each entity is a head"
    assert set(triplets[:, 1].tolist()) == set(range(120))


def test_its_shape_is_that_of_wikidata5m(graph: Dataset) -> None:
    triplets = graph.triplets()
    out_E = np.bincount(triplets[:, 0], minlength=20_000)
    in_E = np.bincount(triplets[:, 2], minlength=20_000)
    assert 3 <= np.median(out_E) <= 5
    assert int(in_E.argmax()) == graph.entity_index("Q5")
    assert 0.30 < in_E.max() / 20_000 < 0.36, "a third are human"
    assert np.median(in_E) <= 1
    assert in_E[in_E < in_E.max()].max() > 100 * in_E.mean()
    relation_R = np.bincount(triplets[:, 1])
    assert graph.relations["relation"][int(relation_R.argmax())] == "P31"
    assert np.sort(relation_R)[-12:].sum() > 0.4 * len(triplets)
    parts = nx.connected_components(nx.Graph(triplets[:, [0, 2]].tolist()))
    assert max(map(len, parts)) > 0.98 * 20_000


def test_types_and_instance_of_agree(graph: Dataset) -> None:
    ids = graph.entities["entity"].to_list()
    stated = {(ids[h], ids[t]) for h, r, t in graph.triplets().tolist() if r == 0 and h != t}
    types = dict(graph.entities.select("entity", pl.col("types").list.first()).iter_rows())
    labels = dict(graph.classes.iter_rows())
    assert types.keys() == set(ids)
    assert set(types.values()) <= labels.keys()
    agree = [types[head] == tail for head, tail in stated]
    assert sum(agree) >= len(agree) - 60  # a class that would be an instance of itself is not
    with_page = {entity for entity, kind in types.items() if kind in types}
    assert with_page == {head for head, _ in stated}
    assert graph.entities.filter(pl.col("entity") == "Q5")["label"][0] == "human"


def test_names_and_texts_are_distinct_and_long_enough(graph: Dataset) -> None:
    for texts in (graph.entities["label"], graph.entities["title"], graph.relations["label"]):
        assert texts.n_unique() == len(texts)
    for label, text, aliases in zip(
        graph.entities["label"], graph.texts, graph.entities["aliases"], strict=True
    ):
        assert text.startswith(f"{label} is ")
        assert len(text.split()) >= 5
        assert aliases[0] == label
        assert len(set(aliases)) == len(aliases)
    assert len(set(graph.texts)) == 20_000


@pytest.mark.parametrize("mutual", [0.0, 0.3, 0.95])
def test_as_many_facts_as_asked_for_are_stated_both_ways(tmp_path: Path, mutual: float) -> None:
    config = SyntheticConfig(entities=5_000, relations=60, triplets=40_000, mutual=mutual)
    write_synthetic(tmp_path / "graph", config)
    partner = Plan(config).partner_R
    rows = {(h, r, t) for h, r, t in load(str(tmp_path / "graph")).triplets().tolist()}
    paired = [(h, r, t) for h, r, t in rows if partner[r] >= 0]
    both = sum((t, int(partner[r]), h) in rows for h, r, t in paired) / len(paired)
    # Of n facts drawn a share m is turned round: 2mn of (1 + m)n facts have their counterpart.
    assert abs(both - 2 * mutual / (1 + mutual)) < 0.08


def test_the_same_configuration_gives_the_same_bytes(graph: Dataset, tmp_path: Path) -> None:
    assert write_synthetic(tmp_path / "again", CONFIG).files == graph.manifest.files
    other = SyntheticConfig(entities=20_000, relations=120, triplets=90_000, seed=3)
    found = write_synthetic(tmp_path / "other", other).files
    assert found["triplets.parquet"] != graph.manifest.files["triplets.parquet"]


def test_every_split_of_it_holds(graph: Dataset) -> None:
    names = [name for name in SPLIT_NAMES if name != "temporal"]
    whole = Whole(triplets=graph.triplets(), num_entities=20_000, num_relations=120)
    config = SplitConfig(unseen_entities=100)
    made = make_splits(whole, names, config, 0, lambda *_: None)
    assert made.splits.keys() == {"transductive", "inductive", "semi_inductive"}
    check_transductive(whole.triplets, made.splits["transductive"])
    check_semi_inductive(whole.triplets, made.splits["semi_inductive"], config)
    shown, asked = made.classification["test"], made.splits["transductive"]["test"]
    assert len(shown) > 0.95 * 2 * len(asked)
    check_inductive(whole.triplets, inductive(whole.triplets, 20_000, config, 0))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"entities": 999}, "entities is 999"), ({"relations": 1}, "relations is 1"),
     ({"triplets": 20_000}, "at least 20,120"), ({"mutual": 1.5}, "mutual is 1.5"),
     ({"entities": 1 << 28, "relations": 1 << 20, "triplets": 1 << 30}, "too many together"),
     ({"seed": -1}, "seed is -1")],
)  # fmt: skip
def test_a_size_out_of_range_is_refused(wrong: dict[str, int], told: str) -> None:
    sizes = {"entities": 20_000, "relations": 120, "triplets": 90_000} | wrong
    with pytest.raises(ConfigError, match=told):
        SyntheticConfig(**sizes)


def test_the_command_writes_it_and_says_what_does_not_fit(tmp_path: Path) -> None:
    run = ["synthetic", "--out", str(tmp_path / "graph"), "--entities", "1000", "--json"]
    full = CliRunner().invoke(main, [*run, "--relations", "2", "--triplets", "900000"])
    assert full.exit_code == 1
    assert "ask for fewer" in full.stderr
    assert full.stderr.count("Error") == 1
    result = CliRunner().invoke(
        main, [*run, "--relations", "20", "--triplets", "4000", "--overwrite"]
    )
    assert result.exit_code == 0, result.stderr
    assert ujson.loads(result.stdout)["counts"]["triplets"] == 4000
    again = CliRunner().invoke(
        main, [*run, "--relations", "2", "--triplets", "900000", "--overwrite"]
    )
    assert again.exit_code == 1
    assert verify(load(str(tmp_path / "graph"))) == []
