"""Errors a user can act on. Imports nothing of the project.

    Wikidata5MError           every expected failure; the CLI prints it in one line and exits with 1
    ├── InputError            a file that cannot be read as what it should be; names file and place
    ├── OutputExistsError     an output folder that is not empty
    ├── DatasetError          a dataset folder that is incomplete, or breaks an invariant
    ├── ConfigError           an unknown or ill-typed setting
    ├── DownloadError         a file that no address gave, or not as it should be
    └── MissingExtraError     an optional dependency that is not installed

Each message says what was found, what was expected, and what to do about it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = [
    "NO_ROOM",
    "ConfigError",
    "DatasetError",
    "DownloadError",
    "InputError",
    "MissingExtraError",
    "OutputExistsError",
    "Wikidata5MError",
    "how_to_install",
    "telling_of_memory",
    "unreadable",
]


class Wikidata5MError(Exception):
    """An expected failure, told in one line that names the fix."""


class InputError(Wikidata5MError):
    """`path` is not what it should be: at `where` (line, byte offset), `problem`; do `fix`."""

    def __init__(self, path: Path | str, problem: str, *, fix: str, where: str = "") -> None:
        self.path, self.problem, self.fix, self.where = str(path), problem, fix, where
        super().__init__(path, problem, fix, where)

    def __str__(self) -> str:
        place = f"{self.path}, {self.where}" if self.where else self.path
        return f"{place}: {self.problem}; {self.fix}"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments need help to cross a process boundary.
        return (_input_error, (self.path, self.problem, self.fix, self.where))


def _input_error(path: str, problem: str, fix: str, where: str) -> InputError:
    return InputError(path, problem, fix=fix, where=where)


class OutputExistsError(Wikidata5MError):
    """The output folder already holds something, and neither resuming nor overwriting was asked."""


class DatasetError(Wikidata5MError):
    """A dataset folder is incomplete, was changed after it was written, or breaks an invariant."""


def unreadable(path: Path, error: Exception) -> DatasetError:
    """The error for a file of a dataset that a library cannot read."""
    problem = str(error).partition("\n")[0]
    return DatasetError(
        f"{path}: cannot be read ({problem}); run `wikidata5m verify` and build the dataset again"
    )


NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The numbers of an OSError that a full disk raises."""
_NO_MEMORY: Final = ("out of memory", "can't allocate memory", "not enough memory")
"""How torch words it, on any device: as a RuntimeError like many others."""


@contextmanager
def telling_of_memory(fix: str) -> Iterator[None]:
    """Raise Wikidata5MError, with `fix`, for want of memory, as Python or torch reports it."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        told = str(error).lower()
        if not isinstance(error, MemoryError) and not any(words in told for words in _NO_MEMORY):
            raise
        raise Wikidata5MError(f"out of memory; {fix}") from None


class ConfigError(Wikidata5MError):
    """A setting is unknown, of the wrong type, or out of range."""


class DownloadError(Wikidata5MError):
    """No address gave the file, or what it gave is not what was published or seen before."""


class MissingExtraError(Wikidata5MError):
    """A command needs an optional dependency; the message holds the pip command that brings it."""


def how_to_install(extra: str) -> str:
    """The fix of a MissingExtraError, as the README installs: the package is not on PyPI."""
    return f"run pip install -c constraints.txt '.[{extra}]' in the checkout of wikidata5m"
