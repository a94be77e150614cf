"""Every split that is asked for, from one graph. Imports the settings' own modules.

Each is a pure function of the triplets, the configuration and the seed, and draws from a stream of
its own: which others are made beside it changes nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import pyarrow as pa

from pipelines.split.classification import classification
from pipelines.split.config import SplitConfig, SplitResult
from pipelines.split.inductive import inductive
from pipelines.split.semi_inductive import semi_inductive
from pipelines.split.temporal import Earlier, temporal
from pipelines.split.transductive import transductive
from wikidata5m.console import Progress
from wikidata5m.dataset import Triplets
from wikidata5m.errors import ConfigError
from wikidata5m.schema import Part, Setting
from wikidata5m.splits import Split, departures

SplitName = Literal["transductive", "inductive", "semi_inductive", "temporal", "classification"]
SPLIT_NAMES: Final[tuple[SplitName, ...]] = get_args(SplitName)
DEFAULT: Final[tuple[SplitName, ...]] = ("transductive", "inductive")


@dataclass(slots=True, kw_only=True)
class Splits:
    """All that was split, ready for the writer."""

    splits: dict[Setting, Split] = field(default_factory=dict)
    classification: Mapping[Part, pa.Table] = field(default_factory=dict)
    drops: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    departures: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Those of the notes that say why a split could not be made."""

    def lack(self, note: str) -> None:
        """Note that a split could not be made, and why."""
        self.notes += (note,)
        self.missing += (note,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The graph to split: triplets sorted and unique, the sizes of the tables they point into."""

    triplets: Triplets
    num_entities: int
    num_relations: int
    earlier: Earlier | None = None
    """What the temporal split trains on."""


def check_names(names: Sequence[str], *, earlier: bool = False) -> tuple[SplitName, ...]:
    """The names in their one order. Raises ConfigError on one that is unknown or cannot be made."""
    for name in names:
        if name not in SPLIT_NAMES:
            close = difflib.get_close_matches(name, SPLIT_NAMES, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(SPLIT_NAMES)}"
            raise ConfigError(f"unknown split {name!r}; {hint}")
    if not names:
        raise ConfigError(f"no split asked for; name some of {', '.join(SPLIT_NAMES)}")
    if "classification" in names and "transductive" not in names:
        raise ConfigError(
            "classification labels the transductive split's triplets; ask for transductive too"
        )
    if ("temporal" in names) != earlier:
        raise ConfigError(
            "the temporal split compares two datasets; "
            "run `wikidata5m split LATER --earlier EARLIER`, with temporal among --settings"
        )
    return tuple(name for name in SPLIT_NAMES if name in names)


def make_splits(
    whole: Whole,
    names: Sequence[SplitName],
    config: SplitConfig,
    seed: int,
    update: Progress,
) -> Splits:
    """Make each split of `names`; `update` is told how many are finished."""
    made = Splits()
    for done, name in enumerate(names):
        update(done, name)
        if name == "classification":
            _classify(made, whole, config, seed)
            continue
        result = _make(name, whole, config, seed)
        made.counts |= result.counts
        made.drops |= result.drops
        if not result.parts:
            made.lack(result.note)
            continue
        made.notes += (result.note,) if result.note else ()
        made.splits[name] = result.parts
        if name == "temporal":
            sizes = (whole.num_entities, whole.num_relations)
            made.departures |= departures(name, result.parts, whole.triplets, *sizes)
    update(len(names), "")
    return made


def _make(name: Setting, whole: Whole, config: SplitConfig, seed: int) -> SplitResult:
    triplets_N3, num_entities = whole.triplets, whole.num_entities
    if name == "transductive":
        return transductive(triplets_N3, config, seed)
    if name == "inductive":
        return inductive(triplets_N3, num_entities, config, seed)
    if name == "semi_inductive":
        return semi_inductive(triplets_N3, num_entities, config, seed)
    assert whole.earlier is not None
    return temporal(triplets_N3, whole.earlier, num_entities, whole.num_relations, config, seed)


def _classify(made: Splits, whole: Whole, config: SplitConfig, seed: int) -> None:
    parts = made.splits.get("transductive")
    if parts is None:
        made.lack("no classification set: there is no transductive split to label")
        return
    sizes = (whole.num_entities, whole.num_relations)
    result = classification(parts, *sizes, config, seed)
    if not all(map(len, result.tables.values())):
        made.lack(
            "no classification set: every false triplet like those of valid or test is true; set "
            "split.valid and split.test higher"
        )
        return
    made.classification = result.tables
    made.drops["classification_no_negative"] = result.without
