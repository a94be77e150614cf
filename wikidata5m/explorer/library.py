"""What the pages know of a dataset: plain records, read from the index. Safe to use from threads.

Imports dataset, errors, schema, search and explorer.{answerers,index}.
Legend: M facts of a page, (M, 3) head, relation, tail.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

import numpy as np

from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.errors import Wikidata5MError
from wikidata5m.explorer.answerers import Answerer, Role, Scored, TextAnswerer
from wikidata5m.explorer.index import Direction, Index, Rows, open_index
from wikidata5m.schema import Setting
from wikidata5m.search import clean

PAGE: Final = 25
"""Facts on a page."""
COMPARED: Final = 1000
"""Facts of one relation among which the best connected ends are sought."""
LONGEST_QUERY: Final = 200
"""Characters of a name that is searched for."""
LONGEST_TEXT: Final = 10_000
"""Characters of a new entity's text: more than any encoder reads."""


class NotFoundError(Wikidata5MError):
    """There is no such entity or relation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An entity or a relation as a link shows it."""

    index: int
    id: str
    label: str
    """Its name, or its id where it has none that can be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit(Named):
    """An entity that a search found."""

    also: str
    """The alias that was found where the label does not hold the words; may be empty."""
    exact: bool
    """Whether the words are its id or a whole name of its."""
    types: tuple[str, ...]
    facts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity(Named):
    """Everything the dataset says of an entity but its facts."""

    aliases: tuple[str, ...]
    types: tuple[str, ...]
    text: str
    outgoing: int
    incoming: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact as seen from one end."""

    relation: Named
    other: Named
    parts: tuple[str, ...]
    """Which parts of which splits state it, such as "transductive test"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One page of an entity's facts in one direction."""

    direction: Direction
    relation: Named | None
    """Where those of one relation alone are listed."""
    listed: tuple[Fact, ...]
    total: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of a model."""

    place: int
    entity: Named
    score: float
    known: str
    """The part of the model's split that states it, "dataset" for a fact of no part, "" if new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model answered."""

    listed: tuple[Answer, ...]
    known: int
    """How many answers the dataset states in all."""


class Library:
    """A dataset opened for reading by many threads."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.name = dataset.manifest.name
        self._index: Index = open_index(dataset)
        self._texts_lock = threading.Lock()
        self.relations = tuple(
            Named(index=i, id=row[0], label=_label(*row))
            for i, row in enumerate(dataset.relations.select("relation", "label").iter_rows())
        )
        self._relation_of = {each.id: each for each in self.relations}
        self._type_labels = dict(dataset.classes.select("class", "label").iter_rows())
        # All is opened before the first request, whose time is measured by a reader's patience.
        dataset.search("a piece of a name", limit=1)
        self.text(0)

    # Entities

    def search(self, query: str, limit: int) -> list[Hit]:
        """The best entities by id, label or alias; none for an empty query."""
        wanted = query.strip()[:LONGEST_QUERY]
        by_id = self._index.find(wanted)
        if by_id is None:
            by_id = self._index.find(wanted.upper())
        found = {} if by_id is None else {by_id: True}
        for hit in self.dataset.search(wanted, limit):
            found.setdefault(hit.index, hit.match == "exact")
        hits = [self._hit(index, wanted, exact=exact) for index, exact in found.items()]
        return hits[:limit]

    def find(self, entity: str) -> Named:
        """The entity of this id. Raises NotFoundError."""
        index = self._index.find(entity)
        if index is None:
            raise NotFoundError(f"This dataset has no entity with the id {_short(entity)!r}.")
        return self.named(index)

    def named(self, index: int) -> Named:
        """An entity by its index."""
        row = self._index.record(index)
        return Named(index=index, id=row["entity"], label=_label(row["entity"], row["label"]))

    def entity(self, named: Named) -> Entity:
        """What the dataset says of it."""
        row = self._index.record(named.index)
        return Entity(
            index=named.index,
            id=named.id,
            label=named.label,
            aliases=tuple(alias for alias in row["aliases"] if alias != row["label"]),
            types=self._types(row["types"]),
            text=self.text(named.index),
            outgoing=self._index.count(named.index, "out"),
            incoming=self._index.count(named.index, "in"),
        )

    def text(self, index: int) -> str:
        """An entity's description; '' for none."""
        if not len(self._index):
            return ""
        with self._texts_lock:  # the reader keeps row groups, which is not safe from threads
            return self.dataset.text(index)

    def best_connected(self) -> list[Hit]:
        """Where a reader may start."""
        return [self._hit(index, "", exact=False) for index in self._index.best]

    # Facts

    def relation(self, relation: str) -> Named:
        """The relation of this id. Raises NotFoundError."""
        if relation not in self._relation_of:
            raise NotFoundError(f"This dataset has no relation with the id {_short(relation)!r}.")
        return self._relation_of[relation]

    def facts(
        self, entity: Named, direction: Direction, page: int, relation: Named | None
    ) -> Facts:
        """A page of facts, the first being 1; the last one for a page past it."""
        rows = self._rows(entity.index, direction, relation)
        pages = max(1, -(-len(rows) // PAGE))
        page = min(page, pages)
        return Facts(
            direction=direction,
            relation=relation,
            listed=self._facts(rows[(page - 1) * PAGE : page * PAGE], direction),
            total=len(rows),
            page=page,
            pages=pages,
        )

    def relations_of(self, entity: Named, direction: Direction) -> list[tuple[Named, int]]:
        """The relations of its facts in one direction, with counts, the most frequent first."""
        count_R = self._index.counts(entity.index, direction)
        ordered = np.argsort(-count_R, kind="stable")[: np.count_nonzero(count_R)]
        return [(self.relations[r], int(count_R[r])) for r in ordered.tolist()]

    def triplets(self, rows: Rows) -> Triplets:
        """(M, 3) of rows of the index."""
        return np.asarray(self._index.triplets_N3[rows])

    def neighbours(self, entity: Named, direction: Direction, most: int) -> tuple[Fact, ...]:
        """A few facts that show the most: of each relation in turn the best connected other end.

        Of a relation the first COMPARED facts are compared.
        """
        rows = self._rows(entity.index, direction, None)
        pieces = np.split(rows, np.cumsum(self._index.counts(entity.index, direction))[:-1])
        rows = np.concatenate([piece[:COMPARED] for piece in pieces])
        ends = self.triplets(rows)
        other_M = ends[:, 2 if direction == "out" else 0]
        order = np.lexsort((other_M, -self._index.degree(other_M), ends[:, 1]))
        rows, relation_M, other_M = rows[order], ends[order, 1], other_M[order]
        turn_M = np.arange(len(rows)) - np.searchsorted(relation_M, relation_M)
        chosen: dict[int, int] = {}
        for place in np.argsort(turn_M, kind="stable")[: 8 * most].tolist():
            if other_M[place] != entity.index and len(chosen) < most:
                chosen.setdefault(int(other_M[place]), place)
        return self._facts(rows[sorted(chosen.values())], direction)

    def among(self, indices: list[int]) -> list[tuple[int, Named, int]]:
        """The facts between any two of these entities: head, relation, tail."""
        wanted = np.array(sorted(indices))
        found = []
        for index in indices:
            rows = self._index.rows(index, "out")
            ends = self.triplets(rows)
            for _, relation, tail in ends[np.isin(ends[:, 2], wanted)].tolist():
                found.append((index, self.relations[relation], tail))
        return found

    # Models

    def ask(
        self,
        model: Answerer,
        given: Named,
        relation: Named,
        role: Role,
        *,
        top: int,
        hide_known: bool,
    ) -> Answers:
        """What a model answers to (given, relation, ?); with role "tail" to (?, relation, given).

        Known answers are marked, or left out. Raises Wikidata5MError as the model does.
        """
        rows = self._rows(given.index, "out" if role == "head" else "in", relation)
        hidden_M3 = self.triplets(rows if hide_known else rows[:0])
        found = model.answer(given.index, relation.index, role, top, hidden_M3)
        other_M = self.triplets(rows)[:, 2 if role == "head" else 0]
        listed = self._answers(model, found, rows, other_M)
        return Answers(listed=listed, known=len(rows))

    def ask_text(
        self, model: TextAnswerer, text: str, relation: Named, role: Role, *, top: int
    ) -> Answers:
        """What a model answers for an entity that the dataset lacks."""
        found = model.answer_text(text, relation.index, role, top)
        none = np.zeros(0, dtype=np.int32)
        return Answers(listed=self._answers(model, found, none, none), known=0)

    def _answers(
        self, model: Answerer, found: list[Scored], rows: Rows, other_M: np.ndarray
    ) -> tuple[Answer, ...]:
        listed = []
        for place, scored in enumerate(found, start=1):
            at = np.searchsorted(other_M, scored.entity)
            known = ""
            if at < len(other_M) and other_M[at] == scored.entity:
                parts = self._index.parts(model.setting, rows[at : at + 1])[0]
                known = parts[0] if parts else "dataset"
            entity = self.named(scored.entity)
            listed.append(Answer(place=place, entity=entity, score=scored.score, known=known))
        return tuple(listed)

    def _rows(self, index: int, direction: Direction, relation: Named | None) -> Rows:
        return self._index.rows(index, direction, None if relation is None else relation.index)

    def _facts(self, rows_M: Rows, direction: Direction) -> tuple[Fact, ...]:
        settings: tuple[Setting, ...] = self.dataset.settings
        parts = {setting: self._index.parts(setting, rows_M) for setting in settings}
        return tuple(
            Fact(
                relation=self.relations[relation],
                other=self.named(tail if direction == "out" else head),
                parts=tuple(
                    f"{setting} {part}" for setting in settings for part in parts[setting][place]
                ),
            )
            for place, (head, relation, tail) in enumerate(self.triplets(rows_M).tolist())
        )

    def _hit(self, index: int, query: str, *, exact: bool) -> Hit:
        row = self._index.record(index)
        label = _label(row["entity"], row["label"])
        words = clean(query).split()
        holding = (n for n in (label, *row["aliases"]) if all(word in clean(n) for word in words))
        also = next(holding, label)
        return Hit(
            index=index,
            id=row["entity"],
            label=label,
            also="" if also == label else also,
            exact=exact,
            types=self._types(row["types"]),
            facts=int(self._index.degree(index)),
        )

    def _types(self, classes: list[str]) -> tuple[str, ...]:
        return tuple(self._type_labels.get(each) or each for each in classes)


def _label(identity: str, label: str) -> str:
    return label if label.strip() else identity


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
