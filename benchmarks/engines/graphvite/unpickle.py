"""Read GraphVite's pickle without running any code that it names.

A pickle is a program: it may import and call whatever it likes. This reader knows the five names
that GraphVite's models need and gives each a stand-in of its own; at any other name it stops. numpy
never sees what the file says of an array before it was checked here.

Imports numpy and wikidata5m.errors. Shapes: E entities, R relations, D floats per vector.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wikidata5m.errors import InputError

Floats = npt.NDArray[np.floating[Any]]
FIX: Final = "name a file that GraphVite saved from its knowledge graph application"
FLOATS: Final = ("f4", "f8")
ORDERS: Final = ("<", ">", "=", "|")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What GraphVite saves: names by row, and the vectors as they lie in its tables."""

    entities: list[str]
    relations: list[str]
    entities_ED: Floats
    relations_RD: Floats
    """As wide as the entities' in every model, though RotatE uses but the first half."""
    told: dict[str, Any]
    """The solver's hyperparameters, where they were saved with it."""


def read_model(path: Path) -> Model:
    """The model in a pickle of GraphVite 0.1 or 0.2. Raises InputError for anything else."""
    found = _load(path)
    graph, solver = _part(path, found, "graph"), _part(path, found, "solver")
    entities, relations = _names(path, graph, "entity"), _names(path, graph, "relation")
    tables = [
        _table(path, solver, f"{kind}_embeddings", len(names))
        for kind, names in (("entity", entities), ("relation", relations))
    ]
    if tables[0].shape[1] != tables[1].shape[1]:
        widths = f"{tables[0].shape[1]} floats for entities, {tables[1].shape[1]} for relations"
        raise InputError(path, widths, fix=FIX)
    return Model(
        entities=entities,
        relations=relations,
        entities_ED=tables[0],
        relations_RD=tables[1],
        told={key: value for key, value in solver.items() if isinstance(value, str | int | float)},
    )


class _Bag(dict[str, Any]):
    """For EasyDict, whose attributes repeat its items."""

    def __setstate__(self, state: object) -> None:
        pass


class _DType:
    """For numpy.dtype: the plain floats alone."""

    def __init__(self, name: object = "", *_flags: object) -> None:
        self.name, self.order = name, "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def make(self) -> np.dtype[np.floating[Any]]:
        """The dtype meant. Raises ValueError for anything but 4 and 8 bytes floats."""
        if self.name not in FLOATS or self.order not in ORDERS:
            raise ValueError(f"an array of {self.name!r}, where floats are expected")
        return np.dtype(f"{self.order}{self.name}".replace("|", "="))


class _Array:
    """For numpy.ndarray, checked and made by `make`."""

    def __init__(self, shape: Any = (), dtype: Any = None, data: Any = b"", order: str = "C"):
        self.shape, self.dtype, self.data, self.order = shape, dtype, data, order

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, self.shape, self.dtype, fortran, self.data = state
        self.order = "F" if fortran else "C"

    def make(self) -> Floats:
        """The array, over the bytes that were read. Raises ValueError where they do not fit."""
        # A pickle of Python 2 holds bytes as text.
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data
        if (
            not isinstance(self.dtype, _DType)
            or not isinstance(data, bytes | bytearray)
            or not isinstance(self.shape, tuple)
            or not all(type(n) is int for n in self.shape)
        ):
            raise ValueError("an array without its shape, type or bytes")
        flat = np.frombuffer(data, dtype=self.dtype.make())
        if min(self.shape, default=1) < 0 or math.prod(self.shape) != flat.size:
            raise ValueError(f"{flat.size:,} floats, which do not fill an array of {self.shape}")
        return flat.reshape(self.shape, order="F" if self.order == "F" else "C")


def _reconstruct(*_how: object) -> _Array:
    return _Array()


def _frombuffer(data: object, dtype: object, shape: object, order: str, *_axes: object) -> _Array:
    return _Array(shape, dtype, data, order)


STAND_INS: Final[dict[tuple[str, str], Callable[..., Any]]] = {
    ("easydict", "EasyDict"): _Bag,
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
}
"""Every name that is followed. numpy 2 moved its own from core to _core."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Callable[..., Any]:
        try:
            return STAND_INS[module, name]
        except KeyError:
            raise _ForeignNameError(f"{module}.{name}") from None


class _ForeignNameError(Exception):
    """A name that no model of GraphVite holds."""


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as stream:
            return _Reader(stream, encoding="latin1").load()
    except _ForeignNameError as error:
        problem = f"names {error}, which no model of GraphVite does, so reading stopped"
        raise InputError(path, problem, fix="use no pickle of unknown origin") from None
    except FileNotFoundError:
        raise InputError(path, "no such file", fix=FIX) from None
    except OSError:
        raise
    except Exception as error:
        # A damaged program fails in any way.
        problem = f"not readable as a pickle ({type(error).__name__}: {error})"
        raise InputError(path, problem, fix=FIX) from None


def _part(path: Path, found: Any, name: str) -> dict[str, Any]:
    part = found.get(name) if isinstance(found, dict) else None
    if not isinstance(part, dict):
        raise InputError(path, f"holds no {name}", fix=FIX)
    return part


def _names(path: Path, graph: dict[str, Any], kind: str) -> list[str]:
    """The names by row; GraphVite saves them both ways, and the two must agree."""
    names, rows = graph.get(f"id2{kind}"), graph.get(f"{kind}2id")
    if not isinstance(names, list) or not isinstance(rows, dict):
        raise InputError(path, f"graph holds no id2{kind} and {kind}2id", fix=FIX)
    if not all(isinstance(name, str) for name in names):
        raise InputError(path, f"graph.id2{kind} holds what is no name", fix=FIX)
    if rows != {name: row for row, name in enumerate(names)} or len(rows) != len(names):
        raise InputError(path, f"graph.id2{kind} and {kind}2id disagree", fix=FIX)
    return names


def _table(path: Path, solver: dict[str, Any], name: str, rows: int) -> Floats:
    array = solver.get(name)
    if not isinstance(array, _Array):
        raise InputError(path, f"solver holds no {name}", fix=FIX)
    try:
        table_ND = array.make()
    except ValueError as error:
        raise InputError(path, f"solver.{name}: {error}", fix=FIX) from None
    if table_ND.ndim != 2 or len(table_ND) != rows:
        problem = f"solver.{name} has shape {table_ND.shape}, for {rows:,} names"
        raise InputError(path, problem, fix=FIX)
    return table_ND
