"""What a test set gives away: repeated relations, rules of one line, favourite answers.

Imports console, dataset, rules and schema. The thresholds and their sources:

- inverse and duplicate relations, both shares above 0.97: Toutanova and Chen (2015), who made
  FB15k-237 without them; 0.8: Akrami et al. (2020), who also name Cartesian product relations.
- rules by the share of the body alone, 0.99: the inverse model of Dettmers et al. (2018).

Legend: N triplets, E entities, R relations.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from wikidata5m.console import by_stages, table
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.rules import KINDS, Queries, overlaps
from wikidata5m.schema import Part, Setting

THRESHOLDS: Final = {"Akrami 2020": 0.8, "Toutanova 2015": 0.97, "Dettmers 2018": 0.99}
LEAST: Final = 2
"""Triplets that two relations must share before a rule is made of it."""
ENDS: Final = {"tail": 2, "head": 0}
"""The column that each direction asks for."""

Ranks = npt.NDArray[np.float64]


def leakage(
    dataset: Dataset, setting: Setting, part: Part = "test", *, threshold: float = 0.8
) -> dict[str, Any]:
    """The report on one part of a split; shares from 0 to 1, ranks filtered and realistic.

    Relations are compared on train. A rule looks its facts up in train and the support, and answers
    among all E entities; the filter knows every part.
    """
    parts = dataset.parts(setting)
    asked_N3, train_N3 = parts[part], parts["train"]
    support = [parts["support"]] if "support" in parts else []
    facts_N3 = np.concatenate([train_N3, *support]) if support else train_N3
    known_N3 = np.concatenate(list(parts.values()))
    sizes = (dataset.num_entities, dataset.num_relations)
    ready = by_stages(
        "leakage, reading",
        {
            "relations": lambda: overlaps(train_N3, dataset.num_relations),
            "queries": lambda: {
                name: Queries(asked_N3, known_N3, sizes, end) for name, end in ENDS.items()
            },
        },
    )
    pairs, queries = ready["relations"].filter(pl.col("shared") >= LEAST), ready["queries"]
    rules = pairs.filter(pl.col("confidence") >= threshold)
    stages = {
        "unseen": lambda: int(dataset.unseen(setting, part).sum()),
        "linked": lambda: _linked(asked_N3, facts_N3),
        "relations_above": lambda: _above(pairs),
        "pairs": lambda: _named_pairs(dataset, pairs, asked_N3, threshold),
        "cartesian": lambda: _cartesian(dataset, train_N3, threshold),
        "rules": lambda: _rule_table(queries, rules, facts_N3),
        "answers": lambda: {name: _answers(each) for name, each in queries.items()},
        "relations": lambda: _by_relation(dataset, asked_N3, train_N3),
        "degrees": lambda: _by_degree(asked_N3, train_N3, dataset.num_entities),
    }
    return {
        "name": dataset.manifest.name,
        "setting": setting,
        "part": part,
        "threshold": threshold,
        "triplets": len(asked_N3),
        **by_stages("leakage", stages),
    }


def _linked(asked_N3: Triplets, facts_N3: Triplets) -> dict[str, float]:
    """Which share of the triplets has its two entities joined in the facts, and which way."""
    ends = np.unique(asked_N3[:, [0, 2]])
    near = np.zeros(int(max(facts_N3.max(initial=0), ends.max(initial=0))) + 1, dtype=np.bool_)
    near[ends] = True
    some_N3 = facts_N3[near[facts_N3[:, 0]] & near[facts_N3[:, 2]]].astype(np.int64)
    head_N, _, tail_N = asked_N3.astype(np.int64).T
    same_N = np.isin((head_N << 31) | tail_N, (some_N3[:, 0] << 31) | some_N3[:, 2])
    back_N = np.isin((head_N << 31) | tail_N, (some_N3[:, 2] << 31) | some_N3[:, 0])
    return {
        "forward": _share(same_N),
        "backward": _share(back_N),
        "either": _share(same_N | back_N),
    }


def _share(chosen_N: npt.NDArray[np.bool_]) -> float:
    return float(chosen_N.mean()) if len(chosen_N) else 0.0


def _above(pairs: pl.DataFrame) -> list[dict[str, Any]]:
    """How many pairs of relations pass each published threshold, both shares above it."""
    rows = []
    for source, threshold in THRESHOLDS.items():
        passed = pairs.filter((pl.col("confidence") > threshold) & (pl.col("cover") > threshold))
        # Each pair of two relations stands there once in each direction.
        counts = {kind: passed.filter(pl.col("kind") == kind).height for kind in KINDS}
        rows.append(
            {"source": source, "threshold": threshold}
            | {kind: n if kind == "symmetric" else n // 2 for kind, n in counts.items()}
        )
    return rows


def _named_pairs(
    dataset: Dataset, pairs: pl.DataFrame, asked_N3: Triplets, threshold: float
) -> list[dict[str, Any]]:
    """The rules, those that most of the part's triplets are about first."""
    names = dataset.relations.select("relation", "label")
    asked_R = np.bincount(asked_N3[:, 1], minlength=dataset.num_relations)
    asked = pl.DataFrame({"head": np.arange(len(asked_R)), "asked": asked_R})
    chosen = pairs.filter(pl.col("confidence") >= threshold).join(asked, on="head")
    return [
        {
            "kind": row["kind"],
            "body": names.row(row["body"], named=True),
            "head": names.row(row["head"], named=True),
            "asked": row["asked"],
            "shared": row["shared"],
            "confidence": row["confidence"],
            "cover": row["cover"],
        }
        for row in chosen.sort("asked", "shared", "body", descending=[True, True, False]).iter_rows(
            named=True
        )
    ]


def _cartesian(dataset: Dataset, train_N3: Triplets, threshold: float) -> list[dict[str, Any]]:
    """Relations that hold between nearly all of their heads and nearly all of their tails."""
    frame = pl.DataFrame({"head": train_N3[:, 0], "r": train_N3[:, 1], "tail": train_N3[:, 2]})
    sizes = (
        frame.lazy()
        .group_by("r")
        .agg(pl.len().alias("triplets"), pl.col("head").n_unique(), pl.col("tail").n_unique())
        # One head or one tail makes the product complete, and says nothing.
        .filter((pl.col("head") > 1) & (pl.col("tail") > 1))
        .with_columns(share=pl.col("triplets") / (pl.col("head") * pl.col("tail").cast(pl.Int64)))
        .filter(pl.col("share") >= threshold)
        .sort("triplets", "r", descending=[True, False])
        .collect()
    )
    names = dataset.relations.select("relation", "label")
    return [
        names.row(row["r"], named=True) | {key: row[key] for key in ("triplets", "share")}
        for row in sizes.iter_rows(named=True)
    ]


def _rule_table(
    queries: dict[str, Queries], rules: pl.DataFrame, facts_N3: Triplets
) -> list[dict[str, Any]]:
    """MRR, Hits@1 and Hits@10 of each kind of rule, of all together, and of favourite answers."""
    sets = {kind: rules.filter(pl.col("kind") == kind) for kind in KINDS} | {"all rules": rules}
    rows = []
    for name, chosen in sets.items():
        ranks = {d: each.ranks_by_rules(chosen, facts_N3) for d, each in queries.items()}
        rows.append({"rule": name, "rules": chosen.height} | _metrics(ranks))
    ranks = {d: each.ranks_by_frequency(facts_N3) for d, each in queries.items()}
    return [*rows, {"rule": "most frequent answer", "rules": 0} | _metrics(ranks)]


def _metrics(ranks: dict[str, Ranks]) -> dict[str, float]:
    sides = {"both": np.concatenate(list(ranks.values()))} | ranks
    return {
        f"{name}_{direction}": float(value_N.mean()) if len(rank_N) else 0.0
        for direction, rank_N in sides.items()
        for name, value_N in (
            ("mrr", 1 / rank_N),
            ("hits@1", rank_N <= 1),
            ("hits@10", rank_N <= 10),
        )
    }


def _answers(queries: Queries) -> dict[str, float]:
    """How many true answers the queries of one direction have; one query per triplet."""
    counts = queries.known.group_by("query").len("answers")
    known = queries.truths.join(counts, on="query", how="left")["answers"].to_numpy()
    if not len(known):
        return {"median": 0.0, "mean": 0.0, "max": 0.0}
    return {
        "median": float(np.median(known)),
        "mean": float(known.mean()),
        "max": float(known.max()),
    }


def _by_relation(dataset: Dataset, asked_N3: Triplets, train_N3: Triplets) -> list[dict[str, Any]]:
    """Each relation's share of the part and of train, the most asked first."""
    asked_R, train_R = (
        np.bincount(each[:, 1], minlength=dataset.num_relations) for each in (asked_N3, train_N3)
    )
    names = dataset.relations.select("relation", "label")
    order = np.argsort(-asked_R, kind="stable")
    return [
        names.row(r, named=True)
        | {
            "asked": int(asked_R[r]),
            "share": float(asked_R[r] / max(len(asked_N3), 1)),
            "train_share": float(train_R[r] / max(len(train_N3), 1)),
        }
        for r in order[: int((asked_R > 0).sum())].tolist()
    ]


def _by_degree(asked_N3: Triplets, train_N3: Triplets, num_entities: int) -> list[dict[str, Any]]:
    """Triplets by the training degree of their rarer entity, in powers of two."""
    degree_E = np.bincount(train_N3[:, [0, 2]].ravel(), minlength=num_entities)
    low_N = degree_E[asked_N3[:, [0, 2]]].min(axis=1, initial=np.iinfo(np.int64).max)
    bucket_N = np.ceil(np.log2(low_N + 1)).astype(np.int64)
    counts = np.bincount(bucket_N) if len(bucket_N) else np.zeros(0, dtype=np.int64)
    return [
        {
            "from": (1 << b) // 2,
            "to": (1 << b) - 1,
            "triplets": int(n),
            "share": float(n / len(asked_N3)),
        }
        for b, n in enumerate(counts)
        if n
    ]


def render(result: dict[str, Any], limit: int) -> str:
    """The report as Markdown; `limit` rows of the long tables."""
    theta = result["threshold"]
    where = f"{result['setting']} {result['part']}"
    linked = result["linked"]
    unseen = f"{result['unseen']:,} have an entity that train lacks"
    above = [tuple(row.values()) for row in result["relations_above"]]
    sections = [
        f"# What {result['name']} gives away: {where}",
        f"{result['triplets']:,} triplets; {unseen}.",
        f"Two entities that a triplet joins are also joined in train in {linked['either']:.1%}: "
        f"{linked['forward']:.1%} the same way, {linked['backward']:.1%} the other way.",
        "## Relations that repeat one another",
        "Pairs of relations with both shares above a published threshold, and symmetric relations:",
        table(["source", "threshold", *KINDS], above),
        f"## Rules with a share of at least {theta:g}, of {len(result['pairs']):,}",
        table(
            ["kind", "body", "gives", "asked", "shared", "of the body", "of the other"],
            [_pair_row(pair) for pair in result["pairs"][:limit]],
        ),
        "## What rules of one line answer",
        table(
            ["rule", "rules", "MRR", "Hits@1", "Hits@10", "MRR tail", "MRR head"],
            [_rule_row(row) for row in result["rules"]],
        ),
        *_cartesian_section(result["cartesian"][:limit], theta),
        "## True answers per query",
        table(
            ["direction", "median", "mean", "max"],
            [
                (name, f"{n['median']:,.0f}", f"{n['mean']:,.1f}", f"{n['max']:,.0f}")
                for name, n in result["answers"].items()
            ],
        ),
        f"## Relations asked about, of {len(result['relations']):,}",
        table(
            ["relation", "triplets", "share", "share of train"],
            [
                (_label(row), row["asked"], f"{row['share']:.1%}", f"{row['train_share']:.1%}")
                for row in result["relations"][:limit]
            ],
        ),
        "## By the training degree of the rarer entity",
        table(
            ["degree", "triplets", "share"],
            [
                (_bucket(row["from"], row["to"]), row["triplets"], f"{row['share']:.1%}")
                for row in result["degrees"]
            ],
        ),
    ]
    return "\n\n".join(sections)


def _bucket(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _label(relation: dict[str, Any]) -> str:
    name, label = relation["relation"], relation["label"]
    return f"{label} ({name})" if label and label != name else str(name)


def _pair_row(pair: dict[str, Any]) -> tuple[object, ...]:
    shares = (f"{pair['confidence']:.1%}", f"{pair['cover']:.1%}")
    names = (_label(pair["body"]), _label(pair["head"]))
    return (pair["kind"], *names, pair["asked"], pair["shared"], *shares)


def _rule_row(row: dict[str, Any]) -> tuple[object, ...]:
    columns = ("mrr_both", "hits@1_both", "hits@10_both", "mrr_tail", "mrr_head")
    return (row["rule"], row["rules"] or "-", *(f"{row[column]:.3f}" for column in columns))


def _cartesian_section(rows: list[dict[str, Any]], theta: float) -> list[str]:
    if not rows:
        return [f"No relation holds {theta:.0%} of the product of its heads and tails."]
    told = [(_label(row), row["triplets"], f"{row['share']:.1%}") for row in rows]
    return [
        "## Relations that are nearly a product of their heads and tails",
        table(["relation", "triplets", "share"], told),
    ]
