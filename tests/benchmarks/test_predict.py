"""Top answers against plain sorting, with ties, and the command as a user runs it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import ujson
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.predict import KnownMode, Query, predict
from benchmarks.questions import ask, find_relation, read_queries
from benchmarks.ranking import Indices
from tests.benchmarks.test_cli import invoke
from wikidata5m.dataset import Dataset
from wikidata5m.errors import ConfigError, DatasetError, InputError, Wikidata5MError
from wikidata5m.schema import Part, Support

ENTITIES = 200


@dataclass
class Table:
    """A predictor with a score for every (head, relation, tail), written down."""

    scores: Tensor

    def score_tails(self, head_B: Indices, relation_B: Indices, candidates_K: Indices) -> Tensor:
        return self.scores[relation_B, head_B][:, candidates_K]

    def score_heads(self, relation_B: Indices, tail_B: Indices, candidates_K: Indices) -> Tensor:
        return self.scores[relation_B, :, tail_B][:, candidates_K]


def graph(seed: int) -> tuple[Table, dict[Part | Support, np.ndarray]]:
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 8, (2, ENTITIES, ENTITIES))  # so many ties
    columns = [rng.integers(0, n, 2000) for n in (ENTITIES, 2, ENTITIES)]
    rows = np.stack(columns, axis=1).astype(np.int32)
    return Table(torch.tensor(levels / 8)), {"train": rows[:1500], "test": rows[1400:]}


def plain(
    table: Table,
    query: Query,
    candidates: list[int],
    parts: dict[Part | Support, np.ndarray],
    top: int,
    mode: KnownMode,
) -> list[tuple[int, float, str | None]]:
    part_of: dict[int, str] = {}
    for part, rows in parts.items():
        for head, relation, tail in rows.tolist():
            if relation == query.relation and query.given == (
                head if query.direction == "tail" else tail
            ):
                part_of.setdefault(tail if query.direction == "tail" else head, part)
    found = []
    for entity in candidates:
        head, tail = (query.given, entity) if query.direction == "tail" else (entity, query.given)
        wanted = {"mark": True, "hide": entity not in part_of, "only": entity in part_of}[mode]
        if wanted:
            score = float(table.scores[query.relation, head, tail])
            found.append((entity, score, part_of.get(entity)))
    return sorted(found, key=lambda each: (-each[1], each[0]))[:top]


@settings(deadline=None)
@given(
    st.integers(0, 5),
    st.lists(st.tuples(st.booleans(), st.integers(0, ENTITIES - 1), st.integers(0, 1)), max_size=6),
    st.integers(1, 250),
    st.sampled_from(["mark", "hide", "only"]),
    st.sets(st.integers(0, ENTITIES - 1), min_size=1),
)
def test_answers_are_those_of_plain_sorting_in_any_blocks(
    seed: int,
    asked: list[tuple[bool, int, int]],
    top: int,
    mode: KnownMode,
    candidates: set[int],
) -> None:
    table, parts = graph(seed)
    queries = [Query(e, r, None) if of_tail else Query(None, r, e) for of_tail, e, r in asked]
    among = sorted(candidates)
    found = predict(table, queries, np.array(among), parts, top=top, known=mode, memory_bytes=1)
    told = [[(a.entity, a.score, a.known) for a in answers] for answers in found]
    assert told == [plain(table, query, among, parts, top, mode) for query in queries]


def test_a_score_that_is_not_finite_is_an_error() -> None:
    table, parts = graph(0)
    table.scores[1, 3, 150] = torch.nan
    with pytest.raises(Wikidata5MError, match=r"candidate 150 scores nan"):
        predict(table, [Query(3, 1, None)], np.arange(ENTITIES), parts)


def test_a_query_gives_one_end() -> None:
    for ends in ((None, None), (1, 2)):
        with pytest.raises(ConfigError, match="head or the tail"):
            Query(ends[0], 0, ends[1])


def test_names_are_found_and_several_of_one_name_are_listed(small: Dataset) -> None:
    land = small.entity_index("Q1000")
    assert ask(small, "Q1000", "P47", None) == ask(small, "LAND 0", "shares border with", None)
    assert ask(small, None, "Country", "land 0") == Query(None, find_relation(small, "P17"), land)
    for head, relation, message in (
        ("Land", "P17", r"no entity is called 'Land'; close: Q1"),
        ("Lnad 0", "P17", "no entity is called 'Lnad 0'; close: Land 0"),
        ("LNAD 0", "P17", "no entity is called 'LNAD 0'; close: Land 0"),
        ("xyzzy", "P17", "no entity is called 'xyzzy'; try"),
        ("Land 0", "countri", "no relation 'countri'; close: country"),
    ):
        with pytest.raises(DatasetError, match=message):
            ask(small, head, relation, None)


def test_one_name_of_several_entities_lists_their_ids(tmp_path: Path) -> None:
    lines = "".join(f"e{n}\tr\te{n + 1}\n" for n in range(8))
    for part in ("train", "valid", "test"):
        (tmp_path / f"{part}.txt").write_text(lines if part == "train" else "e0\tr\te2\n")
    (tmp_path / "entity2label.txt").write_text("e1\tParis\ne2\tparis\ne3\tRome\n")
    invoke(
        "import", tmp_path, "--out", tmp_path / "d", "--entity-label", tmp_path / "entity2label.txt"
    )
    with pytest.raises(DatasetError, match=r"'Paris' names 2 entities: e\d \(.aris\), e\d"):
        ask(Dataset(tmp_path / "d"), "Paris", "r", None)


def test_a_query_ends_where_its_line_does(small: Dataset, tmp_path: Path) -> None:
    (tmp_path / "queries.tsv").write_bytes(b"Q1000\tP17\t?\r\nLand\xc2\x85 1\tP17\t?\r\n")
    assert len(read_queries(small, tmp_path / "queries.tsv")) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no queries"),
        ("Q1000\tP17\n", "line 1: 2 columns, not 3"),
        ("\nQ1000\tP17\tQ1001\n", "line 2: not one end asked for"),
        ("?\tP17\tQ1000\nQ1000\tP17x\t?\n", "line 2: .*no relation 'P17x'"),
        ("nobody\tP17\t?\n", "line 1: .*no entity is called 'nobody'"),
    ],
)
def test_a_bad_file_of_queries_names_the_line(
    small: Dataset, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "queries.tsv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_queries(small, tmp_path / "queries.tsv")


def test_the_command_answers_by_name_both_ways_and_from_a_file(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    run = trained["transe"]
    words = ["bench", "predict", run, "--head", "Land 1", "--relation", "shares border with"]
    shown = invoke(*words, "--top", 4).stdout
    assert shown.startswith("Q1014 Land 1, P47 shares border with, ?") or "Land 1, P47" in shown
    assert re.search(r"\| +1 \| Q\d+ +\|", shown)
    only = ujson.loads(invoke(*words, "--known", "only", "--json").stdout)["queries"][0]
    assert only["answers"]
    assert {each["known"] for each in only["answers"]} <= {"train", "valid", "test"}
    hidden = ujson.loads(invoke(*words, "--known", "hide", "--json").stdout)["queries"][0]
    assert {each["known"] for each in hidden["answers"]} == {None}
    heads = ["bench", "predict", run, "--tail", "Q1000", "--relation", "P17", "--json"]
    (asked,) = ujson.loads(invoke(*heads).stdout)["queries"]
    assert asked["head"] is None
    (tmp_path / "q.tsv").write_text("Land 1\tP47\t?\n?\tP17\tQ1000\n")
    both = ujson.loads(
        invoke("bench", "predict", run, "--queries", tmp_path / "q.tsv", "--json").stdout
    )
    assert both["queries"][1] == asked
    assert len(both["queries"]) == 2


def test_half_a_question_is_a_usage_error(trained: dict[str, Path]) -> None:
    words = ["bench", "predict", trained["transe"]]
    invoke(*words, "--head", "Q1000", code=2)
    invoke(*words, "--relation", "P17", code=2)
    invoke(*words, "--relation", "P17", "--head", "a", "--tail", "b", code=2)
    invoke(*words, "--queries", "f", "--head", "a", code=2)
    assert "no entity" in invoke(*words, "--relation", "P17", "--head", "xyzzy", code=1).stderr
