"""GraphVite's vectors as ours: the same scores, its rows under our indices.

Imports numpy, polars, torch, the sibling unpickle, benchmarks.{config,scorers} and wikidata5m.

How GraphVite lays out a vector of D floats, and what becomes of it:

    TransE    h + r - t under the norm 1, subtracted from a margin: as ours
    DistMult  as ours
    ComplEx   re, im, re, im, ...: ours are halves, re ... im ...
    RotatE    entities as ComplEx; of a relation the first D/2 floats are phases, the rest unused
    SimplE    sum of h[i] r[i] t[i ^ 1]: the even places are an entity's head role, the odd ones its
              tail role; of a relation the even places serve r and the odd ones its inverse. Ours
              takes the mean of the two sums, so that relations are doubled.
    QuatE     1, i, j, k, 1, i, j, k, ...: ours are quarters; both divide by the relation's modulus

Shapes: E entities of the dataset, D floats per vector, N rows of a table, B rows of a block.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from benchmarks.config import ModelConfig
from benchmarks.engines.graphvite.unpickle import Floats, Model
from benchmarks.scorers import ModelName, get_scorer
from wikidata5m.dataset import Dataset
from wikidata5m.errors import DatasetError, InputError

BLOCK: Final = 1 << 16


Layout = Callable[[Tensor, ModelName], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """How the names of a model and a dataset met."""

    without_vector: int
    """Names of the dataset that the model lacks."""
    foreign: int
    """Names of the model that the dataset lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """A table of GraphVite's, and what of ours it fills."""

    names: list[str]
    vectors_ND: Floats
    ids: pl.Series
    layout: Layout
    start: float
    """Half the width of the range that GraphVite draws these vectors from before training."""


def convert(
    found: Model, dataset: Dataset, config: ModelConfig, path: Path, seed: int
) -> tuple[Tensor, Tensor, dict[str, Matched]]:
    """The tables by our indices and in our layout, and how the entities and relations met.

    What has no vector gets one drawn by `seed` as GraphVite starts its own, and so is ranked like
    an entity that was never trained. Raises DatasetError when no name is shared, and InputError
    when vectors are not finite or of a width that this model cannot have.
    """
    dim = found.entities_ED.shape[1]
    if dim % get_scorer(config.name).split:
        problem = f"vectors of {dim} floats, which {config.name} cannot have"
        raise InputError(path, problem, fix="name the model that was trained")
    entity_start, relation_start = _starts(config, dim)
    sides = {
        "entities": _Side(
            names=found.entities,
            vectors_ND=found.entities_ED,
            ids=dataset.entities["entity"],
            layout=entities_layout,
            start=entity_start,
        ),
        "relations": _Side(
            names=found.relations,
            vectors_ND=found.relations_RD,
            ids=dataset.relations["relation"],
            layout=relations_layout,
            start=relation_start,
        ),
    }
    generator = torch.Generator().manual_seed(seed)
    tables, matched = [], {}
    for what, side in sides.items():
        rows_N = _rows(side.names, side.ids)
        missing = torch.from_numpy(np.flatnonzero(rows_N < 0))
        kept = len(rows_N) - len(missing)
        if not kept:
            raise DatasetError(
                f"{path}: has no {what} in common with {dataset.path}; "
                "name the dataset that it was trained on"
            )
        table_ND = _gather(side, rows_N, config.name, path)
        drawn = torch.rand(len(missing), table_ND.shape[1], generator=generator)
        table_ND[missing] = drawn.mul_(2).sub_(1).mul_(side.start)
        tables.append(table_ND)
        matched[what] = Matched(without_vector=len(missing), foreign=len(side.names) - kept)
    return tables[0], tables[1], matched


def entities_layout(table_ND: Tensor, name: ModelName) -> Tensor:
    """Entity vectors of GraphVite as ours: what lies side by side there falls into pieces here."""
    numbers = table_ND.view(*table_ND.shape[:-1], -1, get_scorer(name).split)
    return numbers.mT.flatten(-2)


def relations_layout(table_ND: Tensor, name: ModelName) -> Tensor:
    """Relation vectors of GraphVite as ours."""
    if name == "rotate":
        return table_ND[..., : table_ND.shape[-1] // 2]
    laid = entities_layout(table_ND, name)
    return 2 * laid if name == "simple" else laid


def _starts(config: ModelConfig, dim: int) -> tuple[float, float]:
    """Half the width of the ranges in which GraphVite draws entities and relations first."""
    if config.name == "transe":
        return config.gamma / dim, config.gamma / dim
    if config.name == "rotate":
        return 2 * config.gamma / dim, math.pi
    if config.name == "quate":
        return math.sqrt(2 / dim), math.sqrt(2 / dim)
    return 0.5, 0.5


def _rows(names: list[str], ids: pl.Series) -> npt.NDArray[np.int64]:
    """The row of each id among the names; -1 where it is not among them."""
    known = pl.DataFrame({"id": pl.Series(names, dtype=pl.String), "row": np.arange(len(names))})
    joined = pl.DataFrame({"id": ids}).join(known, on="id", how="left", maintain_order="left")
    return joined["row"].fill_null(-1).to_numpy()


def _gather(side: _Side, rows_N: npt.NDArray[np.int64], name: ModelName, path: Path) -> Tensor:
    """The rows in our layout, float32, block by block; a row of -1 stays zero."""
    width = side.layout(torch.zeros(1, side.vectors_ND.shape[1]), name).shape[1]
    table_ND = torch.zeros(len(rows_N), width)
    present = np.flatnonzero(rows_N >= 0)
    for start in range(0, len(present), BLOCK):
        block = present[start : start + BLOCK]
        with np.errstate(over="ignore"):
            taken_BD = torch.from_numpy(side.vectors_ND[rows_N[block]].astype(np.float32))
        laid_BD = side.layout(taken_BD, name)
        if not bool(torch.isfinite(laid_BD).all()):
            problem = f"the vector of {side.ids.name} {side.ids[_first_bad(laid_BD, block)]}"
            raise InputError(
                path, f"{problem} is not finite: training diverged", fix="lower train.lr"
            )
        table_ND[torch.from_numpy(block)] = laid_BD
    return table_ND


def _first_bad(laid_BD: Tensor, block: npt.NDArray[np.int64]) -> int:
    """Our index of the first vector that is not finite."""
    return int(block[int((~torch.isfinite(laid_BD).all(dim=1)).nonzero()[0])])
