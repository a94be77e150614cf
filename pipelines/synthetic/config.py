"""What a synthetic graph is to be like. Imports errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wikidata5m.errors import ConfigError

LEAST_ENTITIES: Final = 1000
MOST_ENTITIES: Final = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticConfig:
    """The same configuration gives the same bytes; the defaults are the release's own sizes."""

    entities: int = 4_594_485
    relations: int = 822
    triplets: int = 20_624_575
    """Exactly so many, all different."""
    mutual: float = 0.3
    """Share of the facts of symmetric and inverse relations that are stated both ways."""
    seed: int = 0

    def __post_init__(self) -> None:
        bounds = (
            ("entities", self.entities, LEAST_ENTITIES, MOST_ENTITIES),
            ("relations", self.relations, 2, self.entities),
            ("seed", self.seed, 0, 2**63 - 1),
        )
        for name, value, low, high in bounds:
            if not low <= value <= high:
                raise ConfigError(f"{name} is {value:,}; give a number from {low:,} to {high:,}")
        if self.triplets < self.entities + self.relations:
            raise ConfigError(
                f"triplets is {self.triplets:,}; each entity and relation needs one, so give "
                f"at least {self.entities + self.relations:,}"
            )
        if self.entities * self.relations * self.entities >= 2**63:
            raise ConfigError("entities and relations are too many together; give fewer")
        if not 0 <= self.mutual <= 1:
            raise ConfigError(f"mutual is {self.mutual}; give a share from 0 to 1")
