"""The file that --resume goes on from: tables, optimizer state, the epoch, the settings.

Imports ujson, torch, benchmarks.{config,tensors} and wikidata5m.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import ujson
from torch import Tensor

from benchmarks.config import RunConfig
from benchmarks.tensors import load_tensors_into, read_metadata, save_tensors
from wikidata5m.errors import InputError

STATE: Final = "state.safetensors"
FIX: Final = "start again with --overwrite"
INCIDENTAL: Final = (
    "dataset", "train.weights", "train.device", "train.tables", "train.compile",
    "train.checkpoint_epochs", "train.checkpoint_minutes", "train.tensorboard",
)  # fmt: skip
"""Where and how a run is made, which changes its result by rounding at most; files count by their
hashes."""
FIX_OTHER: Final = f"{FIX}, or on its vectors with --from"


def save_state(folder: Path, state: Mapping[str, Tensor], config: RunConfig, epoch: int) -> None:
    """Replace the checkpoint by this state once it is safe on disk. Raises OSError."""
    metadata = {"epoch": str(epoch), "config": ujson.dumps(settings_of(config))}
    save_tensors(folder / STATE, state, metadata)


def load_state(folder: Path, state: Mapping[str, Tensor], config: RunConfig) -> int:
    """Fill `state` from the checkpoint; returns the epoch it was written after.

    Raises InputError when it is damaged, or of a run with other settings, naming the first one.
    """
    path = folder / STATE
    metadata = read_metadata(path, fix=FIX)
    try:
        epoch, saved = int(metadata["epoch"]), _settings_saved(metadata["config"])
    except (KeyError, ValueError):
        raise InputError(path, "no checkpoint of this version", fix=FIX) from None
    if found := difference(saved, settings_of(config)):
        raise InputError(path, f"of another run: {found}", fix=FIX_OTHER)
    load_tensors_into(path, state, fix=FIX)
    return epoch


def settings_of(config: RunConfig) -> dict[str, Any]:
    """All that decides the result, by dotted names."""
    flat = flat_settings(asdict(config))
    return {name: value for name, value in flat.items() if name not in INCIDENTAL}


def _settings_saved(text: str) -> dict[str, Any]:
    """What a checkpoint says, with what settings that came later were before they came."""
    saved: dict[str, Any] = ujson.loads(text)
    return settings_of(RunConfig()) | saved


def difference(saved: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first setting that differs, in words; empty when none does."""
    for key, value in now.items():
        if saved.get(key) != value:
            return f"{key} is {saved.get(key)} there, {value} here"
    return ""


def flat_settings(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= flat_settings(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found
