"""Relations that repeat or reverse one another, and how far rules of one line rank a test set.

Imports dataset. Legend: N triplets, E entities, R relations, Q distinct
queries; a query asks for the tail of (h, r, ?) or the head of (?, r, t). Frames carry the columns
named in each docstring.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from wikidata5m.dataset import Triplets

Kind = Literal["inverse", "duplicate", "symmetric"]
"""r2(t, h) => r1(h, t); r2(h, t) => r1(h, t); r1(t, h) => r1(h, t)."""
KINDS: Final[tuple[Kind, ...]] = ("inverse", "duplicate", "symmetric")

Longs = npt.NDArray[np.int64]


def overlaps(triplets_N3: Triplets, num_relations: int) -> pl.DataFrame:
    """How many pairs of entities each two relations share: kind, body, head, shared, sizes, shares.

    `shared` counts the body's (x, y) that the head holds as (y, x), or as (x, y) for a duplicate;
    `confidence` is its share of the body's triplets, `cover` of the head's. Sorts N keys once.
    """
    pair, back, relation = _joined_pairs(triplets_N3)
    loop = back < 0
    codes = [_code(1, relation[loop], relation[loop], num_relations)]
    for ahead in _shifts(pair):
        left = np.flatnonzero(pair[ahead:] == pair[:-ahead])
        right = left + ahead
        one, other = relation[left], relation[right]
        loops, turned = loop[left], back[left] != back[right]
        for reverse, chosen in ((1, loops | turned), (0, loops | ~turned)):
            codes.append(_code(reverse, one[chosen], other[chosen], num_relations))
            codes.append(_code(reverse, other[chosen], one[chosen], num_relations))
    code, shared = np.unique(np.concatenate(codes), return_counts=True)
    inverse, body, head = code // num_relations**2, code // num_relations, code
    body, head = body % num_relations, head % num_relations
    size_R = _sizes(triplets_N3, num_relations)
    kind = np.where(inverse == 0, "duplicate", np.where(body == head, "symmetric", "inverse"))
    return pl.DataFrame(
        {
            "kind": kind.astype(object).tolist(),
            "body": body,
            "head": head,
            "shared": shared,
            "body_size": size_R[body],
            "head_size": size_R[head],
        },
        schema_overrides={"kind": pl.String},
    ).with_columns(
        confidence=pl.col("shared") / pl.col("body_size"),
        cover=pl.col("shared") / pl.col("head_size"),
    )


def _sizes(triplets_N3: Triplets, num_relations: int) -> Longs:
    return np.bincount(triplets_N3[:, 1], minlength=num_relations)


def _code(reverse: int, body: Longs, head: Longs, num_relations: int) -> Longs:
    return (reverse * num_relations + body) * num_relations + head


def _joined_pairs(triplets_N3: Triplets) -> tuple[Longs, npt.NDArray[np.int8], Longs]:
    """The triplets whose two entities are joined more than once, or are one; by pair.

    Per triplet: a key of the unordered pair, 1 when it stands from the larger to the smaller index
    (-1 where both are one), the relation. Each triplet once.
    """
    head_N, tail_N = triplets_N3[:, 0].astype(np.int64), triplets_N3[:, 2].astype(np.int64)
    key_N = (np.minimum(head_N, tail_N) << 31) | np.maximum(head_N, tail_N)
    order_N = np.argsort(key_N)
    sorted_N = key_N[order_N]
    again = sorted_N[1:] == sorted_N[:-1]
    joined = np.zeros(len(order_N), dtype=np.bool_)
    joined[1:] |= again
    joined[:-1] |= again
    joined |= (head_N == tail_N)[order_N]
    rows = order_N[joined]
    back = (head_N[rows] > tail_N[rows]).astype(np.int8) - (head_N[rows] == tail_N[rows])
    joined_pairs = (
        pl.DataFrame({"pair": key_N[rows], "back": back, "relation": triplets_N3[rows, 1]})
        .unique()
        .sort("pair")
    )
    return (
        joined_pairs["pair"].to_numpy(),
        joined_pairs["back"].to_numpy(),
        joined_pairs["relation"].to_numpy().astype(np.int64),
    )


def _shifts(pair: Longs) -> Iterator[int]:
    """1, 2, ... while any pair still has so many triplets."""
    ahead = 1
    while ahead < len(pair) and np.any(pair[ahead:] == pair[:-ahead]):
        yield ahead
        ahead += 1


class Queries:
    """The queries of a set of triplets in one direction, and what is known to answer them."""

    def __init__(self, asked_N3: Triplets, known_N3: Triplets, sizes: tuple[int, int], end: int):
        self.num_entities, self.num_relations = sizes
        self.end = end
        """The column that is asked for: 2 the tail, 0 the head."""
        start = 2 - end
        self.truths = pl.DataFrame(
            {
                "entity": asked_N3[:, start],
                "relation": asked_N3[:, 1],
                "answer": asked_N3[:, end],
            }
        ).with_row_index("triplet")
        self.distinct = self.truths.select("entity", "relation").unique().with_row_index("query")
        self.truths = self.truths.join(self.distinct, on=["entity", "relation"], how="left")
        self.known = self._known(known_N3)

    def _known(self, known_N3: Triplets) -> pl.DataFrame:
        """query, relation, answer: every true answer of each query, once."""
        start = 2 - self.end
        asked_E = np.zeros(self.num_entities, dtype=np.bool_)
        asked_E[self.distinct["entity"].to_numpy()] = True
        rows = known_N3[asked_E[known_N3[:, start]]]
        frame = pl.DataFrame(
            {"entity": rows[:, start], "relation": rows[:, 1], "answer": rows[:, self.end]}
        )
        joined = frame.join(self.distinct, on=["entity", "relation"])
        return joined.select("query", "relation", "answer").unique()

    def ranks_by_rules(self, rules: pl.DataFrame, facts_N3: Triplets) -> npt.NDArray[np.float64]:
        """(N,) filtered ranks when an answer's score is the confidence of its best rule.

        `rules` as `overlaps` gives them. Ties count half; what no rule names is tied last.
        """
        found = self._found(rules, facts_N3)
        wrong = (
            found.join(self.known, on=["query", "answer"], how="anti")
            .group_by("query", "score")
            .len("wrong")
        )
        truths = self.truths.join(found, on=["query", "answer"], how="left")
        better, ties = self._compare(truths, wrong)
        named = wrong.group_by("query").agg(pl.col("wrong").sum())
        known = self.known.group_by("query").len("known")
        rest = truths.join(named, on="query", how="left").join(known, on="query", how="left")
        unnamed = (
            self.num_entities - rest["wrong"].fill_null(0).cast(pl.Int64) - rest["known"]
        ).to_numpy()
        last = truths["score"].is_null().to_numpy()
        ties = np.where(last, unnamed, ties)
        better = np.where(last, rest["wrong"].fill_null(0).to_numpy(), better)
        rank_N: npt.NDArray[np.float64] = 1 + better + ties / 2
        return rank_N

    def ranks_by_frequency(self, facts_N3: Triplets) -> npt.NDArray[np.float64]:
        """(N,) filtered ranks when an answer's score is how often the relation has it."""
        often = _Frequencies(facts_N3[:, 1], facts_N3[:, self.end], self.num_entities)
        score_N = often.of(self.truths["relation"], self.truths["answer"])
        truths = self.truths.with_columns(score=score_N)
        known = (
            self.known.with_columns(score=often.of(self.known["relation"], self.known["answer"]))
            .group_by("query", "score")
            .len("wrong")
        )
        better, ties = often.compare(truths["relation"].to_numpy(), score_N)
        known_better, known_ties = self._compare(truths, known)
        # The truth is known too, and stands on both sides of the second difference.
        rank_N: npt.NDArray[np.float64] = 1 + (better - known_better) + (ties - known_ties) / 2
        return rank_N

    def _found(self, rules: pl.DataFrame, facts_N3: Triplets) -> pl.DataFrame:
        """query, answer, score: each answer that a rule names, with its best confidence."""
        asked = self.distinct.join(
            rules.select("kind", "body", "confidence", relation="head").cast(
                {"body": pl.Int32, "relation": pl.Int32}
            ),
            on="relation",
        )
        asked_E = np.zeros(self.num_entities, dtype=np.bool_)
        asked_E[asked["entity"].to_numpy()] = True
        body_R = np.zeros(self.num_relations, dtype=np.bool_)
        body_R[asked["body"].to_numpy()] = True
        facts_N3 = facts_N3[body_R[facts_N3[:, 1]]]
        found = []
        for start, reverse in ((2 - self.end, False), (self.end, True)):
            # A duplicate is looked up from the same end as the query, an inverse from the other.
            rows = facts_N3[asked_E[facts_N3[:, start]]]
            facts = pl.DataFrame(
                {"entity": rows[:, start], "body": rows[:, 1], "answer": rows[:, 2 - start]}
            )
            some = asked.filter((pl.col("kind") != "duplicate") == reverse)
            found.append(
                some.join(facts, on=["entity", "body"]).select("query", "answer", "confidence")
            )
        return pl.concat(found).group_by("query", "answer").agg(score=pl.col("confidence").max())

    def _compare(self, truths: pl.DataFrame, others: pl.DataFrame) -> tuple[Any, Any]:
        """(N,), (N,): how many of a query's `others` score above and as high as its truth."""
        joined = truths.select("triplet", "query", truth="score").join(
            others, on="query", how="left"
        )
        counted = (
            joined.group_by("triplet")
            .agg(
                better=pl.col("wrong").filter(pl.col("score") > pl.col("truth")).sum(),
                ties=pl.col("wrong").filter(pl.col("score") == pl.col("truth")).sum(),
            )
            .sort("triplet")
        )
        better_N, ties_N = counted.select("better", "ties").cast(pl.Int64).to_numpy().T
        return better_N, ties_N


class _Frequencies:
    """How often each relation has each answer."""

    def __init__(
        self, relation_N: npt.NDArray[np.int32], answer_N: npt.NDArray[np.int32], num_entities: int
    ) -> None:
        self.num_entities = num_entities
        key_N = relation_N * np.int64(num_entities) + answer_N
        key_N.sort()
        first = np.flatnonzero(np.concatenate([[True], key_N[1:] != key_N[:-1]])[: len(key_N)])
        self.key, self.count = key_N[first], np.diff(first, append=len(key_N))

    def of(self, relation: pl.Series, answer: pl.Series) -> Longs:
        """The counts of these answers; 0 for one that a relation never has."""
        wanted = relation.to_numpy() * np.int64(self.num_entities) + answer.to_numpy()
        if not len(self.key):
            return np.zeros(len(wanted), dtype=np.int64)
        place = np.minimum(np.searchsorted(self.key, wanted), len(self.key) - 1)
        return np.where(self.key[place] == wanted, self.count[place], 0)

    def compare(self, relation_N: npt.NDArray[np.int32], score_N: Longs) -> tuple[Longs, Longs]:
        """(N,), (N,): how many of all entities a relation has more often, and as often."""
        better, ties = np.zeros((2, len(relation_N)), dtype=np.int64)
        for relation in np.unique(relation_N).tolist():
            here = np.flatnonzero(relation_N == relation)
            low, high = np.searchsorted(
                self.key, np.array([relation, relation + 1]) * self.num_entities
            )
            ordered = np.sort(self.count[low:high])
            above = np.searchsorted(ordered, score_N[here], side="right")
            same = above - np.searchsorted(ordered, score_N[here], side="left")
            better[here] = len(ordered) - above
            ties[here] = np.where(score_N[here] > 0, same, self.num_entities - len(ordered))
        return better, ties
