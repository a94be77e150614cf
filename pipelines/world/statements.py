"""The lines of the synthetic Wikidata dump: items and properties. Imports the world's modules.

Real dumps hold more than facts; so do these: ranks, missing values, literals, repeats, values that
give only a numeric id, empty maps written as [], labels in `mul` alone, older revisions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import ujson

from pipelines.world.facts import Fact, Facts
from pipelines.world.layout import Layout
from pipelines.world.names import Names
from pipelines.world.random import Stream, mix
from pipelines.world.relations import Relation
from pipelines.world.text import Texts

__all__ = ["Items", "Statement"]

Rank = Literal["normal", "preferred", "deprecated"]
Snak = Literal["value", "novalue", "somevalue"]
Json = dict[str, Any]

# A hash needs no more than to look like one; digits that repeat would make bzip2 crawl.
_SPREAD: Final = 0x9E3779B97F4A7C15F39CC0605CEDC8341082276B
_HASH_MASK: Final = (1 << 160) - 1


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: `tail` is the item it names, or -1; a literal has its own property number."""

    number: int
    tail: int
    rank: Rank = "normal"
    snak: Snak = "value"
    literal: tuple[str, str, Any] | None = None  # datatype, value type, value


def _hash(code: int) -> str:
    return f"{(code + 1) * _SPREAD & _HASH_MASK:040x}"


def _terms(texts: dict[str, str]) -> Json | list[str]:
    return {code: {"language": code, "value": text} for code, text in texts.items()} or []


def _monolingual(values: list[str]) -> Json | list[str]:
    return {"en": [{"language": "en", "value": value} for value in values]} if values else []


class Items:
    """Dump lines by entity index; pure, so that every process derives the same."""

    def __init__(self, layout: Layout, names: Names, facts: Facts, texts: Texts,
                 table: list[Relation]) -> None:  # fmt: skip
        self.layout, self.names, self.facts, self.texts = layout, names, facts, texts
        self.table = table
        self._numbers = {relation.key: relation.number for relation in table}

    def statements(self, i: int, facts: Sequence[Fact]) -> list[Statement]:
        """What the dump states of item i: its facts in order, and what real dumps have beside."""
        stream = Stream(self.layout.seed, 51, i)
        found: list[Statement] = []
        for key, tail in facts:
            number = self._numbers[key]
            if stream.chance(3):
                found.append(self._other(number, tail, stream))
            found.append(Statement(number, tail, "preferred" if stream.chance(4) else "normal"))
            if stream.chance(2):
                found.append(Statement(number, tail))
        if not facts and self.layout.kind(i).kind in ("class", "bare"):
            # A class says so, be it of an unknown one: the mark by which readers tell a class.
            found.append(Statement(self._numbers["subclass"], -1, snak="somevalue"))
        if facts and stream.chance(5):
            found.append(Statement(self._numbers[stream.pick(facts)[0]], -1, snak="novalue"))
        if facts and stream.chance(5):
            found.append(Statement(self._numbers[stream.pick(facts)[0]], -1, snak="somevalue"))
        return found + list(self._literals(i, stream))

    def _other(self, number: int, tail: int, stream: Stream) -> Statement:
        """What was once thought true: another entity of the same kind, deprecated."""
        block = self.layout.kind(tail)
        wrong = block.start + stream.below(block.stop - block.start)
        return Statement(number, wrong, "deprecated")

    def _literals(self, i: int, stream: Stream) -> Iterator[Statement]:
        kind, number = self.layout.kind(i).kind, self.layout.number(i)
        year = self.texts.year(i)
        if kind == "person":
            time = {
                "time": f"+{year}-00-00T00:00:00Z",
                "timezone": 0,
                "before": 0,
                "after": 0,
                "precision": 9,
                "calendarmodel": "http://www.wikidata.org/entity/Q1985727",
            }
            rank: Rank = "deprecated" if stream.chance(3) else "normal"
            yield Statement(569, -1, rank, literal=("time", "time", time))
        elif kind in ("city", "land", "building"):
            place = {
                "latitude": stream.below(180) - 90,
                "longitude": stream.below(360) - 180,
                "altitude": None,
                "precision": 1,
                "globe": "http://www.wikidata.org/entity/Q2",
            }
            yield Statement(625, -1, literal=("globe-coordinate", "globecoordinate", place))
        elif kind == "class":
            value = {"entity-type": "property", "numeric-id": 31, "id": "P31"}
            yield Statement(1963, -1, literal=("wikibase-property", "wikibase-entityid", value))
        elif kind == "language":
            value = {"entity-type": "lexeme", "numeric-id": number, "id": f"L{number}"}
            yield Statement(6254, -1, literal=("wikibase-lexeme", "wikibase-entityid", value))
        if stream.chance(60):
            yield Statement(646, -1, literal=("external-id", "string", f"/m/0{number:x}"))
        if stream.chance(10):
            name = {"text": self.names.label(i), "language": "en"}
            yield Statement(1448, -1, literal=("monolingualtext", "monolingualtext", name))

    def _mainsnak(self, statement: Statement, short: bool) -> Json:  # noqa: FBT001
        snak: Json = {"snaktype": statement.snak, "property": f"P{statement.number}"}
        datatype = "wikibase-item"
        if statement.snak == "value":
            code = mix(statement.number, statement.tail) & 0xFFFF
            snak["hash"] = _hash(code)
            if statement.literal:
                datatype, kind, value = statement.literal
            else:
                number = self.layout.number(statement.tail)
                kind, value = "wikibase-entityid", {"entity-type": "item", "numeric-id": number}
                if not short:
                    value["id"] = f"Q{number}"
            snak["datavalue"] = {"value": value, "type": kind}
        snak["datatype"] = datatype
        return snak

    def _claims(self, i: int, statements: list[Statement]) -> Json | list[str]:
        """Statements by property, in order; a property's values stay in the order stated."""
        q, code = f"Q{self.layout.number(i)}", mix(self.layout.seed, 52, i)
        claims: dict[str, list[Json]] = {}
        for k, statement in enumerate(statements):
            # Old revisions name entities by number only.
            claim: Json = {"mainsnak": self._mainsnak(statement, (code + k) % 37 == 0)}
            claim["type"] = "statement"
            claim["id"] = f"{q}${code:016X}-{k:04X}"
            claim["rank"] = statement.rank
            if ((code >> 8) + k) % 6 == 0:
                claim["references"] = [
                    {"hash": _hash(code % 13), "snaks": {"P143": [_IMPORTED]},
                     "snaks-order": ["P143"]}
                ]  # fmt: skip
            if ((code >> 16) + k) % 16 == 0:
                claim["qualifiers"] = {"P580": [{"snaktype": "somevalue", "property": "P580",
                                                 "datatype": "time"}]}  # fmt: skip
                claim["qualifiers-order"] = ["P580"]
            claims.setdefault(f"P{statement.number}", []).append(claim)
        return claims or []

    def labels(self, i: int) -> dict[str, str]:
        """Labels by language: mostly `en`, at times `mul` alone, at times neither."""
        label = self.names.label(i)
        kind = self.layout.kind(i).kind
        if kind == "bare" and label == "Wikimedia-Kategorie":
            return {"de": label}
        if i >= self.layout.bare_stop:
            choice = mix(self.layout.seed, 53, i) % 100
            if choice < 4:
                return {"mul": label, "de": f"{label} (de)"}
            if choice < 6:
                return {"fr": label}
        return {"de": label, "en": label}

    def label(self, i: int) -> str:
        """The label the dataset must show."""
        labels = self.labels(i)
        return labels.get("en") or labels.get("mul") or self.names.title(i)

    def aliases(self, i: int) -> list[str]:
        """English aliases as the dump gives them: at times repeated, at times the label again."""
        label, stream = self.names.label(i), Stream(self.layout.seed, 54, i)
        kind = self.layout.kind(i).kind
        if kind == "bare" or not stream.chance(55):
            return []
        words = label.split()
        found = {
            "person": [f"{words[0][0]}. {words[-1]}", f"{words[-1]}, {words[0]}"],
            "country": [f"Republic of {label}"],
            "city": [f"City of {label}", f"{label} Town"],
            "taxon": [f"{words[0][0]}. {words[-1]}"] if len(words) > 1 else [],
            "film": [label.removeprefix("The ")],
        }.get(kind, [f"the {label}"])
        if found and stream.chance(8):
            found.append(found[0])
        if stream.chance(8):
            found.insert(0, label)
        return found

    def sitelink(self, i: int) -> str | None:
        """The page that item i names on the English Wikipedia; None for none."""
        state, ordinal = self.layout.fate(i)
        title = self.names.title(i)
        if state == "no_page":
            return None
        if state == "page_missing":
            return (title, self.former(i), f"Category:{title}")[ordinal % 3]
        moved = self.layout.redirect_ordinal(i)
        if moved >= 0 and moved % 3 == 0:
            return self.former(i)
        return title.replace(" ", "_") if mix(self.layout.seed, 55, i) % 40 == 0 else title

    def former(self, i: int) -> str:
        """The title of the redirect page to item i."""
        return f"Former {self.names.title(i)}"

    def line(self, i: int, statements: list[Statement], *, stale: bool = False) -> str:
        """Item i as one line of JSON; `stale` gives an older revision with less in it."""
        number, seed = self.layout.number(i), self.layout.seed
        labels, title = self.labels(i), self.sitelink(i)
        if stale:
            labels = {code: f"{text} (draft)" for code, text in labels.items()}
            statements = statements[: len(statements) // 2]
        sites = {"dewiki": self.names.title(i)} if mix(seed, 56, i) % 3 == 0 else {}
        if title is not None:
            sites["enwiki"] = title
        kind = self.layout.kind(i).kind
        entity = {
            "type": "item",
            "id": f"Q{number}",
            "labels": _terms(labels),
            "descriptions": _terms({"en": self.texts.plain_class(i)} if kind != "bare" else {}),
            "aliases": _monolingual(self.aliases(i)),
            "claims": self._claims(i, statements),
            "sitelinks": {
                site: {"site": site, "title": name, "badges": []} for site, name in sites.items()
            }
            or [],
            "pageid": number + 128,
            "ns": 0,
            "title": f"Q{number}",
            "lastrevid": 900_000_000 + number * 8 - (5 if stale else 0),
            "modified": "2019-06-30T12:00:00Z",
        }
        return ujson.dumps(entity, escape_forward_slashes=False)

    def property_line(self, relation: Relation) -> str:
        """A property of the dump as one line of JSON."""
        full = relation.page != "empty"
        labels = {"en": relation.label} if full else {"de": relation.label}
        described = {"en": relation.description} if relation.description else {}
        link = {"mainsnak": self._mainsnak(Statement(1629, 0), short=False), "type": "statement",
                "id": f"P{relation.number}$1", "rank": "normal"}  # fmt: skip
        entity = {
            "type": "property",
            "datatype": "wikibase-item",
            "id": f"P{relation.number}",
            "labels": _terms(labels),
            "descriptions": _terms(described),
            "aliases": _monolingual(list(relation.aliases) if full else []),
            "claims": {"P1629": [link]},
            "pageid": relation.number + 3_900_000,
            "ns": 120,
            "title": f"Property:P{relation.number}",
            "lastrevid": 800_000_000 + relation.number,
            "modified": "2019-06-29T12:00:00Z",
        }
        return ujson.dumps(entity, escape_forward_slashes=False)


_IMPORTED: Final = {
    "snaktype": "value",
    "property": "P143",
    "hash": "d8fbf8671e3c630db61bfac691068cfb6857f243",
    "datavalue": {
        "value": {"entity-type": "item", "numeric-id": 1, "id": "Q1"},
        "type": "wikibase-entityid",
    },
    "datatype": "wikibase-item",
}
