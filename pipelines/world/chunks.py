"""One chunk of the synthetic world: compressed lines or pages, with their part of the truth.
Imports wikidata5m.schema and the world's own modules.
"""

from __future__ import annotations

import bz2
import gzip
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Literal

import pyarrow as pa

from pipelines.world.facts import Facts
from pipelines.world.layout import Layout
from pipelines.world.names import Names
from pipelines.world.pages import Pages
from pipelines.world.relations import Relation, relations
from pipelines.world.statements import Items, Statement
from pipelines.world.text import Texts
from wikidata5m.schema import CLASS_SCHEMA, ENTITY_SCHEMA, RELATION_SCHEMA, StatementDrop

__all__ = ["DESCRIPTIONS", "TRIPLETS", "Chunk", "Compression", "World"]

Compression = Literal["bz2", "gz"]

DESCRIPTIONS: Final = pa.schema([("entity", pa.string()), ("text", pa.string())])
TRIPLETS: Final = pa.schema([(name, pa.string()) for name in ("head", "relation", "tail")])
_STREAM: Final = 100  # pages of one bz2 stream of a multistream dump


@dataclass(slots=True)
class Chunk:
    """What one task gives back: compressed bytes for each file, and its part of the truth."""

    done: int
    bz2: list[bytes]
    gz: bytes
    titles: list[list[tuple[int, str]]] = field(default_factory=list)
    tables: dict[str, pa.Table] = field(default_factory=dict)
    drops: Counter[str] = field(default_factory=Counter)
    relations: set[int] = field(default_factory=set)
    classes: set[int] = field(default_factory=set)


class World:
    """All the parts of one world; cheap to make, so that each process makes its own."""

    def __init__(self, entities: int, seed: int, relation_count: int,
                 compressions: tuple[Compression, ...]) -> None:  # fmt: skip
        self.compressions = compressions
        self.table = relations(relation_count)
        self.layout = Layout(entities, seed)
        self.names = Names(self.layout)
        self.facts = Facts(self.layout, relation_count)
        self.texts = Texts(self.layout, self.names, self.facts, self.table)
        self.items = Items(self.layout, self.names, self.facts, self.texts, self.table)
        self.pages = Pages(self.layout, self.items, self.texts)
        self._paged = {r.number for r in self.table if r.page in ("full", "no_description")}
        # Properties stand among the items, evenly; several before one item in a small world.
        self._properties: dict[int, list[Relation]] = {}
        present = [r for r in self.table if r.page != "absent"]
        for k, relation in enumerate(present):
            number = 1 + k * self.layout.items // len(present)
            self._properties.setdefault(number, []).append(relation)

    def pack(self, data: bytes) -> tuple[bytes, bytes]:
        return (
            bz2.compress(data) if "bz2" in self.compressions else b"",
            gzip.compress(data, 6, mtime=0) if "gz" in self.compressions else b"",
        )

    def pages_chunk(self, start: int, stop: int) -> Chunk:
        """Pages at positions start .. stop, as bz2 streams of 100 and one gz member."""
        chunk, texts = Chunk(stop - start, [], b""), []
        for low in range(start, stop, _STREAM):
            pages = [self.pages.page(position) for position in range(low, min(stop, low + _STREAM))]
            chunk.titles.append([(number, title) for number, title, _ in pages])
            texts.append("".join(xml for _, _, xml in pages).encode())
        if "bz2" in self.compressions:
            chunk.bz2 = [bz2.compress(text) for text in texts]
        if "gz" in self.compressions:
            chunk.gz = gzip.compress(b"".join(texts), 6, mtime=0)
        return chunk

    def items_chunk(self, start: int, stop: int) -> Chunk:
        """Items with numbers start .. stop, their truth, and the properties that stand there."""
        chunk = Chunk(stop - start, [], b"")
        lines: list[str] = []
        late: list[str] = []
        rows: dict[str, list[tuple[object, ...]]] = {"entities": [], "descriptions": []}
        triplets: list[tuple[str, str, str]] = []
        for number in range(start, stop):
            lines.extend(map(self.items.property_line, self._properties.get(number, ())))
            i = self.layout.at_number(number)
            statements = self.items.statements(i, self.facts.of(i))
            if self.layout.repeats(i):
                # Lines without a page are never read, so that a repeat among them goes unseen.
                unread = self.items.sitelink(i) is None
                chunk.drops["no_page" if unread else "duplicate_item"] += 1
                older = self.items.line(i, statements, stale=True)
                (lines if i % 2 else late).append(older)
            lines.append(self.items.line(i, statements))
            self._count(i, statements, chunk, triplets)
            if self.layout.kept(i):
                self._describe(i, statements, chunk, rows)
        chunk.tables = {
            "entities": _table(rows["entities"], ENTITY_SCHEMA),
            "descriptions": _table(rows["descriptions"], DESCRIPTIONS),
            "triplets": _table(triplets, TRIPLETS),
        }
        text = ("[\n" if start == 1 else ",\n") + ",\n".join(lines + late)
        packed = self.pack((text + ("\n]\n" if stop > self.layout.items else "")).encode())
        chunk.bz2, chunk.gz = [packed[0]], packed[1]
        return chunk

    def _count(
        self, i: int, statements: list[Statement], chunk: Chunk,
        triplets: list[tuple[str, str, str]],
    ) -> None:  # fmt: skip
        """Sorts i's statements into triplets and reasons for their drop."""
        state, _ = self.layout.fate(i)
        if state != "kept":
            chunk.drops[state] += 1
        if state == "no_page":
            return
        found: set[tuple[int, int]] = set()
        for statement in statements:
            reason = self._drop(statement, kept=state == "kept")
            pair = statement.number, self.layout.number(statement.tail)
            if reason is None and pair in found:
                reason = "duplicate_statement"
            if reason is None:
                found.add(pair)
            else:
                chunk.drops[reason] += 1
        chunk.relations.update(number for number, _ in found)
        head = f"Q{self.layout.number(i)}"
        triplets.extend((head, f"P{number}", f"Q{tail}") for number, tail in sorted(found))

    def _drop(self, statement: Statement, *, kept: bool) -> StatementDrop | None:
        if statement.rank == "deprecated":
            return "deprecated"
        if statement.snak != "value":
            return "no_value" if statement.snak == "novalue" else "some_value"
        if statement.literal:
            return "not_an_item"
        if not kept:
            return "head_not_kept"
        if not self.layout.kept(statement.tail):
            return "tail_not_kept"
        return None if statement.number in self._paged else "relation_without_page"

    def _describe(
        self, i: int, statements: list[Statement], chunk: Chunk,
        rows: dict[str, list[tuple[object, ...]]],
    ) -> None:  # fmt: skip
        """Adds the rows of a kept entity."""
        types = dict.fromkeys(
            s.tail for s in statements if s.number == 31 and s.tail >= 0 and s.rank != "deprecated"
        )
        chunk.classes.update(types)
        q, label = f"Q{self.layout.number(i)}", self.items.label(i)
        aliases = list(dict.fromkeys([label, *self.items.aliases(i)]))
        classes = [f"Q{self.layout.number(tail)}" for tail in types]
        disambiguation = self.layout.kind(i).kind == "disambiguation"
        title = self.names.title(i)
        rows["entities"].append((q, label, title, classes, aliases, disambiguation))
        rows["descriptions"].append((q, self.texts.lead(i)[1]))

    def classes(self, found: set[int]) -> pa.Table:
        """Labels of the classes in use that have an English one, by number."""
        rows = sorted(
            (self.layout.number(i), self.items.labels(i)["en"])
            for i in found
            if "en" in self.items.labels(i)
        )
        return _table([(f"Q{number}", label) for number, label in rows], CLASS_SCHEMA)

    def relations(self, found: set[int]) -> pa.Table:
        """The relations in use, by number."""
        rows = [
            (f"P{r.number}", r.label, r.description, list(dict.fromkeys([r.label, *r.aliases])))
            for r in self.table
            if r.number in found
        ]
        return _table(rows, RELATION_SCHEMA)


def _table(rows: Collection[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    return pa.table(
        [pa.array(list(column), f.type) for column, f in zip(columns, schema, strict=True)],
        schema=schema,
    )
