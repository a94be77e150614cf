"""WordNet's database files as records: the format of wndb(5WN), version 3.0 and its like.

Imports relations and wikidata5m.errors.

    data.noun, data.verb, data.adj, data.adv      one synset per line: words, pointers, gloss
    index.noun, index.verb, index.adj, index.adv  one word per line: its senses' synsets, in order

A synset is named as nltk names it, by its first word and that word's sense: dog.n.01.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipelines.wordnet.relations import INVERSES, RELATIONS
from wikidata5m.errors import InputError

FILES: Final = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
"""Part of speech -> ending of its files."""
KINDS: Final = {"n": "n", "v": "v", "a": "as", "r": "r"}
"""What kinds of synsets the files of a part of speech hold; s are satellites of adjectives."""
FIX: Final = (
    "run apt-get install wordnet-base, or name a folder of WordNet's files by --wordnet DIR"
)
DAMAGED: Final = "use the files as WordNet publishes them"
LICENCE: Final = "  "
"""What the lines of the licence begin with, at the head of every file."""

Key = tuple[str, int]
"""Part of speech and offset: how pointers name a synset."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """A relation that a synset's line states."""

    symbol: str
    to: Key
    source: int
    """The word of this synset that it is about, from 1; 0 for the synset itself."""
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Synset:
    """A line of a data file."""

    name: str
    kind: str
    """n, v, a, s or r."""
    words: tuple[str, ...]
    pointers: tuple[Pointer, ...]
    gloss: str
    """The definition, then examples in quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordNet:
    """All synsets, noun, verb, adjective, adverb, in the order of the files."""

    synsets: dict[Key, Synset] = field(default_factory=dict)
    version: str = ""
    """As the licence says it; empty when the files have none."""
    files: tuple[Path, ...] = ()


def read_wordnet(folder: Path) -> WordNet:
    """Read the eight files of `folder`, or of its folder dict.

    Raises InputError on one that is missing or not in the format, and on a pointer to a synset or
    word that no file has.
    """
    if not (folder / "data.noun").is_file() and (folder / "dict").is_dir():
        folder /= "dict"
    synsets: dict[Key, Synset] = {}
    files = []
    for pos, ending in FILES.items():
        data, index = folder / f"data.{ending}", folder / f"index.{ending}"
        files += [data, index]
        senses = _read_senses(index)
        for number, line in _lines(data):
            offset, synset = _parse(data, number, line, pos, senses)
            if (pos, offset) in synsets:
                raise _damaged(data, number, f"a second synset {offset:08}")
            synsets[pos, offset] = synset
    _check_pointers(folder, synsets)
    return WordNet(synsets=synsets, version=_version(folder), files=tuple(files))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines after the licence, numbered from 1."""
    try:
        with path.open(encoding="utf-8", newline="\n") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.startswith(LICENCE):
                    yield number, line.rstrip("\r\n")
    except FileNotFoundError:
        raise InputError(path, "no such file", fix=FIX) from None
    except UnicodeDecodeError as error:
        raise InputError(path, f"not UTF-8 text ({error.reason})", fix=DAMAGED) from None


def _read_senses(path: Path) -> dict[str, list[int]]:
    """The offsets of each word's synsets, its first sense first."""
    senses: dict[str, list[int]] = {}
    for number, line in _lines(path):
        try:
            word, _pos, count, pointers, *rest = line.split()
            offsets = [int(offset) for offset in rest[int(pointers) + 2 :]]
            announced = int(count)
        except ValueError:
            raise _damaged(path, number, "no line of a word's senses") from None
        if len(offsets) != announced:
            raise _damaged(path, number, f"{len(offsets)} senses of {word}, {announced} announced")
        senses[word] = offsets
    return senses


def _parse(
    path: Path, number: int, line: str, pos: str, senses: dict[str, list[int]]
) -> tuple[int, Synset]:
    """The synset of a line, by its offset."""
    data, bar, gloss = line.partition("|")
    try:
        place, _lexicographer, kind, count, *rest = data.split()
        offset, after = int(place), 2 * int(count, 16)
        # An adjective may tell where it stands: galore(ip).
        words = tuple(re.sub(r"\([a-z]+\)$", "", word) for word in rest[:after:2])
        stated = rest[after + 1 : after + 1 + 4 * int(rest[after])]
        pointers = tuple(_pointer(*stated[i : i + 4]) for i in range(0, len(stated), 4))
        complete = len(pointers) == int(rest[after]) and len(words) == int(count, 16) > 0
        complete &= kind in KINDS[pos]
    except (ValueError, IndexError, TypeError):
        complete = False
    if not complete or not bar:
        raise _damaged(path, number, "no line of a synset")
    if len(set(words)) < len(words):
        raise _damaged(path, number, "a word stands twice in one synset")
    for pointer in pointers:
        if pointer.symbol not in RELATIONS and pointer.symbol not in INVERSES:
            raise _damaged(path, number, f"unknown pointer {pointer.symbol}")
    first = words[0].lower()
    if offset not in senses.get(first, ()):
        index = path.with_name(path.name.replace("data", "index"))
        raise _damaged(path, number, f"{first} has no sense {offset:08} in {index.name}")
    sense = senses[first].index(offset) + 1
    return offset, Synset(
        name=f"{first}.{kind}.{sense:02}",
        kind=kind,
        words=words,
        pointers=pointers,
        gloss=" ".join(gloss.split()),
    )


def _pointer(symbol: str, offset: str, pos: str, ends: str) -> Pointer:
    source, target = divmod(int(ends, 16), 256)
    return Pointer(symbol, ("a" if pos == "s" else pos, int(offset)), source, target)


def _check_pointers(folder: Path, synsets: dict[Key, Synset]) -> None:
    for synset in synsets.values():
        for pointer in synset.pointers:
            target = synsets.get(pointer.to)
            words = (len(synset.words), len(target.words) if target else 0)
            if target is None or pointer.source > words[0] or pointer.target > words[1]:
                pos, offset = pointer.to
                raise InputError(
                    folder,
                    f"{synset.name} points to word {pointer.target} of synset {offset:08} {pos}, "
                    "which there is not",
                    fix=DAMAGED,
                )


def _version(folder: Path) -> str:
    with (folder / "data.noun").open(encoding="utf-8") as stream:
        for line in stream:
            if not line.startswith(LICENCE):
                break
            if found := re.search(r"WordNet (\d+\.\d+) Copyright", line):
                return found[1]
    return ""


def _damaged(path: Path, number: int, problem: str) -> InputError:
    return InputError(path, problem, where=f"line {number}", fix=DAMAGED)
