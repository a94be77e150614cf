"""Wikidata's JSON dump -> items, statements, classes, properties, redirects.

Imports corrupt, ranges, tasks and titles. Most lines are never decoded: an item without a page in
the wanted wiki is recognised by a search for the site after "sitelinks", and kept only for its
label when it may be a class.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Annotated, Any, Final, Literal

import msgspec
import pyarrow as pa

from pipelines import corrupt
from pipelines.corrupt import Tolerance
from pipelines.ranges import Range, lines
from pipelines.tasks import TableWriter
from pipelines.titles import normalise_title
from wikidata5m.schema import Ranks, StatementDrop

STATEMENT_DROPS: Final[tuple[StatementDrop, ...]] = (
    "deprecated",
    "not_best",
    "no_value",
    "some_value",
    "not_an_item",
)
_TEXTS = pa.list_(pa.string())
LAYOUTS: Final[dict[str, pa.Schema]] = {
    # `row` ties statements to the line they stand on, since an item may occur more than once.
    "items": pa.schema(
        [("row", pa.int64()), ("entity", pa.int64()), ("revision", pa.int64())]
        + [("title", pa.string()), ("label", pa.string())]
        + [("types", pa.list_(pa.int64())), ("aliases", _TEXTS)]
        + [(reason, pa.int32()) for reason in STATEMENT_DROPS]
    ),
    "statements": pa.schema([("row", pa.int64()), ("relation", pa.int32()), ("tail", pa.int64())]),
    "pageless": pa.schema(
        [(name, pa.int64()) for name in ("row", "entity", "revision")] + [("label", pa.string())]
    ),
    "properties": pa.schema(
        [("row", pa.int64()), ("relation", pa.int32()), ("revision", pa.int64())]
        + [(name, pa.string()) for name in ("label", "description")]
        + [("aliases", _TEXTS)]
    ),
    "redirects": pa.schema([("entity", pa.int64()), ("target", pa.int64())]),
    corrupt.TABLE: corrupt.LAYOUT,
    "counts": pa.schema(
        [(name, pa.int64()) for name in ("lines", "entities", "no_page", "other_entity")]
    ),
}

INSTANCE_OF: Final = "P31"
SUBCLASS_OF: Final = b'"P279"'
SITELINKS: Final = b'"sitelinks":'
"""With its colon, this is a key and never a text: a quote inside a JSON string is escaped."""
ITEM: Final = b'"type":"item"'
START: Final = 512
"""Bytes of a record within which dumps say what it is."""
MAX_NUMBER: Final = 2**31 - 1
"""Wikibase itself has no higher ids."""
_ID: Final = re.compile(r"([A-Z])([1-9][0-9]{0,9})")
_LETTERS: Final = {"item": "Q", "property": "P"}

Number = Annotated[int, msgspec.Meta(ge=1, le=MAX_NUMBER)]
Revision = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Outcome = Literal["item", "property", "redirect", "no_page", "other_entity"]


class Term(msgspec.Struct):
    """A label, description or alias in one language."""

    value: str


class EntityId(msgspec.Struct):
    """An entity value; other values (times, quantities, ...) leave every field empty."""

    entity_type: str = msgspec.field(name="entity-type", default="")
    numeric_id: Number | None = msgspec.field(name="numeric-id", default=None)
    id: str = ""


class DataValue(msgspec.Struct):
    """The value of a statement."""

    value: EntityId | str | float | bool | list[Any] | None = None


class Snak(msgspec.Struct):
    """The main part of a statement."""

    snaktype: Literal["value", "novalue", "somevalue"]
    datavalue: DataValue | None = None


class Statement(msgspec.Struct):
    """A statement with its rank; qualifiers and references are not read."""

    mainsnak: Snak
    rank: Literal["normal", "preferred", "deprecated"] = "normal"


class Sitelink(msgspec.Struct):
    """A link to a page of one wiki."""

    title: str


Decode = Callable[[bytes], Any]
Empty = Annotated[list[Any], msgspec.Meta(max_length=0)]
"""What real dumps have for an empty map."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which language's texts, which wiki's pages, and statements of which ranks."""

    language: str
    site: str
    ranks: Ranks = "not-deprecated"
    first_letter: bool = True
    """The wiki's titles begin with a capital, whatever was written."""


def reader(wanted: Wanted, max_errors: int = 0) -> Callable[[Range, TableWriter], None]:
    """The function that reads one range into tables of LAYOUTS; picklable.

    It raises InputError at the record that cannot be read past the first `max_errors` of them.
    """
    return partial(_read, wanted=wanted, max_errors=max_errors)


def _decoder(wanted: Wanted) -> Decode:
    """A decoder for the wanted language and wiki alone: it skips every other key undecoded."""
    keys = {"own": wanted.language, "mul": "mul", "page": wanted.site}
    # A field stands for one key, so that a build in `mul` itself has no fallback.
    names = ("own",) if wanted.language == "mul" else ("own", "mul")
    none: list[Any] = []

    def one(name: str, of: Any, *fields: str) -> Any:
        struct = msgspec.defstruct(name, [(f, of | None, None) for f in fields], rename=keys)
        return struct | Empty

    entity = msgspec.defstruct(
        "Entity",
        [
            ("id", str, ""),
            ("entity", str, ""),
            ("redirect", str, ""),
            ("type", str, ""),
            ("lastrevid", Revision, 0),
            ("labels", one("Labels", Term, *names), none),
            ("descriptions", one("Descriptions", Term, "own"), none),
            ("aliases", one("Aliases", list[Term], *names), none),
            ("claims", dict[str, list[Statement]] | Empty, none),
            ("sitelinks", one("Sitelinks", Sitelink, "page"), none),
        ],
    )
    return msgspec.json.Decoder(entity).decode


def _read(source: Range, out: TableWriter, *, wanted: Wanted, max_errors: int) -> None:
    decode, site = _decoder(wanted), f'"{wanted.site}"'.encode()
    tolerance = Tolerance(source, "line", out, max_errors)
    counts: Counter[str] = Counter()
    for number, line in enumerate(lines(source), start=1):
        counts["lines"] += 1
        record = line.strip(b"[], \t\r\n")
        if not record:
            continue
        counts["entities"] += 1
        try:
            if _has_nothing(record, site):
                counts["no_page"] += 1
            else:
                row = source.index << 40 | number
                counts[_add(out, decode(record), row, wanted)] += 1
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            tolerance.leave_out(number, f"not a Wikidata entity ({error})")
    out.add("counts", tuple(counts[name] for name in LAYOUTS["counts"].names))


def _has_nothing(record: bytes, site: bytes) -> bool:
    """Whether the record is an item that has no page and is no class, told without decoding it."""
    links = record.rfind(SITELINKS)
    if links < 0 or record.find(site, links) >= 0 or SUBCLASS_OF in record:
        return False
    # Several records on one line, what may be no item, and no map are left to the decoder.
    at = links + len(SITELINKS)
    odd = record[at : at + 1] != b"{" and record[at : at + 2] != b"[]"
    if odd or record.find(SITELINKS) != links or record.find(ITEM, 0, START) < 0:
        return False
    if record[:1] != b"{" or record[-1:] != b"}":
        raise ValueError("no whole JSON object")
    return True


def _add(out: TableWriter, entity: Any, row: int, wanted: Wanted) -> Outcome:
    """Add an entity to its tables, whole or not at all. Raises ValueError on what is none."""
    letter, identity = _split_id(entity.id or entity.entity)
    if _LETTERS.get(entity.type, letter) != letter:
        raise ValueError(f"{entity.type} {entity.id}")
    if letter not in _LETTERS.values():
        return "other_entity"
    if entity.redirect:
        out.add("redirects", (identity, _number(entity.redirect, letter)))
        return "redirect"
    label = _text(entity.labels, "own") or _text(entity.labels, "mul")
    names = [*_texts(entity.aliases, "own"), *_texts(entity.aliases, "mul")]
    aliases = label_first(label, names)
    if letter == "P":
        description = _text(entity.descriptions, "own")
        told = (label, description, aliases)
        out.add("properties", (row, identity, entity.lastrevid, *told))
        return "property"
    link = getattr(entity.sitelinks, "page", None)
    if link is None:
        if label:
            out.add("pageless", (row, identity, entity.lastrevid, label))
        return "no_page"
    facts, drops = _statements(entity.claims or {}, wanted.ranks)
    types = list(dict.fromkeys(tail for relation, tail in facts if relation == INSTANCE_OF))
    for relation, tail in facts:
        out.add("statements", (row, int(relation[1:]), tail))
    title = normalise_title(link.title, first_letter=wanted.first_letter)
    item = (row, identity, entity.lastrevid, title, label, types, aliases)
    out.add("items", (*item, *(drops[reason] for reason in STATEMENT_DROPS)))
    return "item"


def _statements(
    claims: dict[str, list[Statement]], ranks: Ranks
) -> tuple[list[tuple[str, int]], Counter[StatementDrop]]:
    """The (property, item) statements of the wanted ranks, and the rest by reason."""
    facts: list[tuple[str, int]] = []
    drops: Counter[StatementDrop] = Counter()
    for relation, statements in claims.items():
        _number(relation, "P")
        unwanted = _unwanted(statements, ranks)
        for statement in statements:
            snak = statement.mainsnak
            if reason := unwanted.get(statement.rank):
                drops[reason] += 1
            elif snak.snaktype != "value":
                drops["no_value" if snak.snaktype == "novalue" else "some_value"] += 1
            elif (tail := _item(snak.datavalue)) is None:
                drops["not_an_item"] += 1
            else:
                facts.append((relation, tail))
    return facts, drops


def _unwanted(statements: list[Statement], ranks: Ranks) -> dict[str, StatementDrop]:
    """The ranks that fall out of one property's statements, and why.

    The best rank is what Wikidata calls truthy: the preferred statements where there are any,
    whatever they say, else the normal ones.
    """
    if ranks == "all":
        return {}
    if ranks == "best" and any(statement.rank == "preferred" for statement in statements):
        return {"deprecated": "deprecated", "normal": "not_best"}
    return {"deprecated": "deprecated"}


def _item(value: DataValue | None) -> int | None:
    """The number of the item that a value names; old dumps give it without the id string."""
    entity = value.value if value else None
    if not isinstance(entity, EntityId) or entity.entity_type != "item":
        return None
    return entity.numeric_id if entity.numeric_id is not None else _number(entity.id, "Q")


def _split_id(identity: str) -> tuple[str, int]:
    """An entity's id as letter and number. Raises ValueError on one that Wikibase has not."""
    match = _ID.fullmatch(identity)
    if match is None or (number := int(match[2])) > MAX_NUMBER:
        raise ValueError(f"{identity[:40]!r} is no entity id")
    return match[1], number


@lru_cache(maxsize=1 << 14)
def _number(identity: str, letter: str) -> int:
    """The number of an id of one kind: Q for items, P for properties."""
    found, number = _split_id(identity)
    if found != letter:
        raise ValueError(f"{identity!r} in place of an id in {letter}")
    return number


def label_first(label: str, aliases: list[str]) -> list[str]:
    """The aliases without repeats, the label before all."""
    return list(dict.fromkeys([label, *aliases] if label else aliases))


def _text(terms: Any, field: str) -> str:
    term = getattr(terms, field, None)
    return term.value if term else ""


def _texts(terms: Any, field: str) -> list[str]:
    return [term.value for term in getattr(terms, field, None) or ()]
