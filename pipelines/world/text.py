"""The leads of the synthetic world's pages, as wikitext and as what a reader sees of it.
Imports the world's modules.

A Dual is (wikitext, text). Both sides are written together, piece by piece, so the truth does not
depend on any renderer: what shows nothing is (markup, "").
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pipelines.world.facts import Fact, Facts
from pipelines.world.layout import Layout
from pipelines.world.names import FAMILY, Names
from pipelines.world.phrases import ASIDES, FLAVOURS, GENERAL, OPENINGS, SENTENCES
from pipelines.world.random import Stream
from pipelines.world.relations import THEMES, Relation
from pipelines.world.words import VOCABULARY

__all__ = ["Dual", "Texts", "grouped"]

Dual = tuple[str, str]

_SLOT: Final = re.compile(r"%\((\w+)\)")
_NOT_FACTS: Final = frozenset(("name", "bracket", "demonym", "cls", "plain_cls", "year"))
_NEEDS: Final = {
    pattern: tuple(key for key in _SLOT.findall(pattern) if key not in _NOT_FACTS)
    for patterns in OPENINGS.values()
    for pattern in patterns
}
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_LANGUAGES: Final = (("fr", "French"), ("de", "German"), ("es", "Spanish"), ("it", "Italian"),
                     ("pl", "Polish"))  # fmt: skip
_SOUNDS: Final = (
    "{{IPA-xx|ˈa.bə|lang}}", "{{IPAc-en|ˈ|æ|b|ə}}", "{{respell|AH|bə}}", "{{IPA|/abe/}}"
)  # fmt: skip
_STATED_PERCENT: Final = 90
_LONGEST_LIST: Final = 8
_NO_COMMUNITY: Final = frozenset(("taxon", "award", *VOCABULARY))


def grouped(facts: Iterable[Fact]) -> dict[str, list[int]]:
    """Tails by relation key, both in the order stated."""
    groups: dict[str, list[int]] = {}
    for key, tail in facts:
        groups.setdefault(key, []).append(tail)
    return groups


def _same(text: str) -> Dual:
    return text, text


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" and not noun.startswith("uni") else "a"


def _joined(parts: list[Dual]) -> Dual:
    """A, B and C."""
    wiki, plain = parts[0]
    for k, (w, p) in enumerate(parts[1:], start=2):
        comma = " and " if k == len(parts) else ", "
        wiki, plain = wiki + comma + w, plain + comma + p
    return wiki, plain


class Texts:
    """Leads by entity index; pure, so that every process derives the same."""

    def __init__(self, layout: Layout, names: Names, facts: Facts, table: list[Relation]) -> None:
        self.layout, self.names, self.facts = layout, names, facts
        self.labels = {relation.key: relation.label for relation in table}

    def lead(self, i: int) -> Dual:
        """The first section of i's page when the page is long enough."""
        stream = Stream(self.layout.seed, 41, i)
        kind = self.layout.kind(i).kind
        if kind == "disambiguation":
            return self._disambiguation(i)
        if kind == "list":
            return self._list(i, stream)
        groups = grouped(self.facts.of(i))
        pattern, slots = self._opening(i, kind, groups, stream)
        wiki = [pattern % {key: dual[0] for key, dual in slots.items()}]
        plain = [pattern % {key: dual[1] for key, dual in slots.items()}]
        covered = _NEEDS[pattern]
        subject = self._subject(i, kind, stream)
        sentences = [
            self._fact(key, tails, subject, stream)
            for key, tails in groups.items()
            if key not in covered
            and key not in ("type", "gender")
            and stream.chance(_STATED_PERCENT)
        ]
        if stream.chance(60):
            sentences.append(self._flavour(kind, subject, stream))
        for w, p in stream.shuffled(sentences):
            breaks, space = ("\n\n", "\n") if stream.chance(15) else (" ", " ")
            if breaks == " " and stream.chance(8):
                breaks = "\n"
            wiki.append(breaks + w)
            plain.append(space + p)
        return "".join(wiki), "".join(plain)

    def short_lead(self, i: int) -> Dual:
        """A first section of fewer than five words."""
        label = self.names.label(i)
        head = label.split()[0]
        return Stream(self.layout.seed, 42, i).pick(
            (
                ("", ""),
                (f"'''{head}''' may refer to:", f"{head} may refer to:"),
                (f"See '''{head}'''.<ref>A note of many words that nobody sees.</ref>",
                 f"See {head}."),
                (f"[[File:{head}.jpg|thumb|A caption of more than five words on {head}]]\n"
                 f"'''{head}''' {{{{citation needed|date=May 2015}}}}", head),
            )
        )  # fmt: skip

    def link(self, i: int, stream: Stream) -> Dual:
        """A link to i that shows its label."""
        title, label = self.names.title(i), self.names.label(i)
        if title != label:
            same = title == label[0].upper() + label[1:]
            return (f"[[{label}]]" if same and stream.chance(60) else f"[[{title}|{label}]]"), label
        choice = stream.below(100)
        if choice < 6:
            return f"{{{{ill|{label}|de|{label}}}}}", label
        if choice < 9:
            return f"{{{{nowrap|[[{title}]]}}}}", label
        if choice < 14:
            return f"[[{title}|{label}]]", label
        if choice < 16:
            return f"[[{title.replace(' ', '_')}#History|{label}]]", label
        return f"[[{label}]]", label

    def described(self, i: int, stream: Stream) -> Dual:
        """A link to i, often with what i is, so that the text tells of the value's nature too."""
        wiki, plain = self.link(i, stream)
        block = self.layout.kind(i)
        if block.kind in {"film", "work"}:
            return f"''{wiki}''", plain
        if not stream.chance(40):
            return wiki, plain
        if block.kind == "city":
            c, m = self.layout.community(block, i)
            around = self.link(self.facts.region_of_city(c, m), stream)
            return f"{wiki}, {around[0]}", f"{plain}, {around[1]}"
        if block.kind == "person":
            job = self.names.label(self.facts.occupation(i))
            return f"the {job} {wiki}", f"the {job} {plain}"
        return wiki, plain

    def plain_class(self, i: int) -> str:
        """The noun for what i is."""
        key, tail = next(iter(self.facts.of(i)), ("", -1))
        return self.names.label(tail) if key == "type" else self.layout.kind(i).kind

    def year(self, i: int) -> int:
        """A year of i's own: of birth, of release, of foundation."""
        first = 1840 if self.layout.kind(i).kind == "person" else 1900
        return first + Stream(self.layout.seed, 43, i).below(115)

    def _opening(
        self, i: int, kind: str, groups: dict[str, list[int]], stream: Stream
    ) -> tuple[str, dict[str, Dual]]:
        fitting = [p for p in OPENINGS[kind] if all(key in groups for key in _NEEDS[p])]
        pattern = stream.pick(fitting)
        noun = self.plain_class(i)
        marks = "'''''" if kind in ("film", "work") else "'''"
        label = self.names.label(i)
        shown = label if kind in ("person", "event", "award") else label[0].upper() + label[1:]
        slots = {
            "name": (f"{marks}{shown}{marks}", shown),
            "bracket": self._bracket(i, kind, groups, stream),
            "cls": self._class(noun, stream),
            "plain_cls": _same(noun),
            "year": _same(str(self.year(i))),
        }
        if kind not in _NO_COMMUNITY:
            c = self.layout.community(self.layout.kind(i), i)[0]
            country, demonym = self.names.country(c), self.names.demonym(c)
            slots["demonym"] = f"[[{country}|{demonym}]]" if stream.chance(60) else demonym, demonym
        for key in _NEEDS[pattern]:
            links = [self.link(tail, stream) for tail in groups[key][:_LONGEST_LIST]]
            slots[key] = _joined(links)
        return pattern, slots

    def _class(self, noun: str, stream: Stream) -> Dual:
        text = f"{_article(noun)} {noun}"
        return (f"{_article(noun)} [[{noun}]]" if stream.chance(50) else text), text

    def _bracket(self, i: int, kind: str, groups: dict[str, list[int]], stream: Stream) -> Dual:
        """What stands in brackets after the name: sounds that do not show, languages, dates."""
        parts: list[Dual] = []
        if stream.chance(30):
            parts.append((stream.pick(_SOUNDS), ""))
        if stream.chance(25):
            parts.append(self._foreign(self.names.label(i), stream))
        if kind == "person" and stream.chance(85):
            parts.append(self._life(i, "deathplace" in groups, stream))
        if not parts:
            return "", ""
        parts = stream.shuffled(parts)
        seen = [plain for _, plain in parts if plain]
        return (
            f" ({'; '.join(wiki for wiki, _ in parts)})",
            f" ({'; '.join(seen)})" if seen else "",
        )

    def _foreign(self, label: str, stream: Stream) -> Dual:
        name = f"{label}{stream.pick(('e', 'o', 'en', 'a'))}"
        code, language = stream.pick(_LANGUAGES)
        return stream.pick(
            (
                (f"{{{{lang-{code}|{name}}}}}", f"{language}: {name}"),
                (f"{{{{langx|{code}|{name}}}}}", f"{language}: {name}"),
                (f"{{{{lang|{code}|{name}}}}}", name),
                (f"also ''{name}''", f"also {name}"),
                (f"{{{{transl|ru|{name}}}}}", name),
            )
        )

    def _date(self, form: str, year: int, stream: Stream) -> Dual:
        month, day = stream.between(1, 12), stream.between(1, 28)
        if stream.chance(50):
            wiki = f"{{{{{form}|df=y|{year}|{month}|{day}}}}}"
            return wiki, f"{day} {_MONTHS[month - 1]} {year}"
        return f"{{{{{form}|{year}|{month}|{day}}}}}", f"{_MONTHS[month - 1]} {day}, {year}"

    def _life(self, i: int, dead: bool, stream: Stream) -> Dual:  # noqa: FBT001
        year = self.year(i)
        if not dead:
            wiki, plain = self._date("birth date and age", year, stream)
            return f"born {wiki}", f"born {plain}"
        end = year + stream.between(30, 80)
        choice = stream.below(3)
        if choice == 0:
            return f"{{{{circa|{year}}}}} &ndash; {end}", f"c. {year} – {end}"
        if choice == 1:
            return f"{year}–{end}", f"{year}–{end}"
        (w, p), (v, q) = (
            self._date("birth date", year, stream),
            self._date("death date", end, stream),
        )
        return f"{w}&nbsp;– {v}", f"{p} – {q}"

    def _subject(self, i: int, kind: str, stream: Stream) -> tuple[str, str, str]:
        """He, His, his; at times the name itself."""
        label = self.names.label(i)
        if kind == "person":
            block = self.layout.kind(i)
            male = self.layout.community(block, i)[1] % FAMILY % 2 == 0
            own = "his" if male else "her"
            if stream.chance(30):
                surname = label.split()[-1]
                return surname, f"{surname}'s", own
            return ("He" if male else "She"), own.capitalize(), own
        if stream.chance(30):
            shown = label[0].upper() + label[1:]
            return shown, f"{shown}'s", "its"
        return "It", "Its", "its"

    def _fact(
        self, key: str, tails: list[int], subject: tuple[str, str, str], stream: Stream
    ) -> Dual:
        if key in SENTENCES:
            pattern = stream.pick(SENTENCES[key])
        else:
            pattern = stream.pick(THEMES[int(key.removeprefix("theme")) % len(THEMES)].frames)
        it, its, his = subject
        # "the painter X" would begin a sentence with a small letter.
        show = self.link if pattern.startswith("%(x)s") else self.described
        x = _joined([show(tail, stream) for tail in tails[:_LONGEST_LIST]])
        slots = {"it": it, "its": its, "his": his, "label": self.labels[key]}
        wiki, plain = pattern % {**slots, "x": x[0]}, pattern % {**slots, "x": x[1]}
        return wiki + self._aside(stream), plain

    def _flavour(self, kind: str, subject: tuple[str, str, str], stream: Stream) -> Dual:
        wiki, plain = stream.pick(FLAVOURS.get(kind, ()) + GENERAL)
        it, its, _ = subject
        slots = {"it": it, "its": its, "k": stream.between(2, 90), "n": stream.between(100, 900)}
        slots["y"] = stream.between(1700, 1950)
        slots["z"] = stream.between(1951, 2018)
        return wiki % slots + self._aside(stream), plain % slots

    def _aside(self, stream: Stream) -> str:
        if not stream.chance(25):
            return ""
        return stream.pick(ASIDES) % {"n": stream.between(100, 999)}

    def _disambiguation(self, i: int) -> Dual:
        block = self.layout.kind(i)
        c, m = self.layout.community(block, i)
        stream = Stream(self.layout.seed, 44, i)
        low, high = self.layout.members("person", c)
        people = range(low + m * FAMILY, min(low + m * FAMILY + FAMILY, high))
        name, demonym = self.names.label(i), self.names.demonym(c)
        wiki, plain = [f"'''{name}''' may refer to:\n"], [f"{name} may refer to:"]
        for person in people:
            w, p = self.link(person, stream)
            job = self.names.label(self.facts.occupation(person))
            wiki.append(f"* {w}, a {demonym} {job}")
            plain.append(f"{p}, a {demonym} {job}")
        city = self.link(self.facts.near("city", c, stream), stream)
        wiki.append(f"*{name} Street, a street in {city[0]}")
        plain.append(f"{name} Street, a street in {city[1]}")
        return "\n".join(wiki), "\n".join(plain)

    def _list(self, i: int, stream: Stream) -> Dual:
        block = self.layout.kind(i)
        c, _ = self.layout.community(block, i)
        _, topic = self.names.label(i).split(" ", 1)
        country = self.link(self.facts.country(c), stream)
        things, place = topic.removeprefix("of ").split(" in ")
        wiki = (
            f"This is a '''list of {things} in [[{place}]]''', {country[0]}.{self._aside(stream)}"
            f"\n\nIt is ordered by year; see [[{things}|below]]."
        )
        plain = f"This is a list of {things} in {place}, {country[1]}.\n"
        return wiki, plain + "It is ordered by year; see below."
