"""Names and texts of a graph's entities and relations, from text files or JSON -> dataset tables.

Imports errors and the readers of text files. A text file holds `id⇥name⇥name…` or `id⇥text`; JSON
holds an object by id, each value a string or an object such as
{"label": ..., "description": ..., "alternatives": [...]}. An id without a name is its own label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
import polars as pl

from wikidata5m.errors import InputError
from wikidata5m.lines import BadLines, OnBytes, read_blocks, read_whole, text_lines
from wikidata5m.tsv import read_names, read_pairs

FRAME: Final[dict[str, pl.DataType]] = {
    "id": pl.String(),
    "names": pl.List(pl.String()),
    "text": pl.String(),
}
"""What files say of ids: names, label first, and a text, '' where there is none."""


class _Record(msgspec.Struct):
    label: str | None = None
    name: str | None = None
    description: str | None = None
    text: str | None = None
    alternatives: list[str] | None = None
    aliases: list[str] | None = None


_Object = dict[str, _Record | str | None]


def read_labels(path: Path, bad: BadLines) -> pl.DataFrame:
    """Names by id, FRAME; JSON may give texts too."""
    if _is_json(path):
        return _read_json(path, plain="names")
    frames = [pl.DataFrame(schema=FRAME), *(_untexted(f) for f in read_names(path, bad))]
    return pl.concat(frames)


def read_texts(path: Path, bad: BadLines, on_bytes: OnBytes) -> Iterator[pl.DataFrame]:
    """Texts by id, frames of (id, text), block by block."""
    if _is_json(path):
        yield _read_json(path, plain="text").select("id", "text").filter(pl.col("text") != "")
    else:
        yield from read_pairs(path, bad, on_bytes)


class Ids(NamedTuple):
    """What a file of keys and ids says."""

    used: pl.Series
    """The ids of the keys that were asked for, in their order."""
    unused: pl.Series
    """Those of other keys."""
    repeated: int
    """Further lines of a key, which are not read."""


def read_ids(path: Path, bad: BadLines, wanted: pl.Series) -> Ids:
    """The ids that the integers (or other keys) `wanted` stand for.

    The file holds two columns, key and id in either order; a line with their number, or a header,
    may stand before. Where ids are integers, too, so that both orders fit, the key is first; in
    files named as OpenKE's `entity2id` it is second. Raises InputError when a key is missing or two
    keys share an id.
    """
    rows = [
        fields
        for line, block in read_blocks(path)
        for number, text in text_lines(path, line, block, bad)
        if (fields := _two_fields(path, number, text, bad))
    ]
    keys = set(wanted)
    orders = (1, 0) if path.name.lower().partition(".")[0].endswith("2id") else (0, 1)
    key = min(orders, key=lambda column: len(keys.difference(row[column] for row in rows)))
    if rows and not rows[0][key].isdecimal() and all(map(str.isdecimal, keys)):
        del rows[0]  # a header
    ids = {row[key]: row[1 - key] for row in reversed(rows)}
    result = pl.Series(list(map(ids.get, wanted)), dtype=pl.String)
    if result.null_count():
        missing = wanted.filter(result.is_null())[0]
        raise InputError(
            path, f"has no line for {missing!r} of the triplets", fix="give the file of these ids"
        )
    if result.n_unique() != result.len():
        twice = result.filter(result.is_duplicated())[0]
        raise InputError(path, f"gives {twice!r} to two keys", fix="make the ids unique")
    unused = [name for each, name in ids.items() if each not in keys]
    return Ids(result, pl.Series(unused, dtype=pl.String), len(rows) - len(ids))


def _two_fields(path: Path, number: int, text: str, bad: BadLines) -> list[str] | None:
    for separator in ("\t", ",", " "):
        first, found, second = text.partition(separator)
        if found and first and second:
            return [first, second]
    if not (number == 1 and text.strip().isdecimal()):
        bad.add(path, number, "line_columns", "no two columns")
    return None


def entity_table(ids: pl.Series, named: pl.DataFrame) -> pl.DataFrame:
    """The dataset's entity table; `named` is a FRAME of any ids."""
    return _labelled(ids, named).select(
        entity="id",
        label="label",
        title=pl.lit(""),
        types=pl.lit([], dtype=pl.List(pl.String)),
        aliases="aliases",
        disambiguation=pl.lit(value=False),
    )


def relation_table(ids: pl.Series, named: pl.DataFrame, described: pl.DataFrame) -> pl.DataFrame:
    """The dataset's relation table; `described` are frames of (id, text), else `named`'s texts."""
    texts = described if described.height else named
    return (
        _labelled(ids, named)
        .join(
            texts.select("id", description="text").unique("id", keep="first", maintain_order=True),
            on="id",
            how="left",
            maintain_order="left",
        )
        .select(
            relation="id",
            label="label",
            description=pl.col("description").fill_null(""),
            aliases="aliases",
        )
    )


class Descriptions:
    """Shards of (index, text) in the order of the files; complete counts once they were drawn."""

    def __init__(self, ids: pl.Series) -> None:
        self.described_E = np.zeros(len(ids), dtype=np.bool_)
        self.drops: Counter[str] = Counter()
        self._ids = pl.DataFrame({"id": ids, "index": np.arange(len(ids), dtype=np.int32)})

    def draw(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """One shard per frame of (id, text) that holds some; an empty one where there is none.

        The first text of an entity stays; further ones and those of unknown ids are counted.
        """
        shards = 0
        for frame in frames:
            filled = frame.filter(pl.col("text").str.strip_chars() != "")
            known = filled.join(self._ids, on="id", maintain_order="left")
            fresh = known.filter(~self.described_E[known["index"].to_numpy()])
            fresh = fresh.unique("index", keep="first").sort("index").select("index", "text")
            self.described_E[fresh["index"].to_numpy()] = True
            self.drops["empty_text"] += frame.height - filled.height
            self.drops["text_of_unknown_id"] += filled.height - known.height
            self.drops["repeated_text"] += known.height - fresh.height
            if fresh.height:
                shards += 1
                yield fresh
        if not shards:
            yield pl.DataFrame(schema={"index": pl.Int32, "text": pl.String})

    @property
    def without(self) -> int:
        """How many entities have no text."""
        return int((~self.described_E).sum())


def _labelled(ids: pl.Series, named: pl.DataFrame) -> pl.DataFrame:
    """(id, label, aliases) for each of `ids`; aliases are unique and start with the label."""
    names = named.filter(pl.col("names").list.len() > 0).unique(
        "id", keep="first", maintain_order=True
    )
    return (
        pl.DataFrame({"id": ids})
        .join(names, on="id", how="left", maintain_order="left")
        .with_columns(aliases=pl.coalesce("names", pl.concat_list("id")))
        .select(
            "id",
            label=pl.col("aliases").list.first(),
            aliases=pl.col("aliases").list.unique(maintain_order=True),
        )
    )


def _untexted(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(text=pl.lit(""))


def _is_json(path: Path) -> bool:
    return ".json" in map(str.lower, path.suffixes)


def _read_json(path: Path, *, plain: str) -> pl.DataFrame:
    """FRAME from a JSON object; a plain string as value is a name or a text, as `plain` says."""
    try:
        values = msgspec.json.decode(read_whole(path), type=_Object)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            path,
            f"not an object of names by id ({error})",
            fix='write {"ID": {"label": ..., "description": ..., "aliases": [...]}, ...}',
        ) from None
    names, texts = [], []
    for value in values.values():
        record = value if isinstance(value, _Record) else _Record()
        if isinstance(value, str):
            record = _Record(label=value) if plain == "names" else _Record(text=value)
        found = [record.label or record.name, *(record.alternatives or record.aliases or ())]
        names.append([name for name in found if name and not name.isspace()])
        texts.append(record.text or record.description or "")
    return pl.DataFrame({"id": list(values), "names": names, "text": texts}, schema=FRAME)
