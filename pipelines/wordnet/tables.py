"""What becomes of WordNet: nodes, relations and triplets. Imports read, relations and wikidata5m.

Legend: N triplets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from pipelines.wordnet.read import Key, Synset, WordNet
from pipelines.wordnet.relations import DESCRIBED, INVERSES, LEMMA, RELATIONS
from wikidata5m.dataset import Triplets
from wikidata5m.splits import triplet_keys
from wikidata5m.tsv import sort_ids

CLASSES: Final = {
    "synset": "synset",
    "lemma": "lemma",
    "n": "noun",
    "v": "verb",
    "a": "adjective",
    "s": "adjective satellite",
    "r": "adverb",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Tables as wikidata5m.schema has them, and what was counted on the way."""

    entities: pl.DataFrame
    relations: pl.DataFrame
    classes: pl.DataFrame
    triplets: Triplets
    descriptions: pl.DataFrame
    counts: dict[str, int]
    drops: dict[str, int]


def make_graph(wordnet: WordNet, *, lemmas: bool) -> Graph:
    """Synsets and, with `lemmas`, each word of each synset as nodes.

    Without, a pointer between two words joins their synsets.
    """
    nodes = _nodes(wordnet, lemmas=lemmas)
    order = sort_ids(nodes["entity"])
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    names = sorted(DESCRIBED)
    forward_N3, backward_N3 = _statements(wordnet, names, lemmas=lemmas)
    for stated_N3 in (forward_N3, backward_N3):
        stated_N3[:, [0, 2]] = place[stated_N3[:, [0, 2]]]
    sizes = len(place), len(names)
    unique_N3 = _unique(forward_N3, sizes)
    whole_N3 = _unique(np.concatenate([unique_N3, backward_N3]), sizes)
    relations, whole_N3[:, 1] = np.unique(whole_N3[:, 1], return_inverse=True)
    held = [names[int(i)] for i in relations]
    nodes = nodes[order]
    return Graph(
        entities=nodes.drop("text"),
        relations=_relation_table(held),
        classes=pl.DataFrame({"class": list(CLASSES), "label": list(CLASSES.values())}),
        triplets=whole_N3,
        descriptions=nodes.with_row_index("index")
        .filter(pl.col("text") != "")
        .select(pl.col("index").cast(pl.Int32), "text"),
        counts={
            "synsets": len(wordnet.synsets),
            "lemmas": sum(len(synset.words) for synset in wordnet.synsets.values()),
            "pointers": sum(len(synset.pointers) for synset in wordnet.synsets.values()),
        },
        drops={
            "duplicate_statement": len(forward_N3) - len(unique_N3),
            "inverse_statement": len(backward_N3) - (len(whole_N3) - len(unique_N3)),
        },
    )


def _unique(triplets_N3: Triplets, sizes: tuple[int, int]) -> Triplets:
    """The triplets, each once and sorted."""
    _, first = np.unique(triplet_keys(triplets_N3, sizes), return_index=True)
    return triplets_N3[first]


def _nodes(wordnet: WordNet, *, lemmas: bool) -> pl.DataFrame:
    """The entity table with texts, synsets first, then the lemmas of each."""
    rows = [
        (synset.name, [word.replace("_", " ") for word in synset.words], "synset", synset)
        for synset in wordnet.synsets.values()
    ]
    if lemmas:
        rows += [
            (f"{synset.name}.{word}", [word.replace("_", " ")], "lemma", synset)
            for synset in wordnet.synsets.values()
            for word in synset.words
        ]
    names = pa.list_(pa.string())
    columns = {
        "entity": pa.array([name for name, *_ in rows], pa.string()),
        "label": pa.array([words[0] for _, words, *_ in rows], pa.string()),
        "types": pa.array([[level, synset.kind] for *_, level, synset in rows], names),
        "aliases": pa.array([words for _, words, *_ in rows], names),
        "text": pa.array([_text(words[0], synset) for _, words, _, synset in rows], pa.string()),
    }
    # Arrow takes lists of Python's twenty times faster than Polars.
    return pl.DataFrame(pa.table(columns)).with_columns(title=pl.lit(""), disambiguation=False)


def _text(name: str, synset: Synset) -> str:
    """The name, then definition and examples; nothing where there is no gloss."""
    return f"{name}: {synset.gloss}" if synset.gloss else ""


def _relation_table(names: list[str]) -> pl.DataFrame:
    labels = [name.replace("_", " ") for name in names]
    return pl.DataFrame(
        {
            "relation": names,
            "label": labels,
            "description": [DESCRIBED[name] for name in names],
            "aliases": [[label] for label in labels],
        }
    )


def _statements(wordnet: WordNet, names: list[str], *, lemmas: bool) -> tuple[Triplets, Triplets]:
    """All that is stated by kept relations, and by their inverses, turned round."""
    number = {name: i for i, name in enumerate(names)}
    nodes = _numbers(wordnet)

    def node(key: Key, word: int) -> int:
        synset, first_word = nodes[key]
        return first_word + word - 1 if lemmas and word else synset

    def stated() -> Iterator[tuple[bool, int, int, int]]:
        for key, synset in wordnet.synsets.items():
            if lemmas:
                for word in range(1, len(synset.words) + 1):
                    yield True, node(key, 0), number[LEMMA], node(key, word)
            for p in synset.pointers:
                ends = node(key, p.source), node(p.to, p.target)
                symbol = INVERSES.get(p.symbol, p.symbol)
                forward = symbol == p.symbol
                head, tail = ends if forward else ends[::-1]
                yield forward, head, number[RELATIONS[symbol][0]], tail

    rows_N4 = np.array(list(stated()), dtype=np.int32).reshape(-1, 4)
    forward_N = rows_N4[:, 0] == 1
    return rows_N4[forward_N, 1:], rows_N4[~forward_N, 1:]


def _numbers(wordnet: WordNet) -> dict[Key, tuple[int, int]]:
    """The row of each synset among the nodes, and that of its first lemma."""
    counts = [len(synset.words) for synset in wordnet.synsets.values()]
    first = accumulate(counts, initial=len(counts))
    return dict(zip(wordnet.synsets, enumerate(first), strict=False))
