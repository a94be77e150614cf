"""The words of the synthetic world: its common nouns and the sounds of its names. Imports nothing
of the project.
"""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["BARE_CLASSES", "CLASS_PARENTS", "VARIANTS", "VOCABULARY"]

Vocabulary = Literal[
    "class", "rank", "gender", "occupation", "sport", "genre", "industry", "religion", "style"
]

# Classes of the kinds that have several; an entity's ordinal in its community chooses one.
VARIANTS: Final[dict[str, tuple[str, ...]]] = {
    "city": ("human settlement", "town", "village", "municipality"),
    "work": ("album", "novel", "song", "television series", "painting"),
    "organisation": ("business", "university", "football club", "political party", "band"),
    "land": ("river", "mountain", "lake", "island"),
    "building": ("railway station", "museum", "castle", "bridge", "stadium"),
}

CLASS_PARENTS: Final[dict[str, str]] = {
    "film": "creative work", "album": "creative work", "novel": "creative work",
    "song": "creative work", "television series": "creative work", "painting": "creative work",
    "business": "organisation", "university": "organisation", "football club": "organisation",
    "political party": "organisation", "band": "organisation",
    "town": "human settlement", "village": "human settlement", "municipality": "human settlement",
    "railway station": "building", "museum": "building", "castle": "building",
    "bridge": "building", "stadium": "building",
}  # fmt: skip

VOCABULARY: Final[dict[Vocabulary, tuple[str, ...]]] = {
    "class": (
        "human", "human settlement", "taxon", "film", "country", "region", "language",
        "creative work", "organisation", "building", *VARIANTS["city"][1:], *VARIANTS["work"],
        *VARIANTS["organisation"], *VARIANTS["land"], *VARIANTS["building"],
        "championship", "award", "occupation", "sport",
    ),
    "rank": ("species", "genus", "family", "order"),
    "gender": ("male", "female"),
    "occupation": (
        "footballer", "politician", "actor", "painter", "singer", "writer", "poet", "composer",
        "film director", "journalist", "lawyer", "physician", "historian", "engineer", "botanist",
        "zoologist", "chess player", "cyclist", "architect", "photographer", "priest",
        "mathematician", "chemist", "economist", "sculptor", "dancer", "judge", "diplomat",
        "philosopher", "geologist", "astronomer", "pianist", "swimmer", "wrestler", "novelist",
        "translator", "cartographer", "banker", "illustrator", "explorer",
    ),
    "sport": (
        "handball", "rowing", "fencing", "archery", "cycling", "judo", "sailing", "curling",
        "badminton", "water polo", "orienteering", "table tennis",
    ),
    "genre": (
        "drama", "comedy", "thriller", "romance", "satire", "adventure", "fantasy", "mystery",
        "horror", "documentary", "folk rock", "jazz", "ballad", "baroque music", "science fiction",
        "western",
    ),
    "industry": (
        "shipbuilding", "mining", "banking", "brewing", "publishing", "textile industry",
        "telecommunications", "forestry", "glassmaking", "insurance", "agriculture", "tourism",
    ),
    "religion": ("Solarism", "Riverism", "Ancestorism", "Lunarism", "Emberism", "Starfaith"),
    "style": (
        "Gothic architecture", "Baroque architecture", "modernism", "neoclassicism", "brutalism",
        "Art Nouveau", "Romanesque architecture", "functionalism",
    ),
}  # fmt: skip

# Classes that are stated but have no page; the last has no English label either.
BARE_CLASSES: Final = (
    "Wikimedia list article", "Wikimedia disambiguation page", "capital city", "Wikimedia-Kategorie"
)  # fmt: skip

ONSETS: Final = (
    "b", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "dr",
    "gr", "kr", "pl", "st", "sl", "tr", "sh", "ch", "th", "vr", "š", "ñ",
)  # fmt: skip
NUCLEI: Final = ("a", "e", "i", "o", "u", "ai", "ei", "ou", "ea", "ö", "é", "ua")
# No coda ends in s: names of taxa do.
CODAS: Final = (
    "n", "r", "l", "k", "t", "m", "nd", "rt", "sk", "lm", "g", "ld", "v", "ng", "rn", "nk", "p",
    "d", "b", "z",
)  # fmt: skip

ADJECTIVES: Final = (
    "Silver", "Broken", "Quiet", "Golden", "Last", "Hidden", "Crimson", "Lonely", "Winter",
    "Distant", "Burning", "Hollow", "Gentle", "Wild", "Frozen", "Endless", "Bitter", "Northern",
    "Secret", "Pale",
)  # fmt: skip
NOUNS: Final = (
    "Harbour", "Garden", "River", "Mirror", "Letter", "Orchard", "Tower", "Journey", "Lantern",
    "Crown", "Forest", "Bridge", "Shadow", "Song", "Stone", "Window", "Island", "Horse", "Door",
    "Storm",
)  # fmt: skip
EPITHETS: Final = (
    "alba", "rubra", "nigra", "minor", "major", "viridis", "montana", "lacustris", "gracilis",
    "robusta", "vulgaris", "borealis", "australis", "elegans", "maculata", "striata", "pallida",
    "aurea", "longifolia", "brevis", "insularis", "nocturna", "velox", "pumila", "regalis",
    "silvatica", "littoralis", "punctata", "solitaria", "fragilis", "magnifica", "obscura",
    "tenuis", "variabilis", "alpina", "arenaria", "cristata", "dubia", "ferox", "glauca",
)  # fmt: skip
LISTED: Final = (
    "rivers", "museums", "mayors", "bridges", "schools", "newspapers", "companies", "festivals",
    "churches", "railway lines", "writers", "parks",
)  # fmt: skip
