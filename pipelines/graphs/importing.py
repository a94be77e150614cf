"""MAIN PATH: the files of a graph -> a dataset. Read, index, split as the source does, write.

    wikidata5m import FB15k-237 --out fb15k-237

What the source's own parts break of the rules (repeated triplets, unseen entities) is kept as it is
and declared in the manifest. Imports layout, names and the package wikidata5m.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from pipelines.graphs.layout import GraphFiles, Role
from pipelines.graphs.names import (
    FRAME,
    Descriptions,
    entity_table,
    read_ids,
    read_labels,
    read_texts,
    relation_table,
)
from wikidata5m.console import log, progress
from wikidata5m.dataset import Triplets
from wikidata5m.errors import InputError
from wikidata5m.files import atomic_path, claim_output
from wikidata5m.lines import BadLines
from wikidata5m.manifest import Manifest, describe_source
from wikidata5m.schema import CLASSIFICATION_SCHEMA, PARTS, SETTINGS, Part, Setting, Support
from wikidata5m.splits import (
    Keys,
    Split,
    departures,
    keyed_triplets,
    mislabelled,
    triplet_keys,
    uncovered,
)
from wikidata5m.tsv import TripletFiles, TripletFormat, read_triplets, sort_ids
from wikidata5m.writer import Provenance, Tables, as_table, write_dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportConfig:
    """How to read a graph's files."""

    layout: TripletFormat = field(default_factory=TripletFormat)
    max_errors: int = 0
    """Bad lines to drop and count before one is an error."""
    keep_unused: bool = False
    """Keep entities and relations that the files of names and texts know and no triplet holds."""


def import_graph(
    files: GraphFiles, out: Path, config: ImportConfig, *, overwrite: bool = False
) -> Manifest:
    """Write the dataset folder `out` from `files`.

    Raises InputError on a file that is not what it should be, OutputExistsError when `out` holds
    something already.
    """
    if files.negatives and not files.splits:
        raise InputError(
            next(iter(files.negatives.values())),
            "false triplets of a part, and there is no part",
            fix="give --train, --valid and --test as well, or leave this file out",
        )
    inputs = [path for _, path in files.triplet_files()] + list(files.names.values())
    claim_output(out, overwrite=overwrite, inputs=inputs, keep=True, whole=True)
    bad = BadLines(config.max_errors)
    names = _Names(files, bad)
    graph = _read(files, config, names, bad)
    log(f"{sum(map(len, graph.triplets)):,} triplets: sort, see what the parts break, write")
    whole_N3, splits, negatives, drops = _arrange(files, graph)
    sizes = (len(graph.entities), len(graph.relations))
    declared: dict[str, int] = {}
    for setting, split in splits.items():
        declared |= departures(setting, split, whole_N3, *sizes)
        lost, _ = uncovered(split, whole_N3, sizes)
        drops |= {f"{setting}_border": lost} if lost else {}
    if splits:
        labels = _labelled_split(splits)
        for part, false_N3 in negatives.items():
            none_N = np.zeros(len(false_N3), dtype=np.bool_)
            declared |= mislabelled(part, false_N3, none_N, labels, sizes)
    texts = Descriptions(graph.entities)
    texts.drops += names.unused(graph)
    tables = Tables(
        entities=entity_table(graph.entities, names.entities),
        relations=relation_table(graph.relations, names.relations, names.described),
        classes=pl.DataFrame(schema={"class": pl.String, "label": pl.String}),
        triplets=whole_N3,
        descriptions=_count_texts(texts, names, drops, declared),
    )
    counts, notes = _tell_names(tables)
    notes += _missing_parts(files)
    provenance = Provenance(
        name=out.resolve().name,
        sources=_sources(files, graph),
        config=asdict(config),
        counts=counts,
        # The writer reads both when the texts, the last to be counted, are written.
        drops=drops,
        departures=declared,
        notes=notes,
    )
    with atomic_path(out) as folder:
        folder.mkdir()
        labelled = _label(splits, negatives)
        manifest = write_dataset(folder, tables, splits, provenance, classification=labelled)
        # What is to be replaced goes when nothing can fail any more.
        claim_output(out, overwrite=overwrite, inputs=inputs)
    return manifest


class _Names:
    """What the files say beside the triplets; texts of entities are read when they are drawn."""

    def __init__(self, files: GraphFiles, bad: BadLines) -> None:
        self.files, self.bad = files, bad
        self.drops = Counter[str]()
        self.entities = self._labels("entity_label")
        self.relations = self._labels("relation_label")
        self.described = pl.concat(
            [
                pl.DataFrame(schema={"id": pl.String, "text": pl.String}),
                *self._texts("relation_text"),
            ]
        )

    def entity_texts(self) -> Iterator[pl.DataFrame]:
        """Frames of (id, text): of the file of texts, or else of the file of names."""
        if "entity_text" in self.files.names:
            yield from self._texts("entity_text")
        else:
            yield self.entities.select("id", "text").filter(pl.col("text") != "")

    def all_ids(self) -> tuple[list[pl.Series], list[pl.Series]]:
        """The ids of entities and of relations that the files name."""
        # Bad lines of the texts are counted when the texts are drawn.
        texts = self._texts("entity_text", BadLines(self.bad.limit))
        entities = [self.entities["id"], *(frame["id"] for frame in texts)]
        return entities, [self.relations["id"], self.described["id"]]

    def unused(self, graph: TripletFiles) -> Counter[str]:
        """Lines of ids that the graph lacks, and of ids that have one already."""
        drops = Counter(self.drops)
        for frame, ids, unknown, repeated in (
            (self.entities, graph.entities, "name_of_unknown_id", "repeated_names"),
            (self.relations, graph.relations, "name_of_unknown_id", "repeated_names"),
            (self.described, graph.relations, "text_of_unknown_id", "repeated_text"),
        ):
            known = frame.join(pl.DataFrame({"id": ids}), on="id", how="semi")
            drops[unknown] += frame.height - known.height
            drops[repeated] += known.height - known["id"].n_unique()
        return drops

    def real_ids(self, role: Role, wanted: pl.Series, *, keep_unused: bool) -> pl.Series:
        """The ids that `wanted` stand for, in their order; then, if asked, those of no triplet."""
        found = read_ids(self.files.names[role], self.bad, wanted)
        self.drops["repeated_names"] += found.repeated
        if not keep_unused:
            self.drops["name_of_unknown_id"] += found.unused.len()
            return found.used
        others = self.all_ids()[0 if role == "entity_ids" else 1]
        ids = pl.concat([found.used, found.unused, *others]).unique(maintain_order=True)
        return ids.drop_nulls()

    def _labels(self, role: Role) -> pl.DataFrame:
        path = self.files.names.get(role)
        return read_labels(path, self.bad) if path else pl.DataFrame(schema=FRAME)

    def _texts(self, role: Role, bad: BadLines | None = None) -> Iterator[pl.DataFrame]:
        path = self.files.names.get(role)
        if path is None:
            return
        with progress(role.replace("_", " "), path.stat().st_size, "bytes") as update:
            yield from read_texts(path, bad or self.bad, update)


def _read(files: GraphFiles, config: ImportConfig, names: _Names, bad: BadLines) -> TripletFiles:
    paths = [path for _, path in files.triplet_files()]
    entities, relations = names.all_ids() if config.keep_unused else ([], [])
    # What other files name by its real id is added once the triplets' integers have theirs.
    entities = [] if "entity_ids" in files.names else entities
    relations = [] if "relation_ids" in files.names else relations
    layout = config.layout
    if layout.order is None and files.order:
        layout = replace(layout, order=files.order)
    total = sum(path.stat().st_size for path in paths)
    with progress("triplets", total, "bytes") as update:
        graph = read_triplets(
            paths,
            layout,
            bad,
            more_entities=entities,
            more_relations=relations,
            on_bytes=update,
        )
    if not sum(map(len, graph.triplets)):
        raise InputError(paths[0], "holds no triplet", fix="name the files of the graph's triplets")
    if len(graph.entities) ** 2 * len(graph.relations) >= 1 << 63:
        raise InputError(
            paths[0],
            f"{len(graph.entities):,} entities by {len(graph.relations):,} relations are too many",
            fix="check --order: were heads or tails read as relations?",
        )
    _tell_layouts(files, graph)
    return _renamed(graph, names, keep_unused=config.keep_unused)


def _sources(files: GraphFiles, graph: TripletFiles) -> tuple[dict[str, Any], ...]:
    """Every file that was read; of triplets, with the layout they were read by."""
    triplets = zip(files.triplet_files(), graph.layouts, strict=True)
    return (
        *(describe_source(*file) | {"layout": asdict(layout)} for file, layout in triplets),
        *(describe_source(role, path) for role, path in files.names.items()),
    )


def _tell_layouts(files: GraphFiles, graph: TripletFiles) -> None:
    for (role, path), layout in zip(files.triplet_files(), graph.layouts, strict=True):
        header = ", a header" if layout.header else ""
        log(f"{role}: {path} ({layout.separator}-separated, {layout.order}{header})")


def _renamed(graph: TripletFiles, names: _Names, *, keep_unused: bool) -> TripletFiles:
    """The graph with the ids that its integers stand for, where files say so."""
    tables = {"entity_ids": graph.entities, "relation_ids": graph.relations}
    columns: dict[str, tuple[int, ...]] = {"entity_ids": (0, 2), "relation_ids": (1,)}
    roles: tuple[Role, ...] = ("entity_ids", "relation_ids")
    for role in roles:
        if role in names.files.names:
            ids = names.real_ids(role, tables[role], keep_unused=keep_unused)
            order = sort_ids(ids)
            place = np.empty(len(order), dtype=np.int32)
            place[order] = np.arange(len(order), dtype=np.int32)
            tables[role] = ids[order]
            for triplets_N3 in graph.triplets:
                for column in columns[role]:
                    triplets_N3[:, column] = place[triplets_N3[:, column]]
    return replace(graph, entities=tables["entity_ids"], relations=tables["relation_ids"])


def _arrange(
    files: GraphFiles, graph: TripletFiles
) -> tuple[Triplets, dict[Setting, Split], dict[Part, Triplets], dict[str, int]]:
    """All triplets, sorted and unique; the splits, sorted, with what they repeat; false triplets;
    drops.
    """
    sizes = (len(graph.entities), len(graph.relations))
    true = len(graph.triplets) - len(files.negatives)
    negatives = dict(zip(files.negatives, graph.triplets[true:], strict=True))
    keys = [np.sort(triplet_keys(triplets_N3, sizes)) for triplets_N3 in graph.triplets[:true]]
    drops: dict[str, int] = {}
    if files.whole:
        repeated = len(keys[0]) - len(_unique(keys[0]))
        drops |= {"duplicate_statement": repeated} if repeated else {}
    whole_N3 = keyed_triplets(_unique(np.sort(np.concatenate(keys))), sizes)
    rest = iter(keys[1:] if files.whole else keys)
    splits: dict[Setting, Split] = {}
    for setting, parts in files.splits.items():
        held: dict[Part | Support, Triplets] = {
            part: keyed_triplets(next(rest), sizes) for part in parts
        }
        for part in PARTS:
            held.setdefault(part, np.zeros((0, 3), dtype=np.int32))
        splits[setting] = held
    return whole_N3, splits, negatives, drops


def _unique(keys: Keys) -> Keys:
    """Sorted keys without repeats."""
    return keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys


def _labelled_split(splits: Mapping[Setting, Split]) -> Split:
    """The split whose triplets a classification set labels: the first as `verify` counts them."""
    return splits[min(splits, key=SETTINGS.index)]


def _label(
    splits: Mapping[Setting, Split], negatives: Mapping[Part, Triplets]
) -> dict[Part, pa.Table]:
    """The true triplets of each part that has false ones, then those."""
    if not splits:
        return {}
    split = _labelled_split(splits)
    tables: dict[Part, pa.Table] = {}
    for part, false_N3 in negatives.items():
        table = as_table(np.concatenate([split[part], false_N3]))
        label_N = pa.array(np.arange(len(table)) < len(split[part]))
        tables[part] = table.append_column(CLASSIFICATION_SCHEMA.field("label"), label_N)
    return tables


def _missing_parts(files: GraphFiles) -> tuple[str, ...]:
    return tuple(
        f"{setting}: the source has no {part} part, so it is empty"
        for setting, parts in files.splits.items()
        for part in PARTS
        if part not in parts
    )


def _count_texts(
    texts: Descriptions, names: _Names, drops: dict[str, int], declared: dict[str, int]
) -> Iterator[pl.DataFrame]:
    yield from texts.draw(names.entity_texts())
    drops |= {reason: count for reason, count in texts.drops.items() if count}
    drops |= {str(problem): count for problem, count in names.bad.counts.items()}
    if texts.without:
        declared["entity_without_text"] = texts.without


def _tell_names(tables: Tables) -> tuple[dict[str, int], tuple[str, ...]]:
    """How many ids are names: for want of another, or since the files name them so."""
    counts, notes = {}, []
    for what, frame, key in (
        ("entities", tables.entities, "entity"),
        ("relations", tables.relations, "relation"),
    ):
        by_id = int((frame["label"] == frame[key]).sum())
        counts[f"{what}_named_by_id"] = by_id
        if by_id:
            notes.append(f"{by_id:,} of {frame.height:,} {what} have their id as name")
    return counts, tuple(notes)
