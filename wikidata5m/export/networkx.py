"""A dataset as a networkx graph, and as the node-link JSON that networkx reads. Imports files.

Nodes are entity ids with a label, edges are keyed by relation id. A graph of 20 M triplets needs
tens of GB in networkx; the file is written row by row all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import ujson
from isal import igzip

from wikidata5m.dataset import Dataset
from wikidata5m.export import files
from wikidata5m.export.files import Choice, ExportFile, OnRows
from wikidata5m.schema import Setting

if TYPE_CHECKING:
    import networkx as nx

NAME = "graph.json.gz"


def to_networkx(dataset: Dataset, setting: Setting | None = None) -> nx.MultiDiGraph:
    """The graph, with entity ids as nodes and relation ids as keys of edges.

    Of a setting, edges carry the `part` they belong to. Every entity is a node, also one without
    triplets. `graph.graph["relations"]` gives labels of relations.
    """
    import networkx as nx  # noqa: PLC0415 - not every export needs it

    graph = nx.MultiDiGraph(**_attributes(dataset))
    for frame in _nodes(dataset):
        graph.add_nodes_from((node, {"label": label}) for node, label in frame.iter_rows())
    for frame in _edges(dataset, setting):
        columns = frame.columns[3:]
        graph.add_edges_from(
            (head, tail, relation, dict(zip(columns, rest, strict=True)))
            for head, tail, relation, *rest in frame.iter_rows()
        )
    return graph


def export(dataset: Dataset, choice: Choice) -> list[ExportFile]:
    """graph.json.gz, for networkx.node_link_graph(..., edges="edges")."""
    setting = choice.setting if choice.settings else None
    rows = dataset.num_entities + (
        sum(files.part_rows(dataset, setting, part) for part in files.parts(dataset, setting))
        if setting
        else dataset.manifest.counts["triplets"]
    )

    def write(path: Path, on_rows: OnRows) -> None:
        with path.open("wb") as raw, igzip.IGzipFile("", "wb", 1, raw, mtime=0) as stream:
            attributes = ujson.dumps(_attributes(dataset), ensure_ascii=False)
            start = f'{{"directed": true, "multigraph": true, "graph": {attributes},\n"nodes": ['
            stream.write(start.encode())
            _write_objects(stream, _nodes(dataset), on_rows)
            stream.write(b'],\n"edges": [')
            _write_objects(stream, _edges(dataset, setting), on_rows)
            stream.write(b"]}\n")

    return [ExportFile(name=NAME, rows=rows, write=write)]


def _attributes(dataset: Dataset) -> dict[str, Any]:
    labels = dict(dataset.relations.select("relation", "label").iter_rows())
    return {"name": dataset.manifest.name, "relations": labels}


def _nodes(dataset: Dataset) -> Iterator[pl.DataFrame]:
    return files.table_frames(dataset.entities.select(pl.col("entity").alias("id"), "label"))


def _edges(dataset: Dataset, setting: Setting | None) -> Iterator[pl.DataFrame]:
    """Frames of (source, target, key), and the part where there is a setting."""
    columns = {"source": "head", "target": "tail", "key": "relation"}
    if setting is None:
        for frame in files.whole_frames(dataset):
            yield frame.select(**columns)
        return
    for part in files.parts(dataset, setting):
        for frame in files.part_frames(dataset, setting, part):
            yield frame.select(**columns, part=pl.lit(part))


def _write_objects(
    stream: igzip.IGzipFile, frames: Iterator[pl.DataFrame], on_rows: OnRows
) -> None:
    """One JSON object a row, commas between them."""
    between = "\n"
    for frame in frames:
        if frame.height:
            rows = frame.select(pl.struct(pl.all()).struct.json_encode()).to_series()
            stream.write((between + rows.str.join(",\n")[0]).encode())
            between = ",\n"
        on_rows(frame.height)
