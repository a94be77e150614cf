"""Training by several processes, on one machine or many.

    torchrun --nproc-per-node 4 -m benchmarks train DATASET --model rotate --out RUN

The first process leads. It runs the command as a single one would, so it alone reads the dataset,
ranks, writes and reports; its engine tells the others what it does, and they do the same with their
slices of the dimensions (benchmarks.processes).

Imports numpy, torch, benchmarks.{config,engines,processes,schedule,weights} and wikidata5m.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, distributed

from benchmarks.config import RunConfig
from benchmarks.engines.torch_engine import TorchEngine
from benchmarks.processes import Channel, Processes, meeting, same_everywhere, started
from benchmarks.schedule import Rate, make_rate
from benchmarks.weights import Weights
from wikidata5m.dataset import Triplets
from wikidata5m.errors import ConfigError

_channels: list[Channel] = []
"""The way to the other processes, while there are any."""


def make_engine(
    config: RunConfig,
    triplets_N3: Triplets,
    num_entities: int,
    num_relations: int,
    *,
    weight_N: Weights | None = None,
) -> TorchEngine:
    """An engine that trains with all processes that torchrun started; as a rule there is one.

    Raises ConfigError when there are several and they were not joined, or are to share one GPU.
    """
    if _channels:
        if config.train.device.startswith("cuda:"):
            raise ConfigError(
                f"train.device = {config.train.device}: torchrun gives each process a GPU of its "
                "own; use cuda, and choose GPUs by CUDA_VISIBLE_DEVICES"
            )
        return LeadingEngine(config, triplets_N3, num_entities, num_relations, weight_N)
    if started() > 1:
        raise ConfigError(
            f"torchrun started {started()} processes that do not know of each other; "
            "start them as `torchrun ... -m benchmarks train ...`"
        )
    return TorchEngine(config, triplets_N3, num_entities, num_relations, weight_N=weight_N)


class LeadingEngine(TorchEngine):
    """The first process's engine: what it does, it tells the others to do with it."""

    def __init__(
        self,
        config: RunConfig,
        triplets_N3: Triplets,
        num_entities: int,
        num_relations: int,
        weight_N: Weights | None = None,
    ) -> None:
        (self.channel,) = _channels
        processes = Processes(0, distributed.get_world_size())
        # What is refused is refused here, before the others wait for more.
        super().__init__(
            config,
            triplets_N3,
            num_entities,
            num_relations,
            weight_N=weight_N,
            processes=processes,
        )
        weighted = weight_N is not None
        # All tables lie where this process's do: tensors that are exchanged must be alike.
        placed = replace(config.train, tables="device" if self.home == self.device else "host")
        config = replace(config, train=placed)
        self.channel.tell("start", config, len(triplets_N3), num_entities, num_relations, weighted)
        _share_triplets(self)

    def train_epoch(
        self, progress: Callable[[int, float], None] | None = None, rate: Rate | None = None
    ) -> float:
        """See TorchEngine."""
        rate, steps = rate or make_rate(self.config.train), len(self.sampler.spans)
        shares = [rate(self.epoch + step / steps) for step in range(steps)]
        self.channel.tell("train_epoch", shares)
        return super().train_epoch(progress, _in_turn(shares))

    def collect(self, names: Sequence[str]) -> dict[str, Tensor]:
        """See TorchEngine."""
        self.channel.tell("collect", names)
        return super().collect(names)

    def receive(self, whole: Mapping[str, Tensor], epoch: int) -> None:
        """See TorchEngine."""
        self.channel.tell("receive", {}, 0)
        super().receive(whole, epoch)


def follow(processes: Processes, channel: Channel) -> None:
    """Do what the first process tells, until it tells no more."""
    engine: TorchEngine | None = None
    while True:
        name, *arguments = channel.hear()
        if name == "stop":
            return
        if name == "start":
            engine = _start(processes, *arguments)
        elif name == "train_epoch":
            assert engine is not None
            engine.train_epoch(rate=_in_turn(*arguments))
        else:
            getattr(engine, name)(*arguments)


@contextmanager
def joined() -> Iterator[tuple[Processes, Channel]]:
    """Join the processes that torchrun started, with the way from the first to the others.

    Raises as benchmarks.processes.meeting.
    """
    with meeting() as here:
        channel = Channel()
        _channels.append(channel)
        try:
            yield here, channel
        finally:
            _channels.clear()


def _start(
    processes: Processes,
    config: RunConfig,
    count: int,
    num_entities: int,
    num_relations: int,
    weighted: bool,  # noqa: FBT001 - told in this order
) -> TorchEngine:
    triplets_N3 = torch.zeros(count, 3, dtype=torch.int32)
    engine = TorchEngine(
        config,
        triplets_N3.numpy(),
        num_entities,
        num_relations,
        weight_N=np.ones(count, dtype=np.float32) if weighted else None,
        processes=processes,
    )
    _share_triplets(engine)
    engine.sampler.derive()
    return engine


def _share_triplets(engine: TorchEngine) -> None:
    """The first process's triplets and their weights, to all."""
    same_everywhere(engine.triplets_N3, engine.processes)
    if engine.sampler.weight_N is not None:
        same_everywhere(engine.sampler.weight_N, engine.processes)


def _in_turn(shares: Sequence[float]) -> Rate:
    """A schedule that was worked out step by step."""
    following = iter(shares)
    return lambda _: next(following)
