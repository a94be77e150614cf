"""Figures that others printed, and which datasets they are of. Imports manifest.

Tables 1-4 and 9 of Wang et al. (TACL 2021); the first release's sizes are of its preprint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from wikidata5m.manifest import Manifest


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
    also: tuple[int, ...] = ()
    """Other numbers of entities that were published of the same triplets."""

    @property
    def sizes(self) -> set[tuple[int, int]]:
        """Entities and relations: of the whole, and of the inductive parts without the rest."""
        parts = sum(entities for entities, _, _ in self.inductive.values())
        return {(n, self.relations) for n in (self.entities, parts or self.entities, *self.also)}


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
        also=(4_818_298,),  # Dist-KGE's configuration
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


PaperTable = Literal["4", "9a", "9b"]


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """One row of a table of link prediction: the test part, filtered, both directions, in %."""

    table: PaperTable
    name: str
    """As printed."""
    model: str
    """What we call it."""
    mr: int
    mrr: float
    hits_at_1: float
    hits_at_3: float
    hits_at_10: float

    @property
    def setting(self) -> Literal["transductive", "inductive"]:
        """What was ranked."""
        return "inductive" if self.table == "9b" else "transductive"


ONE_NEGATIVE: Final = "transe, 1 negative"
"""The TransE of Table 9a that has KEPLER's number of negatives."""
WIKIDATA5M_RESULTS: Final = (
    PublishedResult("4", "TransE", "transe", 109_370, 25.3, 17.0, 31.1, 39.2),
    PublishedResult("4", "DistMult", "distmult", 211_030, 25.3, 20.8, 27.8, 33.4),
    PublishedResult("4", "ComplEx", "complex", 244_540, 28.1, 22.8, 31.0, 37.3),
    PublishedResult("4", "SimplE", "simple", 115_263, 29.6, 25.2, 31.7, 37.7),
    PublishedResult("4", "RotatE", "rotate", 89_459, 29.0, 23.4, 32.2, 39.0),
    PublishedResult("9a", "TransE", "transe", 109_370, 25.3, 17.0, 31.1, 39.2),
    PublishedResult("9a", "TransE†", ONE_NEGATIVE, 406_957, 6.0, 1.8, 8.0, 13.6),
    PublishedResult("9a", "DKRL", "dkrl", 31_566, 16.0, 12.0, 18.1, 22.9),
    PublishedResult("9a", "RoBERTa", "roberta", 1_381_597, 0.1, 0.0, 0.1, 0.3),
    PublishedResult("9a", "Our RoBERTa", "our-roberta", 1_756_130, 0.1, 0.0, 0.1, 0.2),
    PublishedResult("9a", "KEPLER-KE", "kepler-ke", 76_735, 8.2, 4.9, 8.9, 15.1),
    PublishedResult("9a", "KEPLER-Rel", "kepler-rel", 15_820, 6.6, 3.7, 7.0, 11.7),
    PublishedResult("9a", "KEPLER-Wiki", "kepler-wiki", 14_454, 15.4, 10.5, 17.4, 24.4),
    PublishedResult("9a", "KEPLER-Cond", "kepler-cond", 20_267, 21.0, 17.3, 22.4, 27.7),
    PublishedResult("9b", "DKRL", "dkrl", 78, 23.1, 5.9, 32.0, 54.6),
    PublishedResult("9b", "RoBERTa", "roberta", 723, 7.4, 0.7, 1.0, 19.6),
    PublishedResult("9b", "Our RoBERTa", "our-roberta", 1_070, 5.8, 1.9, 6.3, 13.0),
    PublishedResult("9b", "KEPLER-KE", "kepler-ke", 138, 17.8, 5.7, 22.9, 40.7),
    PublishedResult("9b", "KEPLER-Rel", "kepler-rel", 35, 33.4, 15.9, 43.5, 66.1),
    PublishedResult("9b", "KEPLER-Wiki", "kepler-wiki", 32, 35.1, 15.4, 46.9, 71.9),
    PublishedResult("9b", "KEPLER-Cond", "kepler-cond", 28, 40.2, 22.2, 51.4, 73.0),
)


INVENTED: Final = "synthetic graph: names, texts and facts are invented"
"""The note of a graph that has another's size, names of ids or form alone."""
GENERATOR: Final = "wikidata5m world"
"""What the dump of an invented Wikipedia names as its <generator>."""


def recognise(told: Manifest) -> Published | None:
    """The published figures of a dataset: by its counts, or as another version of Wikidata5M.

    None for a graph whose notes say that it is invented, whatever its size and name.
    """
    if INVENTED in told.notes:
        return None
    size = (told.counts["entities"], told.counts["relations"])
    same = next((each for each in PUBLISHED if size in each.sizes), None)
    return same or (WIKIDATA5M if _is_version(told) else None)


def is_wikidata5m(told: Manifest) -> bool:
    """Whether a dataset is the paper's, or another version of it."""
    known = recognise(told)
    return known is not None and known.name.startswith("Wikidata5M")


def is_split_anew(told: Manifest) -> bool:
    """Whether its splits are not those that its triplets came with."""
    return isinstance(told.config.get("dataset"), dict)


def _is_version(told: Manifest) -> bool:
    """Read from a release; or built from whole dumps of Wikidata and the English Wikipedia, and
    named so. A name alone says nothing.
    """
    config = told.config
    while isinstance(config.get("dataset"), dict):  # split anew, of what it was before
        config = config["dataset"]
    dumps = {"wikidata", "wikipedia"} <= {source.get("role") for source in told.sources}
    whole = config.get("site") == "enwiki" and not config.get("limit")
    built = dumps and whole and told.name.lower().startswith("wikidata5m")
    return "release" in config or built
