"""What a search may change: a typed YAML file.

Imports msgspec, optuna, benchmarks.config and wikidata5m.

fixed: {model.reciprocal: true}             # the same in every trial
search:
  train.lr: {low: 0.01, high: 1, log: true}   # a number between two
  train.batch: {choices: [256, 1024]}         # one of some values
  train.chunk: {same_as: train.batch}         # whatever another is
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import starmap
from pathlib import Path
from typing import Any, Final

import msgspec
import optuna

from benchmarks.config import RunConfig
from wikidata5m.config import load_config, override
from wikidata5m.errors import ConfigError

SPACES: Final = Path(__file__).parent / "spaces"
Value = bool | int | float | str
Values = dict[str, Value]


class Parameter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of: low and high; choices; same_as."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    """Draw the logarithm evenly, in place of the number."""
    integer: bool = False
    choices: tuple[Value, ...] = ()
    same_as: str = ""

    def __post_init__(self) -> None:
        kinds = [self.low is not None or self.high is not None, self.choices, self.same_as]
        if sum(bool(kind) for kind in kinds) != 1:
            raise ValueError("give low and high, or choices, or same_as")
        if kinds[0]:
            if self.low is None or self.high is None or self.low >= self.high:
                raise ValueError("low and high are both needed, low below high")
            if self.log and self.low <= 0:
                raise ValueError("log needs low above zero")
            if self.integer and not (self.low.is_integer() and self.high.is_integer()):
                raise ValueError("integer needs whole numbers as low and high")

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """What Optuna draws from."""
        if self.choices:
            return optuna.distributions.CategoricalDistribution(self.choices)
        low, high = self.low or 0.0, self.high or 0.0
        if self.integer:
            return optuna.distributions.IntDistribution(int(low), int(high), log=self.log)
        return optuna.distributions.FloatDistribution(low, high, log=self.log)

    def ends(self) -> tuple[Value, ...]:
        """The values that stand for all when a space is checked."""
        if self.choices:
            return self.choices
        low, high = self.low or 0.0, self.high or 0.0
        return (int(low), int(high)) if self.integer else (low, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The settings of a RunConfig that a search fixes, and those that it varies."""

    fixed: Values = field(default_factory=dict)
    """Setting -> value."""
    search: dict[str, Parameter] = field(default_factory=dict)
    """Setting -> where its values come from."""

    def __post_init__(self) -> None:
        if not self.drawn:
            raise ConfigError("a search space needs at least one setting under `search`")
        for name, parameter in self.search.items():
            if parameter.same_as and parameter.same_as not in self.drawn:
                raise ConfigError(
                    f"search.{name}: same_as {parameter.same_as}, which is not drawn; "
                    f"name one of {', '.join(self.drawn)}"
                )

    @property
    def drawn(self) -> dict[str, Parameter]:
        """The settings that have values of their own."""
        return {name: each for name, each in self.search.items() if not each.same_as}

    def distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """What Optuna draws each from."""
        return {name: each.distribution() for name, each in self.drawn.items()}

    def settings(self, drawn: Mapping[str, Any]) -> Values:
        """Everything that a candidate sets, from the values drawn for it."""
        tied = {name: drawn[each.same_as] for name, each in self.search.items() if each.same_as}
        return {**self.fixed, **drawn, **tied}


def load_space(model: str, file: Path | None, base: Path) -> Space:
    """The space in `file`, or the shipped one of the model, checked against the settings in `base`.

    Raises ConfigError for a setting that is unknown, or a value that it cannot have.
    """
    path = file or SPACES / f"{model}.yaml"
    space = load_config(Space, path)
    if "train.epochs" in {*space.fixed, *space.search}:
        raise ConfigError(
            f"{path}: train.epochs: rounds are planned from one number of epochs; leave it out, "
            "and pass --set train.epochs=N"
        )
    candidate(base, {})
    first = {name: each.ends()[0] for name, each in space.drawn.items()}
    for name, parameter in space.drawn.items():
        for value in parameter.ends():
            try:
                candidate(base, space.settings({**first, name: value}))
            except ConfigError as error:
                raise ConfigError(f"{path}: {name} = {value}: {error}") from None
    return space


def candidate(base: Path, settings: Mapping[str, Value]) -> RunConfig:
    """The configuration in `base` with these settings.

    Raises ConfigError, also for what a trial would not do as `bench train` does.
    """
    config = load_config(RunConfig, base, starmap(override, settings.items()))
    train = config.train
    wanted = {
        "engine": (config.engine, "torch"),
        "setting": (config.setting, "transductive"),
        "train.weights": (train.weights, ""),
        "train.patience": (train.patience, 0),
        "start": (config.start, ""),
    }
    for name, (value, only) in wanted.items():
        if value != only:
            told = override(name, only)
            raise ConfigError(f"{name} = {value}: not searched with; pass --set '{told}'")
    if train.schedule == "plateau":
        raise ConfigError("train.schedule = plateau: a trial validates once; take linear")
    return config
