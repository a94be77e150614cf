"""Wikidata5M: a large knowledge graph aligned with text. `load` opens a dataset folder."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wikidata5m.dataset import Dataset

__all__ = ["__version__", "load"]
__version__ = version("wikidata5m")


def load(folder: Path | str) -> Dataset:
    """Open the dataset in `folder`. Raises DatasetError when it is not a complete dataset.

    >>> dataset = load("wikidata5m-2019-07")                         # doctest: +SKIP
    >>> dataset.triplets("transductive", "train").shape              # doctest: +SKIP
    (20614279, 3)
    """
    from wikidata5m.dataset import Dataset  # noqa: PLC0415 - `wikidata5m --help` must not load Polars

    return Dataset(Path(folder))
