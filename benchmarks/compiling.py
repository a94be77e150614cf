"""Whether and how functions of tensors are compiled. Imports torch, benchmarks.{config,scorers} and
wikidata5m.

torch.compile turns elementwise work into fused loops, in C++ on a CPU and in Triton on a GPU. It
takes about a minute the first time on a machine and a few seconds later, since torch keeps what it
built.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, ParamSpec, TypeVar, cast

import torch

from benchmarks.config import RunConfig
from benchmarks.scorers import Scorer
from wikidata5m.console import log

P = ParamSpec("P")
R = TypeVar("R")
Function = TypeVar("Function", bound=Callable[..., object])

NEVER_STORE: Final[dict[str, str | int | bool | Callable[..., Any]]] = {
    "realize_reads_threshold": 1000,
    "realize_opcount_threshold": 1000,
    "realize_acc_reads_threshold": 1000,
}
"""Compute a term again in each loop that needs it: (B, K, D) terms do not fit a cache, and storing
RotatE's made its gradients eight times slower."""

PAYS: Final = {"dot": 2e11, "l2": 2e11, "l1": 2e10, "modulus": 1e10}
"""From how many products of positives, negatives and dimensions, over all epochs, compiling pays:
where it saves on two cores what it costs there."""


def pays(config: RunConfig, scorer: Scorer, num_triplets: int, num_entities: int) -> bool:
    """Whether to compile training: `train.compile`, where auto weighs the whole run's work.

    From the configuration and the sizes alone, so that a resumed run decides alike.
    """
    train = config.train
    if train.compile != "auto":
        return train.compile == "always"
    negatives = num_entities if config.loss.name == "one_vs_all" else train.negatives
    work = train.epochs * num_triplets * negatives * config.model.dim
    return work >= PAYS[scorer.similarity.name]


class Compiler:
    """Runs a step's functions compiled where that is wanted and possible, else as they are."""

    def __init__(self, *, wanted: bool) -> None:
        self.wanted = wanted
        self.compiled: dict[Any, Callable[..., Any]] = {}

    def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's value. Each set of shapes is compiled anew, so call for few of them.

        Where the compiler is missing or fails, one message says so and compiling ends.
        """
        if not self.wanted:
            return function(*args, **kwargs)
        # Takes two seconds to load, which those who never compile are spared.
        from torch._dynamo import config, exc  # noqa: PLC0415

        if function not in self.compiled:
            # Every engine of a process, as in a search, brings its own settings and shapes.
            config.recompile_limit = 1 << 10
            self.compiled[function] = torch.compile(
                function, dynamic=False, fullgraph=True, options=NEVER_STORE
            )
        try:
            found: R = self.compiled[function](*args, **kwargs)
        except exc.BackendCompilerFailed as error:
            self.wanted = False
            _tell("training", error, "or set train.compile=never")
            return function(*args, **kwargs)
        return found


def as_it_is(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The function's value, like Compiler.run but never compiled."""
    return function(*args, **kwargs)


@cache
def compiled(function: Function, device: torch.device) -> Function:
    """`function` as one fused loop for any shapes, compiled at its first call.

    Decided for good beforehand: all scores of a ranking must be made one way, to the last bit.
    """
    if not _compiler_works(device.type):
        return function
    fused: Any = torch.compile(function, dynamic=True)
    return cast("Function", fused)


@cache
def _compiler_works(kind: str) -> bool:
    try:
        torch.compile(torch.sin)(torch.zeros(64, device=kind))
    except Exception as error:  # each backend fails in its own way
        _tell("ranking", error)
        return False
    return True


def _tell(what: str, error: Exception, *ways_out: str) -> None:
    reason = str(getattr(error, "inner_exception", error)).strip().splitlines()[0]
    fix = ", ".join(["install a C++ compiler (g++)", *ways_out])
    log(f"{what} is not compiled, and several times slower for distances: {reason}; {fix}")
