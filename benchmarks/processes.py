"""Processes that train together, each with a slice of the dimensions. Imports torch and wikidata5m.

Every process holds some columns of every row and sees every batch. Scores are sums over dimensions
(benchmarks.kernels), so adding up partial scores is all that training needs of the others. A number
of several parts, such as a complex one, stays in one process: a row falls into `pieces` equal
blocks, one per part, and each process holds the same stretch of every block.

Shapes: N rows, W the width of a whole row, S the width of a slice of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import torch
from torch import Tensor, distributed

from wikidata5m.errors import ConfigError, Wikidata5MError

TIMEOUT: Final = timedelta(minutes=10)
"""How long a process waits for the others within a step."""
PATIENCE: Final = timedelta(days=7)
"""How long it waits for the next command: the first process may be ranking or writing."""
ROWS: Final = 1 << 17
"""Rows of a whole table that are sent at a time."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Where among those that train together a process stands; by default it is alone."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that reads, writes and reports."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place. Raises Wikidata5MError where one is gone."""
        if self.count > 1:
            with naming_the_others():
                distributed.all_reduce(tensor)
        return tensor


ALONE: Final = Processes()


class Slice:
    """The columns of a table that this process holds."""

    def __init__(self, width: int, pieces: int, processes: Processes = ALONE) -> None:
        """Raises ConfigError where the blocks cannot be shared out evenly."""
        self.width, self.processes = width, processes
        block, count = width // pieces, processes.count
        if block % count:
            raise ConfigError(
                f"model.dim: vectors of {width} floats are {pieces} blocks of {block}, which "
                f"{count} processes cannot share evenly; make it a multiple of {pieces * count}, "
                "or take another number of processes"
            )
        columns_W = torch.arange(width).view(pieces, count, -1)
        self._columns = [columns_W[:, rank].flatten() for rank in range(count)]

    def take(self, whole_NW: Tensor) -> Tensor:
        """What this process holds of these rows, (N, S)."""
        if self.processes.count == 1:
            return whole_NW
        return whole_NW.index_select(1, self._columns[self.processes.rank].to(whole_NW.device))

    def draw(self, rows: int, generator: torch.Generator) -> Tensor:
        """Its columns of uniform random rows, (N, S): every process draws the same whole table."""
        part_NS = torch.empty(rows, len(self._columns[0]))
        for block in _blocks(rows):
            drawn = torch.rand(len(part_NS[block]), self.width, generator=generator)
            part_NS[block] = self.take(drawn)
        return part_NS

    def whole(self, part: Tensor) -> tuple[int, ...]:
        """The shape of a state of which this is a part: state without columns is held by all."""
        return (len(part), self.width) if part.dim() == 2 else tuple(part.shape)

    def collect(self, part_NS: Tensor) -> Tensor | None:
        """(N, W) in the first process's main memory, None in the others; all must call it.

        A single process gets its own tensor back.
        """
        if self.processes.count == 1:
            return part_NS
        leads, count = self.processes.leads, self.processes.count
        whole_NW = part_NS.new_empty(len(part_NS), self.width, device="cpu") if leads else None
        for rows in _blocks(len(part_NS)):
            block = part_NS[rows].contiguous()
            parts = [torch.empty_like(block) for _ in range(count)] if leads else None
            with naming_the_others():
                distributed.gather(block, parts)
            if whole_NW is not None:
                for columns, part in zip(self._columns, parts or (), strict=True):
                    whole_NW[rows, columns] = part.cpu()
        return whole_NW

    def spread(self, whole_NW: Tensor | None, part_NS: Tensor) -> None:
        """Fill each process's part from the first one's whole table; all must call it."""
        if self.processes.count == 1:
            assert whole_NW is not None
            part_NS.copy_(whole_NW)
            return
        for rows in _blocks(len(part_NS)):
            block = torch.empty_like(part_NS[rows])
            parts = None
            if whole_NW is not None:
                whole = whole_NW[rows]
                parts = [whole.index_select(1, x).to(block.device) for x in self._columns]
            with naming_the_others():
                distributed.scatter(block, parts)
            part_NS[rows] = block


def same_everywhere(tensor: Tensor, processes: Processes) -> Tensor:
    """The first process's values, in place."""
    if processes.count > 1:
        with naming_the_others():
            distributed.broadcast(tensor, src=0)
    return tensor


class Channel:
    """How the first process tells the others what to do next."""

    def __init__(self) -> None:
        self._group = patient_group()

    def tell(self, *message: Any) -> None:
        """Send to all others."""
        with naming_the_others():
            distributed.broadcast_object_list([message], src=0, group=self._group)

    def hear(self) -> tuple[Any, ...]:
        """Wait for what the first process tells. Raises Wikidata5MError when it is gone."""
        message: list[Any] = [None]
        with naming_the_others():
            distributed.broadcast_object_list(message, src=0, group=self._group)
        found: tuple[Any, ...] = message[0]
        return found


def started() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def leads() -> bool:
    """Whether this is the process that reports: the first that torchrun started, or alone."""
    return started() == 1 or os.environ.get("RANK", "0") == "0"


@contextmanager
def meeting() -> Iterator[Processes]:
    """Join the processes that torchrun started: tensors of GPUs go by NCCL, all others by gloo.

    Raises ConfigError when there are too few GPUs, Wikidata5MError when the processes do not meet.
    """
    if torch.cuda.is_available():
        _take_gpu(int(os.environ["LOCAL_RANK"]))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        distributed.init_process_group(backend, timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise _not_met(error) from None
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def patient_group() -> distributed.ProcessGroup:
    """All processes once more, to wait for what the first does alone. Raises Wikidata5MError."""
    try:
        group: distributed.ProcessGroup = distributed.new_group(backend="gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise _not_met(error) from None
    return group


def _not_met(error: Exception) -> Wikidata5MError:
    return Wikidata5MError(
        f"{started()} processes were started and did not meet ({str(error).splitlines()[0]}); "
        "start all of them by torchrun, with the same rendezvous"
    )


def _take_gpu(local_rank: int) -> None:
    """Make cuda mean this process's own GPU. Raises ConfigError when there are too few."""
    count = torch.cuda.device_count()
    if local_rank >= count:
        raise ConfigError(
            f"torchrun started a process number {local_rank} (from 0) on a machine with {count} "
            "GPUs; start as many as there are, or hide the GPUs with CUDA_VISIBLE_DEVICES="
        )
    torch.cuda.set_device(local_rank)


@contextmanager
def naming_the_others() -> Iterator[None]:
    """Raise Wikidata5MError in place of torch's own error when another process is gone."""
    try:
        yield
    except RuntimeError as error:
        minutes = TIMEOUT.total_seconds() / 60
        raise Wikidata5MError(
            "a process that trains with this one failed, or was silent for "
            f"{minutes:.0f} minutes: look for its own message "
            f"({str(error).splitlines()[0].rpartition('] ')[2]})"
        ) from error


def _blocks(rows: int) -> Iterator[slice]:
    for start in range(0, rows, ROWS):
        yield slice(start, start + ROWS)
