"""Several processes under torchrun as one trainer. Imports torch, benchmarks.processes and
wikidata5m.console.

Each process builds the same batch, encodes its share of the distinct texts, and gathers the others'
vectors; the loss over the whole batch is then computed by all alike. So every text is encoded once
among all processes, negatives are everyone's, and the sum of the encoders' gradients is that of one
process with the whole batch, dropout apart: of that every process draws its own.

Shapes: M texts, S of one process, D width, P parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from benchmarks.processes import meeting, naming_the_others, patient_group, started
from wikidata5m.console import muted


@dataclass(frozen=True, slots=True)
class World:
    """One process among `size`."""

    rank: int = 0
    size: int = 1
    patient: dist.ProcessGroup | None = None
    """All processes, where they wait for what one does alone."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and talks."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """Which of `count` things this process does."""
        return range(self.rank, count, self.size)

    def gather(self, own_SD: Tensor) -> Tensor:
        """Everyone's rows, process by process, S alike; gradients flow into one's own."""
        if self.size == 1:
            return own_SD
        parts = [torch.empty_like(own_SD) for _ in range(self.size)]
        with naming_the_others():
            dist.all_gather(parts, own_SD.detach().contiguous())
        parts[self.rank] = own_SD
        return torch.cat(parts)

    def sum_gradients(
        self, parameters: Sequence[nn.Parameter], replicated: Iterable[nn.Parameter]
    ) -> None:
        """Add up the encoders' gradients; the replicated ones are the same but for rounding."""
        if self.size == 1:
            return
        alike = {id(x) for x in replicated}
        used_P = torch.tensor([x.grad is not None for x in parameters], device=device()).int()
        with naming_the_others():
            dist.all_reduce(used_P)
        for parameter, used in zip(parameters, used_P.tolist(), strict=True):
            if not used:  # as with one process: no gradient, and so no decay either
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            with naming_the_others():
                dist.all_reduce(parameter.grad)
            if id(parameter) in alike:
                parameter.grad /= self.size

    def wait(self) -> None:
        """Go on when every process came here, however long the first one ranks or writes."""
        if self.size > 1:
            with naming_the_others():
                dist.barrier(self.patient)

    def total(self, value: float) -> float:
        """The sum of everyone's value."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=device())
        with naming_the_others():
            dist.all_reduce(shared)
        return float(shared.item())


@contextmanager
def world() -> Iterator[World]:
    """The processes that torchrun started; this one alone without it.

    Raises as benchmarks.processes.meeting.
    """
    if started() == 1:
        yield World()
        return
    with meeting() as here, nullcontext() if here.leads else muted():
        yield World(here.rank, here.count, patient_group())


def device() -> torch.device:
    """The device to run on: the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
