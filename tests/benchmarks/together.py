"""What two processes do in test_distributed. Run as a module, so that they can import it.

python -m tests.benchmarks.together equal JOB.json    train every case and save whole states
python -m tests.benchmarks.together vanish            die as soon as training starts
python -m tests.benchmarks.together hang              do nothing from then on
python -m tests.benchmarks.together hurried ...       the command, with seconds for each exchange
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import ujson
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed import distributed_c10d

from benchmarks.__main__ import main
from benchmarks.config import RunConfig
from benchmarks.distributed import follow, joined
from benchmarks.engines.torch_engine import TorchEngine
from benchmarks.processes import ALONE, Processes
from tests.benchmarks.conftest import QUICK
from wikidata5m.config import load_config

ENTITIES, RELATIONS = 60, 4
BASE = (
    "train.epochs=2",
    "train.batch=64",
    "train.chunk=32",
    "train.negatives=24",
    "model.init=0.5",
)


def config_of(options: list[str]) -> RunConfig:
    return replace(load_config(RunConfig, overrides=[*QUICK, *BASE, *options]), dataset="x")


def make_engine(options: list[str], processes: Processes = ALONE) -> TorchEngine:
    rng = np.random.default_rng(0)
    columns = [rng.integers(high, size=200) for high in (ENTITIES, RELATIONS, ENTITIES)]
    triplets_N3 = np.stack(columns, axis=1).astype(np.int32)
    return TorchEngine(config_of(options), triplets_N3, ENTITIES, RELATIONS, processes=processes)


def train_halfway(options: list[str], folder: Path, processes: Processes = ALONE) -> TorchEngine:
    """One epoch, and its checkpoint in `folder`."""
    engine = make_engine(options, processes)
    engine.train_epoch()
    engine.save(folder)
    return engine


def finish(engine: TorchEngine) -> dict[str, Tensor]:
    """The last epoch; the whole state and the epoch's loss."""
    loss = engine.train_epoch()
    names = tuple(engine.state())
    return {**engine.collect(names), "loss": torch.tensor(loss)}


def _equal(job: dict[str, list[str]], folder: Path) -> None:
    with joined() as (processes, _):
        for case, options in job.items():
            engine = train_halfway(options, folder / case / "half", processes)
            together = finish(engine)
            resumed = make_engine(options, processes)
            resumed.load(folder / case / "alone")
            states = {"together": together, "resumed": finish(resumed)}
            if processes.leads:
                for name, state in states.items():
                    save_file(state, folder / case / f"{name}.safetensors")


def _fail(how: Callable[..., None]) -> None:
    with (
        mock.patch.object(TorchEngine, "train_epoch", side_effect=how),
        joined() as (processes, channel),
    ):
        follow(processes, channel)


def _hurried() -> None:
    """With patience for the others' start, since this machine may be busy."""
    train_epoch = TorchEngine.train_epoch

    def hurry(engine: TorchEngine, *arguments: Any) -> float:
        distributed_c10d._set_pg_timeout(timedelta(seconds=2))
        return train_epoch(engine, *arguments)

    with mock.patch.object(TorchEngine, "train_epoch", hurry):
        main()


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "equal":
        file = Path(sys.argv[2])
        _equal(ujson.loads(file.read_text()), file.parent)
    elif sys.argv[1] == "hurried":
        del sys.argv[1]
        _hurried()
    else:
        _fail({"vanish": lambda **_: os._exit(3), "hang": lambda **_: time.sleep(600)}[sys.argv[1]])
