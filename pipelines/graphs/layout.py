"""Which file of a graph is what, told by the names that are in use.

Imports errors, files and schema.

    train, valid | dev | val | validation, test    one split; alone or behind a prefix that may name
                                                   the setting (wikidata5m_inductive_train)
    train, inference, inference_{validation,test}  ILPC: the inference graph is an inductive support
    valid_negatives, test_negatives                CoDEx: false triplets beside those of the part
    NAME_all_triplet, or a file that is alone      the whole graph
    NAME_text, entity2text, entity2textlong        texts of entities
    NAME_entity, entities, entity2label, ...       names of entities
    NAME_relation, relations, relation2text, ...   names of relations
    entities, relations beside another file of names    KG-BERT: ids alone, not read
    train2id, valid2id, test2id                    OpenKE: integers in the order head, tail,
                                                   relation, behind a line with their number
    entity2id, entity_ids, relation2id, ...        what the integers of the triplets stand for

Endings and compression do not matter.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from wikidata5m import schema
from wikidata5m.errors import InputError
from wikidata5m.files import why_no_file
from wikidata5m.schema import PARTS, SETTINGS, SUPPORT, Part, Setting, Support

Role = Literal[
    "entity_text", "entity_label", "entity_ids", "relation_label", "relation_text", "relation_ids"
]
Parts = dict[Part | Support, Path]

COMPRESSION: Final = (".gz", ".bz2", ".zst")
TEXT_FILE: Final = (".txt", ".tsv", ".csv", ".json", ".del", "")
PART_WORD: Final[dict[str, Part | Support]] = {
    "train": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "support": "support",
}
INFERENCE: Final[dict[str, Part | Support]] = {
    "inference": "support",
    "inference_graph": "support",
    "inference_valid": "valid",
    "inference_validation": "valid",
    "inference_test": "test",
}
SETTING_WORD: Final[dict[str, Setting]] = {s: s for s in SETTINGS} | {"ind": "inductive"}
_PART: Final = re.compile(
    r"(?:(?P<prefix>.*?)[_-])??"
    rf"(?:(?P<setting>{'|'.join(sorted(SETTING_WORD, key=len, reverse=True))})[_-])?"
    rf"(?P<part>{'|'.join(PART_WORD)})(?:2id)?"
)
_NEGATIVES: Final = re.compile(r"(.*[_-])?(?P<part>valid|test)_negatives?")
ROLE: Final[dict[Role, re.Pattern[str]]] = {
    "entity_label": re.compile(r"(.*_)?entity|entities|entity(2|_)?(labels?|names?|wikidata)"),
    "relation_label": re.compile(r"(.*_)?relation|relations|relation(2text|[2_]?(label|name)s?)"),
    "relation_text": re.compile(r"(.*_)?relation_?(description|text)s?"),
    "entity_text": re.compile(r"(.*_)?text|entity(2|_)?(text|textlong|descriptions?|texts)"),
    "entity_ids": re.compile(r"entity2id|entity_ids|nodeidx2entityid|entities_?dict"),
    "relation_ids": re.compile(r"relation2id|relation_ids|reltype2relid|relidx2relid"),
}
"""By whole name; the first that fits decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphFiles:
    """The files of a graph by what they hold."""

    splits: dict[Setting, Parts] = field(default_factory=dict)
    whole: Path | None = None
    """All triplets, or some that no part holds."""
    negatives: dict[Part, Path] = field(default_factory=dict)
    """False triplets to tell from those of a part."""
    names: dict[Role, Path] = field(default_factory=dict)
    unknown: tuple[Path, ...] = ()
    """Files of a folder that are none of these, and are not read."""

    @property
    def order(self) -> str | None:
        """The order of columns that the files' names imply."""
        return "htr" if any("2id" in path.name for _, path in self.triplet_files()) else None

    def triplet_files(self) -> list[tuple[str, Path]]:
        """Role and path of each triplet file: whole first, negatives last."""
        return [
            *([("triplets", self.whole)] if self.whole else []),
            *(
                (f"{setting}_{part}", path)
                for setting, parts in self.splits.items()
                for part, path in parts.items()
            ),
            *((f"{part}_negatives", path) for part, path in self.negatives.items()),
        ]


def find_files(
    sources: Sequence[Path],
    setting: Setting | None = None,
    chosen: Mapping[Part | Support, Path] = MappingProxyType({}),
    named: Collection[Role] = (),
) -> GraphFiles:
    """Tell what each of `sources` is: one folder, or files named as those of such a folder.

    `setting` is that of parts whose names state none, and of those `chosen`, which go before what
    is found; the files of the roles `named` are told elsewhere. One triplet file of any name is the
    whole graph. Raises InputError when there is no triplet file, no train part, or two files for
    one part.
    """
    if len(sources) == 1 and sources[0].is_dir():
        folder = sources[0]
        paths = sorted(p for p in folder.iterdir() if p.is_file() and p.name[0] != ".")
        lists = _mere_lists(paths)
        files = _sort_out([p for p in paths if p not in lists], setting, chosen, named)
        files = replace(files, unknown=(*files.unknown, *lists))
        if not files.triplet_files():
            if (folder / schema.MANIFEST).is_file():
                raise InputError(
                    folder,
                    "a dataset or corpus already, not files to import",
                    fix="use it as it is, or give the folder of a graph's files",
                )
            raise InputError(
                folder,
                "no file named train, valid and test (.txt, .tsv, .csv; .gz, .bz2, .zst)",
                fix="name the files by --train, --valid and --test, or one file alone",
            )
    else:
        missing = next((path for path in sources if not path.is_file()), None)
        if missing is not None:
            raise InputError(missing, why_no_file(missing), fix="name one folder, or files alone")
        files = _sort_out(sources, setting, chosen, named)
        if files.unknown and not files.triplet_files() and len(files.unknown) == 1:
            return GraphFiles(whole=files.unknown[0], names=files.names)
        if files.unknown:
            raise InputError(
                files.unknown[0],
                "cannot tell from its name what it holds",
                fix="give it by --train, --valid, --test, --support or --entity-text and its like",
            )
    return files


def _mere_lists(paths: Sequence[Path]) -> list[Path]:
    """KG-BERT's entities.txt and relations.txt: ids alone, where another file has the names."""
    stems = {path: _stem(path) for path in paths}
    long_texts = "entity2textlong" in stems.values()
    lists = [path for path, stem in stems.items() if stem in ("entities", "relations")]
    named = {
        _role(stem, long_texts=long_texts) for path, stem in stems.items() if path not in lists
    }
    return [path for path in lists if _role(stems[path], long_texts=long_texts) in named]


def _sort_out(
    paths: Sequence[Path],
    setting: Setting | None,
    chosen: Mapping[Part | Support, Path],
    named: Collection[Role],
) -> GraphFiles:
    by_stem = {path: _stem(path) for path in paths}
    inference = any(stem in INFERENCE for stem in by_stem.values() if stem)
    splits: dict[Setting, Parts] = {}
    whole: Path | None = None
    names: dict[Role, Path] = {}
    negatives: dict[Part, Path] = {}
    unknown: list[Path] = []
    long_texts = any(stem == "entity2textlong" for stem in by_stem.values())
    for path, stem in by_stem.items():
        placed = _place(stem, setting, inference=inference)
        role = _role(stem, long_texts=long_texts)
        if placed:
            parts = splits.setdefault(placed[0], {})
            if placed[1] not in chosen:
                _once(parts.get(placed[1]), path)
            parts[placed[1]] = path
        elif re.fullmatch(r"(.*_)?all_triplets?|triplets|triples|graph", stem):
            _once(whole, path)
            whole = path
        elif false := _NEGATIVES.fullmatch(stem):
            part: Part = "valid" if false["part"] == "valid" else "test"
            _once(negatives.get(part), path)
            negatives[part] = path
        elif role:
            if role not in named:
                _once(names.get(role), path)
            names[role] = path
        else:
            unknown.append(path)
    if chosen:
        of: Setting = setting or ("inductive" if SUPPORT in chosen else "transductive")
        splits[of] = splits.get(of, {}) | dict(chosen)
    splits = {each: _ordered(parts) for each, parts in splits.items()}
    alone = [(of, *parts) for of, parts in splits.items()] == [(setting or "transductive", "train")]
    if alone and not chosen:
        whole = whole or splits.popitem()[1]["train"]
    return GraphFiles(
        splits=splits, whole=whole, negatives=negatives, names=names, unknown=tuple(unknown)
    )


def _stem(path: Path) -> str:
    """The name without its endings, lower case; '' for what is no text file."""
    name = path.name.lower()
    for ending in COMPRESSION:
        name = name.removesuffix(ending)
    stem, dot, ending = name.rpartition(".")
    if not dot:
        return name
    return stem if f".{ending}" in TEXT_FILE else ""


def _place(
    stem: str, setting: Setting | None, *, inference: bool
) -> tuple[Setting, Part | Support] | None:
    """The setting and part that a triplet file's name states."""
    if inference and (stem == "train" or stem in INFERENCE):
        return setting or "inductive", INFERENCE.get(stem, "train")
    found = _PART.fullmatch(stem)
    if found is None:
        return None
    stated = SETTING_WORD.get(found["setting"] or "")
    return stated or setting or "transductive", PART_WORD[found["part"]]


def _role(stem: str, *, long_texts: bool) -> Role | None:
    """What a name or text file holds; entity2text gives names where entity2textlong gives texts."""
    if stem == "entity2text" and long_texts:
        return "entity_label"
    return next((role for role, pattern in ROLE.items() if pattern.fullmatch(stem)), None)


def _once(before: Path | None, path: Path) -> None:
    if before is not None:
        raise InputError(
            path,
            f"holds the same part as {before.name}",
            fix="keep one of them in the folder, or name the files one by one",
        )


def _ordered(parts: Parts) -> Parts:
    """The parts in one order, whatever their names. Raises InputError when there is no train."""
    if "train" not in parts:
        one = next(iter(parts.values()))
        raise InputError(one, "a part without a train file", fix="name it by --train")
    return {part: parts[part] for part in (*PARTS, SUPPORT) if part in parts}
