"""Where the tables lie: on the device that computes, or in host memory. Imports torch and
wikidata5m.
"""

from __future__ import annotations

from typing import Final, Literal

import torch

from wikidata5m.console import log

Placement = Literal["auto", "device", "host"]

SHARE: Final = 0.8
"""How much of a GPU's free memory tables may take; the rest is for batches and ranking."""


def choose(wanted: Placement, device: torch.device, size: int) -> torch.device:
    """Where `size` bytes of tables and optimizer state go.

    Batches are computed on `device` either way: from host memory their rows are copied there and
    their gradients back, and rows are moved by the host.
    """
    if device.type == "cpu" or wanted == "device":
        return device
    fits = wanted == "auto" and size <= SHARE * torch.cuda.mem_get_info(device)[0]
    return device if fits else torch.device("cpu")


def place(wanted: Placement, device: torch.device, size: int) -> torch.device:
    """As `choose`, and says so where the choice is not plain."""
    home = choose(wanted, device, size)
    if home == device:
        return device
    free = torch.cuda.mem_get_info(device)[0]
    reason = "as train.tables asks" if wanted == "host" else f"of {free / 1e9:.1f} GB free there"
    log(
        f"tables and optimizer state ({size / 1e9:.1f} GB) lie in host memory, not on {device}: "
        f"{reason}; each batch copies its rows"
    )
    return home
