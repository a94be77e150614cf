"""What GraphVite reads and writes, made without it: its pickles, its scores, and its executable."""

from __future__ import annotations

import pickle
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.floating[Any]]

DIM = 32
MARGIN = {"transe": 12.0, "rotate": 6.0}


class EasyDict(dict[str, Any]):
    """As the package of that name: items are attributes too, and a pickle holds both."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        super().__setitem__(name, value)

    __setitem__ = __setattr__


EasyDict.__module__, EasyDict.__qualname__ = "easydict", "EasyDict"


def model_of(
    entities: Sequence[str], relations: Sequence[str], dim: int = DIM, seed: int = 0
) -> EasyDict:
    """A model as GraphVite holds it, of random vectors."""
    rng = np.random.default_rng(seed)
    model = EasyDict()
    model["graph"], model["solver"] = EasyDict(), EasyDict()
    for kind, names in (("entity", entities), ("relation", relations)):
        model["graph"][f"id2{kind}"] = list(names)
        model["graph"][f"{kind}2id"] = {name: i for i, name in enumerate(names)}
        vectors = rng.uniform(-0.5, 0.5, (len(names), dim)).astype(np.float32)
        model["solver"][f"{kind}_embeddings"] = vectors
    return model


def save(model: Any, path: Path, protocol: int = pickle.HIGHEST_PROTOCOL) -> Path:
    """Pickle it, where a package easydict can be imported from."""
    module = types.ModuleType("easydict")
    module.EasyDict = EasyDict  # type: ignore[attr-defined]
    sys.modules["easydict"] = module
    try:
        path.write_bytes(pickle.dumps(model, protocol=protocol))
    finally:
        del sys.modules["easydict"]
    return path


def score(name: str, h: Vector, r: Vector, t: Vector) -> float:
    """What GraphVite scores a triplet, over vectors in its own layout, one number at a time."""
    total, dim = 0.0, len(h)
    match name:
        case "transe":
            return MARGIN[name] - sum(abs(float(h[i] + r[i] - t[i])) for i in range(dim))
        case "distmult":
            return sum(float(h[i] * r[i] * t[i]) for i in range(dim))
        case "complex":
            for i in range(0, dim, 2):
                a, b, c = complex(h[i], h[i + 1]), complex(r[i], r[i + 1]), complex(t[i], t[i + 1])
                total += (a * b * c.conjugate()).real
            return total
        case "simple":
            return sum(float(h[i] * r[i] * t[i ^ 1]) for i in range(dim))
        case "rotate":
            for i in range(dim // 2):
                a, c = complex(h[2 * i], h[2 * i + 1]), complex(t[2 * i], t[2 * i + 1])
                total += abs(a * np.exp(1j * float(r[i])) - c)
            return MARGIN[name] - total
        case "quate":
            for i in range(0, dim, 4):
                turned = _hamilton(h[i : i + 4], r[i : i + 4] / np.linalg.norm(r[i : i + 4]))
                total += float(turned @ t[i : i + 4])
            return total
    raise ValueError(name)


def _hamilton(a: Vector, b: Vector) -> Vector:
    """By the table of 1, i, j, k: products[x][y] is (sign, unit) of unit x times unit y."""
    products = [
        [(1, 0), (1, 1), (1, 2), (1, 3)],
        [(1, 1), (-1, 0), (1, 3), (-1, 2)],
        [(1, 2), (-1, 3), (-1, 0), (1, 1)],
        [(1, 3), (1, 2), (-1, 1), (-1, 0)],
    ]
    total = np.zeros(4)
    for x in range(4):
        for y in range(4):
            sign, unit = products[x][y]
            total[unit] += sign * float(a[x]) * float(b[y])
    return total


def install(folder: Path, body: str, *, gpus: str = "GPU 0: fake", probe: str = "") -> Path:
    """Executables graphvite, python and nvidia-smi in `folder`, for the front of PATH.

    `body` is what `graphvite run` does, in Python, in the folder of its configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    probe = probe or '[[3, 10], "1.23.5"]'
    real = f"#!{sys.executable}\n"
    scripts = {
        "graphvite": real + body,
        "python": f"#!/bin/sh\necho '{probe}'\n",
        "nvidia-smi": f"#!/bin/sh\necho '{gpus}'\n",
    }
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder
