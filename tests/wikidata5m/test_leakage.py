"""Leakage: each figure against a plain count, and leaks that were planted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import ujson
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datasets import make_dataset
from wikidata5m.cli import main
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.leakage import leakage, render
from wikidata5m.rules import Queries, overlaps
from wikidata5m.writer import Provenance, Tables, write_dataset

Triple = tuple[int, int, int]
E, R = 7, 3
GRAPHS = st.lists(
    st.tuples(st.integers(0, E - 1), st.integers(0, R - 1), st.integers(0, E - 1)), max_size=30
)


def array(triplets: Iterable[Triple]) -> Triplets:
    return np.array(list(triplets), dtype=np.int32).reshape(-1, 3)


def plain_overlaps(triplets: set[Triple]) -> dict[tuple[str, int, int], tuple[int, float, float]]:
    pairs = defaultdict(set)
    for h, r, t in triplets:
        pairs[r].add((h, t))
    found = {}
    for body in range(R):
        for head in range(R):
            turned = {(t, h) for h, t in pairs[body]} & pairs[head]
            same = pairs[body] & pairs[head] if body != head else set()
            kind = "symmetric" if body == head else "inverse"
            for name, shared in ((kind, turned), ("duplicate", same)):
                if shared:
                    n = len(shared)
                    sizes = len(pairs[body]), len(pairs[head])
                    found[name, body, head] = (n, n / sizes[0], n / sizes[1])
    return found


@settings(deadline=None)
@given(graph=GRAPHS)
def test_overlaps_are_those_of_a_plain_count(graph: list[Triple]) -> None:
    frame = overlaps(array(set(graph)), R)
    found = {
        (row["kind"], row["body"], row["head"]): (row["shared"], row["confidence"], row["cover"])
        for row in frame.iter_rows(named=True)
    }
    assert found == plain_overlaps(set(graph))


def plain_rank(scores: dict[int, float], truth: int, known: set[int]) -> float:
    """A filtered rank with half of the ties; an entity without a score has the lowest."""
    others = [scores.get(e, -1.0) for e in range(E) if e == truth or e not in known]
    own = scores.get(truth, -1.0)
    return 1 + sum(s > own for s in others) + (sum(s == own for s in others) - 1) / 2


def plain_rule_scores(
    rules: list[dict[str, Any]], facts: set[Triple], query: Triple, end: int
) -> dict[int, float]:
    scores: dict[int, float] = {}
    for rule in rules:
        for h, r, t in facts:
            if r != rule["body"] or rule["head"] != query[1]:
                continue
            head, tail = (h, t) if rule["kind"] == "duplicate" else (t, h)
            given_end, answer = (head, tail) if end == 2 else (tail, head)
            if given_end == query[2 - end]:
                scores[answer] = max(scores.get(answer, 0.0), rule["confidence"])
    return scores


@settings(deadline=None, max_examples=60)
@given(train=GRAPHS, asked=st.lists(GRAPHS.filter(bool).map(lambda g: g[0]), max_size=5))
@pytest.mark.parametrize("end", [0, 2])
def test_ranks_are_those_of_a_plain_ranking(
    end: int, train: list[Triple], asked: list[Triple]
) -> None:
    known = set(train) | set(asked)
    rules = overlaps(array(set(train)), R).filter(pl.col("confidence") >= 0.4)
    queries = Queries(array(asked), array(known), (E, R), end)
    by_rules = queries.ranks_by_rules(rules, array(set(train))).tolist()
    by_frequency = queries.ranks_by_frequency(array(set(train))).tolist()
    for place, query in enumerate(asked):
        same = {t[end] for t in known if t[1] == query[1] and t[2 - end] == query[2 - end]}
        scores = plain_rule_scores(rules.to_dicts(), set(train), query, end)
        assert by_rules[place] == plain_rank(scores, query[end], same)
        counts: dict[int, float] = defaultdict(float)
        for triplet in set(train):
            if triplet[1] == query[1]:
                counts[triplet[end]] += 1
        frequency = {e: counts[e] for e in range(E)}
        assert by_frequency[place] == plain_rank(frequency, query[end], same)


def planted(folder: Path) -> Dataset:
    """A random relation 0, its inverse 1 in train, its duplicate 2 for a half, and noise 3.

    Of the test's triplets of relation 0 every one has its inverse in train.
    """
    rng = np.random.default_rng(5)
    n, count = 60, 200
    pairs = np.unique(rng.integers(0, n, (count, 2)), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    noise = np.unique(rng.integers(0, n, (count, 2)), axis=0)

    def of(relation: int, ends: Any) -> Triplets:
        column = np.full(len(ends), relation)
        return np.stack([ends[:, 0], column, ends[:, 1]], axis=1).astype(np.int32)

    test = rng.permutation(len(pairs))[:20]
    rest = np.setdiff1d(np.arange(len(pairs)), test)
    train = np.concatenate(
        [of(0, pairs[rest]), of(1, pairs[:, ::-1]), of(2, pairs[::2]), of(3, noise)]
    )
    parts = {"train": train, "valid": array([]), "test": of(0, pairs[test])}
    parts = {name: np.unique(each, axis=0) for name, each in parts.items() if len(each)} | {
        "valid": array([])
    }
    ids = [f"Q{i}" for i in range(n)]
    relations = ["P0", "P1", "P2", "P3"]
    none = pl.Series([[]] * n, dtype=pl.List(pl.String))
    folder.mkdir()
    write_dataset(
        folder,
        Tables(
            entities=pl.DataFrame(
                {"entity": ids, "label": ids, "title": ids, "types": none, "aliases": none}
            ).with_columns(disambiguation=False),
            relations=pl.DataFrame(
                {"relation": relations, "label": relations, "description": relations}
            ).with_columns(aliases=pl.Series([[]] * 4, dtype=pl.List(pl.String))),
            classes=pl.DataFrame(
                {"class": [], "label": []}, schema={"class": pl.String, "label": pl.String}
            ),
            triplets=np.unique(np.concatenate(list(parts.values())), axis=0),
            descriptions=[
                pl.DataFrame({"index": range(n), "text": ids}, schema_overrides={"index": pl.Int32})
            ],
        ),
        {"transductive": parts},  # type: ignore[dict-item]
        Provenance(name="planted", sources=(), config={}, drops={}),
    )
    return Dataset(folder)


def test_a_planted_inverse_is_found_and_answers_the_test(tmp_path: Path) -> None:
    dataset = planted(tmp_path / "data")
    result = leakage(dataset, "transductive", threshold=0.8)
    inverse = [pair for pair in result["pairs"] if pair["kind"] == "inverse"]
    ways = {(pair["body"]["relation"], pair["head"]["relation"]) for pair in inverse}
    assert ways == {("P0", "P1"), ("P1", "P0"), ("P2", "P1")}
    assert result["linked"]["backward"] == 1.0
    rules = {row["rule"]: row for row in result["rules"]}
    assert rules["inverse"]["hits@10_both"] == 1.0
    assert rules["inverse"]["mrr_both"] > 0.95
    assert rules["symmetric"]["mrr_both"] < 0.2
    assert rules["most frequent answer"]["mrr_both"] < 0.2
    above = result["relations_above"][0]
    assert (above["inverse"], above["symmetric"]) == (1, 0)
    strict = leakage(dataset, "transductive", threshold=0.95)
    assert {p["head"]["relation"] for p in strict["pairs"]} == {"P1"}
    assert "P1" in render(result, 5)


def test_the_report_counts_what_the_parts_hold(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data")
    for setting in dataset.settings:
        result = leakage(dataset, setting, threshold=0.5)
        test = dataset.triplets(setting, "test")
        assert sum(row["triplets"] for row in result["degrees"]) == len(test)
        assert sum(row["asked"] for row in result["relations"]) == len(test)
        assert result["unseen"] == dataset.unseen(setting, "test").sum()
    # Borders stand in both directions, so the relation is symmetric as far as train shows both.
    symmetric = [p for p in result["pairs"] if p["kind"] == "symmetric"]
    assert [p["head"]["relation"] for p in symmetric] == ["P47"]


def test_the_command_reports_each_setting(tmp_path: Path) -> None:
    folder = str(make_dataset(tmp_path / "data").path)
    run = CliRunner().invoke
    text = run(main, ["leakage", folder], catch_exceptions=False).stdout
    assert "transductive test" in text
    assert "What rules of one line answer" in text
    words = ["leakage", folder, "--setting", "inductive", "--part", "valid", "--json"]
    result = ujson.loads(run(main, words, catch_exceptions=False).stdout)
    assert (result["setting"], result["part"]) == ("inductive", "valid")
    missing = run(main, ["leakage", folder, "--setting", "temporal"])
    assert missing.exit_code == 1
    assert "no temporal split" in missing.stderr


def test_fb15k_237_has_no_direct_link_left(real_data: Path, tmp_path: Path) -> None:
    """Its makers removed every test pair that train joins, and near-inverse relations."""
    graph = str(real_data / "graphs" / "fb15k-237")
    run = CliRunner().invoke
    out = str(tmp_path / "fb")
    assert run(main, ["import", graph, "--out", out, "--no-texts"]).exit_code == 0
    result = leakage(Dataset(Path(out)), "transductive")
    assert result["linked"]["either"] == 0.0
    assert [row["inverse"] for row in result["relations_above"]] == [0, 0, 0]
    assert result["rules"][3]["mrr_both"] < 0.001
