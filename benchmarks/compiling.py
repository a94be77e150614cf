"""torch.compile where a compiler works, and the same function in eager mode where none does.

Imports torch and wikidata5m.console.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import torch

from wikidata5m.console import log

Function = TypeVar("Function", bound=Callable[..., object])


@cache
def compiled(function: Function, device: torch.device) -> Function:
    """`function` as one fused loop for any shapes, compiled at its first call."""
    if not _compiler_works(device.type):
        return function
    fused: Any = torch.compile(function, dynamic=True)
    return cast("Function", fused)


@cache
def _compiler_works(kind: str) -> bool:
    try:
        torch.compile(torch.sin)(torch.zeros(64, device=kind))
    except Exception as error:  # each backend fails in its own way
        reason = str(error).strip().splitlines()[0]
        log(f"torch.compile does not work here, so this is slower; install g++ ({reason})")
        return False
    return True
