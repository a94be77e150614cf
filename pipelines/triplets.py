"""Statements -> triplets as indices, sorted and unique, with every drop counted.

Imports splits. Statements come a task's file at a time and become one integer each,
so that a hundred million of them need two gigabytes at most. Legend: N triplets, E entities,
R relations, S statements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from wikidata5m.splits import keyed_triplets

Ints = npt.NDArray[np.int64]
Found = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Redirects:
    """Items that were merged into others: `old`, sorted, and where each leads in the end."""

    old: Ints
    new: Ints

    @classmethod
    def of(cls, old: Ints, new: Ints, known: Ints) -> Redirects:
        """Follow chains to their end; `known` (sorted) items exist, and are redirected nowhere."""
        order = np.lexsort((new, old))
        old, new = old[order], new[order]
        last = np.append(old[1:] != old[:-1], True)[: len(old)] & ~is_in(old, known)
        pairs = dict(zip(old[last].tolist(), new[last].tolist(), strict=True))
        ends = {start: _end(start, pairs) for start in pairs}
        kept = sorted(start for start, end in ends.items() if end != start)
        return cls(np.array(kept, np.int64), np.array([ends[start] for start in kept], np.int64))

    def resolve(self, numbers: Ints) -> tuple[Ints, int]:
        """The numbers as they are now, and how many of them changed."""
        place, moved = positions(self.old, numbers)
        if not moved.any():
            return numbers, 0
        return np.where(moved, self.new[place], numbers), int(moved.sum())


def _end(start: int, pairs: dict[int, int]) -> int:
    """Where a chain of redirects ends; a ring leads nowhere but to its start."""
    seen, at = {start}, start
    while (following := pairs.get(at)) is not None:
        if following in seen:
            return start
        seen.add(following)
        at = following
    return at


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What statements are looked up in."""

    row_I: Ints
    """The lines whose statements count, sorted."""
    head_I: Ints
    """For each of these the index of its entity, or -1 where that was not kept."""
    entity_E: Ints
    """The kept entities' numbers, sorted."""
    relation_R: Ints
    """The numbers of the relations that have a page, sorted."""
    redirects: Redirects

    def key(self, head: Ints, relation: Ints, tail: Ints) -> Ints:
        """One integer per triplet of indices, in the order of (head, relation, tail)."""
        return (head * len(self.relation_R) + relation) * len(self.entity_E) + tail

    def triplets(self, keys: Ints) -> npt.NDArray[np.int32]:
        """(N, 3): the indices again."""
        return keyed_triplets(keys, (len(self.entity_E), len(self.relation_R)))


@dataclass(slots=True)
class Kept:
    """Triplets, and how many statements fell out or were mended."""

    triplets_N3: npt.NDArray[np.int32]
    drops: dict[str, int]
    values_redirected: int
    excluded_absent: int = 0
    """Triplets that were to be excluded, but are not in the graph."""


@dataclass(slots=True)
class _Tally:
    drops: Counter[str] = field(default_factory=Counter)
    redirected: int = 0


def keep_triplets(files: Iterable[Path], frame: Frame, excluded_X3: Ints) -> Kept:
    """The triplets that `files` of (row, relation, tail) state, less those of `excluded_X3`.

    The latter holds numbers of head, relation and tail.
    """
    tally = _Tally()
    parts = [_keys(pl.read_parquet(file, glob=False), frame, tally) for file in files]
    keys = np.concatenate(parts) if parts else np.empty(0, np.int64)
    parts.clear()
    keys.sort()
    new = np.ones(len(keys), np.bool_)
    new[1:] = keys[1:] != keys[:-1]
    tally.drops["duplicate_statement"] = int((~new).sum())
    keys = keys[new]
    excluded_X3 = _resolved(excluded_X3, frame)
    unwanted = _excluded_keys(excluded_X3, frame)
    place, present = positions(keys, unwanted)
    tally.drops["excluded"] = int(present.sum())
    keys = np.delete(keys, place[present])
    names = ("head_not_kept", "tail_not_kept", "relation_without_page", "duplicate_statement")
    return Kept(
        triplets_N3=frame.triplets(keys),
        drops={name: tally.drops[name] for name in (*names, "excluded")},
        values_redirected=tally.redirected,
        excluded_absent=len(excluded_X3) - tally.drops["excluded"],
    )


def _keys(statements: pl.DataFrame, frame: Frame, tally: _Tally) -> Ints:
    row_S, relation_S, tail_S = (
        statements[name].to_numpy().astype(np.int64) for name in ("row", "relation", "tail")
    )
    line_S, latest_S = positions(frame.row_I, row_S)
    line_S, relation_S, tail_S = line_S[latest_S], relation_S[latest_S], tail_S[latest_S]
    tail_S, redirected = frame.redirects.resolve(tail_S)
    tally.redirected += redirected
    head_S = frame.head_I[line_S] if len(line_S) else line_S
    tail_S, has_tail_S = positions(frame.entity_E, tail_S)
    relation_S, has_page_S = positions(frame.relation_R, relation_S)
    has_head_S = head_S >= 0
    tally.drops["head_not_kept"] += int((~has_head_S).sum())
    tally.drops["tail_not_kept"] += int((has_head_S & ~has_tail_S).sum())
    tally.drops["relation_without_page"] += int((has_head_S & has_tail_S & ~has_page_S).sum())
    kept_S = has_head_S & has_tail_S & has_page_S
    return frame.key(head_S[kept_S], relation_S[kept_S], tail_S[kept_S])


def _resolved(excluded_X3: Ints, frame: Frame) -> Ints:
    """Sorted and unique, with the entities that redirects lead to."""
    head, relation, tail = excluded_X3.T
    ends = (frame.redirects.resolve(head)[0], relation, frame.redirects.resolve(tail)[0])
    return np.unique(np.stack(ends, axis=1), axis=0)


def _excluded_keys(excluded_X3: Ints, frame: Frame) -> Ints:
    """Keys of those whose ends and relation are kept."""
    head, has_head = positions(frame.entity_E, excluded_X3[:, 0])
    tail, has_tail = positions(frame.entity_E, excluded_X3[:, 2])
    relation, has_page = positions(frame.relation_R, excluded_X3[:, 1])
    kept = has_head & has_tail & has_page
    return frame.key(head[kept], relation[kept], tail[kept])


def positions(known: Ints, wanted: Ints) -> tuple[Ints, Found]:
    """Where each wanted number stands in the sorted `known`, and whether it does."""
    if not len(known):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return place.astype(np.int64), known[place] == wanted


def is_in(numbers: Ints, known: Ints) -> Found:
    """Which of the numbers stand in the sorted `known`."""
    return positions(known, numbers)[1]
