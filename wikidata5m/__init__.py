"""Wikidata5M: a large knowledge graph aligned with text. `load` opens a dataset folder."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wikidata5m.dataset import Dataset

__all__ = ["__version__", "load"]
__version__ = version("wikidata5m")


def load(source: Path | str, *, download: bool = False) -> Dataset:
    """Open a dataset folder, or a release by name ("wikidata5m") where it was downloaded before.

    `download` fetches and reads a release that is not there yet: gigabytes, and minutes. Raises
    DatasetError when `source` is no complete dataset, or a release that was not downloaded; for an
    unknown name ConfigError with the closest one.

    >>> dataset = load("wikidata5m-2019-07")                         # doctest: +SKIP
    >>> dataset.triplets("transductive", "train").shape              # doctest: +SKIP
    (20614279, 3)
    """
    from wikidata5m.dataset import Dataset  # noqa: PLC0415 - `wikidata5m --help` must not load Polars
    from wikidata5m.releases.home import load_path  # noqa: PLC0415

    path, name = Path(source), str(source)
    is_folder = isinstance(source, Path) or "/" in name or (path / "manifest.json").is_file()
    return Dataset(path if is_folder else load_path(name, download_missing=download))
