"""What two datasets differ in, by string ids.

Imports console, dataset, manifest, schema and splits.

Indices of two datasets mean nothing to each other, so both are put into one numbering: A's entities
keep their index, those that B alone has follow. Legend: N triplets, keys as in splits.triplet_keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from wikidata5m import schema
from wikidata5m.console import by_stages, table
from wikidata5m.dataset import Dataset, Triplets
from wikidata5m.schema import PARTS, SUPPORT, Setting
from wikidata5m.splits import among, keyed_triplets, triplet_keys

Keys = npt.NDArray[np.int64]
ABSENT: Final = "absent"


def diff(a: Dataset, b: Dataset, *, examples: int = 5) -> dict[str, Any]:
    """Counts, shares of A's, and up to `examples` ids of all that B adds, lacks and changes."""
    both = _Numbering(a, b)
    stages = {
        "entities": lambda: _rows(a, b, schema.ENTITIES, both.entity_of_b, examples),
        "relations": lambda: _rows(a, b, schema.RELATIONS, both.relation_of_b, examples),
        "texts": lambda: _texts(a, b, both, examples),
        "triplets": lambda: both.triplets(a, b, examples),
        "splits": lambda: {setting: both.moved(a, b, setting) for setting in _settings(a, b)},
    }
    return {
        "a": {"name": a.manifest.name, "path": str(a.path), "hash": a.manifest.dataset_hash},
        "b": {"name": b.manifest.name, "path": str(b.path), "hash": b.manifest.dataset_hash},
        "equal": a.manifest.dataset_hash == b.manifest.dataset_hash,
        **by_stages("diff", stages),
        "files": sorted({name for name, _ in _files(a) ^ _files(b)}),
        "config": dict(_changes(a.manifest.config, b.manifest.config)),
        "sources": _changed_sources(a, b),
        "counts": dict(_changes(a.manifest.counts, b.manifest.counts)),
        "drops": dict(_changes(a.manifest.drops, b.manifest.drops)),
        "software": dict(_changes(a.manifest.software, b.manifest.software)),
    }


def _settings(a: Dataset, b: Dataset) -> list[Setting]:
    return [setting for setting in schema.SETTINGS if a.has_split(setting) or b.has_split(setting)]


class _Numbering:
    """Both datasets' indices in one numbering."""

    def __init__(self, a: Dataset, b: Dataset) -> None:
        self.entities, self.entity_of_b = _join(a.entity_ids, b.entity_ids)
        self.relations, self.relation_of_b = _join(a.relations["relation"], b.relations["relation"])
        self.sizes = (len(self.entities), len(self.relations))

    def keys(self, triplets_N3: Triplets, *, of_b: bool) -> Keys:
        """Sorted keys of the triplets of one of the two."""
        if of_b:
            columns = (self.entity_of_b, self.relation_of_b, self.entity_of_b)
            triplets_N3 = np.stack(
                [to[column] for to, column in zip(columns, triplets_N3.T, strict=True)], axis=1
            )
        keys = triplet_keys(triplets_N3, self.sizes)
        return keys if np.all(keys[1:] > keys[:-1]) else np.unique(keys)

    def triplets(self, a: Dataset, b: Dataset, examples: int) -> dict[str, Any]:
        """The triplets that B adds and lacks."""
        one, other = self.keys(a.triplets(), of_b=False), self.keys(b.triplets(), of_b=True)
        added, removed = other[~among(other, one)], one[~among(one, other)]
        return _counts(len(one), len(other), len(added), len(removed)) | {
            "added_examples": self.names(added[:examples]),
            "removed_examples": self.names(removed[:examples]),
        }

    def names(self, keys: Keys) -> list[list[str]]:
        """The three ids of each key."""
        return [
            [self.entities[head], self.relations[relation], self.entities[tail]]
            for head, relation, tail in keyed_triplets(keys, self.sizes).tolist()
        ]

    def moved(self, a: Dataset, b: Dataset, setting: Setting) -> list[dict[str, Any]]:
        """From which part to which the triplets of a setting went: from, to, triplets."""
        one, of_a = self._parts(a, setting, of_b=False)
        other, of_b = self._parts(b, setting, of_b=True)
        names = [*PARTS, SUPPORT, ABSENT]
        absent = len(names) - 1
        inside = among(one, other)
        went = np.full(len(one), absent, dtype=np.int64)
        went[inside] = of_b[np.searchsorted(other, one[inside])]
        came = of_b[~among(other, one)]
        code = np.concatenate([of_a * len(names) + went, absent * len(names) + came])
        counts = np.bincount(code, minlength=len(names) ** 2)
        return [
            {"from": names[i // len(names)], "to": names[i % len(names)], "triplets": int(n)}
            for i, n in enumerate(counts)
            if n
        ]

    def _parts(
        self, dataset: Dataset, setting: Setting, *, of_b: bool
    ) -> tuple[Keys, npt.NDArray[np.int64]]:
        """The sorted keys of all parts, each once, and the number of the first part that has it."""
        if not dataset.has_split(setting):
            none = np.zeros(0, dtype=np.int64)
            return none, none
        parts = dataset.parts(setting)
        keys = [self.keys(triplets_N3, of_b=of_b) for triplets_N3 in parts.values()]
        numbers = [
            np.full(len(each), [*PARTS, SUPPORT].index(part))
            for part, each in zip(parts, keys, strict=True)
        ]
        unique, first = np.unique(np.concatenate(keys), return_index=True)
        return unique, np.concatenate(numbers)[first]


def _join(ids_a: pl.Series, ids_b: pl.Series) -> tuple[pl.Series, npt.NDArray[np.int32]]:
    """All ids, A's first; and for each of B's its number among them."""
    known = pl.DataFrame({"id": ids_a}).with_row_index("number")
    asked = pl.DataFrame({"id": ids_b})
    number = asked.join(known, on="id", how="left", maintain_order="left")["number"]
    new = number.is_null()
    numbers = number.fill_null(0).to_numpy().astype(np.int32)
    numbers[new.to_numpy()] = len(ids_a) + np.arange(int(new.sum()), dtype=np.int32)
    return pl.concat([ids_a, ids_b.filter(new)], rechunk=True), numbers


def _rows(
    a: Dataset, b: Dataset, name: str, number_of_b: npt.NDArray[np.int32], examples: int
) -> dict[str, Any]:
    """Rows of a table added and removed by their id, and changed in any other column, by column.

    One column at a time, since whole tables of millions of entities fill the memory twice.
    """
    layout = schema.ENTITY_SCHEMA if name == schema.ENTITIES else schema.RELATION_SCHEMA
    key, *columns = layout.names
    ids_a, ids_b = a.read_column(name, key), b.read_column(name, key)
    new = number_of_b >= len(ids_a)
    added = ids_b.filter(pl.Series(new))
    kept = np.zeros(len(ids_a), dtype=np.bool_)
    kept[number_of_b[~new]] = True
    removed = ids_a.filter(pl.Series(~kept))
    rows_a, rows_b = number_of_b[~new], np.flatnonzero(~new)
    changed: dict[str, Any] = {}
    for column in columns:
        frame = pl.DataFrame(
            {
                "id": ids_b.gather(rows_b),
                "was": a.read_column(name, column).gather(rows_a),
                "now": b.read_column(name, column).gather(rows_b),
            }
        ).filter(pl.col("was") != pl.col("now"))
        if frame.height:
            changed[column] = {"count": frame.height, "examples": frame.head(examples).rows()}
    return _counts(len(ids_a), len(ids_b), len(added), len(removed)) | {
        "changed": changed,
        "added_examples": added.head(examples).to_list(),
        "removed_examples": removed.head(examples).to_list(),
    }


def _texts(a: Dataset, b: Dataset, both: _Numbering, examples: int) -> dict[str, Any]:
    """Descriptions added, removed and changed, compared by a hash, so that none is held."""
    one, other = _hashes(a), _hashes(b)
    numbers = pl.Series(both.entity_of_b).gather(other["index"])
    other = other.with_columns(index=numbers)
    joined = one.join(other, on="index", how="inner", suffix="_b")
    changed = joined.filter(pl.col("hash") != pl.col("hash_b"))["index"].sort()
    added = other.height - joined.height
    return _counts(one.height, other.height, added, one.height - joined.height) | {
        "changed": {
            "count": changed.len(),
            "examples": both.entities.gather(changed.head(examples)).to_list(),
        }
    }


def _hashes(dataset: Dataset) -> pl.DataFrame:
    """index, hash of the text; entities with an empty or no description are not there."""
    texts = dataset.scan_texts().filter(pl.col("text") != "")
    return dataset.collect_texts(texts.select("index", hash=pl.col("text").hash()))


def _counts(of_a: int, of_b: int, added: int, removed: int) -> dict[str, Any]:
    return {
        "a": of_a,
        "b": of_b,
        "added": added,
        "removed": removed,
        "removed_share": removed / max(of_a, 1),
        "added_share": added / max(of_b, 1),
    }


def _files(dataset: Dataset) -> set[tuple[str, str]]:
    return {(name, record.sha256) for name, record in dataset.manifest.files.items()}


def _changed_sources(a: Dataset, b: Dataset) -> dict[str, Any]:
    """Sources by role; by file name too where either has several of it, as a release's files."""
    roles = [Counter(source["role"] for source in each.manifest.sources) for each in (a, b)]
    several = {role for count in roles for role, sources in count.items() if sources > 1}
    return dict(_changes(_sources(a, several), _sources(b, several)))


def _sources(dataset: Dataset, several: set[str]) -> dict[str, Any]:
    """What is told of each, without the place where it lay."""
    found: dict[str, list[dict[str, Any]]] = {}
    for source in dataset.manifest.sources:
        role = source["role"]
        key = f"{role} {Path(source['path']).name}" if role in several else role
        told = {k: v for k, v in source.items() if k not in {"role", "path"}}
        found.setdefault(key, []).append(told)
    return {key: told[0] if len(told) == 1 else told for key, told in found.items()}


def _changes(
    a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Dotted key -> {a, b} where the two differ; None where one has no such key."""
    for key in [*a, *(key for key in b if key not in a)]:
        was, now = a.get(key), b.get(key)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from _changes(was, now, f"{prefix}{key}.")
        elif was != now:
            yield f"{prefix}{key}", {"a": was, "b": now}


def render(result: dict[str, Any]) -> str:
    """The differences as Markdown."""
    sections = [f"# {result['a']['path']} and {result['b']['path']}"]
    if result["equal"]:
        return "\n\n".join([*sections, "The two hold the same files."])
    kinds = ("entities", "relations", "texts", "triplets")
    rows = [
        (
            kind,
            n["a"],
            n["b"],
            n["added"],
            f"{n['added_share']:.2%}",
            n["removed"],
            f"{n['removed_share']:.2%}",
        )
        for kind, n in ((kind, result[kind]) for kind in kinds)
    ]
    header = ["what", "A", "B", "only in B", "of B", "only in A", "of A"]
    sections += ["## Content", table(header, rows), *_changed_section(result)]
    examples = [
        (f"{kind} only in {'B' if way == 'added' else 'A'}", _line(each))
        for kind in ("entities", "relations", "triplets")
        for way in ("added", "removed")
        for each in result[kind][f"{way}_examples"]
    ]
    if examples:
        sections += ["## Examples", table(["what", "which"], examples)]
    for setting, moves in result["splits"].items():
        told = [(move["from"], move["to"], move["triplets"]) for move in moves]
        sections += [
            f"## Where the triplets of the {setting} split went",
            table(["part in A", "part in B", "triplets"], told),
        ]
    sections.append(f"Files of other content: {', '.join(result['files'])}.")
    for kind in ("config", "sources", "counts", "drops", "software"):
        if result[kind]:
            changes = [(key, _line(x["a"]), _line(x["b"])) for key, x in result[kind].items()]
            sections += [f"## The manifests' {kind}", table(["key", "A", "B"], changes)]
    return "\n\n".join(sections)


def _changed_section(result: dict[str, Any]) -> list[str]:
    changed = [
        (f"{kind[:-1]} {column}", n["count"], "; ".join(map(_line, n["examples"])))
        for kind in ("entities", "relations")
        for column, n in result[kind]["changed"].items()
    ]
    texts = result["texts"]["changed"]
    if texts["count"]:
        changed.append(("text", texts["count"], ", ".join(texts["examples"])))
    if not changed:
        return ["No entity, relation or text that both have was changed."]
    return ["## Changed in what both have", table(["what", "count", "examples"], changed)]


def _line(value: Any) -> str:
    """A value on one line: ids side by side, a change as id: was -> now."""
    if isinstance(value, tuple) and len(value) == 3:
        return f"{value[0]}: {_line(value[1])} -> {_line(value[2])}"
    text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
