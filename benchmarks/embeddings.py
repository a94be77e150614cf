"""The artefact every trainer leaves: a folder `embeddings/` of safetensors and JSON.

    embeddings/
      embeddings.json           what the vectors are
      embeddings.safetensors    the vectors
      entity.parquet, relation.parquet    the string id of each row

Imports msgspec, polars, pyarrow, torch, safetensors, benchmarks.{scorers,tensors} and wikidata5m.
Shapes: E rows of entities, D the width of an entity vector, R relations.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.scorers import ModelName, Scorer, get_scorer
from benchmarks.tensors import StoredRows, require_intact, save_tensors
from wikidata5m.dataset import Dataset
from wikidata5m.errors import DatasetError, InputError
from wikidata5m.files import atomic_path, read_json, write_json, write_parquet
from wikidata5m.schema import ENTITY_SCHEMA, RELATION_SCHEMA

FORMAT: Final = 1
TENSORS: Final = "embeddings.safetensors"
META: Final = "embeddings.json"
_ENTITY, _RELATION = ENTITY_SCHEMA.field("entity"), RELATION_SCHEMA.field("relation")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsMeta:
    """What must be known to use the vectors."""

    scorer: ModelName
    dim: int
    dataset: str
    """The dataset's name."""
    dataset_hash: str
    """Manifest.dataset_hash: indices mean nothing in another dataset."""
    gamma: float = 0.0
    p: int = 0
    reciprocal: bool = False
    """Whether row r + R of the relations stands for the inverse of relation r."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What the trainer wants to say besides: encoder, pooling, epochs."""
    format: int = FORMAT

    def make_scorer(self) -> Scorer:
        """The scorer these vectors were trained for."""
        return get_scorer(self.scorer, gamma=self.gamma, p=self.p)


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeddings:
    """Vectors and their meaning."""

    entities: Tensor
    """(E, D)."""
    relations: Tensor
    """(R, width)."""
    index: Tensor | None
    """(E,): the dataset's entity index of each row, ascending; None when row i is entity i."""
    meta: EmbeddingsMeta


@dataclass(frozen=True, slots=True)
class Ids:
    """Which string id each row of the tables has, so that another dataset can take the vectors."""

    entities: pl.Series
    relations: pl.Series
    """Of the relations alone: rows of inverse relations follow in the same order."""

    @classmethod
    def of(cls, dataset: Dataset) -> Ids:
        """Those of all entities and relations of a dataset."""
        return cls(dataset.entity_ids, dataset.relations["relation"])


def save_embeddings(
    folder: Path,
    entities_ED: Tensor,
    relations_RD: Tensor,
    meta: EmbeddingsMeta,
    *,
    index_E: Tensor | None = None,
    ids: Ids | None = None,
) -> None:
    """Write the artefact; `folder` appears when it is complete and replaces an older one.

    `index_E` (int64, ascending) names the entities of the rows where only some were encoded.
    `ids` lets `bench train --from` match the rows with another dataset's entities.
    """
    tensors = {"entities": entities_ED, "relations": relations_RD}
    if index_E is not None:
        tensors["index"] = index_E
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        save_tensors(temporary / TENSORS, tensors)
        if ids is not None:
            save_ids(temporary, ids)
        write_json(temporary / META, asdict(meta))
        if folder.is_dir():
            shutil.rmtree(folder)


def save_ids(folder: Path, ids: Ids) -> None:
    """Write which id each row of the artefact in `folder` has."""
    for field_, values in ((_ENTITY, ids.entities), (_RELATION, ids.relations)):
        frame = pl.DataFrame({field_.name: values})
        write_parquet(frame, pa.schema([field_]), folder / f"{field_.name}.parquet")


def lacks_ids(folder: Path) -> bool:
    """Whether the artefact in `folder` does not say which id each row has."""
    return not all((folder / f"{each.name}.parquet").is_file() for each in (_ENTITY, _RELATION))


def read_meta(folder: Path) -> EmbeddingsMeta:
    """What the vectors are. Raises InputError when it is damaged or of another format."""
    values = read_json(folder / META)
    if values.get("format") != FORMAT:
        problem = f"embeddings format {values.get('format')}, this version reads {FORMAT}"
        raise InputError(folder / META, problem, fix="train or encode again")
    try:
        return msgspec.convert(values, EmbeddingsMeta)
    except msgspec.ValidationError as error:
        raise InputError(folder / META, str(error), fix="train or encode again") from None


def read_ids(folder: Path) -> Ids:
    """The ids of the rows. Raises InputError when the artefact carries none, or damaged ones."""
    columns = []
    for name in (_ENTITY.name, _RELATION.name):
        path = folder / f"{name}.parquet"
        try:
            columns.append(pl.read_parquet(path, glob=False)[name])
        except (OSError, pl.exceptions.PolarsError) as error:
            problem = f"no ids of the rows ({str(error).splitlines()[0]})"
            raise InputError(
                path, problem, fix="train or encode again, which writes them"
            ) from None
    return Ids(*columns)


def load_embeddings(
    folder: Path, *, dataset_hash: str | None = None, device: str = "cpu", verify: bool = False
) -> Embeddings:
    """Read the artefact; with `verify`, all of it, to compare its checksums.

    Raises InputError when it is incomplete, damaged or of another format, DatasetError when
    `dataset_hash` is given and the vectors belong to another dataset.
    """
    meta = read_meta(folder)
    if dataset_hash is not None and meta.dataset_hash != dataset_hash:
        raise DatasetError(
            f"{folder}: made for dataset {meta.dataset!r} ({meta.dataset_hash}), asked for "
            f"{dataset_hash}; name the dataset it was trained on with --dataset, or train again"
        )
    try:
        tensors = load_file(folder / TENSORS, device=device)
        entities_ED, relations_RD = tensors["entities"], tensors["relations"]
    except (OSError, SafetensorError, KeyError) as error:
        problem = f"not readable as embeddings ({str(error).splitlines()[0]})"
        raise InputError(folder / TENSORS, problem, fix="train or encode again") from None
    if verify:
        require_intact(folder / TENSORS, tensors, fix="train or encode again")
    if entities_ED.dim() != 2 or entities_ED.shape[1] != meta.dim:
        shape = tuple(entities_ED.shape)
        problem = f"entities of shape {shape}, but {META} says dim {meta.dim}"
        raise InputError(folder / TENSORS, problem, fix="train or encode again")
    return Embeddings(
        entities=entities_ED,
        relations=relations_RD,
        index=tensors.get("index"),
        meta=meta,
    )


def stored_entities(folder: Path) -> StoredRows:
    """`entities` of an artefact, for a process that goes on: read row by row, never held.

    Raises InputError when the artefact is incomplete or damaged.
    """
    return StoredRows(folder / TENSORS, "entities", fix="train or encode again")
