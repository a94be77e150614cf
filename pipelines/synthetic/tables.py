"""Names and texts of a synthetic graph. Imports draws, plan and schema.

Every name is spelled from a number, so all are different and none is stored. Legend: E entities,
K types.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from pipelines.draws import Ints, below
from pipelines.synthetic.plan import FIRST_CLASS, NAMED, Plan
from wikidata5m import schema

ONSETS: Final = ("b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z")
ENDS: Final = ("a", "e", "i", "o", "u", "an", "en", "or")
WORD_BITS: Final = 14
"""Two syllables of 16 x 8 each."""
SCRAMBLE: Final = 0x5DEECE5
"""Odd, so that multiplying by it permutes the numbers below 2^28."""
SHARD: Final = 250_000

_SYLLABLES: Final = [onset + end for onset in ONSETS for end in ENDS]
_WORDS: Final = pl.Series([a + b for a in _SYLLABLES for b in _SYLLABLES])


def _words(number_N: Ints) -> pl.Series:
    return _WORDS.gather(number_N)


def entities(plan: Plan) -> pl.DataFrame:
    """One row per entity, under ENTITY_SCHEMA's columns; Q5 is human."""
    number_E = np.arange(plan.config.entities)
    first, second = _halves(number_E, plan.config.seed)
    frame = pl.DataFrame({"first": _words(first), "second": _words(second), "number": number_E})
    class_K = pl.Series(class_ids(plan))
    label = pl.format(
        "{} {}", pl.col("first").str.to_titlecase(), pl.col("second").str.to_titlecase()
    )
    named = _class_labels(plan)
    frame = frame.with_columns(
        entity=pl.format("Q{}", pl.col("number") + 1),
        label=pl.when(pl.col("number").is_in(list(named)))
        .then(pl.col("number").replace_strict(named, default=None))
        .otherwise(label),
        types=pl.concat_list(class_K.gather(plan.type_E)),
        disambiguation=pl.lit(value=False),
    )
    # Every other entity goes by its second word, too.
    short = pl.when(pl.col("number") % 2 == 1).then(
        pl.concat_list("label", pl.format("{}-{}", "second", "first"))
    )
    frame = frame.with_columns(title="label", aliases=short.otherwise(pl.concat_list("label")))
    return frame.select(schema.ENTITY_SCHEMA.names)


def descriptions(plan: Plan, labels: pl.Series) -> Iterator[pl.DataFrame]:
    """A text of at least five words for each entity, that begins with its label."""
    kinds = pl.Series(type_labels(plan))
    for start in range(0, len(labels), SHARD):
        index = np.arange(start, min(start + SHARD, len(labels)))
        draw = {
            name: _words(below(len(_WORDS), index, plan.config.seed, 40 + k))
            for k, name in enumerate(("place", "one", "two", "three"))
        }
        frame = pl.DataFrame(
            draw
            | {
                "index": index.astype(np.int32),
                "label": labels[start : start + SHARD],
                "kind": kinds.gather(plan.type_E[start : start + SHARD]),
                "year": 1200 + below(800, index, plan.config.seed, 44),
            }
        )
        text = pl.format(
            "{} is an instance of {} in {}, known since {}. Among its features are {}, {} and {}.",
            *("label", "kind", pl.col("place").str.to_titlecase(), "year", "one", "two", "three"),
        )
        yield frame.select("index", text=text)


def relations(plan: Plan) -> pl.DataFrame:
    """P31 and those after it, under RELATION_SCHEMA's columns."""
    count = plan.config.relations
    words = _words(below(len(_WORDS), np.arange(count), plan.config.seed, 45)).to_list()
    labels = ["instance of", *(f"{word} {n}" for n, word in enumerate(words[1:], start=1))]
    return pl.DataFrame(
        {
            "relation": [f"P{31 + n}" for n in range(count)],
            "label": labels,
            "description": [f"relation between a subject and its {label}" for label in labels],
            "aliases": [[label] for label in labels],
        }
    )


def classes(plan: Plan) -> pl.DataFrame:
    """The types' classes and their labels, under CLASS_SCHEMA's columns."""
    return pl.DataFrame({"class": class_ids(plan), "label": type_labels(plan)}).sort(
        pl.col("class").str.slice(1).cast(pl.Int64)
    )


def class_ids(plan: Plan) -> list[str]:
    """(K,): the class of each type; those without a page have numbers beyond the entities'."""
    return [
        f"Q{int(plan.class_of(np.array([k]))[0]) + 1}"
        if page
        else f"Q{plan.config.entities + k + 1}"
        for k, page in enumerate(plan.has_page_K)
    ]


def type_labels(plan: Plan) -> list[str]:
    """(K,): what an entity of each type is called."""
    thin = _WORDS.gather(np.arange(plan.types - len(NAMED)) * 37 % len(_WORDS)).to_list()
    return [*NAMED, *(f"kind of {word}" for word in thin)]


def _class_labels(plan: Plan) -> dict[int, str]:
    """The labels of the entities that are classes, by index."""
    labels = type_labels(plan)
    return {FIRST_CLASS + k: labels[k] for k in range(plan.types) if plan.has_page_K[k]}


def _halves(number_N: Ints, seed: int) -> tuple[Ints, Ints]:
    """Two words' numbers for each entity; no two entities have the same two."""
    scrambled = (number_N * SCRAMBLE + seed) & ((1 << 2 * WORD_BITS) - 1)
    return scrambled >> WORD_BITS, scrambled & ((1 << WORD_BITS) - 1)
