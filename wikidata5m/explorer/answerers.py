"""What a page asks of a model, which an upper package brings by an entry point.

Imports dataset, errors and schema. An entry point of GROUP is named after the option that takes the
run, and gives a function of (run folder, dataset) that returns an Answerer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, Literal, Protocol, runtime_checkable

from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.errors import ConfigError
from wikidata5m.schema import Setting

GROUP: Final = "wikidata5m.answerers"
Role = Literal["head", "tail"]


@dataclass(frozen=True, slots=True)
class Scored:
    """An entity as an answer, by its index."""

    entity: int
    score: float


class Answerer(Protocol):
    """A trained model; it is asked by one thread at a time, but for `pending`."""

    name: str
    """Of the kind of model, such as "complex"."""
    setting: Setting
    """The split whose train part it learned."""

    def pending(self) -> str:
        """What it does until it can answer, and how far it is; "" when it can, or has failed."""

    def answer(
        self, given: int, relation: int, role: Role, top: int, hidden_M3: Triplets
    ) -> list[Scored]:
        """The `top` best entities to complete a triplet of which `given` is the `role`, best first.

        The answers that `hidden_M3` states are left out. Raises Wikidata5MError where the model
        cannot answer.
        """


@runtime_checkable
class TextAnswerer(Answerer, Protocol):
    """A model that takes an entity by its text."""

    def answer_text(self, text: str, relation: int, role: Role, top: int) -> list[Scored]:
        """The `top` best entities to complete a triplet of which the described entity is `role`."""


def load_answerers(runs: Iterable[tuple[str, Path]], dataset: Dataset) -> dict[str, Answerer]:
    """The models of (kind, run folder), by what they are called on the page.

    Raises Wikidata5MError for a run that does not fit, or is named twice.
    """
    kinds = {entry.name: entry for entry in entry_points(group=GROUP)}
    found: dict[str, Answerer] = {}
    for kind, run in runs:
        answerer: Answerer = kinds[kind].load()(run, dataset)
        short, full = (f"{answerer.name} ({place})" for place in (run.resolve().name, run))
        name = full if short in found else short
        if name in found:
            raise ConfigError(f"{run}: named twice; name each run once")
        found[name] = answerer
    return found
