"""The configurations that come with the package: which dataset each is for, what to expect of it.

Imports benchmarks.config and wikidata5m. Figures are in expected.yaml, beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.config import RunConfig, shipped
from wikidata5m.config import load_config
from wikidata5m.errors import ConfigError
from wikidata5m.schema import Part

EXPECTED: Final = Path(__file__).parent / "expected.yaml"
DATASETS: Final = ("wikidata5m", "fb15k-237", "codex-s", "wn18rr", "umls", "demo")
"""In the order in which they are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A filtered MRR over both directions, and where it comes from."""

    mrr: float
    part: Part = "test"
    source: str
    """The paper and table; or for our own the seeds, the commit and the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a configuration should reach."""

    measured: Figure | None = None
    """With these settings, by this package."""
    reported: Figure | None = None
    """By others: with these settings where the configuration renders theirs, else at their best."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """A configuration that comes with the package."""

    name: str
    dataset: str
    config: RunConfig
    expected: Expectation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    """The file: configurations that share a reported figure are told it by their own names."""

    configurations: dict[str, Expectation] = field(default_factory=dict)


def shipped_configurations() -> list[Shipped]:
    """All of them, by dataset, then by name. Raises ConfigError where a name tells no dataset."""
    expected = load_config(_Expected, EXPECTED).configurations
    found = []
    for name, path in shipped().items():
        config = load_config(RunConfig, path)
        dataset = dataset_of(name, config.model.name)
        found.append(Shipped(name, dataset, config, expected.get(name, Expectation())))
    return sorted(found, key=lambda each: (DATASETS.index(each.dataset), each.name))


def dataset_of(name: str, model: str) -> str:
    """The dataset in MODEL-DATASET or MODEL-DATASET-VARIANT."""
    rest = name.removeprefix(f"{model}-")
    for dataset in DATASETS:
        if rest == dataset or rest.startswith(f"{dataset}-"):
            return dataset
    raise ConfigError(f"{name}: its name tells no dataset; known: {', '.join(DATASETS)}")


def in_words(expected: Expectation) -> str:
    """Both figures with their sources; "not run yet" where there is none."""
    told = [
        f"{figure.mrr:.3f} {figure.part} {whose} ({figure.source})"
        for whose, figure in (("here", expected.measured), ("by others", expected.reported))
        if figure
    ]
    return "; ".join(told) or "not run yet"
