"""Keep transformers quiet. Imports transformers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers.utils import logging as _untyped_logging

_logging: Any = _untyped_logging


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' progress bars and loading tables off stderr: we say what matters."""
    before = _logging.get_verbosity()
    bars = _logging.is_progress_bar_enabled()
    _logging.set_verbosity_error()
    _logging.disable_progress_bar()
    try:
        yield
    finally:
        _logging.set_verbosity(before)
        if bars:
            _logging.enable_progress_bar()
