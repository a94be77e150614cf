"""A dataset folder as an object: what every trainer, evaluator and report reads.

Imports console, errors, manifest, schema, search and texts.
Shapes: N triplets, E entities, R relations. The tests run every example below.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from wikidata5m import schema
from wikidata5m.console import command_line
from wikidata5m.errors import DatasetError, unreadable
from wikidata5m.manifest import Manifest, load_manifest
from wikidata5m.schema import PARTS, Part, Setting, Support
from wikidata5m.search import Hit, NameIndex, build_names, kept_names
from wikidata5m.texts import Texts

Triplets = npt.NDArray[np.int32]
"""(N, 3): head, relation, tail as indices into the entity and relation tables."""


Mask = npt.NDArray[np.bool_]

CLOSE: Final = 100_000
"""Among how many ids or labels a mistyped one is compared."""


class Dataset:
    """A dataset on disk; each table is read when first asked for and kept.

    >>> dataset
    Dataset('small', 175 entities, 5 relations, 281 triplets)
    >>> dataset.settings
    ('transductive', 'inductive')
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.manifest: Manifest = load_manifest(self.path)
        if "documents" in self.manifest.counts:
            raise DatasetError(
                f"{path}: a corpus, not a dataset; name a folder that `wikidata5m build` or "
                "`wikidata5m import` wrote"
            )
        missing = {"entities", "relations", "triplets"} - self.manifest.counts.keys()
        if missing:
            raise DatasetError(
                f"{path}: no count of {', '.join(sorted(missing))} in its {schema.MANIFEST}; build "
                "the dataset again"
            )

    def __repr__(self) -> str:
        return (
            f"Dataset({str(self.path)!r}, {self.num_entities:,} entities, "
            f"{self.num_relations:,} relations, {self.manifest.counts['triplets']:,} triplets)"
        )

    @property
    def num_entities(self) -> int:
        """E: the number of rows of the entity table; indices run from 0 to E-1."""
        return self.manifest.counts["entities"]

    @property
    def num_relations(self) -> int:
        """R: the number of rows of the relation table."""
        return self.manifest.counts["relations"]

    @cached_property
    def entities(self) -> pl.DataFrame:
        """The entity table; row i describes entity i.

        >>> dataset.entities.select("entity", "label").row(0)
        ('Q1000', 'Land 0')
        """
        return self._read(schema.ENTITIES)

    @cached_property
    def entity_ids(self) -> pl.Series:
        """(E,) the string id of each entity, read without the rest of the table."""
        return self.read_column(schema.ENTITIES, "entity")

    @cached_property
    def entity_labels(self) -> pl.Series:
        """(E,) the label of each entity, read without the rest of the table."""
        return self.read_column(schema.ENTITIES, "label")

    @cached_property
    def relations(self) -> pl.DataFrame:
        """The relation table; row i describes relation i.

        >>> dataset.relations["label"].to_list()[:2]
        ['country', 'place of birth']
        """
        return self._read(schema.RELATIONS)

    @cached_property
    def classes(self) -> pl.DataFrame:
        """Labels of the classes that the entities' `types` name.

        >>> dataset.classes.row(0)
        ('Q5', 'human')
        """
        return self._read(schema.CLASSES)

    # Texts

    @cached_property
    def texts(self) -> Texts:
        """The descriptions of all E entities by index, read from disk as they are asked for.

        >>> dataset.texts[1]
        'Town 1 is a city in the country of Land 0.'
        >>> len(dataset.texts.take([3, 1]))
        2
        """
        return Texts(self.path, self.manifest.files, self.num_entities)

    def text(self, index: int) -> str:
        """The description of one entity, of which only its row group is read; '' for none.

        >>> dataset.text(dataset.entity_index("Q1000"))
        'Land 0 is a sovereign country of this small world.'
        """
        return self.texts[index]

    def scan_texts(self) -> pl.LazyFrame:
        """All descriptions as a lazy Polars frame (index, text), for work on columns.

        >>> dataset.scan_texts().select(pl.col("text").str.len_chars().max()).collect().item()
        54
        """
        return pl.scan_parquet(self.texts.shards, glob=False)

    def collect_texts(self, query: pl.LazyFrame) -> pl.DataFrame:
        """What a query over `scan_texts` finds; texts are streamed, never held.

        Raises DatasetError when a shard cannot be read.

        >>> longest = dataset.scan_texts().select(pl.col("text").str.len_chars().max())
        >>> dataset.collect_texts(longest).item()
        54
        """
        return self._collect(schema.DESCRIPTIONS, query, engine="streaming")

    # Triplets

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The settings that the dataset has a split for."""
        return tuple(setting for setting in schema.SETTINGS if self.has_split(setting))

    def has_split(self, setting: Setting) -> bool:
        """Whether the dataset holds this split; a graph too small for it has none."""
        return schema.split_file(setting, "train") in self.manifest.files

    def triplets(self, setting: Setting | None = None, part: Part | None = None) -> Triplets:
        """The triplets of one part of a split, (N, 3); all of them when neither is named.

        Each call reads the file and gives an array of one's own. Raises DatasetError when the
        dataset has no such split.

        >>> head, relation, tail = dataset.triplets("transductive", "train").T
        >>> int((relation == dataset.relation_index("P17")).sum())
        20
        """
        if setting is None and part is None:
            return self.read_triplets(schema.TRIPLETS)
        if setting is None or part not in PARTS:
            raise DatasetError(
                f"{self.path}: triplets of setting {setting!r}, part {part!r}; name both, "
                f"the part as one of {', '.join(PARTS)}"
            )
        if not self.has_split(setting):
            raise DatasetError(
                f"{self.path}: has no {setting} split (has: {', '.join(self.settings) or 'none'})"
                + "".join(f" ({note})" for note in self.manifest.notes if setting in note)
                + f"; name one that it has, or make it with `{self._to_split()}`"
            )
        return self.read_triplets(schema.split_file(setting, part))

    def support(self, setting: Setting) -> Triplets:
        """What is given about the entities that train lacks, (N, 3); (0, 3) where nothing is.

        >>> dataset.support("inductive").shape
        (0, 3)
        """
        name = schema.split_file(setting, schema.SUPPORT)
        if name not in self.manifest.files:
            return np.zeros((0, 3), dtype=np.int32)
        return self.read_triplets(name)

    def parts(self, setting: Setting) -> dict[Part | Support, Triplets]:
        """All parts of a split, (N, 3) each, and its support where it has one.

        >>> list(dataset.parts("transductive"))
        ['train', 'valid', 'test']
        """
        found: dict[Part | Support, Triplets] = {p: self.triplets(setting, p) for p in PARTS}
        if schema.split_file(setting, schema.SUPPORT) in self.manifest.files:
            found[schema.SUPPORT] = self.support(setting)
        return found

    def unseen(self, setting: Setting, part: Part) -> Mask:
        """(N,) which triplets of a part have an entity that train lacks.

        >>> int(dataset.unseen("transductive", "test").sum())
        0
        >>> bool(dataset.unseen("inductive", "test").all())
        True
        """
        known_E = np.zeros(self.num_entities, dtype=np.bool_)
        known_E[self.triplets(setting, "train")[:, [0, 2]]] = True
        head_N, _, tail_N = self.triplets(setting, part).T
        unseen_N: Mask = ~(known_E[head_N] & known_E[tail_N])
        return unseen_N

    def to_frame(
        self, setting: Setting | None = None, part: Part | None = None, *, ids: bool = True
    ) -> pl.DataFrame:
        """Triplets as strings: columns head, relation, tail of ids, or of labels.

        >>> dataset.to_frame().row(0)
        ('Q1000', 'P47', 'Q1014')
        >>> dataset.to_frame("transductive", "test", ids=False).columns
        ['head', 'relation', 'tail']
        """
        entity = self.entity_ids if ids else self.entity_labels
        names = {"head": entity, "relation": self.relations["relation" if ids else "label"]}
        names["tail"] = entity
        columns = zip(names.items(), self.triplets(setting, part).T, strict=True)
        return pl.DataFrame({column: name.gather(index_N) for (column, name), index_N in columns})

    def read_triplets(self, name: str) -> Triplets:
        """(N, 3) of one triplet file, by its path in the dataset folder."""
        frame = self._read(name)
        columns = [frame[column].to_numpy() for column in schema.TRIPLET_SCHEMA.names]
        return np.stack(columns, axis=1).astype(np.int32, copy=False)

    # The graph around an entity

    @cached_property
    def degrees(self) -> npt.NDArray[np.int64]:
        """(E,) in how many triplets each entity is head or tail; one with itself counts twice.

        >>> bool(dataset.degrees.sum() == 2 * len(dataset.triplets()))
        True
        """
        return np.bincount(self._whole[:, [0, 2]].ravel(), minlength=self.num_entities)

    def facts(self, index: int) -> Triplets:
        """(N, 3) the triplets that an entity takes part in: as head first, then as tail.

        >>> dataset.facts(1)[0].tolist() == [1, dataset.relation_index("P17"), 0]
        True
        """
        whole_N3 = self._whole
        out_N, into_N = whole_N3[:, 0] == index, whole_N3[:, 2] == index
        return np.concatenate([whole_N3[out_N], whole_N3[into_N & ~out_N]])

    def neighbours(self, index: int) -> npt.NDArray[np.int32]:
        """The other entities of its triplets, ascending.

        >>> 0 in dataset.neighbours(1)
        True
        """
        return np.setdiff1d(self.facts(index)[:, [0, 2]], [index]).astype(np.int32)

    @cached_property
    def _whole(self) -> Triplets:
        triplets_N3 = self.triplets()
        triplets_N3.setflags(write=False)
        return triplets_N3

    # Names

    def entity_index(self, entity: str) -> int:
        """The index of an entity by its string id. Raises DatasetError with the closest ids.

        >>> dataset.entity_index("Q1001")
        1
        """
        return self._index(self.entity_ids, entity, "entity")

    def relation_index(self, relation: str) -> int:
        """The index of a relation by its string id. Raises DatasetError with the closest ids.

        >>> dataset.relation_index("P19")
        1
        """
        return self._index(self.relations["relation"], relation, "relation")

    def close_names(self, wanted: str) -> list[str]:
        """Up to three labels and ids of entities that are spelled like `wanted`, likest first.

        They are looked for among the first CLOSE entities.

        >>> dataset.close_names("Q10011")
        ['Q1011', 'Q1001', 'Q1171']
        """
        return _alike(wanted, self.entity_labels, self.entity_ids)

    def entity_indices(self, entities: Sequence[str] | pl.Series) -> npt.NDArray[np.int32]:
        """(N,) the index of each id; one pass, however many. DatasetError for an unknown one.

        >>> dataset.entity_indices(["Q1003", "Q1001"]).tolist()
        [3, 1]
        """
        return self._indices(self.entity_ids, entities, "entity")

    def relation_indices(self, relations: Sequence[str] | pl.Series) -> npt.NDArray[np.int32]:
        """(N,) the index of each id. Raises DatasetError for an unknown one.

        >>> dataset.relation_indices(["P19", "P17"]).tolist()
        [1, 0]
        """
        return self._indices(self.relations["relation"], relations, "relation")

    def search(self, query: str, limit: int = 10) -> list[Hit]:
        """Entities by label or alias, case and accents aside: the best `limit`, best first.

        A whole name comes before its beginning, then names with all words or their beginnings,
        then words that hold those of the query; among equals the one with more triplets.
        The first call makes an index of all names, which large datasets keep in the user's cache
        folder.

        >>> [dataset.entity_labels[hit.index] for hit in dataset.search("LAND 1", limit=3)]
        ['Land 1', 'Land 10', 'Land 11']
        """
        return self._names.search(query, limit)

    @cached_property
    def _names(self) -> NameIndex:
        made_of = [self.manifest.files[name].sha256 for name in (schema.ENTITIES, schema.TRIPLETS)]
        key = "-".join(each[:16] for each in made_of)
        return kept_names(key, self.path, self.num_entities, self._build_names)

    def _build_names(self) -> NameIndex:
        # Of its own, so that the labels and triplets that are read go when the index is made.
        source = Dataset(self.path)
        aliases = source.read_column(schema.ENTITIES, "aliases")
        return build_names(source.entity_labels, aliases, source.degrees)

    def describe_entity(self, index: int) -> dict[str, Any]:
        """One entity as a plain record: id, label, title, types with labels, aliases, text.

        >>> dataset.describe_entity(0)["types"]
        [{'class': 'Q6256', 'label': 'country'}]
        """
        query = self._scan(schema.ENTITIES).slice(index, 1)
        record = self._collect(schema.ENTITIES, query).row(0, named=True)
        labels = dict(self.classes.select("class", "label").iter_rows())
        return record | {
            "index": index,
            "types": [{"class": c, "label": labels.get(c, "")} for c in record["types"]],
            "text": self.text(index),
        }

    def _index(self, ids: pl.Series, wanted: str, kind: str) -> int:
        found = (ids == wanted).arg_max() if ids.len() else None
        if found is None or ids[found] != wanted:
            raise self._unknown(ids, wanted, kind)
        return int(found)

    def _indices(
        self, ids: pl.Series, wanted: Sequence[str] | pl.Series, kind: str
    ) -> npt.NDArray[np.int32]:
        known = pl.DataFrame({"id": ids}).with_row_index("index")
        asked = pl.DataFrame({"id": pl.Series(wanted, dtype=pl.String)})
        found = asked.join(known, on="id", how="left", maintain_order="left")["index"]
        missing = found.is_null().arg_true()
        if missing.len():
            raise self._unknown(ids, str(asked["id"][missing[0]]), kind)
        return found.to_numpy().astype(np.int32)

    def _to_split(self) -> str:
        return command_line("split", self.path, "--out", "OTHER")

    def _unknown(self, ids: pl.Series, wanted: str, kind: str) -> DatasetError:
        close = self.close_names(wanted) if kind == "entity" else _alike(wanted, ids)
        hint = f"; close: {', '.join(close)}" if close else "; check the spelling"
        return DatasetError(f"{self.path}: no {kind} {wanted!r}{hint}")

    # Files

    def read_column(self, name: str, column: str) -> pl.Series:
        """One column of one file, by its path in the dataset folder."""
        return self._collect(name, self._scan(name).select(column))[column]

    def _scan(self, name: str) -> pl.LazyFrame:
        return pl.scan_parquet(self.path / name, glob=False)

    def _read(self, name: str) -> pl.DataFrame:
        return self._collect(name, self._scan(name))

    def _collect(
        self, name: str, query: pl.LazyFrame, engine: Literal["auto", "streaming"] = "auto"
    ) -> pl.DataFrame:
        try:
            return query.collect(engine=engine)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise unreadable(self.path / name, error) from None


def _alike(wanted: str, *names: pl.Series) -> list[str]:
    """Three of the first CLOSE of each, by likeness, case aside; none twice."""
    among = {name.casefold(): name for each in names for name in each.head(CLOSE).to_list()}
    return [among[found] for found in difflib.get_close_matches(wanted.casefold(), among, n=3)]
