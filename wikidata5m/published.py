"""Figures that others printed, to hold a dataset against. Imports nothing of the project.

Tables 1-3 of Wang et al. (TACL 2021); the sizes of the first release are those of its preprint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a paper says of a dataset."""

    name: str
    entities: int
    relations: int
    transductive: dict[str, int]
    """Triplets by part (Table 1)."""
    inductive: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Entities, relations and triplets by part (Table 3)."""
    categories: dict[str, int] = field(default_factory=dict)
    """Entities by class (Table 2)."""


def _parts(train: int, valid: int, test: int) -> dict[str, int]:
    return {"train": train, "valid": valid, "test": test}


WIKIDATA5M: Final = Published(
    name="Wikidata5M (TACL 2021)",
    entities=4_594_485,
    relations=822,
    transductive=_parts(20_614_279, 5_163, 5_133),
    inductive={
        "train": (4_579_609, 822, 20_496_514),
        "valid": (7_374, 199, 6_699),
        "test": (7_475, 201, 6_894),
    },
    categories={
        "Q5": 1_517_591,
        "Q16521": 363_882,
        "Q13406463": 118_823,
        "Q11424": 114_266,
        "Q486972": 110_939,
    },
)
PUBLISHED: Final = (
    WIKIDATA5M,
    Published(
        name="Wikidata5M (first release)",
        entities=4_818_679,
        relations=828,
        transductive=_parts(21_343_681, 5_357, 5_321),
    ),
    Published(
        name="FB15K",
        entities=14_951,
        relations=1_345,
        transductive=_parts(483_142, 50_000, 59_071),
    ),
    Published(
        name="WN18", entities=40_943, relations=18, transductive=_parts(141_442, 5_000, 5_000)
    ),
    Published(
        name="FB15K-237",
        entities=14_541,
        relations=237,
        transductive=_parts(272_115, 17_535, 20_466),
    ),
    Published(
        name="WN18RR", entities=40_943, relations=11, transductive=_parts(86_835, 3_034, 3_134)
    ),
)


def recognise(name: str, entities: int, relations: int) -> Published | None:
    """The published figures of a dataset of these counts, or of Wikidata5M's by its name."""
    for each in PUBLISHED:
        if (each.entities, each.relations) == (entities, relations):
            return each
    return WIKIDATA5M if name.lower().startswith("wikidata5m") else None
