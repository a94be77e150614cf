"""Wikidata's JSON dump -> items, statements, classes, properties. Imports errors, ranges, tasks.

Most lines are never decoded: an item without a page in the wanted wiki is recognised by a search
for the site after the last "sitelinks", and kept only for its label when it may be a class.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
import pyarrow as pa

from pipelines.ranges import Range, lines
from pipelines.tasks import TableWriter
from wikidata5m.errors import InputError
from wikidata5m.schema import StatementDrop

STATEMENT_DROPS: Final[tuple[StatementDrop, ...]] = (
    "deprecated",
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
        + [
            (reason, pa.int32())
            for reason in ("deprecated", "no_value", "some_value", "not_an_item")
        ]
    ),
    "statements": pa.schema([("row", pa.int64()), ("relation", pa.int32()), ("tail", pa.int64())]),
    "pageless": pa.schema([("entity", pa.int64()), ("label", pa.string())]),
    "properties": pa.schema(
        [
            ("relation", pa.int32()),
            ("label", pa.string()),
            ("description", pa.string()),
            ("aliases", _TEXTS),
        ]
    ),
    "counts": pa.schema([("entities", pa.int64()), ("no_page", pa.int64())]),
}

INSTANCE_OF: Final = "P31"
SUBCLASS_OF: Final = b'"P279"'
_PROPERTY: Final = re.compile(rb'"type"\s*:\s*"property"')


class Term(msgspec.Struct):
    """A label, description or alias in one language."""

    value: str


class EntityId(msgspec.Struct):
    """An entity value; other values (times, quantities, ...) leave every field empty."""

    entity_type: str = msgspec.field(name="entity-type", default="")
    numeric_id: int | None = msgspec.field(name="numeric-id", default=None)
    id: str = ""


class DataValue(msgspec.Struct):
    """The value of a statement."""

    value: EntityId | str | float | bool | list[Any] | None = None


class Snak(msgspec.Struct):
    """The main part of a statement."""

    snaktype: str
    datavalue: DataValue | None = None


class Statement(msgspec.Struct):
    """A statement with its rank."""

    mainsnak: Snak
    rank: str = "normal"


class Sitelink(msgspec.Struct):
    """A link to a page of one wiki."""

    title: str


Decode = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which language's texts, and which wiki's pages."""

    language: str
    site: str


def reader(wanted: Wanted) -> Callable[[Range, TableWriter], None]:
    """The function that reads one range into tables of LAYOUTS; picklable."""
    return partial(_read, wanted=wanted)


def _decoder(wanted: Wanted) -> Decode:
    """A decoder for the wanted language and wiki alone: it skips every other key undecoded.

    Empty maps are `[]` in real dumps, hence the unions with a list.
    """
    keys = {"own": wanted.language, "mul": "mul", "page": wanted.site}
    none: list[Any] = []

    def one(name: str, of: Any, *fields: str) -> Any:
        struct = msgspec.defstruct(name, [(f, of | None, None) for f in fields], rename=keys)
        return struct | list[Any]

    entity = msgspec.defstruct(
        "Entity",
        [
            ("id", str),
            ("type", str, "item"),
            ("lastrevid", int, 0),
            ("labels", one("Labels", Term, "own", "mul"), none),
            ("descriptions", one("Descriptions", Term, "own"), none),
            ("aliases", one("Aliases", list[Term], "own"), none),
            ("claims", dict[str, list[Statement]] | list[Any], none),
            ("sitelinks", one("Sitelinks", Sitelink, "page"), none),
        ],
    )
    return msgspec.json.Decoder(entity).decode


def _read(source: Range, out: TableWriter, *, wanted: Wanted) -> None:
    decode, site = _decoder(wanted), f'"{wanted.site}"'.encode()
    entities = pageless = 0
    for number, line in enumerate(lines(source), start=1):
        record = line.strip().rstrip(b",")
        if record in (b"", b"[", b"]"):
            continue
        entities += 1
        links = record.rfind(b'"sitelinks"')
        has_page = links >= 0 and record.find(site, links) >= 0
        is_property = _PROPERTY.search(record) is not None
        if not (has_page or is_property or SUBCLASS_OF in record):
            pageless += 1
            if record[-1:] != b"}":
                raise _bad(source, number, "a line that is no whole JSON object")
            continue
        try:
            pageless += not _add(out, decode(record), row=source.index << 40 | number)
        except (msgspec.DecodeError, ValueError) as error:
            raise _bad(source, number, f"not a Wikidata entity ({error})") from None
    out.add("counts", (entities, pageless))


def _add(out: TableWriter, entity: Any, row: int) -> bool:
    """Add an entity to its tables; False for an item without a page."""
    kind, identity = entity.id[:1], int(entity.id[1:])
    label = _text(entity.labels, "own") or _text(entity.labels, "mul")
    aliases = [term.value for term in getattr(entity.aliases, "own", None) or ()]
    if kind == "P":
        description = _text(entity.descriptions, "own")
        out.add("properties", (identity, label, description, label_first(label, aliases)))
        return True
    link = getattr(entity.sitelinks, "page", None)
    if link is None:
        if label:
            out.add("pageless", (identity, label))
        return False
    types, drops = _add_statements(out, entity.claims or {}, row)
    item = (row, identity, entity.lastrevid, link.title, label, types, aliases)
    out.add("items", (*item, *drops))
    return True


def _add_statements(
    out: TableWriter, claims: dict[str, list[Statement]], row: int
) -> tuple[list[int], tuple[int, int, int, int]]:
    """Add the item-valued statements; returns the item's types and the drops in LAYOUTS' order."""
    deprecated = no_value = some_value = not_an_item = 0
    types: list[int] = []
    for prop, statements in claims.items():
        relation = int(prop[1:])
        for statement in statements:
            snak = statement.mainsnak
            if statement.rank == "deprecated":
                deprecated += 1
            elif snak.snaktype == "novalue":
                no_value += 1
            elif snak.snaktype == "somevalue":
                some_value += 1
            elif (tail := _item(snak.datavalue)) is None:
                not_an_item += 1
            else:
                out.add("statements", (row, relation, tail))
                if prop == INSTANCE_OF and tail not in types:
                    types.append(tail)
    return types, (deprecated, no_value, some_value, not_an_item)


def _item(value: DataValue | None) -> int | None:
    """The number of the item that a value names; old dumps give it without the id string."""
    entity = value.value if value else None
    if not isinstance(entity, EntityId) or entity.entity_type != "item":
        return None
    return entity.numeric_id if entity.numeric_id is not None else int(entity.id[1:])


def label_first(label: str, aliases: list[str]) -> list[str]:
    """The aliases without repeats, the label before all."""
    return list(dict.fromkeys([label, *aliases] if label else aliases))


def _text(terms: Any, field: str) -> str:
    term = getattr(terms, field, None)
    return term.value if term else ""


def _bad(source: Range, number: int, problem: str) -> InputError:
    return InputError(
        source.name,
        problem,
        where=source.where(number),
        fix="expected one entity per line, as Wikidata's JSON dumps have it: download it again",
    )
