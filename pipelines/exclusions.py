"""Triplets that must not be in the graph, such as those of FewRel's test set.

Imports errors and lines. Two forms are read, plain or packed: lines of head, relation and tail with
tabs between, and FewRel's own JSON,
{"P177": [{"h": [name, "Q5034838", ...], "t": [name, "Q1497", ...]}, ...], ...}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from wikidata5m.errors import InputError
from wikidata5m.lines import read_whole

_LINE: Final = re.compile(r"Q([1-9][0-9]{0,9})\tP([1-9][0-9]{0,9})\tQ([1-9][0-9]{0,9})")


class _Instance(msgspec.Struct):
    """One sentence of FewRel: its two entities as [name, id, where they stand]."""

    h: tuple[str, str, Any]
    t: tuple[str, str, Any]


def read_exclusions(path: Path) -> npt.NDArray[np.int64]:
    """(X, 3): numbers of head, relation and tail, sorted and unique.

    Raises InputError, with the line, on what is no triplet of ids, and on a file without any.
    """
    try:
        text = read_whole(path).decode()
    except UnicodeDecodeError as error:
        raise InputError(
            path, f"not UTF-8 text (byte {error.start + 1})", fix="expected text, plain or packed"
        ) from None
    lines = _fewrel(path, text) if text.lstrip().startswith("{") else _tsv(text)
    rows = [_numbers(path, place, line) for place, line in lines]
    if not rows:
        raise InputError(path, "holds no triplet", fix="name the file of those to leave out")
    return np.unique(np.array(rows, np.int64).reshape(-1, 3), axis=0)


def _tsv(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"line {number}", line.rstrip("\r")


def _fewrel(path: Path, text: str) -> Iterator[tuple[str, str]]:
    try:
        relations = msgspec.json.decode(text, type=dict[str, list[_Instance]])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(
            path, f"not FewRel's JSON ({error})", fix="expected {relation: [{h: ..., t: ...}]}"
        ) from None
    for relation, instances in relations.items():
        for number, each in enumerate(instances, start=1):
            yield f"{relation}, instance {number}", f"{each.h[1]}\t{relation}\t{each.t[1]}"


def _numbers(path: Path, place: str, line: str) -> tuple[int, ...]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise InputError(
            path,
            f"not three ids: {line[:80]!r}",
            where=place,
            fix="expected head, relation and tail with tabs between, as in Q42<TAB>P31<TAB>Q5",
        )
    return tuple(map(int, match.groups()))
