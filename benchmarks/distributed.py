"""Training by several processes, on one machine or many.

    torchrun --nproc-per-node 4 -m benchmarks train DATASET --model rotate --out RUN

The first process leads. It runs the command as a single one would, so it alone reads the dataset,
ranks, writes and reports; its engine tells the others what it does, and they do the same with their
slices of the dimensions (benchmarks.processes).

Imports numpy, torch, benchmarks.{config,engines,processes,schedule,weights} and wikidata5m.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, distributed

from benchmarks.config import RunConfig
from benchmarks.engines.torch_engine import TorchEngine
from benchmarks.processes import TIMEOUT, Channel, Processes, same_everywhere
from benchmarks.schedule import Rate, make_rate
from benchmarks.weights import Weights
from wikidata5m.dataset import Triplets
from wikidata5m.errors import ConfigError, Wikidata5MError

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

    Raises ConfigError when there are several and they were not joined.
    """
    if _channels:
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
    """Join the processes that torchrun started, over NCCL between GPUs, else over gloo.

    Raises ConfigError when there are too few GPUs, Wikidata5MError when the processes do not meet.
    """
    if torch.cuda.is_available():
        _take_gpu(int(os.environ["LOCAL_RANK"]))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        distributed.init_process_group(backend, timeout=TIMEOUT)
        channel = Channel()
    except (RuntimeError, ValueError) as error:
        raise Wikidata5MError(
            f"{started()} processes were started and did not meet ({str(error).splitlines()[0]}); "
            "start all of them by torchrun, with the same rendezvous"
        ) from None
    _channels.append(channel)
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size()), channel
    finally:
        _channels.clear()
        distributed.destroy_process_group()


def started() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


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
    return engine


def _share_triplets(engine: TorchEngine) -> None:
    """The first process's triplets and their weights, to all."""
    same_everywhere(engine.triplets_N3, engine.processes)
    if engine.sampler.weight_N is not None:
        same_everywhere(engine.sampler.weight_N, engine.processes)


def _take_gpu(local_rank: int) -> None:
    """Make cuda mean this process's own GPU. Raises ConfigError when there are too few."""
    count = torch.cuda.device_count()
    if local_rank >= count:
        raise ConfigError(
            f"torchrun started a process number {local_rank} (from 0) on a machine with {count} "
            "GPUs; start as many as there are, or set train.device=cpu"
        )
    torch.cuda.set_device(local_rank)


def _in_turn(shares: Sequence[float]) -> Rate:
    """A schedule that was worked out step by step."""
    following = iter(shares)
    return lambda _: next(following)
