"""A name for each entity. The release has only aliases, in no order, some of them vandalism.

Imports nothing of the project. The rule was measured on FB15k-237's entities, whose labels are
known: docs/how-to/releases.md#names.

    known_as       the alias that the text says the entity is commonly known as
    text           the alias whose words the text begins with, others between them at most twice
    first_alias    no alias fits the text, or there is no text
    id             no alias at all
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, get_args

Rule = Literal["known_as", "text", "first_alias", "id"]
RULES: Final[tuple[Rule, ...]] = get_args(Rule)

LEAD: Final = 300
"""Characters of the text that may name the entity."""
GAP: Final = 2
"""Words between those of an alias: John *Winston Ono* Lennon."""

_ARTICLES: Final = frozenset({"the", "a", "an"})
_WORD: Final = re.compile(r"\w+")
_HINTS: Final = ("known", "referred to", "called")
"""One of them is in all that _KNOWN_AS finds; looking for them is ten times as fast."""
_KNOWN_AS: Final = re.compile(
    r"(?:\b(?:commonly|better|best|simply|popularly|professionally|usually|generally|widely) known"
    r"|, known"
    r"|\b(?:commonly|usually|generally|popularly) (?:referred to|called))"
    r"(?: (?:simply|professionally|commonly|mononymously))?"
    r"(?: as| by (?:his|her|their|the|its) (?:\w+ )?(?:name|mononym|pseudonym))?"
    r",? (?:simply )?(?:the )?"
)


def choose_label(entity: str, aliases: Sequence[str], text: str) -> tuple[str, Rule]:
    """The alias that serves best as the entity's name, and the rule that chose it."""
    if not aliases:
        return entity, "id"
    lead = text[:LEAD].casefold()
    if named := _known_as(aliases, lead):
        return named, "known_as"
    if named := _begins(aliases, lead):
        return named, "text"
    return aliases[0], "first_alias"


def _known_as(aliases: Sequence[str], lead: str) -> str:
    """The longest alias right behind the first "commonly known as"."""
    if not any(hint in lead for hint in _HINTS):
        return ""
    found = _KNOWN_AS.search(lead)
    if not found:
        return ""
    rest = lead[found.end() :]
    fitting = [alias for alias in aliases if _starts(rest, alias.casefold().removeprefix("the "))]
    return max(fitting, key=len, default="")


def _starts(text: str, name: str) -> bool:
    """Whether the text starts with the name, as whole words."""
    return text.startswith(name) and not text[len(name) : len(name) + 1].isalnum()


def _begins(aliases: Sequence[str], lead: str) -> str:
    """Of the aliases that fit the text earliest, the one that covers most of it.

    Of several that end at the same word, the one of fewest words (Elisha Cuthbert for Elisha Ann
    Cuthbert), then the one that stands there letter by letter, then the longest (The Losers for
    Losers).
    """
    words = _words(lead)
    best: tuple[tuple[int, int, int, bool, int], str] | None = None
    for alias in aliases:
        folded = alias.casefold()
        own = _words(folded)
        place = _place(own, words)
        if place:
            first, last = place
            rank = (first, -last, len(own), folded not in lead, -len(alias))
            if best is None or rank < best[0]:
                best = rank, alias
    return best[1] if best else ""


def _words(text: str) -> list[str]:
    """The words without the s of a plural, and without an article before them."""
    words = [word[:-1] if _is_plural(word) else word for word in _WORD.findall(text)]
    return words[1:] if len(words) > 1 and words[0] in _ARTICLES else words


def _is_plural(word: str) -> bool:
    return word[-1] == "s" and len(word) > 3 and word[-2] != "s"


def _place(wanted: list[str], words: list[str]) -> tuple[int, int] | None:
    """Where the wanted words stand first, in order and at most GAP others between them."""
    if not wanted or wanted[0] not in words:
        return None
    first = at = words.index(wanted[0])
    for word in wanted[1:]:
        try:
            at = words.index(word, at + 1, first + len(wanted) + GAP)
        except ValueError:
            return None
    return first, at
