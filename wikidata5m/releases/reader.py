"""MAIN PATH: the files of a release -> a dataset folder.

Imports identify, texts, and of wikidata5m splits, tsv, writer and what they stand on.

Kept is what occurs in a triplet; texts and names of other ids are counted. The splits stay as they
were published: what they break is counted in the manifest's departures. Legend: N triplets, E
entities, R relations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from wikidata5m.console import log, progress
from wikidata5m.dataset import Triplets
from wikidata5m.errors import InputError
from wikidata5m.lines import BadLines, OnBytes
from wikidata5m.manifest import Manifest
from wikidata5m.releases.identify import LAYOUT, Counts, by_counts
from wikidata5m.releases.texts import label_counts, read_texts, sorted_texts
from wikidata5m.schema import Part, Setting, Support
from wikidata5m.splits import departures, keyed_triplets, triplet_keys, uncovered
from wikidata5m.tsv import TripletFiles, read_names, read_triplets
from wikidata5m.writer import Provenance, Tables, write_dataset

INSTANCE_OF: Final = "P31"
DISAMBIGUATION_PAGE: Final = "Q4167410"
WHOLE: Final = "name a folder with the whole files, or leave --from out to download them"
FOREIGN_SHARE: Final = 0.01
"""More of a split than this that the other split lacks means two versions, not a slip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFiles:
    """Where the unpacked files are; None and {} for what is not there."""

    triplets: Mapping[Setting, Mapping[Part, Path]]
    """transductive, and inductive where there is one."""
    text: Path | None = None
    entity_names: Path | None = None
    relation_names: Path | None = None
    sources: tuple[dict[str, Any], ...] = ()
    """The downloaded files, for the manifest."""

    def all(self) -> list[Path]:
        """Every file, in the order in which they are read."""
        triplets = [path for split in self.triplets.values() for path in split.values()]
        names = (self.entity_names, self.relation_names, self.text)
        return [*triplets, *(path for path in names if path)]


@dataclass(frozen=True, slots=True)
class _Graph:
    """The triplets of every part, and the tables that they point into."""

    read: TripletFiles
    splits: dict[Setting, dict[Part | Support, Triplets]]

    @property
    def sizes(self) -> tuple[int, int]:
        return len(self.read.entities), len(self.read.relations)


def read_release(
    files: ReleaseFiles, out: Path, work: Path, version: str, bad: BadLines
) -> Manifest:
    """Write the dataset folder `out`, which the caller has claimed; `work` takes temporary files.

    Raises InputError naming file and line where a line is not what it should be, and when the two
    splits are of different versions.
    """
    drops: Counter[str] = Counter()
    buckets = work / "texts"
    with _reading(files) as on_bytes:
        graph = _read_graph(files, bad, on_bytes)
        aliases_E = _read_aliases(files.entity_names, graph.read.entities, drops, bad, on_bytes)
        aliases_R = _read_aliases(files.relation_names, graph.read.relations, drops, bad, on_bytes)
        entities = pl.DataFrame({"id": graph.read.entities, "aliases": aliases_E})
        entities = entities.with_columns(index=pl.int_range(pl.len(), dtype=pl.Int32))
        described = read_texts(files.text, entities, buckets, bad, on_bytes(files.text))
    log("write: tables, texts, splits")
    whole_N3, borders = _whole(graph, files)
    labels_E = pl.Series("label", described.labels, dtype=pl.String)
    types = _types(graph, whole_N3)
    tables = Tables(
        entities=_entity_table(entities, labels_E, types),
        relations=_relation_table(graph.read.relations, aliases_R),
        classes=_class_table(entities, labels_E, types),
        triplets=whole_N3,
        descriptions=sorted_texts(buckets),
    )
    provenance = Provenance(
        name=f"wikidata5m-{version}",
        sources=files.sources,
        config={"release": version},
        drops={**drops, **described.drops, **borders, **_by_name(bad)},
        counts={"texts_read": described.read, **label_counts(described)},
        departures=_departures(graph, whole_N3, described.without_text),
        notes=(*_versions(graph), *_notes(graph, aliases_R, files)),
    )
    return write_dataset(out, tables, graph.splits, provenance)


def _by_name(bad: BadLines) -> dict[str, int]:
    return {str(problem): count for problem, count in bad.counts.items()}


OnFile = Callable[[Path | None], OnBytes]


@contextmanager
def _reading(files: ReleaseFiles) -> Iterator[OnFile]:
    """Progress over the bytes of all files; give it the file that is read next."""
    paths = files.all()
    sizes = [path.stat().st_size for path in paths]
    before = dict(zip(paths, np.cumsum([0, *sizes]).tolist(), strict=False))
    with progress("read", sum(sizes), "bytes") as update:

        def of(path: Path | None) -> OnBytes:
            start = before[path] if path else 0
            return lambda done: update(start + done, path.name if path else "")

        yield of


def _read_graph(files: ReleaseFiles, bad: BadLines, on_bytes: OnFile) -> _Graph:
    places = [(setting, part) for setting, split in files.triplets.items() for part in split]
    paths = [files.triplets[setting][part] for setting, part in places]
    read = read_triplets(paths, LAYOUT, bad, on_bytes=on_bytes(paths[0]))
    if not sum(map(len, read.triplets)):
        raise InputError(paths[0], "holds no triplet, nor do the others", fix=WHOLE)
    splits: dict[Setting, dict[Part | Support, Triplets]] = {s: {} for s in files.triplets}
    sizes = len(read.entities), len(read.relations)
    for (setting, part), triplets_N3 in zip(places, read.triplets, strict=True):
        order = np.argsort(triplet_keys(triplets_N3, sizes), kind="stable")
        splits[setting][part] = triplets_N3[order]
    return _Graph(replace(read, triplets=()), splits)


def _read_aliases(
    path: Path | None, ids: pl.Series, drops: Counter[str], bad: BadLines, on_bytes: OnFile
) -> pl.Series:
    """The aliases of each id, in its place; the first line of an id counts."""
    frame = pl.DataFrame({"id": ids})
    if path is None:
        empty: list[list[str]] = [[]] * len(ids)
        return pl.Series("aliases", empty, dtype=pl.List(pl.String))
    frames = list(read_names(path, bad, on_bytes(path)))
    if not frames:
        raise InputError(path, "holds no name", fix=WHOLE)
    read = pl.concat(frames)
    known = read.join(frame, on="id", how="semi")
    first = known.unique("id", keep="first", maintain_order=True)
    drops["name_of_unknown_id"] += read.height - known.height
    drops["repeated_names"] += known.height - first.height
    joined = frame.join(first, on="id", how="left", maintain_order="left")["names"]
    stripped = joined.fill_null([]).list.eval(pl.element().str.strip_chars())
    return stripped.list.unique(maintain_order=True).alias("aliases")


def _whole(graph: _Graph, files: ReleaseFiles) -> tuple[Triplets, dict[str, int]]:
    """All triplets, sorted and unique, and how many of them each split leaves out."""
    every = [triplets_N3 for split in graph.splits.values() for triplets_N3 in split.values()]
    # Sorting beats np.unique, which hashes, by far.
    keys = np.sort(np.concatenate([triplet_keys(each, graph.sizes) for each in every]))
    keys = keys[np.diff(keys, prepend=-1) > 0]
    whole_N3 = keyed_triplets(keys, graph.sizes)
    borders = {}
    for setting, split in graph.splits.items():
        lost, _ = uncovered(split, whole_N3, graph.sizes)
        if setting == "transductive" and lost > FOREIGN_SHARE * len(whole_N3):
            raise InputError(
                files.triplets["inductive"]["train"],
                f"{lost:,} triplets of the inductive split are not in the transductive one",
                fix="the two are of different versions: check them with "
                "`wikidata5m download identify`",
            )
        if lost:
            borders[f"{setting}_border"] = lost
    return whole_N3, borders


def _departures(graph: _Graph, whole_N3: Triplets, without_text: int) -> dict[str, int]:
    found = {"entity_without_text": without_text} if without_text else {}
    for setting, split in graph.splits.items():
        found |= departures(setting, split, whole_N3, *graph.sizes)
    return found


def _types(graph: _Graph, whole_N3: Triplets) -> pl.DataFrame:
    """(index, class) by the instance-of triplets: all that the release says of types."""
    relation = np.flatnonzero((graph.read.relations == INSTANCE_OF).to_numpy())
    head, tail = whole_N3[np.isin(whole_N3[:, 1], relation)][:, [0, 2]].T
    return pl.DataFrame({"index": head, "class": tail})


def _entity_table(entities: pl.DataFrame, labels_E: pl.Series, types: pl.DataFrame) -> pl.DataFrame:
    named = types.select("index", types=entities["id"].gather(types["class"]))
    grouped = named.group_by("index", maintain_order=True).agg("types")
    aliases = pl.concat_list(labels_E, "aliases").list.unique(maintain_order=True)
    return (
        entities.join(grouped, on="index", how="left", maintain_order="left")
        .with_columns(pl.col("types").fill_null([]))
        .select(
            "types",
            entity="id",
            label=labels_E,
            title=pl.lit(""),
            # An id that stands in for a missing name is no alias.
            aliases=pl.when(pl.col("aliases").list.len() > 0).then(aliases).otherwise("aliases"),
            disambiguation=pl.col("types").list.contains(DISAMBIGUATION_PAGE),
        )
    )


def _relation_table(ids: pl.Series, aliases_R: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"relation": ids, "aliases": aliases_R}).with_columns(
        label=pl.col("aliases").list.first().fill_null(pl.col("relation")), description=pl.lit("")
    )


def _class_table(entities: pl.DataFrame, labels_E: pl.Series, types: pl.DataFrame) -> pl.DataFrame:
    used = types["class"].unique().sort()
    return pl.DataFrame({"class": entities["id"].gather(used), "label": labels_E.gather(used)})


def _versions(graph: _Graph) -> Iterator[str]:
    """What each split is, by its counts."""
    for split in graph.splits.values():
        seen = [np.zeros(size, dtype=np.bool_) for size in graph.sizes]
        for triplets_N3 in split.values():
            seen[0][triplets_N3[:, [0, 2]]] = True
            seen[1][triplets_N3[:, 1]] = True
        counts = Counts(
            triplets={str(part): len(triplets_N3) for part, triplets_N3 in split.items()},
            entities=int(seen[0].sum()),
            relations=int(seen[1].sum()),
        )
        yield f"release: {by_counts(counts).told}"


def _notes(graph: _Graph, aliases_R: pl.Series, files: ReleaseFiles) -> Iterator[str]:
    """What the release lacks, for whoever reads a number from it."""
    nameless = graph.read.relations.filter(aliases_R.list.len() == 0).to_list()
    if nameless:
        yield f"{len(nameless):,} relations have no name, their id stands in: " + ", ".join(
            nameless[:20]
        )
    yield (
        "the release has no relation descriptions, page titles or labels: labels were chosen among "
        "its aliases by the text (counts label_*), and its aliases carry vandalism"
    )
    yield "types are the instance-of triplets of all parts, valid and test included"
    for setting in ("transductive", "inductive"):
        if setting not in graph.splits:
            yield f"no {setting} split: none was among the files"
    for what, path in (("texts", files.text), ("names", files.entity_names)):
        if path is None:
            yield f"no {what}: none were among the files"
