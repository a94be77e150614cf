"""A dataset whose names and texts are written against those who show them, and a run on it."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks import run
from benchmarks.results import Result
from tests.benchmarks.conftest import quick_config
from tests.datasets import make_dataset
from wikidata5m.dataset import Dataset
from wikidata5m.splits import Split
from wikidata5m.writer import Provenance, Tables, write_dataset

NASTY: Final = (
    "<script>window.pwned = 1</script>",
    '"><img src=x onerror="window.pwned = 1">',
    "</title></style></svg><script>window.pwned = 1</script>",
    "$\\frac{1}{$ & 50% _under_ ^hat^ ~tilde~ #hash {brace",
    "]]> <!-- --><b>&amp;</b>",
    "bell\x07 escape\x1b null\x00 new\nline",
    "{{ 7 * 7 }} {% raw %}",
    "مرحبا \u202eright to left\u202c 日本語 𝔘𝔫𝔦",
    "javascript:window.pwned=1",
    "w" * 400,
    "",
)


def hostile_dataset(folder: Path) -> Dataset:
    """The small dataset under nasty names."""
    plain = make_dataset(folder / "plain", countries=6)

    def nasty(count: int) -> pl.Series:
        return pl.Series(list(islice(cycle(NASTY), count)), dtype=pl.String)

    texts = pl.read_parquet(plain.path / "descriptions")
    tables = Tables(
        entities=plain.entities.with_columns(label=nasty(plain.num_entities)),
        relations=plain.relations.with_columns(label=nasty(plain.num_relations)),
        classes=plain.classes.with_columns(label=nasty(plain.classes.height)),
        triplets=plain.triplets(),
        descriptions=[texts.with_columns(text=nasty(texts.height))],
    )
    split: Split = {p: plain.triplets("transductive", p) for p in ("train", "valid", "test")}
    name = "<b>&evil</b><script>window.pwned = 1</script>"
    source = {"role": NASTY[0], "path": NASTY[1], "bytes": 1, "sha256": NASTY[2]}
    provenance = Provenance(name=name, sources=(source,), config={"a": NASTY[0]}, drops={})
    (folder / "hostile").mkdir()
    write_dataset(folder / "hostile", tables, {"transductive": split}, provenance)
    return Dataset(folder / "hostile")


def hostile_result(dataset: Dataset, folder: Path) -> Result:
    """A run on it, ranked; its folder has a nasty name too."""
    here = folder / "<i>run & '\"$x$"
    run.train(quick_config(dataset, "model.name=transe"), here)
    return run.evaluate(here)
