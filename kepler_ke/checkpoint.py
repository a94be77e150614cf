"""Checkpoints: parameters, optimizer state and place, in safetensors and JSON; written atomically.

Imports msgspec, safetensors, torch, benchmarks.tensors, kepler_ke.step and wikidata5m. All else a
run needs to go on (order, negatives, masks, dropout, learning rate) is a function of seed and step:
it is not stored.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from benchmarks.tensors import require_intact, save_tensors
from kepler_ke.step import Job
from wikidata5m.errors import InputError
from wikidata5m.files import atomic_path, read_json, write_json

TENSORS: Final = "state.safetensors"
PLACE: Final = "place.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a run has come."""

    step: int = 0
    """Updates done."""
    best: float | None = None
    """The best validation MRR so far."""
    best_step: int = 0
    """The updates after which it was; RUN/best/step-N holds that model."""
    scaler: dict[str, Any] = field(default_factory=dict)
    """What fp16 scales gradients by."""


def save_checkpoint(folder: Path, job: Job, place: Place) -> None:
    """Write folder/step-N, then remove older ones: a kill leaves at least one complete."""
    tensors = {f"model.{name}": x.detach() for name, x in job.model.named_parameters()}
    for number, state in job.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": x for name, x in state.items()}
    tensors["memory.vectors"] = job.memory.vectors_LD
    tensors["memory.entities"] = torch.from_numpy(job.memory.entities_L)
    target = step_folder(folder, place.step)
    with atomic_path(target) as temporary:
        temporary.mkdir()
        save_tensors(temporary / TENSORS, tensors)
        write_json(temporary / PLACE, asdict(place))
        if target.is_dir():
            shutil.rmtree(target)
    keep_steps(folder, place.step)


def load_checkpoint(folder: Path, job: Job) -> Place | None:
    """Restore the newest checkpoint in place; None when there is none.

    Raises InputError when it is damaged or of another model.
    """
    found = _all(folder)
    if not found:
        return None
    try:
        place = msgspec.convert(read_json(found[-1] / PLACE), Place)
        tensors = load_file(found[-1] / TENSORS)
        fix = f"remove {found[-1]} to start over, or pass --overwrite"
        require_intact(found[-1] / TENSORS, tensors, fix=fix)
        with torch.no_grad():
            for name, parameter in job.model.named_parameters():
                parameter.copy_(tensors[f"model.{name}"])
        job.memory.vectors_LD = tensors["memory.vectors"].to(job.model.device)
        job.memory.entities_L = tensors["memory.entities"].numpy()
    except (OSError, SafetensorError, KeyError, RuntimeError, msgspec.ValidationError) as error:
        problem = f"not a checkpoint of this run ({str(error).splitlines()[0]})"
        raise InputError(
            found[-1], problem, fix="remove it to start over, or pass --overwrite"
        ) from None
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".")
            state.setdefault(int(number), {})[key] = tensor
    job.optimizer.load_state_dict(job.optimizer.state_dict() | {"state": state})
    if place.scaler:
        job.scaler.load_state_dict(place.scaler)
    return place


def step_folder(folder: Path, step: int) -> Path:
    """What is of the model after `step` updates."""
    return folder / f"step-{step:09}"


def keep_steps(folder: Path, *steps: int) -> None:
    """Delete what is of other steps."""
    kept = [step_folder(folder, step) for step in steps]
    for other in _all(folder):
        if other not in kept:
            shutil.rmtree(other)


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))
