"""Groups of queries, against plain dictionaries."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.buckets import DEGREES, MAPPINGS, degree_names, groupings, mapping_types

ENTITIES, RELATIONS = 6, 4
graphs = st.lists(
    st.tuples(
        st.integers(0, ENTITIES - 1), st.integers(0, RELATIONS - 1), st.integers(0, ENTITIES - 1)
    ),
    max_size=40,
)


def array(rows: list[tuple[int, int, int]]) -> np.ndarray:
    return np.array(rows, dtype=np.int32).reshape(-1, 3)


def plain_type(rows: list[tuple[int, int, int]], relation: int) -> str:
    tails, heads = defaultdict(set), defaultdict(set)
    for h, r, t in rows:
        if r == relation:
            tails[h].add(t)
            heads[t].add(h)
    if not tails:
        return "relation not in train"
    many = [np.mean([len(x) for x in side.values()]) >= 1.5 for side in (heads, tails)]
    return "-".join("n" if each else "1" for each in many)


@settings(deadline=None)
@given(graphs)
def test_mapping_types_are_those_of_bordes(rows: list[tuple[int, int, int]]) -> None:
    found = [MAPPINGS[i] for i in mapping_types(array(rows), RELATIONS)]
    assert found == [plain_type(rows, relation) for relation in range(RELATIONS)]


@settings(deadline=None)
@given(graphs, graphs)
def test_each_query_is_in_the_group_of_its_own_ends(
    train: list[tuple[int, int, int]], asked: list[tuple[int, int, int]]
) -> None:
    ids = [f"P{i}" for i in range(RELATIONS)]
    groups = groupings(array(asked), array(train), ENTITIES, ids)
    degree = [sum((h == e) + (t == e) for h, _, t in train) for e in range(ENTITIES)]

    def bucket(entity: int) -> str:
        return degree_names()[sum(start <= degree[entity] for start in DEGREES)]

    for n, (head, relation, tail) in enumerate(asked):
        ends = {"given_degree": (tail, head), "answer_degree": (head, tail)}
        for name, (of_head_query, of_tail_query) in ends.items():
            each = groups[name]  # type: ignore[index]
            assert each.names[each.head_N[n]] == bucket(of_head_query)
            assert each.names[each.tail_N[n]] == bucket(of_tail_query)
        unseen = "unseen" if 0 in (degree[head], degree[tail]) else "seen"
        assert groups["entities"].names[groups["entities"].head_N[n]] == unseen
        assert groups["relation"].names[groups["relation"].tail_N[n]] == ids[relation]


def test_buckets_of_degrees_are_named_by_what_they_hold() -> None:
    assert degree_names()[:4] == ("0", "1-2", "3-9", "10-29")
    assert degree_names()[-1] == "1,000 or more"
    assert len(degree_names()) == len(DEGREES) + 1
