"""Questions as people ask them, by ids or names, as queries of indices.

Imports polars, benchmarks.predict and wikidata5m.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.predict import Query
from wikidata5m.console import command_line
from wikidata5m.dataset import Dataset
from wikidata5m.errors import DatasetError, InputError
from wikidata5m.search import clean

ASKED: Final = ("?", "")
"""What stands in a file in the place that is asked for."""
LISTED: Final = 10
"""Entities that are named where one name is not enough."""


def ask(dataset: Dataset, head: str | None, relation: str, tail: str | None) -> Query:
    """One query; ends and relation by id, or by a name that only one has.

    Raises DatasetError, with the candidates and their ids, for a name of several or of none.
    """
    index = find_entities(dataset, [end for end in (head, tail) if end is not None])
    return Query(
        None if head is None else index[head],
        find_relation(dataset, relation),
        None if tail is None else index[tail],
    )


def read_queries(dataset: Dataset, file: Path) -> list[Query]:
    """The queries of a file of lines head⇥relation⇥tail, "?" for what is asked; ids or names.

    Raises InputError with the line that is no query, or names something that is not there.
    """
    try:
        # Not splitlines, which cuts names at the line marks of other scripts.
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(file, str(error), fix="name a UTF-8 file of queries") from None
    rows = [_fields(file, n, line) for n, line in enumerate(lines, start=1) if line.strip()]
    if not rows:
        raise InputError(file, "no queries", fix="write lines of head⇥relation⇥tail, ? for one")
    names = {end for _, head, _, tail in rows for end in (head, tail) if end is not None}
    ids = _by_id(dataset, names)
    relations: dict[str, int] = {}
    queries = []
    for number, head, relation, tail in rows:
        try:
            for name in (end for end in (head, tail) if end is not None and end not in ids):
                ids |= find_entities(dataset, [name])
            if relation not in relations:
                relations[relation] = find_relation(dataset, relation)
        except DatasetError as error:
            where, fix = f"line {number}", "correct that line"
            raise InputError(file, str(error), fix=fix, where=where) from None
        ends = (None if end is None else ids[end] for end in (head, tail))
        queries.append(Query(next(ends), relations[relation], next(ends)))
    return queries


def find_entities(dataset: Dataset, names: Sequence[str]) -> dict[str, int]:
    """The index of each entity, by id or by a name that is its alone. Raises DatasetError."""
    found = _by_id(dataset, names)
    for name in names:
        if name not in found:
            found[name] = _by_name(dataset, name)
    return found


def find_relation(dataset: Dataset, name: str) -> int:
    """The index of a relation by id, or label or alias, case and accents aside; or DatasetError."""
    table = dataset.relations
    wanted = clean(name)
    ids, labels = table["relation"].to_list(), table["label"].to_list()
    for level in (
        [n for n, each in enumerate(ids) if each == name],
        [n for n, label in enumerate(labels) if clean(label) == wanted],
        [n for n, more in enumerate(table["aliases"]) if wanted in map(clean, more)],
    ):
        if len(level) == 1:
            return level[0]
        if level:
            told = ", ".join(f"{ids[n]} ({labels[n]})" for n in level[:LISTED])
            raise DatasetError(f"{name!r} names {len(level)} relations: {told}; give one's id")
    close = difflib.get_close_matches(name, dict.fromkeys([*ids, *labels]), n=3, cutoff=0.5)
    hint = f"close: {', '.join(close)}" if close else "see `wikidata5m stats` for those there are"
    raise DatasetError(f"{dataset.path}: no relation {name!r}; {hint}")


def _by_id(dataset: Dataset, names: Iterable[str]) -> dict[str, int]:
    """The index of each name that is an id; one pass, however many."""
    asked = pl.DataFrame({"id": pl.Series(sorted(set(names)), dtype=pl.String)})
    known = pl.DataFrame({"id": dataset.entity_ids}).with_row_index("index")
    return dict(asked.join(known, on="id").iter_rows())


def _by_name(dataset: Dataset, name: str) -> int:
    hits = dataset.search(name, limit=LISTED)
    exact = [hit.index for hit in hits if hit.match == "exact"]
    if len(exact) == 1:
        return exact[0]
    shown = exact or [hit.index for hit in hits]
    told = ", ".join(f"{dataset.entity_ids[i]} ({dataset.entity_labels[i]})" for i in shown)
    if exact:
        number = f"{LISTED} or more" if len(exact) == LISTED else len(exact)
        raise DatasetError(f"{name!r} names {number} entities: {told}; give one's id")
    told = told or ", ".join(dataset.close_names(name))
    look = command_line("show", dataset.path)
    hint = f"close: {told}" if told else f"try `{look}` with a piece of it"
    raise DatasetError(f"{dataset.path}: no entity is called {name!r}; {hint}")


def _fields(file: Path, number: int, line: str) -> tuple[int, str | None, str, str | None]:
    fields = [field.strip() for field in line.split("\t")]
    fix = "write head⇥relation⇥tail, with ? for the head or for the tail"
    if len(fields) != 3:
        raise InputError(file, f"{len(fields)} columns, not 3", fix=fix, where=f"line {number}")
    head, relation, tail = fields
    if (head in ASKED) == (tail in ASKED):
        raise InputError(file, "not one end asked for", fix=fix, where=f"line {number}")
    return number, None if head in ASKED else head, relation, None if tail in ASKED else tail
