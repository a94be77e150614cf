"""A dataset written as the release is: the files of 2021, with their order and their vandalism."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from wikidata5m.dataset import Dataset
from wikidata5m.releases.catalogue import ARCHIVES
from wikidata5m.schema import PARTS

Lines = Iterable[Iterable[str]]


def release_members(dataset: Dataset, seed: int = 0) -> dict[str, bytes]:
    """The content of every released file by its unpacked name; aliases and texts are shuffled."""
    rng = random.Random(seed)
    entities, relations = (list(dataset.entities["entity"]), list(dataset.relations["relation"]))
    members = {}
    for setting in ("transductive", "inductive"):
        for part in PARTS:
            triplets = dataset.triplets(setting, part)
            rows = [(entities[h], relations[r], entities[t]) for h, r, t in triplets.tolist()]
            rng.shuffle(rows)
            members[f"wikidata5m_{setting}_{part}.txt"] = text_of(rows)
    named = dataset.entities.select("entity", "label", "aliases").iter_rows()
    names = [[e, *shuffled({label: None} | dict.fromkeys(a), rng)] for e, label, a in named]
    rng.shuffle(names)
    members["wikidata5m_entity.txt"] = text_of(names)
    frame = dataset.relations.select("relation", "label", "aliases")
    labelled = [[r, label, *aliases] for r, label, aliases in frame.iter_rows()]
    members["wikidata5m_relation.txt"] = text_of(labelled)
    texts = [(e, text) for e, text in zip(entities, dataset.texts, strict=True) if text]
    rng.shuffle(texts)
    members["wikidata5m_text.txt"] = text_of(texts)
    return members


def shuffled(values: Iterable[str], rng: random.Random) -> list[str]:
    copy = list(values)
    rng.shuffle(copy)
    return copy


def text_of(rows: Lines) -> bytes:
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def pack(members: Mapping[str, bytes], names: Iterable[str]) -> bytes:
    """A .tar.gz of some members."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(members[name])
            tar.addfile(info, io.BytesIO(members[name]))
    return gzip.compress(packed.getvalue(), 1, mtime=0)


def archives(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """The released archives by name."""
    packed = {
        one.name: pack(members, one.members) for one in ARCHIVES["v3"].values() if one.members
    }
    text = gzip.compress(members["wikidata5m_text.txt"], mtime=0)
    return packed | {ARCHIVES["v3"]["text"].name: text}


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files by name; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
