"""The relations of the synthetic world: a hand-written core and generated families of variants.
Imports nothing of the project but the world's modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pipelines.world.layout import Kind

__all__ = ["CORE", "THEMES", "Page", "Relation", "relations", "themed"]

Page = Literal["full", "no_description", "empty", "absent"]


@dataclass(frozen=True, slots=True)
class Relation:
    """A property: P<number>. `page` says what the dump holds of it; `key` is its name in facts."""

    key: str
    number: int
    label: str
    description: str
    aliases: tuple[str, ...] = ()
    page: Page = "full"


def _core(key: str, number: int, label: str, description: str, *aliases: str) -> Relation:
    return Relation(key, number, label, description, aliases, "full" if description else
                    "no_description")  # fmt: skip


CORE: Final = (
    _core("type", 31, "instance of", "that class of which this subject is an example", "is a",
          "type", "is an"),
    _core("subclass", 279, "subclass of", "all instances of these items are also of those",
          "kind of", "subtype of"),
    _core("country", 17, "country", "sovereign state that this item is in", "state", "nation"),
    _core("within", 131, "located in the administrative territorial entity",
          "the item is located on the territory of this administrative entity", "is in",
          "located in"),
    _core("contains", 150, "contains the administrative territorial entity",
          "direct subdivisions of an administrative entity", "has districts"),
    _core("capital", 36, "capital", "seat of government of a country or region", "capital city"),
    _core("capital_of", 1376, "capital of", "territory whose seat of government this is",
          "seat of"),
    _core("borders", 47, "shares border with", "countries or regions that this one touches",
          "adjacent to", "borders"),
    _core("twin", 190, "twinned administrative body", "twin towns of this place", "sister city"),
    _core("official_language", 37, "official language", "", "working language"),
    _core("gender", 21, "sex or gender", "the subject's sex or gender", "gender"),
    _core("citizenship", 27, "country of citizenship",
          "a country that recognises the subject as its citizen", "nationality"),
    _core("occupation", 106, "occupation", "what a person does for a living", "profession", "job"),
    _core("birthplace", 19, "place of birth", "where the person was born", "born in",
          "birthplace"),
    _core("deathplace", 20, "place of death", "where the person died", "died in"),
    _core("residence", 551, "residence", "the place where the person lives", "lives in"),
    _core("spouse", 26, "spouse", "the person's married partner", "wife", "husband",
          "married to"),
    _core("father", 22, "father", "male parent of the subject", "dad"),
    _core("mother", 25, "mother", "female parent of the subject", "mum"),
    _core("child", 40, "child", "the subject's son or daughter", "son", "daughter"),
    _core("sibling", 3373, "sibling", "brother or sister of the subject", "brother", "sister"),
    _core("educated", 69, "educated at", "school or university that the subject attended",
          "alma mater", "studied at"),
    _core("employer", 108, "employer", "organisation for which the subject works", "works for"),
    _core("team", 54, "member of sports team", "team that the subject plays for", "plays for"),
    _core("party", 102, "member of political party", "party that the subject belongs to",
          "political party"),
    _core("religion", 140, "religion or worldview", "", "faith"),
    _core("speaks", 1412, "languages spoken, written or signed",
          "languages that a person uses", "speaks"),
    _core("award", 166, "award received", "prize that the subject was given", "prize"),
    _core("parent_taxon", 171, "parent taxon", "closest taxon that contains this one",
          "higher taxon"),
    _core("rank", 105, "taxon rank", "level in the taxonomic hierarchy", "rank"),
    _core("endemic", 183, "endemic to", "the only place where the taxon lives", "native to"),
    _core("director", 57, "director", "who directed this film", "directed by"),
    _core("cast", 161, "cast member", "actor of a production", "starring", "actor"),
    _core("genre", 136, "genre", "kind of creative work", "type of work"),
    _core("origin", 495, "country of origin", "where the work was first made", "made in"),
    _core("language", 407, "language of work or name", "language of a work", "in language"),
    _core("author", 50, "author", "main creator of a written work", "writer", "written by"),
    _core("performer", 175, "performer", "artist that performs this work", "sung by"),
    _core("creator", 170, "creator", "maker of a work of art", "made by"),
    _core("publisher", 123, "publisher", "organisation that brought the work out",
          "published by"),
    _core("follows", 155, "follows", "the item before this one in its series", "preceded by"),
    _core("followed_by", 156, "followed by", "the item after this one in its series", "next"),
    _core("headquarters", 159, "headquarters location", "where the organisation has its seat",
          "based in"),
    _core("industry", 452, "industry", "line of business of an organisation", "sector"),
    _core("founder", 112, "founded by", "person who set the organisation up", "founder"),
    _core("sport", 641, "sport", "sport that the subject takes part in", "plays"),
    _core("mouth", 403, "mouth of the watercourse", "where the river ends", "flows into"),
    _core("tributary", 974, "tributary", "stream that flows into this one", "fed by"),
    _core("style", 149, "architectural style", "style of a building", "built in the style"),
    _core("adjacent", 197, "adjacent station", "the next station on the line", "next station"),
    _core("location", 276, "location", "where the event takes place", "held in"),
    _core("winner", 1346, "winner", "who won the event", "champion", "won by"),
    _core("list_of", 360, "is a list of", "common element of the list's items", "lists"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Theme:
    """A family of generated relations between two kinds; `frame` is the sentence that states one.

    In a frame %(its)s and %(it)s are the subject, %(label)s the relation, %(x)s the values.
    """

    head: Kind
    tail: Kind
    frames: tuple[str, str]
    nouns: tuple[str, ...]


_ROLE: Final = ("%(its)s %(label)s was %(x)s.", "%(x)s was the %(label)s.")
_PLACE: Final = ("%(it)s has its %(label)s %(x)s.", "%(it)s keeps its %(label)s %(x)s.")
_POST: Final = ("%(it)s was %(label)s %(x)s.", "%(it)s served as %(label)s %(x)s.")

THEMES: Final = (
    Theme("person", "organisation", _POST, ("member of", "trustee of", "patron of", "adviser to",
          "chair of", "historian of")),
    Theme("film", "person", _ROLE, ("editor", "producer", "composer", "costume designer",
          "screenwriter", "cinematographer")),
    Theme("person", "city", _POST, ("mayor of", "resident of", "planner of", "judge in",
          "chronicler of", "councillor of")),
    Theme("organisation", "city", _PLACE, ("office in", "archive in", "workshop in", "depot in",
          "training centre in", "library in")),
    Theme("work", "person", _ROLE, ("illustrator", "arranger", "translator", "narrator", "critic",
          "restorer")),
    Theme("city", "organisation", _ROLE, ("sponsor", "operator", "newspaper", "water supplier",
          "developer", "broadcaster")),
    Theme("building", "person", _ROLE, ("architect", "owner", "engineer", "keeper", "benefactor",
          "decorator")),
    Theme("land", "city", _PLACE, ("landing place in", "viewpoint in", "weather station in",
          "trailhead in", "survey mark in", "visitor centre in")),
)  # fmt: skip
_MODIFIERS: Final = (
    "principal", "honorary", "deputy", "founding", "associate", "regional", "former", "senior",
    "junior", "provincial", "second", "visiting", "permanent", "temporary", "municipal",
    "ceremonial", "volunteer", "royal", "central", "independent",
)  # fmt: skip
MOST: Final = len(CORE) + len(THEMES) * 6 * len(_MODIFIERS)
LEAST: Final = len(CORE) + 3 * len(THEMES)


def _generated(j: int) -> Relation:
    theme = THEMES[j % len(THEMES)]
    modifier, noun = divmod(j // len(THEMES), 6)
    label = f"{_MODIFIERS[modifier]} {theme.nouns[noun]}"
    pages: dict[int, Page] = {11: "no_description", 19: "empty", 21: "absent"}
    page = pages.get(j % 24, "full")
    description = f"{theme.tail} that is the subject's {label.removesuffix(' of')}"
    aliases = (f"{_MODIFIERS[modifier]} or acting {theme.nouns[noun]}",) if j % 3 else ()
    return Relation(
        f"theme{j}", 5000 + 7 * j, label, description if page == "full" else "", aliases, page
    )


def relations(count: int) -> list[Relation]:
    """The `count` relations of a world, by number. LEAST <= count <= MOST."""
    found = [*CORE, *(_generated(j) for j in range(count - len(CORE)))]
    return sorted(found, key=lambda relation: relation.number)


def themed(kind: Kind, count: int) -> list[list[int]]:
    """For each theme with heads of this kind, the j of its relations, most used first."""
    return [
        list(range(t, count - len(CORE), len(THEMES)))
        for t, theme in enumerate(THEMES)
        if theme.head == kind
    ]
