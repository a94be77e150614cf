"""Joins against plain brute force: redirects, triplets, exclusions, texts in shards."""

from __future__ import annotations

import gzip
import lzma
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import ujson
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.exclusions import read_exclusions
from pipelines.leads import gather_texts
from pipelines.triplets import Frame, Redirects, keep_triplets
from wikidata5m.errors import InputError

SMALL = st.integers(1, 8)
TRIPLES = st.lists(st.tuples(SMALL, SMALL, SMALL), max_size=40)


def array(numbers: list[int]) -> np.ndarray:
    return np.array(numbers, np.int64)


def resolve_plainly(number: int, pairs: dict[int, int]) -> int:
    seen = [number]
    while (following := pairs.get(seen[-1])) is not None:
        if following in seen:
            return number
        seen.append(following)
    return seen[-1]


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(SMALL, SMALL), st.sets(SMALL), st.lists(SMALL))
def test_redirects_are_followed_to_their_end(
    pairs: dict[int, int], known: set[int], numbers: list[int]
) -> None:
    old, new = array(list(pairs)), array(list(pairs.values()))
    redirects = Redirects.of(old, new, array(sorted(known)))
    live = {start: end for start, end in pairs.items() if start not in known}
    resolved, changed = redirects.resolve(array(numbers))
    expected = [resolve_plainly(number, live) for number in numbers]
    assert resolved.tolist() == expected
    assert changed == sum(a != b for a, b in zip(numbers, expected, strict=True))


@settings(deadline=None, max_examples=50)
@given(
    statements=st.lists(TRIPLES, max_size=3),
    lines=st.dictionaries(SMALL, st.integers(1, 30)),
    kept=st.sets(st.integers(1, 30)),
    relations=st.sets(SMALL),
    excluded=TRIPLES,
)
def test_triplets_and_drops_equal_brute_force(
    statements: list[list[tuple[int, int, int]]],
    lines: dict[int, int],
    kept: set[int],
    relations: set[int],
    excluded: list[tuple[int, int, int]],
) -> None:
    """`lines` gives the item on each row; statements are (row, relation, tail)."""
    index = {entity: i for i, entity in enumerate(sorted(kept))}
    expected: set[tuple[int, int, int]] = set()
    drops = dict.fromkeys(
        ("head_not_kept", "tail_not_kept", "relation_without_page", "duplicate_statement"), 0
    )
    for row, relation, tail in [one for part in statements for one in part]:
        if row not in lines:
            continue
        fact = (lines[row], relation, tail)
        reason = (
            "head_not_kept" if lines[row] not in kept
            else "tail_not_kept" if tail not in kept
            else "relation_without_page" if relation not in relations
            else "duplicate_statement" if fact in expected
            else None
        )  # fmt: skip
        if reason:
            drops[reason] += 1
        else:
            expected.add(fact)
    drops["excluded"] = len(expected & set(excluded))
    expected -= set(excluded)
    frame = Frame(
        row_I=array(sorted(lines)),
        head_I=array([index.get(lines[row], -1) for row in sorted(lines)]),
        entity_E=array(sorted(kept)),
        relation_R=array(sorted(relations)),
        redirects=Redirects(array([]), array([])),
    )
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{n}.parquet" for n in range(len(statements))]
        for file, part in zip(files, statements, strict=True):
            schema = {"row": pl.Int64, "relation": pl.Int32, "tail": pl.Int64}
            pl.DataFrame(part, schema=schema, orient="row").write_parquet(file)
        unwanted = np.array(excluded, np.int64).reshape(-1, 3)
        found = keep_triplets(files, frame, unwanted)
    assert found.drops == drops
    assert found.excluded_absent == len(set(excluded)) - drops["excluded"]
    entities, numbers = sorted(kept), sorted(relations)
    triplets = [(entities[h], numbers[r], entities[t]) for h, r, t in found.triplets_N3.tolist()]
    assert triplets == sorted(expected)


@settings(deadline=None, max_examples=50)
@given(
    pages=st.lists(st.integers(0, 60), min_size=1, max_size=40),
    cut=st.integers(1, 59),
    size=st.integers(1, 10),
)
def test_texts_come_in_the_order_of_entities_whatever_the_shards(
    pages: list[int], cut: int, size: int
) -> None:
    """Entity i has the text of page pages[i]; two entities may share one."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for name, part in (("a", range(cut)), ("b", range(cut, 61))):
            files.append(Path(folder) / f"{name}.parquet")
            frame = pl.DataFrame({"row": list(part), "text": [f"text {n}" for n in part]})
            frame.write_parquet(files[-1])
        scratch = Path(folder) / "scratch"
        shards = list(gather_texts(files, pl.Series(pages), scratch, shard_rows=size))
        assert not scratch.exists()
    assert [shard.height for shard in shards[:-1]] == [size] * (len(shards) - 1)
    rows = pl.concat(shards).rows()
    assert rows == [(i, f"text {page}") for i, page in enumerate(pages)]


def test_exclusions_are_read_from_lines_and_from_fewrel(tmp_path: Path) -> None:
    plain = tmp_path / "plain.tsv"
    plain.write_text("Q1\tP2\tQ3\r\n\nQ1\tP2\tQ3\nQ10\tP1\tQ2\n")
    assert read_exclusions(plain).tolist() == [[1, 2, 3], [10, 1, 2]]
    packed = tmp_path / "fewrel.json.gz"
    text = {"P2": [{"tokens": ["a"], "h": ["x", "Q1", [[0]]], "t": ["y", "Q3", [[1]]]}]}
    packed.write_bytes(gzip.compress(ujson.dumps(text).encode()))
    assert read_exclusions(packed).tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Q1\tP2\tQ3\nQ1\tQ2\tQ3\n", "line 2: not three ids"),
        (b"Q1 P2 Q3\n", "line 1: not three ids"),
        (b"Q1\tP2\n", "line 1: not three ids"),
        (b"Q1\tP2\tQ3\n\nQ1\tP2\tQ99999999999999\n", "line 3: not three ids"),
        (b'{"P2": 5}', "not FewRel's JSON"),
        (b'{"P2": [{"h": ["x", "1", []], "t": ["y", "Q3", []]}]}', "P2, instance 1: not three ids"),
        (b'{"P2": ' + b"[" * 100_000, "not FewRel's JSON"),
        (b"\xff\xfe", r"not UTF-8 text \(byte 1\)"),
        (gzip.compress(b"Q1\tP2\tQ3\n" * 99, mtime=0)[:-9], "damaged or cut off"),
        (lzma.compress(b"Q1\tP2\tQ3\n"), "packed as xz; unpack it"),
        (b"\n", "holds no triplet; name the file"),
        (b"{}", "holds no triplet; name the file"),
    ],
)
def test_a_bad_exclusion_names_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.tsv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_exclusions(path)
    with pytest.raises(InputError, match=r"a folder; check the path"):
        read_exclusions(tmp_path)


def test_real_exclusions_from_fewrel(real_data: Path) -> None:
    packed = real_data / "nlp/val_wiki.json.gz"
    text = ujson.loads(gzip.decompress(packed.read_bytes()))
    expected = {
        (int(one["h"][1][1:]), int(relation[1:]), int(one["t"][1][1:]))
        for relation, instances in text.items()
        for one in instances
    }
    assert set(map(tuple, read_exclusions(packed).tolist())) == expected
