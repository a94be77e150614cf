"""C++ beside Python, built when it is needed, for this processor.

Imports numpy and wikidata5m.console.

The build takes a second or two and is not kept: a home folder may serve machines of several kinds.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final, cast

import numpy as np

from wikidata5m.console import log

FLAGS: Final = [
    *("-std=c++17", "-O3", "-march=native", "-shared", "-fPIC"),
    *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
]
"""No flag that lets the compiler change the value of a sum."""


@cache
def load_native(source: Path) -> ctypes.CDLL | None:
    """The library that a C++ file makes; None, after one message, where it cannot be built."""
    named = [shlex.split(os.environ.get("CXX", "")), ["g++"], ["clang++"]]
    compiler = next((words for words in named if words and shutil.which(words[0])), None)
    if compiler is None:
        log(f"no C++ compiler, so {source.stem} is slower; install g++")
        return None
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / f"{source.stem}.so"
        command = [*compiler, *FLAGS, "-o", str(library), str(source)]
        built = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if built.returncode:
            reason = (built.stderr.strip().splitlines() or ["no message"])[0]
            log(f"{compiler[0]} does not build {source.name}, so ranking is slower ({reason})")
            return None
        try:
            return ctypes.CDLL(str(library))
        except OSError as error:  # a temporary folder that runs no programs
            log(f"{source.stem} cannot be loaded, so ranking is slower ({error}); set TMPDIR")
            return None


def call(library: ctypes.CDLL, name: str, *arguments: object) -> None:
    """Call a function that returns nothing: arrays as pointers, int as long, float as float."""
    library[name](*map(_as_c, arguments))


def _as_c(value: object) -> object:
    if isinstance(value, np.ndarray):
        assert value.flags.c_contiguous
        return ctypes.c_void_p(value.ctypes.data)
    if isinstance(value, bool):
        return ctypes.c_bool(value)
    return ctypes.c_float(value) if isinstance(value, float) else ctypes.c_long(cast("int", value))
